"""Threads for what takes long, in which access keys take turns."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from threading import Lock, get_native_id
from typing import Any, TypeVar

T = TypeVar("T")
_NICER = 10
"""By how much their priority is lower than that of the event loops, which answer in less than a time slice."""


def _step_back() -> None:
    """Linux has a priority for each thread. Where something forbids that, all is as it was."""
    with suppress(OSError):
        thread = get_native_id()
        os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + _NICER)


class Threads(ThreadPoolExecutor):
    """What one access key asks for is done in its order; that of another one waits for what is being done, and never
    for all that the first has asked for: a few RSA keys, of which one costs a second, would keep everybody waiting.
    """

    def __init__(self, threads: int) -> None:
        super().__init__(threads, "slow", _step_back)
        self._waiting_lock = Lock()
        self._waiting: dict[str, deque[Callable[[], None]]] = {}  # by access key; whose turn is next stands first

    def submit(self, fn: Callable[..., T], /, *args: Any, **_kwargs: Any) -> Future[T]:
        """`fn` of one `Answer`, for the access key that has asked for it."""
        (answer,) = args
        done: Future[T] = Future()

        def work() -> None:
            if not done.set_running_or_notify_cancel():
                return
            try:
                done.set_result(fn(answer))
            except BaseException as error:  # noqa: BLE001 - it is told to whoever waits
                done.set_exception(error)

        with self._waiting_lock:
            self._waiting.setdefault(answer.principal, deque()).append(work)
        super().submit(self._next)
        return done

    def _next(self) -> None:
        """As many times as something was submitted."""
        with self._waiting_lock:
            principal = next(iter(self._waiting))
            waiting = self._waiting.pop(principal)
            work = waiting.popleft()
            if waiting:
                self._waiting[principal] = waiting
        work()
