"""The door of a private address: the same request as the public one's, of whatever SDKs and attackers send."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from kit.balancer import balanced
from kit.captures import at, captures
from kit.catalogue import SCHEMES, error_code, prepare
from kit.hostile import Attacker
from kit.support import Kms, Signer, event
from tenantkms.errors import MalformedRequest
from tenantkms.wire.http import Request, Response, request_from_event
from tenantkms.wire.load_balancer import answer_to_balancer, request_from_balancer


def through(raw: dict[str, Any]) -> Request:
    """Without the header that the balancer adds."""
    made = request_from_balancer(balanced(raw))
    return replace(made, headers={name: made.headers[name] for name in made.headers if name != "x-forwarded-for"})


def test_what_sdks_send_is_the_same_request() -> None:
    found = captures()
    assert len(found) > 100
    for of in found:
        assert through(of.event) == request_from_event(of.event), of.name


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_signed_request_is_answered_as_at_the_public_address(scheme: str, kms: Kms) -> None:
    dialect, sign = SCHEMES[scheme]
    params = {"alibaba": {"PageSize": "1"}, "aws": {"Limit": 1}, "tencent": {"Limit": 1}, "tencent-v2": {"limit": 1}}
    action = "ListKey" if dialect == "tencent-v2" else "ListKeys"
    answer = kms.endpoint(balanced(sign(kms.signer, action, params[dialect])))
    assert (answer["statusCode"], error_code(dialect, answer)) == (200, None)
    assert answer["multiValueHeaders"]["cache-control"] == ["no-store"]
    assert "headers" not in answer
    wrong = balanced(sign(Signer(kms.signer.access_key_id, "not the secret"), action, params[dialect]))
    assert error_code(dialect, kms.endpoint(wrong)) is not None


@pytest.mark.parametrize("scheme", ["alibaba-rpc", "tencent-v1", "tencent-tc3"])
def test_attackers_find_nothing_that_the_other_door_does_not_have(scheme: str, kms: Kms) -> None:
    for raw in Attacker(scheme, 3, kms.signer, prepare(kms)).requests(400):
        if isinstance(raw.get("rawQueryString"), str):
            names = [pair.partition("=")[0] for pair in raw["rawQueryString"].split("&")]
            exact = len(set(names)) == len(names) and all("=" in pair for pair in raw["rawQueryString"].split("&"))
            try:
                expected, made = request_from_event(raw), through(raw)
            except (MalformedRequest, KeyError, AttributeError, TypeError):
                continue  # no HTTP request
            assert replace(made, query="") == replace(expected, query="")
            assert sorted(made.query.split("&")) == sorted(expected.query.split("&")) or not exact
            assert not exact or made.query == expected.query


def test_only_the_order_of_a_repeated_name_is_lost() -> None:
    """And what stands for nothing. A signature over the raw query is refused then, as it would be for another query."""
    assert through(event(query="a=1&b=%20&c==x&d=")).query == "a=1&b=%20&c==x&d="
    assert through(event(query="a=1&b=2&a=3&&c")).query == "a=1&a=3&b=2&c="


def test_who_asks_is_whom_the_balancer_saw() -> None:
    for spoofed in ("198.51.100.7", "198.51.100.7, 10.0.0.1", "a,,", "2001:db8::9"):
        assert (
            request_from_balancer(balanced(event(), spoofed)).source_ip == event()["requestContext"]["http"]["sourceIp"]
        )
    other = balanced(event())
    other["multiValueHeaders"]["x-forwarded-for"] = ["2001:db8::9"]
    assert request_from_balancer(other).source_ip == "2001:db8::9"


def test_headers_of_several_values_are_one_as_behind_api_gateway() -> None:
    several = balanced(event())
    several["multiValueHeaders"] |= {"x-acs-a": ["1", "2"], "cookie": ["a=b"]}
    assert request_from_balancer(several).header("x-acs-a") == "1,2"
    assert "cookie" not in request_from_balancer(several).headers


WRONG: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no headers": lambda e: e.pop("multiValueHeaders"),
    "single-value headers": lambda e: e.update(headers=e.pop("multiValueHeaders")),
    "a header that is no list": lambda e: e["multiValueHeaders"].update(host="a"),
    "a header of no text": lambda e: e["multiValueHeaders"].update(host=[1]),
    "a header twice": lambda e: e["multiValueHeaders"].update(HOST=["b"]),
    "nobody": lambda e: e["multiValueHeaders"].pop("x-forwarded-for"),
    "a query that is no list": lambda e: e.update(multiValueQueryStringParameters={"a": "b"}),
    "half of a character in a query": lambda e: e.update(multiValueQueryStringParameters={"a": ["\ud800"]}),
    "no path": lambda e: e.pop("path"),
    "a method of no text": lambda e: e.update(httpMethod=7),
    "no base64": lambda e: e.update(body="?", isBase64Encoded=True),
}


@pytest.mark.parametrize("spoil", WRONG.values(), ids=WRONG)
def test_what_no_balancer_sends_is_refused(spoil: Callable[[dict[str, Any]], Any], kms: Kms) -> None:
    made = balanced(event())
    spoil(made)
    answer = kms.endpoint(made)
    assert answer["statusCode"] == 400
    assert list(json.loads(answer["body"])) == ["error", "request_id"]
    assert answer["multiValueHeaders"]["content-type"] == ["application/json"]


def test_bytes_of_an_answer_are_in_base64(kms: Kms) -> None:
    made = answer_to_balancer(Response(status=200, content_type="image/png", body=b"\x89PNG"))
    assert (base64.b64decode(made["body"]), made["isBase64Encoded"]) == (b"\x89PNG", True)
    assert at(kms, 0).endpoint(balanced(event(path="/healthz")))["body"] == '{"status":"ok"}'
