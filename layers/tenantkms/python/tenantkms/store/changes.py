"""That something has changed: what caches of keys ask before they answer."""

from __future__ import annotations

from collections.abc import Sequence


class Changes:
    """Of this process alone, which knows what it changes. `stamp` has one number."""

    stamp: Sequence[int] = (0,)

    def made(self) -> None:
        """To be called after a change of what is stored."""
