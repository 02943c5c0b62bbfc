"""DescribeKeyVersion: when a version was made."""

from __future__ import annotations

from tenantkms.action.action import action
from tenantkms.action.call import Params, Result
from tenantkms.action.scope import Scope
from tenantkms.errors import KeyVersionNotFound
from tenantkms.keys.views import VersionView, version_view
from tenantkms.model.key import resolve_version
from tenantkms.model.specs import ANY_KEY
from tenantkms.model.states import NOTHING
from tenantkms.runtime.lambda_entry import entry


class DescribeKeyVersion(Params, frozen=True, kw_only=True):
    key_id: str
    key_version_id: str


class Described(Result, frozen=True, kw_only=True):
    version: VersionView


@action("DescribeKeyVersion", refuses=NOTHING, needs=ANY_KEY)
def describe_key_version(params: DescribeKeyVersion, scope: Scope) -> Described:
    key = scope.use(params.key_id)
    version = scope.keyring.version(key, resolve_version(key, params.key_version_id))
    if version is None:
        raise KeyVersionNotFound
    return Described(version=version_view(key.id, version))


handler = entry(describe_key_version)
