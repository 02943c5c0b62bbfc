"""The times that requests say, in the forms of all schemes."""

from __future__ import annotations

import re
from datetime import UTC, datetime

_COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z")


def seconds(stamp: str) -> float | None:
    """Unix seconds of `stamp`, which may be in milliseconds; None for what is no time."""
    if stamp.isascii() and stamp.isdecimal():
        return int(stamp) / (1000 if len(stamp) > 11 else 1) if len(stamp) < 15 else None
    try:
        return datetime.fromisoformat(_COMPACT.sub(r"\1-\2-\3T\4:\5:\6Z", stamp)).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        return None


def spelled(time: float, like: str) -> str:
    """`time` in the form of the stamp `like`; "" for a time that has none."""
    if like.isdecimal():
        return str(int(time))
    try:
        at = datetime.fromtimestamp(time, UTC)
    except (ValueError, OverflowError, OSError):
        return ""
    if "-" not in like:
        return at.strftime("%Y%m%dT%H%M%SZ")
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z" if "." in like else "%Y-%m-%dT%H:%M:%SZ")


def day(stamp: str) -> str:
    """The date of a stamp in UTC, YYYY-MM-DD; "" for what is no time."""
    time = seconds(stamp)
    return spelled(time, "-")[:10] if time is not None else ""
