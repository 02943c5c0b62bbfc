"""Of whom an export is."""

from __future__ import annotations

from msgspec import Struct


class About(Struct, frozen=True, kw_only=True):
    """`created` in Unix seconds; `region` and `account` stood in the ARNs of the keys. `whole`: of all keys."""

    format: int
    release: str
    created: int
    tenant: str
    region: str
    account: str
    whole: bool
