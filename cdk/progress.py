"""What takes long says so on standard error, which no machine reads."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Timer

_PATIENCE = 3.0
"""Seconds for which a step is quiet where nobody looks at a terminal."""


@contextmanager
def step(what: str) -> Iterator[None]:
    """A line that says what is being done: at once on a terminal, elsewhere only if it takes longer than a moment."""
    timer = Timer(0 if sys.stderr.isatty() else _PATIENCE, print, (f"{what} ...",), {"file": sys.stderr, "flush": True})
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
