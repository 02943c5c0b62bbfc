"""Limits: how often, how many. The vendors' figures stand in the dialects; what an operator says goes before them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct

EVERY = "*"
"""In place of an Action: every one that is not named itself."""
NO_LIMIT = 0
"""In place of a figure."""
AS_VENDOR = -1
"""In place of a figure that nobody has given: the profile of each dialect has it."""
LARGEST = 1_000_000
"""The largest figure."""


class Rate(Struct, frozen=True):
    """At most `per_second` requests of an access key; operations that have one `bucket` share them."""

    bucket: str
    per_second: int


class Limits(Struct, frozen=True, kw_only=True):
    """What is allowed in a tenant; `NO_LIMIT` takes a limit away.

    `rates`: requests per second of one access key by Action or `EVERY`, instead of the vendor's. `strangers`: requests
    per second from one address whose signature does not verify. `keys`, `aliases`: how many in all; `versions`,
    `tags`: of one key.
    """

    rates: Mapping[str, int] = MappingProxyType({})
    strangers: int = 50
    keys: int = 10_000
    aliases: int = 20_000
    versions: int = 10_000
    tags: int = AS_VENDOR


COUNTS = tuple(name for name in Limits.__struct_fields__ if name != "rates")
DEFAULT = Limits()
OFF = Limits(rates=MappingProxyType({EVERY: NO_LIMIT}), strangers=NO_LIMIT)
"""Requests are not counted; how many keys there may be is."""
