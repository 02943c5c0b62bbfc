"""DescribeKey: the metadata of one key or of up to a hundred."""

from __future__ import annotations

from tenantkms.action import KeyRefs, Result, Scope, action
from tenantkms.settings import entry
from tenantkms.views import KeyView, view


class Described(Result, frozen=True, kw_only=True):
    keys: list[KeyView]


@action("DescribeKey")
def describe_key(params: KeyRefs, scope: Scope) -> Described:
    return Described(keys=[view(scope.use(ref)) for ref in params.key_ids])


handler = entry(describe_key)
