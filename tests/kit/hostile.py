"""Hostile requests by the thousand: valid ones spoilt before they are signed or after, and plain garbage."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

from kit import edits
from kit.catalogue import EXAMPLES, SCHEMES, Tenant, error_code
from kit.edits import Event
from kit.support import Signer, event

STRINGS = [
    "",
    " ",
    "0",
    "-1",
    "1025",
    "9" * 400,
    "1e3",
    "0x10",
    "True",
    "null",
    "None",
    "XML",
    "NaN",
    "[]",
    "{}",
    '{"a":1}',
    '{"a":"b","a":"c"}',
    '{"a":{"b":"c"}}',
    "[" * 50,
    '[{"Key":"KeyState","Values":["Enabled"]}]',
    '[{"Key":"KeyState","Values":"Enabled"}]',
    '[{"Key":"Nonsense","Values":[]}]',
    '[{"TagKey":"a"},{"TagKey":"a"}]',
    '{"a":"\\ud800"}',
    "alias/",
    "alias/default",
    "alias/../first",
    "alias/" + "a" * 300,
    "acs:kms:::key/x",
    "acs:kms:local:1:alias/first",
    "00000000-0000-4000-8000-000000000000",
    "5c438b18-05be-40ad-b6c2-3be6752cfa7e\n",
    "../../etc/passwd",
    "' OR 1=1 --",
    "%",
    "%00",
    "a&b=c",
    "&KeyId=",
    "@file",
    "<a>]]>&\"'",
    "\0",
    "\x1b[31m\r\n",
    "\u7a7a\u202e\ufeff\uffff",
    "\U0001f600" * 30,
    "e\u0301",
    "A" * 1025,
    "QUJD",
    "QUJ",
    "QR==",
    "AQEAAA==",
    "AQEAAA" + "A" * 200,
    "A" * 9000,
]
VALUES: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1,
    2**63,
    10**400,
    1.5,
    1e308,
    [],
    {},
    [None],
    [[]],
    [{}],
    ["a", 1],
    {"a": None},
    {"a": ["b"]},
    {"TagKey": "a"},
    [{"TagKey": 5}],
    [{"TagKey": "a", "TagValue": "\ud800"}],
    [{"TagKey": "a", "TagValue": ["b"]}],
    "\ud800",
    {"\ud800": "a"},
    ["5c438b18-05be-40ad-b6c2-3be6752cfa7e"] * 101,
]
BODIES = [
    b"",
    b"null",
    b"[]",
    b'"a"',
    b"{",
    b"{}{}",
    b'{"KeyId":NaN}',
    b'{"a":1,"a":2}',
    b"\xff\xfe{\0}\0",
    b"\xef\xbb\xbf{}",
    b"\xc0\xaf",
    b'{"a":' * 2000,
    b"[" * 5000,
    b'{"KeyId":' + b"1" * 5000 + b"}",
    b'{"Description":"\\ud800"}',
    b'{"KeyId":"\\u0000"}',
    b'--b\r\nContent-Disposition: form-data; name="KeyId"\r\n\r\na\r\n--b--',
]
FRAGMENTS = [
    "Action=Encrypt",
    "Action=",
    "Version=2016-01-20",
    "Version=2019-01-18",
    "AccessKeyId=a",
    "SecretId=a",
    "Signature=a",
    "SignatureMethod=HMAC-SHA1",
    "SignatureMethod=none",
    "Timestamp=1",
    "Nonce=1",
    "Format=XML",
    "DryRun=true",
    "X-Amz-Signature=a",
    "KeyId=%FF",
    "a",
    "=",
    "%",
    "a.0=1",
    "a.b.c.d.e.f.g.h.i=1",
    "\xe9=\xff",
]
HEADERS = [
    ("authorization", "SKIP"),
    ("authorization", "Bearer a"),
    ("authorization", "TC3-HMAC-SHA256 Credential=a/b/c"),
    (
        "authorization",
        "TC3-HMAC-SHA256 Credential=a/2027-01-15/kms/tc3_request, SignedHeaders=;, Signature=" + "0" * 64,
    ),
    ("authorization", "ACS3-HMAC-SHA256 Credential=a,SignedHeaders=host,Signature=" + "0" * 64),
    ("authorization", "ACS4-HMAC-SHA256 Credential=a/b/c/d/e,SignedHeaders=host,Signature=0"),
    ("authorization", "AWS4-HMAC-SHA256 Credential=a"),
    ("authorization", "\xe9"),
    ("x-tc-action", "Encrypt"),
    ("x-tc-timestamp", "99999999999"),
    ("x-tc-timestamp", "\xb2"),
    ("x-acs-action", "Encrypt"),
    ("x-acs-date", "0000-00-00T00:00:00Z"),
    ("x-acs-date", "9999-12-31T23:59:59Z"),
    ("x-acs-content-sha256", "0"),
    (
        "authorization",
        "AWS4-HMAC-SHA256 Credential=a/20270115/r/kms/aws4_request, SignedHeaders=host, Signature=" + "0" * 64,
    ),
    ("authorization", "AWS4-ECDSA-P256-SHA256 Credential=a"),
    ("x-amz-target", "TrentService.Encrypt"),
    ("x-amz-date", "20270230T000000Z"),
    ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
    ("x-amz-security-token", "a"),
    ("content-type", "application/x-amz-json-1.1"),
    ("content-type", "application/x-www-form-urlencoded"),
    ("content-type", "multipart/form-data; boundary=b"),
    ("content-type", ";;;"),
    ("host", ""),
    ("host", "[::1]:8480\x00"),
]
FAULTS = {
    "InternalFailure",
    "InternalError",
    6000,
    "ServiceUnavailable",
    "ServiceUnavailableTemporary",
    "FailedOperation",
    "KMSInternalException",
    "DependencyTimeoutException",
}
"""Codes that no request may bring about."""
METHODS = ["GET", "POST", "HEAD", "PUT", "get", "", "G\xe9T"]
PATHS = ["/", "/v2/index.php", "/healthz", "", "//", "/%2e%2e/", "/\xff"]


def content(request: Event) -> bytes:
    """The body, of whatever is left of it."""
    try:
        return edits.body(request)
    except ValueError:
        return b""


def verdict(answer: dict[str, Any]) -> str:
    """The code of an answer, `ok` or `plain`; a fault or an answer of no known form is an `AssertionError`."""
    status, kind = answer["statusCode"], answer["headers"]["content-type"]
    if kind.startswith("text/html"):
        assert status == 200
        return "plain"
    if kind.startswith("text/xml"):
        code = ET.fromstring(answer["body"]).findtext("Code")
        assert 400 <= status < 500 if code else status == 200
        return _known(code)
    body = json.loads(answer["body"])
    if "Response" in body or "codeDesc" in body:
        assert (status, kind) == (200, "application/json")
        return _known(error_code("tencent" if "Response" in body else "tencent-v2", answer))
    if "__type" in body or kind == "application/x-amz-json-1.1":
        assert 400 <= status < 500 if "__type" in body else status == 200
        return _known(body.get("__type"))
    if "RequestId" in body:
        assert 400 <= status < 500 if "Code" in body else status == 200
        return _known(body.get("Code"))
    assert (status, set(body)) in ((400, {"error", "request_id"}), (200, {"status"}))
    return "plain"


def _known(code: str | int | None) -> str:
    assert code not in FAULTS
    return "ok" if code is None else str(code)


class Attacker:
    """Requests of one scheme, from one seed: the same every time."""

    def __init__(self, scheme: str, seed: int, signer: Signer, tenant: Tenant) -> None:
        self.random = Random(f"{scheme} {seed}")
        self.scheme, self.signer = scheme, signer
        self.dialect, self.sign = SCHEMES[scheme]
        self.json = scheme in ("tencent-tc3", "aws-sigv4")
        self.examples = list(EXAMPLES[self.dialect](tenant).items())
        common = ["Format", "DryRun", "RegionId"] if self.dialect == "alibaba" else ["Region", "Language"]
        self.names = sorted({name for _, params in self.examples for name in params} | {*common})

    def requests(self, count: int) -> Iterator[Event]:
        kinds: list[Callable[[], Event]] = [self.spoilt_before] * 5 + [self.spoilt_after] * 3 + [self.garbage] * 2
        for _ in range(count):
            yield self.random.choice(kinds)()

    def spoilt_before(self) -> Event:
        """Signed as it is: it gets past the signature, to the parsers, codecs and Actions."""
        if self.json and self.random.random() < 0.1:
            sign = self.signer.aws if self.dialect == "aws" else self.signer.tencent
            return sign(self.random.choice(self.examples)[0], body=self.raw_body())
        action, params = self.example()
        for _ in range(self.random.choice((1, 1, 2, 3))):
            params = self.spoil(params)
        if self.random.random() < 0.05:
            action = self.random.choice(["", "NoSuchAction", "GetSecretValue", "encrypt", "__init__", *STRINGS[-20:]])
        return self.sign(self.signer, action, params)

    def spoilt_after(self) -> Event:
        """A valid request whose bytes were changed on the way."""
        request = self.sign(self.signer, *self.example())
        for _ in range(self.random.choice((1, 1, 2))):
            request = self.random.choice((self.flip, self.flip, self.flip_header, self.reframe, self.add))(request)
        return request

    def garbage(self) -> Event:
        draw = self.random
        query = "&".join(draw.choices(FRAGMENTS, k=draw.randrange(6)))
        body = draw.choice([b"", "&".join(draw.choices(FRAGMENTS, k=4)).encode("latin-1"), self.raw_body()])
        headers = dict(draw.choices(HEADERS, k=draw.randrange(5)))
        return event(draw.choice(METHODS), draw.choice(PATHS), query, headers, body)

    def example(self) -> tuple[str, Mapping[str, Any]]:
        return self.random.choice(self.examples)

    def value(self) -> Any:
        if self.json and self.random.random() < 0.5:
            return self.random.choice(VALUES)
        return self.random.choice(STRINGS)

    def spoil(self, params: Mapping[str, Any]) -> dict[str, Any]:
        draw = self.random
        changed = dict(params)
        name = draw.choice([*changed] or ["KeyId"])
        kind = draw.randrange(7)
        if kind <= 2:
            changed[name] = self.value()
        elif kind == 3:
            changed.pop(name, None)
        elif kind == 4:
            changed[draw.choice(self.names)] = self.value()
        elif kind == 5:
            changed[draw.choice([f"{name}.0", f"{name}.1", f"{name}.a", f"{name}.a.b", name.lower(), "", "."])] = "a"
        else:
            changed[name] = self.flipped(str(changed.get(name, "a")))
        return changed

    def flipped(self, text: str) -> str:
        if not text:
            return "a"
        at = self.random.randrange(len(text))
        return (
            text[:at] + self.random.choice(["", "a", "=", "&", "%", ".", "\0", "\xe9", text[at] * 2]) + text[at + 1 :]
        )

    def flip(self, request: Event) -> Event:
        if request["rawQueryString"]:
            return edits.with_query(request, self.flipped(request["rawQueryString"]))
        return edits.with_body(request, self.flipped(content(request).decode("latin-1")).encode("latin-1"))

    def flip_header(self, request: Event) -> Event:
        headers = dict(request["headers"])
        name = self.random.choice([*headers] or ["host"])
        value = headers.pop(name, "")
        if self.random.random() < 0.8:
            headers[name] = self.flipped(value)
        return {**request, "headers": headers}

    def reframe(self, request: Event) -> Event:
        draw = self.random
        kind = draw.randrange(5)
        if kind == 0:
            return edits.with_method(request, draw.choice(METHODS))
        if kind == 1:
            return {**request, "rawPath": draw.choice(PATHS)}
        if kind == 2:
            return edits.with_body(request, self.raw_body())
        if kind == 3:
            return {**request, "isBase64Encoded": not request["isBase64Encoded"], "body": "a=b%20c&d"}
        return {**request, "rawQueryString": content(request).decode("latin-1"), "body": "", "isBase64Encoded": False}

    def add(self, request: Event) -> Event:
        draw = self.random
        if draw.random() < 0.5:
            return {**request, "headers": {**request["headers"], **dict([draw.choice(HEADERS)])}}
        return edits.with_query(request, request["rawQueryString"] + "&" + draw.choice(FRAGMENTS))

    def raw_body(self) -> bytes:
        draw = self.random
        if draw.random() < 0.5:
            return draw.choice(BODIES)
        _, params = self.example()
        whole = json.dumps(self.spoil(params)).encode() if self.json else urlencode({"a": "b"}).encode()
        at = draw.randrange(len(whole) + 1)
        return draw.choice([whole[:at], whole[:at] + bytes([draw.randrange(256)]) + whole[at:], whole + whole])
