"""DescribeKey: the metadata of one key or of up to a hundred."""

from __future__ import annotations

from tenantkms.action.action import action
from tenantkms.action.call import KeyRefs, Result
from tenantkms.action.scope import Scope
from tenantkms.keys.views import KeyView, view
from tenantkms.model.specs import ANY_KEY
from tenantkms.model.states import NOTHING
from tenantkms.runtime.lambda_entry import entry


class Described(Result, frozen=True, kw_only=True):
    keys: list[KeyView]


@action("DescribeKey", refuses=NOTHING, needs=ANY_KEY)
def describe_key(params: KeyRefs, scope: Scope) -> Described:
    return Described(keys=[view(scope.use(ref), scope.now) for ref in params.key_ids])


handler = entry(describe_key)
