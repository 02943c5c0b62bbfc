"""SetKeyPolicy: who may do what with a key, besides what their own policies say."""

from __future__ import annotations

from tenantkms import key_policy
from tenantkms.action import Nothing, Params, Scope, action
from tenantkms.keystore import PutKey
from tenantkms.settings import entry


class SetKeyPolicy(Params, frozen=True, kw_only=True):
    key_id: str
    policy: str


@action("SetKeyPolicy")
def set_key_policy(params: SetKeyPolicy, scope: Scope) -> Nothing:
    key_policy.parse(params.policy)
    scope.update([params.key_id], lambda keys: [PutKey(scope.revise(key, policy=params.policy)) for key in keys])
    return Nothing()


handler = entry(set_key_policy)
