"""The values of Tencent Cloud KMS, legacy API v2: codecs of parameters, and leaves of answers (docs/protocols.md)."""

from __future__ import annotations

from typing import Any

from tenantkms import errors as e
from tenantkms.model.specs import KeySpec, KeyUsage
from tenantkms.wire import codecs
from tenantkms.wire.shapes import like

USAGES = {"ENCRYPT/DECRYPT": {"usage": KeyUsage.ENCRYPT_DECRYPT, "spec": KeySpec.AES_256}}
# A key of another dialect's usage has no name in this one; its own is clearer than a wrong one.
USAGE_NAMES = {**{usage: str(usage) for usage in KeyUsage}, KeyUsage.ENCRYPT_DECRYPT: "ENCRYPT/DECRYPT"}

ALIAS = codecs.alias(
    r"(?!kms-)[A-Za-z0-9][A-Za-z0-9_-]{0,31}",
    "an alias has 1 to 32 letters, digits, '-' and '_', begins with a letter or digit, and not with 'kms-'.",
)


_KIND = codecs.integer(1, 2)


@like(_KIND, most=1)
def kind(wire: str, value: Any) -> dict[str, Any]:
    """1: a normal key; 2: a quantum key, which is not offered."""
    if _KIND(wire, value) != 1:
        raise e.UnsupportedParameter(f"{wire} {value} is not supported here: use 1.")
    return {}
