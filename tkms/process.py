"""The process that a command runs in: its standard streams, and the libraries that it may lack."""

from __future__ import annotations

import io
import os
import signal
import sys
from threading import Timer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

    from _typeshed import ReadableBuffer

_STREAMS = (("stdin", "r"), ("stdout", "w"), ("stderr", "w"))
_EXTRAS = {
    "pyrage": "age",
    "botocore": "aws",
    "boto3": "aws",
    "alibabacloud": "alibaba",
    "Tea": "alibaba",
    "tencentcloud": "tencent",
}
"""How a package's name begins -> the extra of this distribution that installs it."""


class OutputError(OSError):
    """Standard output does not take what is written."""


class _Output(io.FileIO):
    """Tells its own errors from those of other files, which look the same where a command ends."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as e:
            raise OutputError(*e.args) from None


def open_streams() -> None:
    """Standard output raises `OutputError`.

    A stream that was closed by who started this process is as `/dev/null`: the next file that is opened, which may
    be the store, would have its number, and what libraries write to standard error would go there.
    """
    for number, (name, mode) in enumerate(_STREAMS):
        if getattr(sys, name) is None:
            empty = os.open(os.devnull, os.O_RDWR)
            if empty != number:
                os.dup2(empty, number)
                os.close(empty)
            setattr(sys, name, os.fdopen(number, mode, closefd=False))
    found = sys.stdout
    if type(found) is io.TextIOWrapper:  # not where somebody keeps it in memory
        raw = _Output(found.fileno(), "w", closefd=False)
        by_line = found.line_buffering or found.write_through
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(raw), found.encoding, found.errors, line_buffering=by_line)


def end_orderly(status: int = 128 + signal.SIGTERM) -> None:
    """Who is told to end (SIGTERM) takes away what it is writing, and ends with `status`."""

    def end(number: int, frame: FrameType | None) -> None:
        while frame:
            if frame.f_code.co_name == "__del__":  # no exception comes out of there: once more, a moment later
                Timer(0.01, os.kill, (os.getpid(), number)).start()
                return
            frame = frame.f_back
        sys.exit(status)

    signal.signal(signal.SIGTERM, end)


def drop_output() -> None:
    """What is left of standard output has no taker; without this the interpreter would complain of it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def lacking(error: ImportError) -> str | None:
    """How to install what could not be imported; None where no extra has it."""
    name = (error.name or "").partition(".")[0]
    for beginning, extra in _EXTRAS.items():
        if name.startswith(beginning):
            wanted = f"'.[{extra}]' in the checkout"
            return f"{name} is not installed: pip install {wanted} (where pipx has it: pipx install --force {wanted})"
    return None
