"""ListKeyVersions: a page of a key's versions, the first one first."""

from __future__ import annotations

from tenantkms.action.action import action
from tenantkms.action.call import Page, Result
from tenantkms.action.scope import Scope
from tenantkms.keys.views import VersionView, version_view
from tenantkms.model.specs import ANY_KEY
from tenantkms.model.states import NOTHING
from tenantkms.runtime.lambda_entry import entry


class ListKeyVersions(Page, frozen=True, kw_only=True):
    key_id: str


class Versions(Result, frozen=True, kw_only=True):
    total: int
    offset: int
    limit: int
    versions: list[VersionView]


@action("ListKeyVersions", refuses=NOTHING, needs=ANY_KEY)
def list_key_versions(params: ListKeyVersions, scope: Scope) -> Versions:
    key = scope.use(params.key_id)
    total = key.newest.number - (key.primary is None) if key.newest else 0
    first, last = params.start + 1, min(params.start + params.limit, total)
    found = scope.store.list_versions(key.id, first, last) if first <= last else []
    if key.primary and first <= total <= last:
        found.append(key.primary)
    versions = [version_view(key.id, version) for version in found]
    return Versions(total=total, offset=params.start, limit=params.limit, versions=versions)


handler = entry(list_key_versions)
