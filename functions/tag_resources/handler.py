"""TagResources: set tags on up to fifty keys; a tag that is there gets the new value."""

from __future__ import annotations

from collections.abc import Sequence

from tenantkms.action.action import action
from tenantkms.action.call import KeyRefs, Nothing
from tenantkms.action.scope import Scope
from tenantkms.model.key import Key, check_tags, distinct
from tenantkms.model.specs import ANY_KEY
from tenantkms.model.states import EDIT
from tenantkms.runtime.lambda_entry import entry
from tenantkms.store.port import PutKey, Write


class TagResources(KeyRefs, frozen=True, kw_only=True):
    tags: dict[str, str]


@action("TagResources", refuses=EDIT, needs=ANY_KEY)
def tag_resources(params: TagResources, scope: Scope) -> Nothing:
    def change(keys: Sequence[Key]) -> list[Write]:
        tags = check_tags(params.tags, scope.profile)
        return [PutKey(scope.revise(key, tags={**key.tags, **tags})) for key in distinct(keys)]

    scope.update(params.key_ids, change)
    return Nothing()


handler = entry(tag_resources)
