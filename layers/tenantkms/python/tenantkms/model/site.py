"""What answers say of a deployment."""

from __future__ import annotations

from msgspec import Struct


class Site(Struct, frozen=True, kw_only=True):
    """It stands in ARNs and in the list of regions."""

    tenant: str
    region: str = "local"
    account: str = "000000000000"
