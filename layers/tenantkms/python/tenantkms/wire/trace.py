"""The trace that a request says it belongs to: W3C Trace Context, the header `traceparent`.

Field standard: "Trace Context - Level 1", W3C Recommendation, 23 November 2021, section 3.2.
"""

from __future__ import annotations

import re

_VERSION_00 = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
_LATER = re.compile(r"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-.*)?")


def trace_id(traceparent: str) -> str:
    """The trace id, 32 hexadecimal digits, or "" for what is none: no request is refused for it.

    It is signed by no vendor's client and proves nothing; it only leads from a log line to a trace.
    """
    found = (_VERSION_00 if traceparent.startswith("00-") else _LATER).fullmatch(traceparent)
    if found is None or not found[1].strip("0") or not found[2].strip("0"):
        return ""
    return found[1]
