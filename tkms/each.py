"""Many things, one after the other or several at a time, whatever becomes of one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from threading import Lock
from typing import Generic, Protocol, TypeVar

from msgspec import Struct, field

from tenantkms.errors import KmsError
from tenantkms.runtime.assemble import SettingsError
from tkms.output import NotDone
from tkms.places import reason

_PAUSES = (1, 4)
"""Seconds before what may work later is tried again."""
_AHEAD = 8
"""Items for each worker that are begun before the first of them is waited for."""


class Stopped(Exception):
    """What failed would fail for all that follow, too; the message says why."""


class Named(Protocol):
    @property
    def name(self) -> str:
        """What a person is told of it."""


class Failure(Struct, frozen=True):
    name: str
    reason: str


class Outcome(Struct, kw_only=True):
    """`failed` are left as they were, and the others were gone on with; `stopped` says why there was no going on."""

    failed: list[Failure] = field(default_factory=list)
    stopped: str = ""


T = TypeVar("T", bound=Named)
R = TypeVar("R")


class Each(Generic[T]):
    """`one` does one of them. `outcome` is told what it raises, under the lock `counting`."""

    def __init__(self, one: Callable[[T], None], outcome: Outcome, counting: Lock, workers: int = 1) -> None:
        self._one, self._outcome, self._counting, self._workers = one, outcome, counting, workers

    def run(self, items: Iterable[T], progress: Callable[[int], None] | None = None) -> None:
        """Nothing that is foreseen is raised."""
        every, number = iter(items), 0
        try:
            with ThreadPoolExecutor(self._workers) as pool:
                while not self._outcome.stopped and (some := list(islice(every, self._workers * _AHEAD))):
                    for _ in pool.map(self._try, some):
                        number += 1
                        if progress:
                            progress(number)
        except (Stopped, SettingsError, KmsError, OSError) as e:  # what is to be looked at could not be listed
            self._outcome.stopped = why(e)

    def _try(self, item: T) -> None:
        """What fails in passing would fail for all that follow, too: that stops it."""
        if self._outcome.stopped:
            return
        try:
            self._one(item)
        except (NotDone, Stopped, SettingsError, KmsError, OSError) as e:
            with self._counting:
                if isinstance(e, Stopped) or (isinstance(e, KmsError) and e.retryable):
                    self._outcome.stopped = f"{item.name}: {why(e)}"
                else:
                    self._outcome.failed.append(Failure(item.name, why(e)))


def retried(call: Callable[[], R], pause: Callable[[float], None] = time.sleep) -> R:
    """What `call` answers, which is tried again if that may help."""
    for seconds in _PAUSES:
        try:
            return call()
        except KmsError as e:
            if not e.retryable:
                raise
        pause(seconds)
    return call()


def why(error: Exception) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return reason(error)
