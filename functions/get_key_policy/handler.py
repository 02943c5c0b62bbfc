"""GetKeyPolicy: the policy document of a key; the default one allows the whole account everything."""

from __future__ import annotations

from tenantkms.action import Params, Result, Scope, action
from tenantkms.key_policy import DEFAULT
from tenantkms.settings import entry


class GetKeyPolicy(Params, frozen=True, kw_only=True):
    key_id: str


class Policy(Result, frozen=True, kw_only=True):
    key_id: str
    policy: str


@action("GetKeyPolicy")
def get_key_policy(params: GetKeyPolicy, scope: Scope) -> Policy:
    key = scope.use(params.key_id)
    return Policy(key_id=key.id, policy=key.policy or DEFAULT)


handler = entry(get_key_policy)
