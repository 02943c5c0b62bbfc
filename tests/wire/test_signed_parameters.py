"""Schemes that sign parameters: their spellings and methods, and what is refused since it has two readings."""

from __future__ import annotations

import re
from typing import Any

import pytest

from kit.support import event
from tenantkms.errors import MalformedRequest, SignatureMismatch, Unsigned, UnsupportedMethod, UnsupportedSignature
from tenantkms.wire.dialects import DIALECTS
from tenantkms.wire.http import FORM, request_from_event
from tenantkms.wire.parse import STRICT, Parameters
from tenantkms.wire.signing import Scheme, alibaba_rpc, tencent_tc3, tencent_v1, verify

SECRET = "secret"
RPC = {"AccessKeyId": "id", "Signature": "s", "Timestamp": "2027-01-15T08:00:00Z"}


@pytest.mark.parametrize(
    "asked",
    [
        *({"SignatureMethod": name} for name in ("HMAC-SHA256", "HMAC-MD5", "none", "")),
        *({"SignatureVersion": name} for name in ("0.9", "1.1", "2.0", "")),
        {"SignatureMethod": "HMAC-SHA256", "SignatureVersion": "2.0"},
        {"SignatureType": "BEARERTOKEN"},
    ],
)
def test_alibaba_parameters_are_signed_in_one_way(asked: dict[str, str]) -> None:
    request = request_from_event(event("GET"))
    served = {"SignatureMethod": "HMAC-SHA1", "SignatureVersion": "1.0", "SignatureType": ""}
    assert alibaba_rpc.read(request, Parameters({**RPC, **served})).algorithm == "HMAC-SHA1"
    with pytest.raises(UnsupportedSignature):
        alibaba_rpc.read(request, Parameters({**RPC, **asked}))


@pytest.mark.parametrize("text", ["!", "'", "(*)", "plain"])
@pytest.mark.parametrize("unsafe", [STRICT, alibaba_rpc._LOOSE])
def test_alibaba_values_are_escaped_as_either_sdk_does(text: str, unsafe: re.Pattern[str]) -> None:
    request = request_from_event(event("GET"))
    params = {**RPC, "Description": text}
    signature = alibaba_rpc.sign(SECRET, alibaba_rpc.string_to_sign("GET", params, unsafe))
    assert verify(alibaba_rpc.read(request, Parameters({**params, "Signature": signature})), SECRET) == frozenset()


V1 = {"Action": "Encrypt", "Nonce": "1", "SecretId": "id", "Timestamp": "1800000000"}


def v1_signed(method: str, sent: dict[str, str], text: str) -> frozenset[str]:
    """What is not covered of a request with the parameters `sent`, of which `text` is signed."""
    signature = tencent_v1.sign(SECRET, "HmacSHA1", f"{method}h/?{text}")
    request = request_from_event(event(method, headers={"host": "h"}))
    claim = tencent_v1.read(request, Parameters({**sent, "Signature": signature}))
    assert (claim.access_key_id, claim.replay, claim.time) == ("id", signature, 1_800_000_000)
    return verify(claim, SECRET)


def test_only_a_post_may_leave_a_file_unsigned() -> None:
    sent = {**V1, "Plaintext": "@file"}
    less, all_ = tencent_v1.joined(V1), tencent_v1.joined(sent)
    assert v1_signed("GET", sent, all_) == v1_signed("POST", sent, all_) == frozenset()
    assert v1_signed("POST", sent, less) == {"Plaintext"}
    with pytest.raises(SignatureMismatch):
        v1_signed("GET", sent, less)


def test_dots_are_written_before_names_are_sorted_or_after_it() -> None:
    sent = {**V1, "a_b": "1", "aXc": "2"}
    before, after = (tencent_v1.joined(sent, **{when: tencent_v1._dotted}) for when in ("before", "after"))
    assert before != after
    assert v1_signed("POST", sent, before) == v1_signed("POST", sent, after) == frozenset()


