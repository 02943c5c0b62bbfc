"""Aliases: names of keys, without the `alias/` prefix that callers write before them."""

from __future__ import annotations

import re

from msgspec import Struct

from tenantkms.errors import InvalidAlias

ALIAS_PREFIX = "alias/"
MAX_ALIASES = 50
"""Aliases of one key: they stand in its row, and one transaction changes them together."""
_ALIAS = re.compile(r"[A-Za-z0-9_/:-]{1,255}")


class Alias(Struct, frozen=True, kw_only=True):
    name: str
    key_id: str


def check_alias(name: str) -> str:
    """`name` (without the prefix) if any provider would allow it. Raises `InvalidAlias`."""
    if not _ALIAS.fullmatch(name):
        raise InvalidAlias("An alias has 1 to 255 letters, digits, '-', '_', '/' and ':'.")
    return name
