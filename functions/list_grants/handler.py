"""ListGrants: a page of the grants of a key, the oldest first."""

from __future__ import annotations

from tenantkms.action.action import action
from tenantkms.action.call import Page, Result
from tenantkms.action.scope import Scope
from tenantkms.keys.views import GrantView, grant_view
from tenantkms.model.specs import ANY_KEY
from tenantkms.model.states import NOTHING
from tenantkms.runtime.lambda_entry import entry


class ListGrants(Page, frozen=True, kw_only=True):
    """`grant_id` and `grantee`: only those."""

    key_id: str
    grant_id: str = ""
    grantee: str = ""


class Grants(Result, frozen=True, kw_only=True):
    key_id: str
    total: int
    offset: int
    grants: list[GrantView]


@action("ListGrants", refuses=NOTHING, needs=ANY_KEY)
def list_grants(params: ListGrants, scope: Scope) -> Grants:
    key = scope.use(params.key_id)
    wanted = [
        grant
        for grant in key.grants
        if params.grant_id in ("", grant.id) and params.grantee in ("", grant.grantee)
    ]  # fmt: skip
    page = wanted[params.start : params.start + params.limit]
    return Grants(
        key_id=key.id, total=len(wanted), offset=params.start, grants=[grant_view(key.id, grant) for grant in page]
    )


handler = entry(list_grants)
