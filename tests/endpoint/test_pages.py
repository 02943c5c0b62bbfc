"""What the endpoint says to requests of no dialect, to people and to health checks."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest

from kit.support import Kms, Server, event

VENDORS = ("Alibaba", "Tencent", "AWS")
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(event("POST"), id="an empty POST"),
        pytest.param(event("GET", "/index.php"), id="another path"),
        pytest.param(event("GET", query="Action=Encrypt"), id="an Action alone"),
        pytest.param(event("POST", headers=FORM, body=b"Action=Encrypt&KeyId=a"), id="an unsigned form"),
        pytest.param(event("POST", body=b'{"KeyId":"a"}'), id="unsigned JSON"),
        pytest.param(event("POST", headers={"authorization": "Bearer a"}), id="bearer"),
        pytest.param(event("POST", headers={"authorization": "Basic a"}), id="basic"),
        pytest.param(event("GET", query="%zz&&&="), id="nonsense"),
        pytest.param(event("DELETE"), id="DELETE"),
        pytest.param(event("OPTIONS", headers={"origin": "https://example.test"}), id="a browser's preflight"),
        pytest.param(event("POST", "/healthz"), id="POST to the health check"),
        pytest.param(event("POST", body=b"\0" * 70_000), id="a large body"),
    ],
)
def test_a_request_of_no_dialect_is_told_how_to_sign(request_: dict[str, Any], kms: Kms) -> None:
    answer = kms.send(request_)
    assert answer["statusCode"] == 400
    assert answer["headers"]["content-type"] == "application/json"
    body = json.loads(answer["body"])
    assert "Sign the request" in body["error"]
    assert all(scheme in body["error"] for scheme in ("ACS3-HMAC-SHA256", "TC3-HMAC-SHA256", "AWS4-HMAC-SHA256"))
    assert body["request_id"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_browser_gets_a_page(method: str, kms: Kms) -> None:
    answer = kms.send(event(method, headers={"accept": "text/html"}))
    assert answer["statusCode"] == 200
    assert answer["headers"]["content-type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in answer["headers"]["content-security-policy"]
    assert "Tenant KMS is running" in answer["body"]
    assert all(vendor in answer["body"] for vendor in ("Alibaba Cloud", "Tencent Cloud", "AWS"))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_health_check(method: str, kms: Kms) -> None:
    answer = kms.send(event(method, "/healthz"))
    assert (answer["statusCode"], json.loads(answer["body"])) == (200, {"status": "ok"})


@pytest.mark.parametrize(
    "made",
    [
        {},
        {"rawPath": "/"},
        {"httpMethod": "GET", "path": "/"},
        {"Records": []},
        event("\ud800"),
        event(path="/\ud800"),
        event(query="a=\ud800"),
        event(headers={"amz-sdk-invocation-id": "\ud800"}),
    ],
)
def test_an_event_of_another_source_is_refused(made: dict[str, Any], kms: Kms) -> None:
    answer = kms.send(made)
    assert answer["statusCode"] == 400
    assert "payload format 2.0" in json.loads(answer["body"])["error"]


def test_nothing_is_cached(kms: Kms) -> None:
    for made in (event(), event("GET", "/healthz"), event("POST"), kms.signer.tencent("ListKeys")):
        assert kms.send(made)["headers"]["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("made", "status", "name"),
    [
        pytest.param(event("POST", "/v2/index.php", headers=FORM, body=b"Action=Encrypt"), 200, "code", id="v2 path"),
        pytest.param(event("GET", query="SecretId=a"), 200, "Response", id="a SecretId alone"),
        pytest.param(event("POST", headers={"x-tc-action": "Encrypt"}), 200, "Response", id="a TC action alone"),
        pytest.param(event("GET", query="AccessKeyId=a"), 400, "Code", id="an AccessKeyId alone"),
        pytest.param(event("POST", headers={"x-acs-action": "Encrypt"}), 400, "Code", id="an ACS action alone"),
        pytest.param(event("GET", query="Version=2016-01-20"), 400, "Code", id="an Alibaba version alone"),
        pytest.param(event("GET", query="Version=2019-01-18"), 200, "Response", id="a Tencent version alone"),
        pytest.param(event("GET", query="AccessKeyId=a&b=%zz"), 400, "Code", id="a query that does not parse"),
    ],
)
def test_a_request_that_hints_at_a_dialect_is_refused_in_it(
    made: dict[str, Any], status: int, name: str, kms: Kms
) -> None:
    answer = kms.send(made)
    assert answer["statusCode"] == status
    assert name in json.loads(answer["body"])
    assert json.loads(answer["body"]).get("code", 1) != 0


def _fields(message: bytes) -> dict[int, Any]:
    """A protobuf message of int32 and string fields."""
    found: dict[int, Any] = {}
    at = 0

    def varint() -> int:
        nonlocal at
        number, shift = 0, 0
        while True:
            byte = message[at]
            at += 1
            number |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return number

    while at < len(message):
        tag = varint()
        value = varint()
        if tag & 7 == 2:
            found[tag >> 3] = message[at : at + value].decode()
            at += value
        else:
            found[tag >> 3] = value
    return found


@pytest.mark.parametrize(
    "headers", [{"accept": "application/x-protobuf"}, {"x-kms-apiname": "Encrypt", "authorization": "Bearer a"}]
)
def test_a_client_of_kms_instances_is_told_in_protobuf(headers: dict[str, str], kms: Kms) -> None:
    answer = kms.send(event("POST", headers=headers, body=b"\x0a\x01k"))
    assert (answer["statusCode"], answer["isBase64Encoded"]) == (400, True)
    assert answer["headers"]["content-type"] == "application/x-protobuf"
    told = _fields(base64.b64decode(answer["body"]))
    assert (told[1], told[2]) == (400, "UnsupportedOperation")
    assert "alibabacloud_kms20160120" in told[3]
    assert told[4]


def test_on_one_machine_it_is_sent_as_it_is(server: Server) -> None:
    with pytest.raises(HTTPError) as refused:
        urlopen(Request(server.url, b"\x0a\x01k", {"accept": "application/x-protobuf"}))
    with refused.value as answer:
        assert _fields(answer.read())[1] == 400
