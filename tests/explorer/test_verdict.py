"""The signature check finds each mistake by name, in requests that a signer written apart has signed with it."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from typing import Any
from urllib.parse import quote, quote_plus

import pytest

from kit.captures import Capture, capture, captures
from kit.faulty import BODY, CONTEXT, HOST, ID, NOW, SECRET, SIGNERS, pct, signed
from kit.in_node import call

Said = dict[str, Any]


def judge(*jobs: tuple[str, dict[str, Any]]) -> list[Said]:
    told = [[text, {"secret": SECRET, "now": NOW * 1000, **options}] for text, options in jobs]
    return list(call("verdict.js", "judge", told))


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


_BARE = HOST.partition(":")[0]
_TC_DAY = "2027-01-15"
_AWS_DAY = "20270115"
MADE: list[tuple[str, str, dict[str, Any]]] = [
    ("host-without-port", "aws", {"headers_wrong": {"host": _BARE}}),
    ("host-without-port", "acs", {"headers_wrong": {"host": _BARE}}),
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


@cache
def _found() -> list[Said]:
    return judge(*((signed(scheme, **wrong), {}) for _, scheme, wrong in MADE))


@pytest.mark.parametrize(("i", "mistake", "scheme"), [(i, row[0], row[1]) for i, row in enumerate(MADE)], ids=str)
def test_a_mistake_is_found_by_its_name(i: int, mistake: str, scheme: str) -> None:
    said = _found()[i]
    assert isinstance(said, dict), said
    assert said["verdict"] == "found", said
    assert [row["id"] for row in said["mistakes"]] == [mistake]


@pytest.mark.parametrize("scheme", SIGNERS)
def test_what_is_signed_rightly_is_told_as_right(scheme: str) -> None:
    (said,) = judge((signed(scheme), {}))
    assert (said["verdict"], said["faults"]) == ("right", [])


def test_two_mistakes_at_once_are_both_found() -> None:
    wrong = {"headers_wrong": {"host": _BARE}, "start": f"AWS4{SECRET}\n"}
    (said,) = judge((signed("aws", **wrong), {}))
    assert [row["id"] for row in said["mistakes"]] == ["host-without-port", "secret-space"]


def test_another_secret_is_no_mistake_that_has_a_name() -> None:
    (said,) = judge((signed("v2"), {"secret": "quite another"}))
    assert (said["verdict"], said["mistakes"]) == ("unknown", [])


def _raw(of: Capture) -> str:
    request = of.data["request"]
    lines = "\r\n".join(f"{name}: {value}" for name, value in request["headers"])
    body = base64.b64decode(request["body_base64"]).decode()
    return f"{request['method']} {request['target']} HTTP/1.1\r\n{lines}\r\n\r\n{body}"


REFUSED = {
    "alibaba-kms-sdk-npm-Encrypt-GET-retry": ("unknown", []),
    "alibaba-kms-sdk-npm-GenerateDataKey-GET-zero": ("found", ["parameter-unsigned"]),
    "tencent2-qcloudapi-npm-Decrypt-POST-HmacSHA256-sha1": ("found", ["hash-other"]),
    "tencent2-qcloudapi-npm-Encrypt-POST-TC2-labelOnly": ("found", ["hash-label"]),
    "tencent3-tencentcloud-node-Encrypt-HmacSHA256-POST-upperHost": ("unknown", []),  # LocalHost
    "tencent2-qcloudapi-npm-Encrypt-POST-quirks": ("found", ["names-dotted-late", "file-unsigned"]),
    "tencent2-qcloudapi-py-Encrypt-POST-quirks": ("found", ["names-dotted", "file-unsigned"]),
    "aws-aws4fetch-1.0.20-ListKeys-presigned": ("unreadable", []),
    "aws-boto3crt-1.44.8-ListKeys-sigv4a": ("unreadable", []),
    "tencent3-tencentcloud-py-Encrypt-SkipSign": ("unreadable", []),
    "tencent3-tencentcloud-py-Encrypt-UNSIGNED-PAYLOAD": ("found", ["body-unsigned"]),
}
"""Recordings that are refused (tests/wire/test_signatures.py), and what is told of them."""


@cache
def _recorded() -> dict[str, Said]:
    every = captures()
    said = judge(*((_raw(of), {"secret": of.secret, "now": of.time * 1000}) for of in every if of.name not in REFUSED))
    return dict(zip((of.name for of in every if of.name not in REFUSED), said, strict=True))


@pytest.mark.parametrize("name", [of.name for of in captures() if of.name not in REFUSED])
def test_a_recorded_request_is_told_as_right(name: str) -> None:
    said = _recorded()[name]
    assert isinstance(said, dict), said
    assert said["verdict"] in ("right", "right-as-served"), said


@pytest.mark.parametrize("name", REFUSED)
def test_a_recorded_request_that_is_refused_is_explained(name: str) -> None:
    of = capture(name)
    # The time of what is not signed in its headers is of no interest here.
    (said,) = judge((_raw(of), {"secret": of.secret}))
    assert (said["verdict"], [row["id"] for row in said["mistakes"]]) == REFUSED[name]
