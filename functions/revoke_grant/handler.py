"""RevokeGrant: a grant ends, by whom policies allow to end grants of the key."""

from __future__ import annotations

from tenantkms.action.action import action
from tenantkms.action.call import Nothing, Params
from tenantkms.action.granting import without
from tenantkms.action.scope import Scope
from tenantkms.model.specs import ANY_KEY
from tenantkms.model.states import NOTHING
from tenantkms.runtime.lambda_entry import entry


class RevokeGrant(Params, frozen=True, kw_only=True):
    key_id: str
    grant_id: str


@action("RevokeGrant", refuses=NOTHING, needs=ANY_KEY)
def revoke_grant(params: RevokeGrant, scope: Scope) -> Nothing:
    scope.update([params.key_id], lambda keys: without(scope, keys, params.grant_id))
    return Nothing()


handler = entry(revoke_grant)
