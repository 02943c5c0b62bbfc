"""The operator's log: what went wrong that callers are told nothing exact about."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import msgspec

from tenantkms.store.integrity import IntegrityFault


def log_fault(request_id: str, error: BaseException, stream: TextIO | None = None) -> None:
    """One JSON line on the operator's log for a fault that the caller is told nothing exact about.

    It holds the types of the exception and its causes, an AWS error code where there is one, where it was raised
    (file, line, function), and the name of a row that was not believed. Never the exception's text, which may quote
    what was being handled. It never raises: a line that cannot be written is lost.
    """
    chain: list[str] = []
    places: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        response = getattr(cause, "response", None)
        code = response.get("Error", {}).get("Code", "") if isinstance(response, dict) else ""
        chain.append(f"{type(cause).__name__}({code})" if code else type(cause).__name__)
        frames = cause.__traceback__
        while frames is not None:
            code_object = frames.tb_frame.f_code
            places.append(f"{Path(code_object.co_filename).name}:{frames.tb_lineno} {code_object.co_name}")
            frames = frames.tb_next
        cause = cause.__cause__
    line: dict[str, object] = {"level": "error", "request_id": request_id, "fault": chain, "at": places}
    if isinstance(error, IntegrityFault):
        line["row"] = error.details
    _print(line, stream)


def log_warning(text: str, stream: TextIO | None = None) -> None:
    """One JSON line on the operator's log for what will become a fault if nobody does anything. It never raises."""
    _print({"level": "warning", "warning": text}, stream)


def _print(line: dict[str, object], stream: TextIO | None) -> None:
    # A full disk behind the stream is no reason to answer a caller wrongly.
    with suppress(OSError, ValueError):
        print(msgspec.json.encode(line).decode(), file=stream or sys.stderr, flush=True)
