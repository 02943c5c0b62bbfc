"""The other mistakes of signing: those that need more in the request, and those that are served."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import unquote_plus

from kit.faulty import HOST

_BARE = HOST.partition(":")[0]


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


_AWS = {
    "content-type": "application/x-amz-json-1.1",
    "host": _BARE,
    "x-amz-date": "20270115T080000Z",
    "x-amz-target": "TrentService.Encrypt",
}
_FORM = "KeyId=alias%2Ffirst&Plaintext=aGVsbG8%3D"
_ACS = {
    "content-type": "application/x-www-form-urlencoded",
    "host": HOST,
    "x-acs-action": "Encrypt",
    "x-acs-content-sha256": _sha(_FORM),
    "x-acs-date": "2027-01-15T08:00:00Z",
    "x-acs-signature-nonce": "nonce-1",
    "x-acs-version": "2016-01-20",
}
_IN_FORM = {"query": "", "body": _FORM, "payload": _sha(_FORM), "headers": _ACS}


def _dotted(pairs: dict[str, str]) -> list[tuple[str, str]]:
    return [(name.replace("_", "."), value) for name, value in pairs.items()]


_UNDERSCORES = {"xAb": "1", "x_b": "2"}
RARE: list[tuple[str, str, dict[str, Any]]] = [
    ("host-default-port", "aws", {"sent": {"headers": _AWS}, "headers_wrong": {"host": f"{_BARE}:443"}}),
    (
        "order-by-pair",
        "rpc",
        {"more": {"Tag.1": "a", "Tag.10": "b"}, "order": lambda pairs: sorted(pairs.items(), key="=".join)},
    ),
    (
        "file-unsigned",
        "v1",
        {"more": {"Description": "@file"}, "order": lambda pairs: sorted(p for p in pairs.items() if p[1][0] != "@")},
    ),
    ("form-in-query", "acs", {"sent": _IN_FORM, "query": _FORM}),
    (
        "header-unsigned",
        "aws",
        {"headers": {"host": HOST, "x-amz-date": _AWS["x-amz-date"], "x-amz-target": _AWS["x-amz-target"]}},
    ),
    ("body-decoded", "acs", {"sent": _IN_FORM, "payload": _sha(unquote_plus(_FORM))}),
    ("hash-label", "v2", {"rest": lambda text: "\n" + _sha(text)}),
    ("text-canonical", "aws", {"digest": str, "text": lambda text: text.split("\n", 3)[3]}),
]
"""(mistake, scheme, what is wrong): found by its name."""
SERVED: list[tuple[str, str, dict[str, Any]]] = [
    ("host-without-port", "tc3", {"headers_wrong": {"host": _BARE}}),
    ("host-of-vendor", "v1", {"host": "kms.tencentcloudapi.com"}),
    ("path-root", "v2", {"path": "/"}),
    (
        "order-utf16",
        "rpc",
        {
            "more": {"EncryptionContext.\uff5e": "1", "EncryptionContext.\U0001f511": "2"},
            "order": lambda pairs: sorted(pairs.items(), key=lambda pair: pair[0].encode("utf-16-be")),
        },
    ),
    ("names-dotted", "v2", {"more": _UNDERSCORES, "order": lambda pairs: sorted(_dotted(pairs))}),
    ("names-dotted-late", "v2", {"more": _UNDERSCORES, "order": lambda pairs: _dotted(dict(sorted(pairs.items())))}),
]
"""The same of what is no mistake here: clients do so, and are served."""
