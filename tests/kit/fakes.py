"""Fakes that stand at ports: a clock that tests move, and any object with its calls counted."""

from __future__ import annotations

from collections import Counter
from typing import Any


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Counting:
    """Any object, with its calls counted by name."""

    def __init__(self, inner: object) -> None:
        self._inner = inner
        self.calls: Counter[str] = Counter()

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._inner, name)

        def counted(*args: object, **kwargs: object) -> object:
            self.calls[name] += 1
            return inner(*args, **kwargs)

        return counted
