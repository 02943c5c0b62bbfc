"""A header that takes part in authentication has one text: what is verified is what is remembered, on every door."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.balancer import balanced
from kit.captures import Capture, capture, captures
from kit.catalogue import SCHEMES, error_code
from kit.connections import Echo, Wire, listening, request_bytes
from kit.edits import Event, with_headers
from kit.support import Kms
from tenantkms.errors import KmsError, Unsigned
from tenantkms.wire.dialects import recognise
from tenantkms.wire.http import Request, check_headers, request_from_event
from tenantkms.wire.load_balancer import request_from_balancer
from tenantkms.wire.signing import verify

CAPTURES = (
    "alibaba-tea-Encrypt",
    "alibaba-tea-Encrypt-acs4",
    "tencent3-tencentcloud-py-Encrypt",
    "tencent3-tencentcloud-node-Encrypt-TC3-POST",
)
HEADED = [found for found in captures() if found.name in CAPTURES]
SPACES = [*"\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2003\u2028\u2029\u3000"]
OTHERS = [*map(chr, range(9)), *map(chr, range(0x0E, 0x1C)), *"\x7f\ufeffa,;\u00e9"]
TEXTS = st.just("") | st.text(SPACES, min_size=1, max_size=2) | st.text(SPACES + OTHERS, max_size=3)

DOORS = {"event": request_from_event, "balancer": lambda event: request_from_balancer(balanced(event))}
"""Those that are a function; on one machine it is a connection."""


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with listening(Echo()) as port:
        yield port


def _machine(port: int, event: Event) -> Request | None:
    """The request that one machine makes of it; None if that is no HTTP to it."""
    try:
        raw = request_bytes(event)
    except UnicodeEncodeError:
        return None
    with Wire(port) as wire:
        wire.send(raw)
        status, _, body = wire.answer()
    return msgspec.json.decode(body, type=Request) if status == 200 else None


def _replay(request: Request, of: Capture) -> str | None:
    """What is remembered of a request, by the endpoint's own order of checks; None if it is refused."""
    spoken = recognise(request)
    if spoken is None:
        return None
    try:
        check_headers(request)
        claim = spoken.scheme.read(request, spoken.dialect.parameters(request, spoken.scheme))
        verify(claim, of.secret)
    except KmsError:
        return None
    return f"{claim.access_key_id} {claim.signature} {claim.replay}"


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(before=TEXTS, after=TEXTS)
@pytest.mark.parametrize("door", ["event", "balancer", "machine"])
@pytest.mark.parametrize("of", HEADED, ids=str)
def test_no_two_texts_of_a_header_verify_and_are_remembered_apart(
    door: str, of: Capture, port: int, before: str, after: str
) -> None:
    event = of.event
    expected = _replay(request_from_event(event), of)
    assert expected
    for name, value in event["headers"].items():  # one of them is the nonce, whose other text would count as new
        changed = with_headers(event, **{name: before + value + after})
        request = DOORS[door](changed) if door in DOORS else _machine(port, changed)
        assert request is None or _replay(request, of) in (None, expected)


@pytest.mark.parametrize("name", ["x-acs-signature-nonce", "x-acs-date", "host", "authorization", "x-acs-action"])
@pytest.mark.parametrize("space", sorted({*SPACES} - {" ", "\t"}), ids=ascii)
def test_white_space_that_http_does_not_know_is_refused_in_the_callers_dialect(name: str, space: str, kms: Kms) -> None:
    event = kms.signer.alibaba_acs3("ListKeys")
    assert error_code("alibaba", kms.send(event)) is None
    replayed = with_headers(event, **{name: event["headers"][name] + space})
    assert error_code("alibaba", kms.send(replayed)) == "IncompleteSignature"


@pytest.mark.parametrize("space", [" ", "\t", "  \t "])
def test_space_around_a_nonce_does_not_make_it_another(space: str, kms: Kms) -> None:
    event = kms.signer.alibaba_acs3("ListKeys")
    nonce = event["headers"]["x-acs-signature-nonce"]
    assert error_code("alibaba", kms.send(with_headers(event, x_acs_signature_nonce=nonce + space))) is None
    for again in (event, with_headers(event, x_acs_signature_nonce=space + nonce)):
        assert error_code("alibaba", kms.send(again)) == "SignatureNonceUsed"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_scheme_takes_other_white_space_in_any_header(scheme: str, kms: Kms) -> None:
    dialect, sign = SCHEMES[scheme]
    for name in ("host", "content-type", "x-acs-signature-nonce", "x-tc-version", "x-amz-date", "date"):
        action = "ListKey" if dialect == "tencent-v2" else "ListKeys"
        event = sign(kms.signer, action, {})
        event = with_headers(event, **{name: event["headers"].get(name, "") + "\xa0"})
        answer = kms.send(event)  # of a form whose type is another the dialect cannot be told
        assert answer["statusCode"] == 400 or error_code(dialect, answer) is not None, name


def test_where_no_dialect_can_be_told_it_is_refused_plainly(kms: Kms) -> None:
    answer = kms.send(with_headers(kms.signer.alibaba_acs3("ListKeys"), authorization="\xa0ACS3-HMAC-SHA256 "))
    assert error_code("alibaba", answer) == "IncompleteSignature"  # its other headers tell it
    plain = kms.send({**capture("alibaba-tea-Encrypt").event, "headers": {"host": "a", "authorization": "\xa0TC3-"}})
    assert (plain["statusCode"], list(json.loads(plain["body"]))) == (400, ["error", "request_id"])


def test_other_headers_may_hold_any_text(kms: Kms) -> None:
    for text in ("caf\u00e9", "\u5b89\u5168", "a\tb"):
        event = with_headers(kms.signer.alibaba_acs3("ListKeys"), user_agent=text)
        assert error_code("alibaba", kms.send(event)) is None


@pytest.mark.parametrize("check", [lambda name: name, lambda name: f"x-acs-{name}", lambda name: f"x-tc-{name}"])
def test_every_character_that_is_not_printable_ascii(check: Callable[[str], str]) -> None:
    for code in (*range(0x20), *range(0x7F, 0x300), 0x2028, 0xFEFF, 0x1F600):
        request = request_from_event(_with(check("host"), f"a{chr(code)}b"))
        with pytest.raises(Unsigned):
            check_headers(request)


def _with(name: str, value: str) -> Event:
    return with_headers(capture("alibaba-tea-Encrypt").event, **{name: value})
