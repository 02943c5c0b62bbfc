"""UntagResources: remove tags from up to fifty keys; a tag that is not there is no error."""

from __future__ import annotations

from collections.abc import Sequence

from tenantkms.action import KeyRefs, Nothing, Scope, action
from tenantkms.errors import MissingParameter
from tenantkms.keystore import PutKey, Write
from tenantkms.model import Key
from tenantkms.settings import entry


class UntagResources(KeyRefs, frozen=True, kw_only=True):
    """`all`: every tag, whatever `names` says."""

    names: list[str] = []
    all: bool = False


@action("UntagResources")
def untag_resources(params: UntagResources, scope: Scope) -> Nothing:
    if not params.names and not params.all:
        raise MissingParameter("Name the tags, or say that all of them are meant.")

    def change(keys: Sequence[Key]) -> list[Write]:
        writes: list[Write] = []
        for key in {key.id: key for key in keys}.values():
            rest = {name: v for name, v in key.tags.items() if not params.all and name not in params.names}
            if rest != key.tags:
                writes.append(PutKey(scope.revise(key, tags=rest)))
        return writes

    scope.update(params.key_ids, change)
    return Nothing()


handler = entry(untag_resources)