def test_two_names_that_become_one_are_not_rewritten() -> None:
    one, both = {**V1, "a_b": "1"}, {**V1, "a_b": "1", "a.b": "1"}
    dotted = tencent_v1.joined({**V1, "a.b": "1"})
    assert v1_signed("POST", one, dotted) == frozenset()
    assert v1_signed("POST", both, tencent_v1.joined(both)) == frozenset()
    for text in (dotted, tencent_v1.joined(both, before=tencent_v1._dotted)):
        with pytest.raises(SignatureMismatch):
            v1_signed("POST", both, text)


@pytest.mark.parametrize("method", ["HmacMD5", "HmacSHA512", "TC1-HmacSHA256", "TC3-HmacSHA256", "none"])
def test_tencent_methods_that_are_not_served(method: str) -> None:
    with pytest.raises(UnsupportedSignature):
        v1_signed("GET", {**V1, "SignatureMethod": method}, "")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"a": "1&b=2"}, "value holds"),
        ({"a": "1&c.\u7a7a=2"}, "value holds"),
        ({"a&b": "2"}, "name holds"),
        ({"a=b": "2"}, "name holds"),
        ({"a&b=c": "2"}, "name holds"),
    ],
)
def test_tencent_parameters_that_could_be_read_in_two_ways(more: dict[str, str], said: str) -> None:
    sent = {**V1, **more}
    with pytest.raises(Unsigned, match=said):
        v1_signed("GET", sent, tencent_v1.joined(sent))


@pytest.mark.parametrize("name", ["Nonce", "SecretId", "Timestamp"])
def test_what_a_tencent_request_must_say(name: str) -> None:
    with pytest.raises(Unsigned, match=f"{name} is missing"):
        v1_signed("GET", {k: v for k, v in V1.items() if k != name}, "")


@pytest.mark.parametrize("media_type", ["", "application/json", "text/plain", "text/xml"])
def test_a_body_that_alibaba_signs_is_a_form(media_type: str) -> None:
    request = request_from_event(event("POST", headers={"content-type": media_type}, body=b"KeyId=k"))
    with pytest.raises(MalformedRequest, match=FORM):
        DIALECTS["alibaba"].parameters(request, alibaba_rpc.SCHEME)


FLAT: list[tuple[dict[str, str], dict[str, Any]]] = [
    ({"KeyId": "k"}, {"KeyId": "k"}),
    *(
        ({f"{name}.a": "1", f"{name}.b.c": "2"}, {name: {"a": "1", "b.c": "2"}})
        for name in ("EncryptionContext", "SourceEncryptionContext", "DestinationEncryptionContext")
    ),
    ({"ResourceId.1": "a", "ResourceId.2": "b", "KeyId": "k"}, {"ResourceId": ["a", "b"], "KeyId": "k"}),
    ({"TagKey.1": "a", "EncryptionContext": "{}"}, {"TagKey": ["a"], "EncryptionContext": "{}"}),
    ({"Tag.1.Key": "a", "Tag.1.Value": "b"}, {"Tag": [{"Key": "a", "Value": "b"}]}),
    ({"KeyId.1": "k", "EncryptionContext.a": "1"}, {"KeyId.1": "k", "EncryptionContext": {"a": "1"}}),
]


@pytest.mark.parametrize(("flat", "read"), FLAT)
def test_what_alibaba_parameters_with_dots_are(flat: dict[str, str], read: dict[str, Any]) -> None:
    named = {"Action": "Encrypt", "Version": "2016-01-20"}
    said = DIALECTS["alibaba"].parse(
        request_from_event(event("GET")), alibaba_rpc.SCHEME, Parameters({**named, **flat})
    )
    assert said == ("Encrypt", "2016-01-20", {**named, **read})


