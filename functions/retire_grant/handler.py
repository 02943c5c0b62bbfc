"""RetireGrant: its retiring principal ends a grant, or its grantee if it lets that, or whom policies allow it."""

from __future__ import annotations

from tenantkms.action.action import action
from tenantkms.action.call import Nothing, Params
from tenantkms.action.granting import without
from tenantkms.action.scope import Scope
from tenantkms.model.specs import ANY_KEY
from tenantkms.model.states import NOTHING
from tenantkms.runtime.lambda_entry import entry


class RetireGrant(Params, frozen=True, kw_only=True):
    key_id: str
    grant_id: str


@action("RetireGrant", refuses=NOTHING, needs=ANY_KEY)
def retire_grant(params: RetireGrant, scope: Scope) -> Nothing:
    scope.grant_id = params.grant_id
    scope.update([params.key_id], lambda keys: without(scope, keys, params.grant_id))
    return Nothing()


handler = entry(retire_grant)
