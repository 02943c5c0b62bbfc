"""GetKeyPolicy: the policy document of a key; the default one allows the whole account everything."""

from __future__ import annotations

from tenantkms.access.key_policy import DEFAULT
from tenantkms.action.action import action
from tenantkms.action.call import Params, Result
from tenantkms.action.scope import Scope
from tenantkms.model.specs import ANY_KEY
from tenantkms.model.states import NOTHING
from tenantkms.runtime.lambda_entry import entry


class GetKeyPolicy(Params, frozen=True, kw_only=True):
    key_id: str


class Policy(Result, frozen=True, kw_only=True):
    key_id: str
    policy: str


@action("GetKeyPolicy", refuses=NOTHING, needs=ANY_KEY)
def get_key_policy(params: GetKeyPolicy, scope: Scope) -> Policy:
    key = scope.use(params.key_id)
    return Policy(key_id=key.id, policy=key.policy or DEFAULT)


handler = entry(get_key_policy)
