"""DescribeService: what this deployment offers. Regions, service status and the list of algorithms come from it."""

from __future__ import annotations

from tenantkms.action.action import action
from tenantkms.action.call import Params, Result
from tenantkms.action.rule import NO_KEY
from tenantkms.action.scope import Scope
from tenantkms.model.key import KeyFilter
from tenantkms.model.specs import KeySpec
from tenantkms.runtime.lambda_entry import entry


class DescribeService(Params, frozen=True, kw_only=True):
    """`count`: count the keys, which reads the store."""

    count: bool = False


class Service(Result, frozen=True, kw_only=True):
    """`key_count` is 0 when it was not asked for."""

    specs: list[KeySpec]
    key_count: int


@action("DescribeService", refuses=NO_KEY, needs=NO_KEY)
def describe_service(params: DescribeService, scope: Scope) -> Service:
    scope.allow()
    total = 0
    if params.count:
        total, _ = scope.store.list_keys(KeyFilter(), now=scope.now, offset=0, limit=1)
    return Service(specs=list(KeySpec), key_count=total)


handler = entry(describe_service)
