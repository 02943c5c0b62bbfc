"""ListKeyVersions: a page of a key's versions, the first one first."""

from __future__ import annotations

from tenantkms.action import Page, Result, Scope, action
from tenantkms.settings import entry
from tenantkms.views import VersionView, version_view


class ListKeyVersions(Page, frozen=True, kw_only=True):
    key_id: str


class Versions(Result, frozen=True, kw_only=True):
    total: int
    offset: int
    limit: int
    versions: list[VersionView]


@action("ListKeyVersions")
def list_key_versions(params: ListKeyVersions, scope: Scope) -> Versions:
    key = scope.use(params.key_id)
    total = key.primary.number if key.primary else 0
    first, last = params.start + 1, min(params.start + params.limit, total)
    found = scope.deps.keyring.store.list_versions(key.id, first, last) if first <= last else []
    if key.primary and first <= total <= last:
        found.append(key.primary)
    versions = [version_view(key.id, version) for version in found]
    return Versions(total=total, offset=params.start, limit=params.limit, versions=versions)


handler = entry(list_key_versions)
