"""Aliases: names of keys, without the `alias/` prefix that callers write before them."""

from __future__ import annotations

import re

from msgspec import Struct

from tenantkms.errors import InvalidAlias, ReservedAlias

ALIAS_PREFIX = "alias/"
MAX_ALIASES = 50
"""Aliases of one key: they stand in its row, and one transaction changes them together."""
_ALIAS = re.compile(r"[A-Za-z0-9_/:-]{1,255}")


class Alias(Struct, frozen=True, kw_only=True):
    name: str
    key_id: str


def check_alias(name: str, reserved: tuple[str, ...] = ()) -> str:
    """`name` (without the prefix) if any provider would allow it and none of `reserved` is its beginning.

    Raises `InvalidAlias` and `ReservedAlias`.
    """
    if not _ALIAS.fullmatch(name):
        raise InvalidAlias("An alias has 1 to 255 letters, digits, '-', '_', '/' and ':'.")
    for beginning in reserved:
        if name.startswith(beginning):
            raise ReservedAlias(f"Alias names that begin with '{ALIAS_PREFIX}{beginning}' are reserved.")
    return name
