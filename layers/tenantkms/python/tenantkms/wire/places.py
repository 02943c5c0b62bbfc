"""Where a page of a listing of all keys ends, as text that clients bring back: it proves nothing and gives nothing."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

from tenantkms.crypto.strings import decode_base64
from tenantkms.model.version import UUID_FORM

_NUMBER = re.compile("[0-9]{1,12}")
_NO_KEY = "-"


def token(operation: str, place: Mapping[str, Any] | int | None, passed: str = "rows") -> str:
    """The text of a `Place` that `operation` has answered; empty: there is no further page. `passed` names what it
    counts behind its key.

    A number of rows is what a function of the release before answers, while a stack is updated.
    """
    if not isinstance(place, Mapping):
        return str(place or "")
    words = (operation, place["created"], place["key_id"] or _NO_KEY, place[passed])
    return base64.b64encode(" ".join(map(str, words)).encode()).decode()


def place_of(operation: str, text: str, passed: str = "rows") -> dict[str, Any] | None:
    """The `Place` of a text; None: it is none that `operation` has answered."""
    words = (decode_base64(text) or b"").decode("ascii", "replace").split(" ")
    if len(words) != 4 or words[0] != operation:
        return None
    created, key_id, count = words[1:]
    if not (_NUMBER.fullmatch(created) and _NUMBER.fullmatch(count)):
        return None
    if key_id != _NO_KEY and not UUID_FORM.fullmatch(key_id):
        return None
    return {"created": int(created), "key_id": "" if key_id == _NO_KEY else key_id, passed: int(count)}
