"""Policies of keys, as AWS KMS's operations name and carry them."""

from __future__ import annotations

import re
from typing import Any

from tenantkms import errors as e
from tenantkms.wire.dialects.aws.fields import text, violation
from tenantkms.wire.shapes import Shape, like, shaped

_POLICY = re.compile(r"[\t\n\r\x20-\xff]+")
_POLICY_TEXT, _NAME_TEXT = text(1, 131_072), text(1, 128)


@like(_POLICY_TEXT)
def policy(wire: str, value: Any) -> str:
    said: str = _POLICY_TEXT(wire, value)
    if not _POLICY.fullmatch(said):
        raise violation(wire, r"satisfy regular expression pattern: [\u0009\u000A\u000D\u0020-\u00FF]+")
    return said


@shaped(Shape("choice", names=("default",)))
def policy_name(wire: str, value: Any) -> dict[str, Any]:
    """A key has one policy, and that is its name."""
    if _NAME_TEXT(wire, value) != "default":
        raise e.ResourceNotFound("No such policy exists")
    return {}
