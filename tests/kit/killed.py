"""Work in a process of its own that is killed at a step of a number."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType

STEPS = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.link", "sqlite3.connect", "os.truncate")
"""Events of the interpreter that touch files: what is done before one is done, what is behind it is not."""


def killed_at(step: int, work: Callable[[], object], beneath: Path, *, statements: bool = False) -> bool:
    """Whether `work`, in a process of its own, was killed before its step of that number; else it came to its end.

    `statements`: what the thread that does the work asks of SQLite are steps, too.
    """
    process = os.fork()
    if process:
        ended = os.waitpid(process, 0)[1]
        assert ended == 0 or os.WIFSIGNALED(ended)
        return ended != 0
    left = step

    def count() -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def hook(event: str, args: tuple[object, ...]) -> None:
        if event in STEPS and any(
            isinstance(arg, str | bytes | os.PathLike) and str(beneath) in str(arg) for arg in args
        ):
            count()

    def profile(_: FrameType, event: str, called: object) -> None:
        if event == "c_call" and isinstance(getattr(called, "__self__", None), sqlite3.Connection):
            count()

    status = 1
    try:
        sys.addaudithook(hook)
        if statements:
            sys.setprofile(profile)
        work()
        status = 0
    except BaseException:
        traceback.print_exc()
        raise
    finally:
        os._exit(status)
