"""In which region changes are made, for a tenant that has two: docs/decisions/0056-standby.md.

What only reads keys is served in both.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from tenantkms.errors import Unavailable


class ChangesElsewhere(Unavailable):
    """No key, alias or access key is changed here and now. Dialects tell it as any `Unavailable`: to be tried again."""


class Active(Struct, frozen=True, kw_only=True):
    """Changes are made in `region` since `since` (Unix seconds), or nowhere (""), until it is the region `to`. `epoch`
    counts how often something was said. Nobody has said it yet in epoch 0."""

    region: str
    to: str = ""
    epoch: int = 0
    since: int = 0


class Fence(Protocol):
    @property
    def replicated(self) -> bool:
        """Whether there is another region, to which what is written here comes later, and each row by itself."""

    def behind(self) -> bool:
        """Whether changes come from elsewhere, so that what is not here may be on its way."""

    def check(self, dated: float | None = None) -> None:
        """Raises `ChangesElsewhere`, also for a request that is `dated` (Unix seconds) before they were made here."""


class Open:
    """The fence of a tenant of one region: there is none."""

    replicated = False

    def behind(self) -> bool:
        return False

    def check(self, dated: float | None = None) -> None: ...


OPEN = Open()


def refuse(active: Active, here: str, dated: float | None = None) -> None:
    """Raises `ChangesElsewhere` unless changes are made `here`."""
    if not active.region:
        raise ChangesElsewhere("Nothing is changed while another region takes over: try again later.")
    if active.region != here:
        raise ChangesElsewhere(f"Keys are changed in {active.region} only: this region is its standby.")
    if dated is not None and dated < active.since:
        raise ChangesElsewhere("The request is from before this region took over: sign it anew.")
