"""UntagResources: remove tags from up to fifty keys; a tag that is not there is no error."""

from __future__ import annotations

from collections.abc import Sequence

from tenantkms.action.action import action
from tenantkms.action.call import KeyRefs, Nothing
from tenantkms.action.scope import Scope
from tenantkms.errors import MissingParameter
from tenantkms.model.key import Key, distinct
from tenantkms.model.specs import ANY_KEY
from tenantkms.model.states import EDIT
from tenantkms.runtime.lambda_entry import entry
from tenantkms.store.port import PutKey, Write


class UntagResources(KeyRefs, frozen=True, kw_only=True):
    """`all`: every tag, whatever `names` says."""

    names: list[str] = []
    all: bool = False


@action("UntagResources", refuses=EDIT, needs=ANY_KEY)
def untag_resources(params: UntagResources, scope: Scope) -> Nothing:
    if not params.names and not params.all:
        raise MissingParameter("Name the tags, or say that all of them are meant.")

    def change(keys: Sequence[Key]) -> list[Write]:
        writes: list[Write] = []
        for key in distinct(keys):
            rest = {name: v for name, v in key.tags.items() if not params.all and name not in params.names}
            if rest != key.tags:
                writes.append(PutKey(scope.revise(key, tags=rest)))
        return writes

    scope.update(params.key_ids, change)
    return Nothing()


handler = entry(untag_resources)
