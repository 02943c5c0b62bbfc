"""TagResources: set tags on up to fifty keys; a tag that is there gets the new value."""

from __future__ import annotations

from collections.abc import Sequence

from tenantkms.action import KeyRefs, Nothing, Scope, action
from tenantkms.keystore import PutKey, Write
from tenantkms.model import Key, check_tags
from tenantkms.settings import entry


class TagResources(KeyRefs, frozen=True, kw_only=True):
    tags: dict[str, str]


@action("TagResources")
def tag_resources(params: TagResources, scope: Scope) -> Nothing:
    def change(keys: Sequence[Key]) -> list[Write]:
        once = {key.id: key for key in keys}.values()
        return [PutKey(scope.revise(key, tags=check_tags({**key.tags, **params.tags}))) for key in once]

    scope.update(params.key_ids, change)
    return Nothing()


handler = entry(tag_resources)
