"""What answers say of a deployment."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct

_HOME = re.compile(r"[a-z0-9-]{1,32}:[0-9]{1,20}")


class Site(Struct, frozen=True, kw_only=True):
    """Region and account stand in ARNs, and the regions in lists of them.

    `other_arns`: `<region>:<account>` of the ARNs that name keys here too. None is ever answered.
    """

    tenant: str
    region: str = "local"
    account: str = "000000000000"
    other_arns: tuple[str, ...] = ()

    @property
    def homes(self) -> tuple[str, ...]:
        """`<region>:<account>` of every ARN that names keys here."""
        return (f"{self.region}:{self.account}", *self.other_arns)

    @property
    def regions(self) -> list[str]:
        """Those in the ARNs, the tenant's own first."""
        return list(dict.fromkeys(home.partition(":")[0] for home in self.homes))


def check_homes(homes: Iterable[str]) -> tuple[str, ...]:
    """`homes` as `Site.other_arns`. Raises `ValueError`."""
    found = tuple(homes)
    for home in found:
        if not _HOME.fullmatch(home):
            raise ValueError(f"{home!r} is not <region>:<account>, as they stand in an ARN")
    return found
