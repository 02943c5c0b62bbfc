"""CreateAlias: a new name for a key. Of several who create the same one, one wins."""

from __future__ import annotations

from collections.abc import Sequence

from tenantkms.action.action import action
from tenantkms.action.call import Nothing, Params
from tenantkms.action.scope import Scope
from tenantkms.errors import LimitExceeded
from tenantkms.model.alias import MAX_ALIASES, Alias
from tenantkms.model.key import Key
from tenantkms.model.specs import ANY_KEY
from tenantkms.model.states import SCHEDULE
from tenantkms.runtime.lambda_entry import entry
from tenantkms.store.port import PutAlias, PutKey, Write


class CreateAlias(Params, frozen=True, kw_only=True):
    """`alias` is a name without the `alias/` prefix."""

    key_id: str
    alias: str


@action("CreateAlias", refuses=SCHEDULE, needs=ANY_KEY)
def create_alias(params: CreateAlias, scope: Scope) -> Nothing:
    name = scope.alias(params.alias)

    def change(keys: Sequence[Key]) -> list[Write]:
        (key,) = keys
        if len(key.aliases) >= MAX_ALIASES:
            raise LimitExceeded(f"A key has at most {MAX_ALIASES} aliases.")
        return [
            PutAlias(Alias(name=name, key_id=key.id), expect=None),
            PutKey(scope.revise(key, aliases=(*key.aliases, name))),
        ]

    scope.update([params.key_id], change)
    return Nothing()


handler = entry(create_alias)
