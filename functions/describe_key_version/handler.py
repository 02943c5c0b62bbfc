"""DescribeKeyVersion: when a version was made."""

from __future__ import annotations

from tenantkms.action import Params, Result, Scope, action
from tenantkms.errors import KeyVersionNotFound
from tenantkms.model import resolve_version
from tenantkms.settings import entry
from tenantkms.views import VersionView, version_view


class DescribeKeyVersion(Params, frozen=True, kw_only=True):
    key_id: str
    key_version_id: str


class Described(Result, frozen=True, kw_only=True):
    version: VersionView


@action("DescribeKeyVersion")
def describe_key_version(params: DescribeKeyVersion, scope: Scope) -> Described:
    key = scope.use(params.key_id)
    version = scope.deps.keyring.version(key, resolve_version(key, params.key_version_id))
    if version is None:
        raise KeyVersionNotFound
    return Described(version=version_view(key.id, version))


handler = entry(describe_key_version)