def test_a_context_in_two_forms_is_refused() -> None:
    flat = {"EncryptionContext": "{}", "EncryptionContext.a": "1"}
    with pytest.raises(MalformedRequest, match="as JSON text and as single parameters"):
        DIALECTS["alibaba"].parse(request_from_event(event("GET")), alibaba_rpc.SCHEME, Parameters(flat))


JSON = "application/json"
TENCENT: list[tuple[Scheme, str, str, bytes, str, Any]] = [
    # scheme, method, query, body, its type; what is read, or the error
    (tencent_v1.SCHEME, "GET", "a=1", b"", "", {"a": "1"}),
    (tencent_v1.SCHEME, "GET", "a=1", b"b=2", FORM, MalformedRequest),
    (tencent_v1.SCHEME, "GET", "", b"b=2", FORM, MalformedRequest),
    (tencent_v1.SCHEME, "POST", "", b"b=2", FORM, {"b": "2"}),
    (tencent_v1.SCHEME, "POST", "", b"b=2", JSON, {"b": "2"}),
    (tencent_v1.SCHEME, "POST", "", b"", FORM, {}),
    (tencent_v1.SCHEME, "POST", "a=1", b"", FORM, MalformedRequest),
    (tencent_v1.SCHEME, "POST", "a=1", b"b=2", FORM, MalformedRequest),
    (tencent_tc3.SCHEME, "GET", "a=1", b"", JSON, {"a": "1"}),
    (tencent_tc3.SCHEME, "GET", "a=1", b"", FORM, {"a": "1"}),
    (tencent_tc3.SCHEME, "GET", "a=1", b"{}", JSON, MalformedRequest),
    (tencent_tc3.SCHEME, "POST", "", b"b=2", FORM, {"b": "2"}),
    (tencent_tc3.SCHEME, "POST", "a=1", b"b=2", FORM, MalformedRequest),
    (tencent_tc3.SCHEME, "POST", "", b'{"b":"2"}', JSON, {"b": "2"}),
    (tencent_tc3.SCHEME, "POST", "", b'{"b":"2"}', "application/octet-stream", {"b": "2"}),
    (tencent_tc3.SCHEME, "POST", "a=1", b'{"b":"2"}', JSON, MalformedRequest),
    (tencent_tc3.SCHEME, "POST", "", b'{"b":"2"}', "text/plain", MalformedRequest),
    *(
        (s, m, "", b"{}", JSON, UnsupportedMethod)
        for s in (tencent_v1.SCHEME, tencent_tc3.SCHEME)
        for m in ("DELETE", "PUT")
    ),
    (tencent_v1.SCHEME, "DELETE", "a=1", b"", "", UnsupportedMethod),
]


@pytest.mark.parametrize(("scheme", "method", "query", "body", "media_type", "read"), TENCENT)
def test_where_tencent_parameters_travel(
    scheme: Scheme, method: str, query: str, body: bytes, media_type: str, read: Any
) -> None:
    request = request_from_event(event(method, query=query, headers={"content-type": media_type}, body=body))
    dialect = DIALECTS["tencent"]
    if isinstance(read, dict):
        assert dialect.parse(request, scheme, dialect.parameters(request, scheme))[2] == read
    else:
        with pytest.raises(read):
            dialect.parse(request, scheme, dialect.parameters(request, scheme))


@pytest.mark.parametrize("name", ["Action", "Version"])
@pytest.mark.parametrize("header", ["A", "z", "Encrypt"])
def test_tencent_headers_that_are_not_signed_say_nothing_else(name: str, header: str) -> None:
    request = request_from_event(event("GET", headers={f"x-tc-{name.lower()}": header}))
    params = Parameters({"Action": "Encrypt", "Version": "Encrypt"})
    if header == "Encrypt":
        assert DIALECTS["tencent"].parse(request, tencent_v1.SCHEME, params)[:2] == ("Encrypt", "Encrypt")
    else:
        with pytest.raises(MalformedRequest, match="differ"):
            DIALECTS["tencent"].parse(request, tencent_v1.SCHEME, params)
