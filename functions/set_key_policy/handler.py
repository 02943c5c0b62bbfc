"""SetKeyPolicy: who may do what with a key, besides what their own policies say."""

from __future__ import annotations

from tenantkms.access import key_policy
from tenantkms.action.action import action
from tenantkms.action.call import Nothing, Params
from tenantkms.action.scope import Scope
from tenantkms.model.specs import ANY_KEY
from tenantkms.model.states import EDIT
from tenantkms.runtime.lambda_entry import entry
from tenantkms.store.port import PutKey


class SetKeyPolicy(Params, frozen=True, kw_only=True):
    key_id: str
    policy: str


@action("SetKeyPolicy", refuses=EDIT, needs=ANY_KEY)
def set_key_policy(params: SetKeyPolicy, scope: Scope) -> Nothing:
    key_policy.check(params.policy)
    scope.update([params.key_id], lambda keys: [PutKey(scope.revise(key, policy=params.policy)) for key in keys])
    return Nothing()


handler = entry(set_key_policy)
