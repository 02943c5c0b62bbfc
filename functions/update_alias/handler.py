"""UpdateAlias: an existing name points to another key from now on."""

from __future__ import annotations

from collections.abc import Sequence

from tenantkms.action.action import action
from tenantkms.action.call import Nothing, Params
from tenantkms.action.scope import Scope
from tenantkms.errors import AliasNotFound, InvalidParameter, LimitExceeded
from tenantkms.model.alias import ALIAS_PREFIX, MAX_ALIASES, Alias
from tenantkms.model.key import Key
from tenantkms.model.specs import ANY_KEY, SYMMETRIC, KeyUsage
from tenantkms.model.states import EDIT
from tenantkms.runtime.lambda_entry import entry
from tenantkms.store.port import PutAlias, PutKey, Write


class UpdateAlias(Params, frozen=True, kw_only=True):
    """`alias` is a name without the `alias/` prefix."""

    key_id: str
    alias: str


def _kind(key: Key) -> tuple[KeyUsage, bool]:
    return key.usage, key.spec in SYMMETRIC


@action("UpdateAlias", refuses=EDIT, needs=ANY_KEY)
def update_alias(params: UpdateAlias, scope: Scope) -> Nothing:
    name = scope.alias(params.alias)

    def change(keys: Sequence[Key]) -> list[Write]:
        new, old = keys
        if name not in old.aliases:
            raise AliasNotFound
        if new.id == old.id:
            return []
        if scope.profile.alias_keeps_kind and _kind(new) != _kind(old):
            raise InvalidParameter("An alias moves only to a key of the same type and usage.")
        if len(new.aliases) >= MAX_ALIASES:
            raise LimitExceeded(f"A key has at most {MAX_ALIASES} aliases.")
        return [
            PutAlias(Alias(name=name, key_id=new.id), expect=old.id),
            PutKey(scope.revise(old, aliases=tuple(alias for alias in old.aliases if alias != name))),
            PutKey(scope.revise(new, aliases=(*new.aliases, name))),
        ]

    scope.update([params.key_id, ALIAS_PREFIX + name], change)
    return Nothing()


handler = entry(update_alias)
