"""Requests with one mistake each, for both engines that find it: the explorer's and the command's."""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any
from urllib.parse import quote, quote_plus

from kit.faulty import BODY, CONTEXT, HOST, ID, NOW, SECRET, pct


def _plus(text: str) -> str:
    return pct(text).replace("%20", "+")


def _java(text: str) -> str:
    return _plus(text).replace("%2A", "*").replace("~", "%7E")


def _lower(text: str) -> str:
    return "".join(c.lower() if pct(text)[max(0, i - 2) : i + 1].count("%") else c for i, c in enumerate(pct(text)))


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _query(escape: Any) -> str:
    pairs = {"EncryptionContext": CONTEXT, "KeyId": "alias/first", "Plaintext": "aGVsbG8="}
    return "&".join(f"{escape(name)}={escape(value)}" for name, value in pairs.items())


def _hex64(mac: bytes) -> str:
    return base64.b64encode(mac.hex().encode()).decode()


BARE = HOST.partition(":")[0]
_TC_DAY = "2027-01-15"
_AWS_DAY = "20270115"
MADE: list[tuple[str, str, dict[str, Any]]] = [
    ("host-without-port", "aws", {"headers_wrong": {"host": BARE}}),
    ("host-without-port", "acs", {"headers_wrong": {"host": BARE}}),
    ("host-of-vendor", "aws", {"headers_wrong": {"host": "kms.eu-west-1.amazonaws.com"}}),
    ("host-of-vendor", "acs", {"headers_wrong": {"host": "kms.cn-hangzhou.aliyuncs.com"}}),
    ("host-local", "tc3", {"headers_wrong": {"host": "localhost:8480"}}),
    ("host-local", "v1", {"host": "127.0.0.1:8480"}),
    ("host-case", "v2", {"host": HOST.upper()}),
    ("path-as-sent", "acs", {"path": "/kms", "target": "/kms", "sent": {"target": "/kms"}}),
    ("path-as-sent", "rpc", {"path": "/kms/x", "target": "/kms/x"}),
    ("path-empty", "tc3", {"path": ""}),
    ("path-end", "v2", {"path": "/v2/index.php/"}),
    ("path-escaped-once", "aws", {"sent": {"path": "/a%20b"}, "path": "/a%20b"}),
    ("path-slash-raw", "rpc", {"path_escape": str}),
    ("method-other", "rpc", {"method": "POST"}),
    ("method-other", "tc3", {"method": "GET"}),
    ("method-lower", "v1", {"method": "post"}),
    ("order-as-sent", "rpc", {"order": lambda pairs: list(pairs.items())}),
    ("order-as-sent", "v1", {"order": lambda pairs: list(pairs.items())}),
    ("order-reversed", "v2", {"order": lambda pairs: sorted(pairs.items(), reverse=True)}),
    (
        "order-without-case",
        "rpc",
        {
            "more": {"EncryptionContext.B": "1", "EncryptionContext.a": "2"},
            "order": lambda pairs: sorted(pairs.items(), key=lambda pair: pair[0].lower()),
        },
    ),
    ("escape-plus", "rpc", {"escape": _plus}),
    ("escape-plus", "acs", {"query": _query(_plus)}),
    ("escape-java", "rpc", {"escape": _java, "again": _java}),
    ("escape-java", "acs", {"query": _query(_java)}),
    ("escape-slash", "rpc", {"escape": lambda text: quote(text, safe="/-_.~")}),
    ("escape-loose", "acs", {"query": _query(lambda text: quote(text, safe="-_.~!'()*"))}),
    ("escape-lower", "acs", {"query": _query(_lower)}),
    ("escape-none", "acs", {"query": _query(str)}),
    ("escape-twice", "rpc", {"escape": lambda text: pct(pct(text))}),
    ("escape-again-missing", "rpc", {"again": str}),
    ("values-escaped", "v1", {"value": pct}),
    ("values-escaped", "v2", {"value": quote_plus}),
    ("blank-unsigned", "rpc", {"order": lambda pairs: sorted(pair for pair in pairs.items() if pair[1])}),
    ("parameter-unsigned", "v1", {"order": lambda pairs: sorted(p for p in pairs.items() if p[0] != "Region")}),
    ("parameter-unsigned", "rpc", {"order": lambda pairs: sorted(p for p in pairs.items() if p[0] != "Action")}),
    ("query-unsigned", "acs", {"query": ""}),
    ("query-respelled", "tc3", {"sent": {"query": "a=b%20c"}, "query": "a=b+c"}),
    ("query-decoded", "tc3", {"sent": {"query": "a=b%20c&b=%2F"}, "query": "a=b c&b=/"}),
    ("query-sorted", "tc3", {"sent": {"query": "b=1&a=2"}, "query": "a=2&b=1"}),
    ("query-unsigned", "tc3", {"sent": {"query": "a=b"}, "query": ""}),
    ("query-mark", "tc3", {"sent": {"query": "a=b"}, "query": "?a=b"}),
    (
        "header-values-lower",
        "aws",
        {"headers_wrong": {"x-amz-target": "trentservice.encrypt", "x-amz-date": "20270115t080000z"}},
    ),
    ("header-names-as-sent", "aws", {"names": ["Content-Type", "Host", "X-Amz-Date", "X-Amz-Target"]}),
    ("header-space", "acs", {"line": lambda name, value: f"{name}: {value}\n"}),
    ("header-gap", "tc3", {"gap": ""}),
    ("content-type", "tc3", {"headers_wrong": {"content-type": "application/json; charset=utf-8"}}),
    ("body-empty", "aws", {"payload": _sha("")}),
    ("body-newline", "tc3", {"payload": _sha(BODY + "\n")}),
    ("body-respelled", "aws", {"payload": _sha(json.dumps(json.loads(BODY), separators=(",", ":")))}),
    ("body-unsigned", "tc3", {"payload": "UNSIGNED-PAYLOAD"}),
    ("body-unhashed", "aws", {"payload": BODY}),
    ("body-hash-upper", "tc3", {"payload": _sha(BODY).upper()}),
    ("body-hash-missing", "acs", {"payload": ""}),
    ("time-taken-twice", "tc3", {"stamp": str(NOW - 1)}),
    ("time-taken-twice", "aws", {"stamp": "20270115T080001Z"}),
    ("time-local", "aws", {"stamp": "20270115T160000Z"}),
    ("time-milliseconds", "tc3", {"stamp": f"{NOW}000"}),
    ("scope-date", "tc3", {"scope": "2027-01-16/kms/tc3_request", "steps": ["2027-01-16", "kms", "tc3_request"]}),
    ("scope-date-form", "tc3", {"steps": [_AWS_DAY, "kms", "tc3_request"]}),
    ("scope-date-form", "aws", {"steps": [_TC_DAY, "eu-west-1", "kms", "aws4_request"]}),
    (
        "scope-region",
        "aws",
        {"scope": f"{_AWS_DAY}/us-east-1/kms/aws4_request", "steps": [_AWS_DAY, "us-east-1", "kms", "aws4_request"]},
    ),
    ("scope-service", "tc3", {"scope": f"{_TC_DAY}/cvm/tc3_request", "steps": [_TC_DAY, "cvm", "tc3_request"]}),
    ("scope-end", "aws", {"steps": [_AWS_DAY, "eu-west-1", "kms"]}),
    ("scope-swapped", "aws", {"steps": [_AWS_DAY, "kms", "eu-west-1", "aws4_request"]}),
    ("secret-space", "tc3", {"start": f"TC3{SECRET}\n"}),
    ("secret-space", "rpc", {"start": f"{SECRET} &"}),
    ("secret-bare", "rpc", {"start": SECRET}),
    ("secret-bare", "tc3", {"start": SECRET}),
    ("secret-bare", "aws", {"start": SECRET}),
    ("secret-ampersand", "v1", {"start": f"{SECRET}&"}),
    ("secret-ampersand", "acs", {"start": f"{SECRET}&"}),
    ("secret-is-id", "v2", {"start": ID}),
    ("secret-quoted", "acs", {"start": f'"{SECRET}"'}),
    ("key-underived", "aws", {"steps": []}),
    ("key-hex", "tc3", {"hex_between": True}),
    ("hash-other", "rpc", {"hash": "sha256"}),
    ("hash-other", "v1", {"hash": "sha1"}),
    ("text-unhashed", "tc3", {"digest": str}),
    ("digest-upper", "aws", {"digest": lambda text: _sha(text).upper()}),
    ("text-newline", "tc3", {"text": lambda text: text + "\n"}),
    ("text-newline", "rpc", {"text": lambda text: text + "\n"}),
    ("canonical-newline", "acs", {"canonical": lambda text: text + "\n"}),
    (
        "text-crlf",
        "tc3",
        {"text": lambda text: text.replace("\n", "\r\n"), "canonical": lambda text: text.replace("\n", "\r\n")},
    ),
    ("text-literal", "aws", {"text": lambda text: text.replace("\n", "\\n")}),
    ("signature-encoding", "acs", {"write": lambda mac: base64.b64encode(mac).decode()}),
    ("signature-encoding", "rpc", {"write": bytes.hex}),
    ("signature-encoding", "v1", {"write": _hex64}),
    ("signature-upper", "tc3", {"write": lambda mac: mac.hex().upper()}),
    ("signature-plus", "v1", {"raw_signature": True}),
    ("signature-escaped-twice", "rpc", {"write": lambda mac: pct(base64.b64encode(mac).decode())}),
    ("signature-unpadded", "v2", {"write": lambda mac: base64.b64encode(mac).decode().rstrip("=")}),
]
"""(id of the mistake, scheme, what `kit.faulty.signed` makes of it)"""
