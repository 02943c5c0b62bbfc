"""Attacks on a signed request: each is refused in the caller's own dialect, with its code, and changes nothing."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest
from msgspec.structs import replace

from kit import edits
from kit.action_samples import ListAudit
from kit.captures import at
from kit.catalogue import EXAMPLES, SCHEMES, error_code, prepare
from kit.edits import Edit, Event
from kit.support import Kms, Signer
from tenantkms.model.key import KeyFilter
from tenantkms.wire.http import MAX_BODY

PARSE = "ParseRequestParameterException"
INCOMPLETE = "IncompleteSignature"
ALGORITHM = "InvalidSignatureMethod"
MISMATCH = "SignatureDoesNotMatch"
T_INVALID = "InvalidParameter"
T_AUTH = "AuthFailure.InvalidAuthorization"
T_MISMATCH = "AuthFailure.SignatureFailure"
V2_INVALID, V2_AUTH = 4000, 4100

A_MISMATCH, A_INCOMPLETE = "InvalidSignatureException", "IncompleteSignatureException"

RPC, RPC_POST, ACS3, TC3, V1, V2, V4 = (
    "alibaba-rpc",
    "alibaba-rpc-post",
    "alibaba-acs3",
    "tencent-tc3",
    "tencent-v1",
    "tencent-v2",
    "aws-sigv4",
)


def state(kms: Kms) -> Any:
    """Everything that a request could change."""
    store = kms.settings.deps.keyring.store
    return store.list_keys(KeyFilter(), now=0, offset=0, limit=1000), store.list_aliases(offset=0, limit=1000)


def create(scheme: str, signer: Signer) -> Event:
    """A signed CreateKey: whatever is done to it must not create a key."""
    dialect, sign = SCHEMES[scheme]
    params = {"alibaba": {}, "tencent": {"Alias": "made"}, "tencent-v2": {"alias": "made"}, "aws": {}}[dialect]
    return sign(signer, "CreateKey", params)


class Row(NamedTuple):
    attack: str
    scheme: str
    edit: Edit
    code: str | int
    signed: bool = False
    """The signature does not cover the change: the request counts as sent, and its nonce is used."""


TABLE = [
    Row("a parameter twice in the query", RPC, edits.adding("Format", "JSON"), PARSE),
    Row("a parameter twice in the form", V2, edits.adding("alias", "b"), V2_INVALID),
    Row(
        "a parameter in query and form",
        RPC_POST,
        lambda request: edits.query("Description=d")(edits.form_more(b"&Description=d")(request)),
        PARSE,
    ),
    Row("a common parameter of two values", RPC_POST, edits.query("Version=2016-01-21"), PARSE),
    Row("a common parameter added beside a signed form", RPC_POST, edits.query("RegionId=a"), MISMATCH),
    Row("a query beside a signed form", V1, edits.query("Alias=b"), T_INVALID),
    Row("a query beside a signed v2 form", V2, edits.query("alias=b"), V2_INVALID),
    Row("a query beside a signed JSON body", TC3, edits.query("Alias=b"), T_MISMATCH),
    Row("a form beside a signed query", ACS3, edits.form(b"Description=b"), PARSE),
    Row("a form in a GET", RPC, edits.form(b"Description=b"), PARSE),
    Row("a bad escape", RPC, edits.query_more("&a=%zz"), PARSE),
    Row("invalid UTF-8 in a query", ACS3, edits.query("a=%FF"), PARSE),
    Row("invalid UTF-8 in a form", V2, edits.form_more(b"&a=%FF"), V2_INVALID),
    Row("a blank parameter added to a query", RPC, edits.adding("a"), MISMATCH),
    Row("a blank parameter added to a form", V1, edits.adding("a"), T_MISMATCH),
    Row("a JSON key twice", TC3, edits.form(b'{"Alias":"a","Alias":"b"}'), T_MISMATCH),
    # two carriers of authentication
    Row("ACS3 and RPC", ACS3, edits.query("AccessKeyId=a&Signature=b"), INCOMPLETE),
    Row("ACS3 and Tencent v1", ACS3, edits.query("SecretId=a&Signature=b"), INCOMPLETE),
    Row("RPC and Tencent v1", RPC, edits.adding("SecretId", "a"), INCOMPLETE),
    Row("RPC and a bearer header", RPC, edits.headers(authorization="Bearer a"), INCOMPLETE),
    Row("RPC and a presigned AWS query", RPC, edits.adding("X-Amz-Signature", "a"), INCOMPLETE),
    Row("RPC and an AWS target", RPC, edits.headers(x_amz_target="TrentService.CreateKey"), INCOMPLETE),
    Row("TC3 and v1", TC3, edits.query("SecretId=a&Signature=b"), T_AUTH),
    Row("v1 and TC3", V1, edits.headers(authorization="TC3-HMAC-SHA256 a"), T_AUTH),
    Row("v2 and a basic header", V2, edits.headers(authorization="Basic a"), V2_AUTH),
    # signed with nothing, or with what is not served
    Row("RPC without a signature", RPC, edits.dropping("Signature"), INCOMPLETE),
    Row("RPC with a blank signature", RPC, edits.replacing("Signature", ""), INCOMPLETE),
    Row("RPC with a blank access key", RPC, edits.replacing("AccessKeyId", ""), INCOMPLETE),
    Row("RPC without a time", RPC, edits.dropping("Timestamp"), INCOMPLETE),
    Row("RPC with a wrong signature", RPC, edits.replacing("Signature", "AAAA"), MISMATCH),
    Row("RPC with a signature that is not ASCII", RPC, edits.replacing("Signature", "\u7a7a"), MISMATCH),
    Row("RPC with the algorithm none", RPC, edits.replacing("SignatureMethod", "none"), ALGORITHM),
    Row("RPC with a bearer token", RPC, edits.adding("SignatureType", "BEARERTOKEN"), ALGORITHM),
    Row("RPC of version 2.0", RPC, edits.replacing("SignatureVersion", "2.0"), ALGORITHM),
    Row("ACS3 without a signature", ACS3, edits.header_dropped("authorization"), INCOMPLETE),
    Row("ACS3, anonymous", ACS3, edits.headers(authorization="Anonymous"), ALGORITHM),
    Row("ACS3, bearer", ACS3, edits.headers(authorization="Bearer a"), ALGORITHM),
    Row("ACS3 with SM3", ACS3, edits.authorization("SHA256", "SM3"), ALGORITHM),
    Row("ACS3, nonce not signed", ACS3, edits.authorization("x-acs-signature-nonce;", ""), INCOMPLETE),
    Row("ACS3, version not signed", ACS3, edits.authorization(";x-acs-version", ""), INCOMPLETE),
    Row("ACS3, payload not signed", ACS3, edits.headers(x_acs_content_sha256="UNSIGNED-PAYLOAD"), MISMATCH),
    Row("TC3 without a signature", TC3, edits.header_dropped("authorization"), T_AUTH),
    Row("TC3, SKIP", TC3, edits.headers(authorization="SKIP"), T_AUTH),
    Row("TC3, bearer", TC3, edits.headers(authorization="Bearer a"), T_AUTH),
    Row("TC3, UNSIGNED-PAYLOAD", TC3, edits.headers(x_tc_content_sha256="UNSIGNED-PAYLOAD"), T_AUTH),
    Row("TC3, host not signed", TC3, edits.authorization("content-type;host", "content-type"), T_AUTH),
    Row("TC3 of another algorithm", TC3, edits.authorization("SHA256", "SM3"), T_AUTH),
    Row("v1 without a signature", V1, edits.dropping("Signature"), T_AUTH),
    Row("v1 without a nonce", V1, edits.dropping("Nonce"), T_AUTH),
    Row("v1 with HmacMD5", V1, edits.replacing("SignatureMethod", "HmacMD5"), T_AUTH),
    Row("v2 without a signature", V2, edits.dropping("Signature"), V2_AUTH),
    Row("v2 with the algorithm none", V2, edits.replacing("SignatureMethod", "none"), V2_AUTH),
    # what is not signed may not say otherwise
    Row("another Action in a header", RPC, edits.headers(x_acs_action="DeleteAlias"), PARSE, signed=True),
    Row("another Version in a header", RPC, edits.headers(x_acs_version="2014-05-26"), PARSE, signed=True),
    Row("another Action in a header of v1", V1, edits.headers(x_tc_action="ListKeys"), T_INVALID, signed=True),
    Row("a TC3 Action whose parameters differ", TC3, edits.headers(x_tc_action="DescribeKey"), "MissingParameter"),
    Row("a body over 64 KB", TC3, edits.form(b" " * (MAX_BODY + 1)), "RequestSizeLimitExceeded"),
    Row("a form over 64 KB", RPC_POST, edits.form(b"AccessKeyId=a&" + b"a" * MAX_BODY), PARSE),
    Row("a v2 form over 64 KB", V2, edits.form(b"a=" + b"a" * MAX_BODY), V2_INVALID),
    Row("PUT", RPC, edits.method("PUT"), "UnsupportedHTTPMethod"),
    Row("HEAD", ACS3, edits.method("HEAD"), "UnsupportedHTTPMethod"),
    Row("DELETE", V1, edits.method("DELETE"), "UnsupportedProtocol"),
    Row("PATCH", V2, edits.method("PATCH"), 4600),
    Row("OPTIONS", TC3, edits.method("OPTIONS"), T_MISMATCH),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.attack)
def test_an_attack_is_refused_and_changes_nothing(row: Row, kms: Kms) -> None:
    before = state(kms)
    request = create(row.scheme, kms.signer)
    answer = kms.send(row.edit(request))
    dialect = SCHEMES[row.scheme][0]
    assert error_code(dialect, answer) == row.code
    assert answer["statusCode"] == 200 if dialect != "alibaba" else 400 <= answer["statusCode"] < 500
    assert state(kms) == before
    again = create(row.scheme, kms.signer) if row.signed else request
    assert error_code(dialect, kms.send(again)) is None, "the request that the attack was made of is refused anyway"
    assert state(kms) != before


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_can_create_a_key(scheme: str, kms: Kms) -> None:
    before = state(kms)[0][0]
    assert error_code(SCHEMES[scheme][0], kms.send(create(scheme, kms.signer))) is None
    assert state(kms)[0][0] == before + 1


SIGNED_BODIES: list[tuple[str, bytes, str]] = [
    ("a key twice", b'{"Alias":"a","Alias":"b"}', T_INVALID),
    ("NaN", b'{"Alias":"a","Type":NaN}', T_INVALID),
    ("a number of 5000 digits", b'{"Alias":"a","Type":' + b"1" * 5000 + b"}", T_INVALID),
    ("nine levels", b'{"Alias":"a","Tags":' + b"[" * 8 + b"]" * 8 + b"}", T_INVALID),
    ("UTF-16", '{"Alias":"a"}'.encode("utf-16"), T_INVALID),
    ("a byte order mark", b'\xef\xbb\xbf{"Alias":"a"}', T_INVALID),
    ("invalid UTF-8", b'{"Alias":"a","Description":"\xff"}', T_INVALID),
    ("a lone surrogate", b'{"Alias":"a","Description":"\\ud800"}', T_INVALID),
    ("a list", b"[]", T_INVALID),
    ("nothing", b"", T_INVALID),
    ("a parameter of no Action", b'{"Alias":"a","Owner":"me"}', "UnknownParameter"),
    ("a flattened parameter", b'{"Alias":"a","Tags.0.TagKey":"k"}', "UnknownParameter"),
    ("another dialect's parameter", b'{"alias":"a"}', "MissingParameter"),
    ("a parameter of the wrong type", b'{"Alias":["a"]}', "InvalidParameterValue.InvalidAlias"),
]


@pytest.mark.parametrize(("body", "code"), [pytest.param(b, c, id=n) for n, b, c in SIGNED_BODIES])
def test_a_signed_body_that_is_malformed(body: bytes, code: str, kms: Kms) -> None:
    before = state(kms)
    answer = kms.send(kms.signer.tencent("CreateKey", body=body))
    assert error_code("tencent", answer) == code
    assert state(kms) == before


@pytest.mark.parametrize("number", ["0", "-1", "1025", "1e3", "0x10", "10.0", "9" * 5000, " 1", "\uff11"])
def test_a_data_key_of_an_impossible_size_is_not_made(number: str, kms: Kms) -> None:
    request = kms.signer.alibaba_rpc("GenerateDataKey", {"KeyId": "alias/default", "NumberOfBytes": number})
    assert error_code("alibaba", kms.send(request)) == "InvalidParameter"


def test_values_that_a_vendor_sdk_does_not_sign_are_not_believed(kms: Kms) -> None:
    """Old SDKs leave values that begin with `@` out: adding one keeps their signature right."""
    before = state(kms)
    answer = kms.send(edits.adding("description", "@file")(create(V2, kms.signer)))
    assert error_code("tencent-v2", answer) == V2_INVALID
    assert "begins with '@'" in json.loads(answer["body"])["message"]
    assert state(kms) == before


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_string_to_sign_is_never_echoed(scheme: str, kms: Kms) -> None:
    """It holds the plaintext; the classic Alibaba SDK compares, and the answer must not need it."""
    dialect, sign = SCHEMES[scheme]
    name = "plaintext" if dialect == "tencent-v2" else "Plaintext"
    signer = Signer(kms.signer.access_key_id, "wrong")
    answer = kms.send(sign(signer, "Encrypt", {"KeyId": "alias/default", name: "TWFya2VkUGxhaW50ZXh0"}))
    assert error_code(dialect, answer) in {MISMATCH, T_MISMATCH, V2_AUTH, A_MISMATCH}
    assert "TWFya2Vk" not in answer["body"]
    assert "%2F&" not in answer["body"]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_security_token_is_refused(scheme: str, kms: Kms) -> None:
    """It is none that was issued here, so it may not be believed, even in a request that is signed right."""
    before = state(kms)
    dialect, _ = SCHEMES[scheme]
    signer = kms.signer
    request = {
        "alibaba-rpc": lambda: signer.alibaba_rpc("CreateKey", SecurityToken="a"),
        "alibaba-rpc-post": lambda: signer.alibaba_rpc("CreateKey", method="POST", SecurityToken="a"),
        "alibaba-acs3": lambda: edits.headers(x_acs_security_token="a")(create(scheme, signer)),
        "tencent-tc3": lambda: edits.headers(x_tc_token="a")(create(scheme, signer)),
        "tencent-v1": lambda: signer.tencent_v1("CreateKey", {"Alias": "made"}, Token="a"),
        "tencent-v2": lambda: signer.tencent_v2("CreateKey", {"alias": "made"}, Token="a"),
        "tencent-v2-get": lambda: signer.tencent_v2("CreateKey", {"alias": "made"}, method="GET", Token="a"),
        "aws-sigv4": lambda: signer.aws("CreateKey", token="a"),
    }[scheme]()
    # ACS3 also insists that the token's header is signed.
    expected = {
        "alibaba": "InvalidSecurityToken.Malformed",
        "tencent": "AuthFailure.TokenFailure",
        "aws": "UnrecognizedClientException",
    }
    code = INCOMPLETE if scheme == ACS3 else expected.get(dialect, 4105)
    assert error_code(dialect, kms.send(request)) == code
    assert state(kms) == before


def test_the_clock_of_the_endpoint_is_the_settings_own(kms: Kms) -> None:
    then = at(kms, 1_800_000_000)
    assert error_code("tencent", then.send(create(TC3, then.signer))) is None
    assert error_code("tencent", kms.send(create(TC3, then.signer))) == "AuthFailure.SignatureExpire"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_context_that_no_action_can_be_told_has_its_line(scheme: str, kms: Kms) -> None:
    """JSON may hold what UTF-8 cannot: the Action would not even be begun, which writes the line."""
    audit = ListAudit()
    settings = replace(kms.settings, deps=replace(kms.settings.deps, audit=audit))
    dialect, sign = SCHEMES[scheme]
    params = dict(EXAMPLES[dialect](prepare(kms))["Encrypt"])
    name = next(name for name in params if name.lower() == "encryptioncontext")
    context = {"a": "\ud800"} if dialect == "aws" else '{"a":"\\ud800"}'
    answer = Kms(settings, kms.signer).send(sign(kms.signer, "Encrypt", {**params, name: context}))
    assert error_code(dialect, answer) is not None
    # In JSON it is refused before anything is known of what it asks for.
    line = ("Encrypt", "InvalidContext") if dialect != "aws" else ("", "MalformedRequest")
    assert [(record.action, record.outcome) for record in audit.records] == [line]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_trace_is_in_every_line_of_its_call(scheme: str, kms: Kms) -> None:
    audit = ListAudit()
    settings = replace(kms.settings, deps=replace(kms.settings.deps, audit=audit))
    own, trace = Kms(settings, kms.signer), "0af7651916cd43dd8448eb211c80319c"
    traced = edits.headers(traceparent=f"00-{trace}-b7ad6b7169203331-01")
    assert error_code(SCHEMES[scheme][0], own.send(traced(create(scheme, kms.signer)))) is None
    wrong = Signer(kms.signer.access_key_id, "wrong")
    assert error_code(SCHEMES[scheme][0], own.send(traced(create(scheme, wrong)))) is not None
    assert [(record.outcome, record.trace) for record in audit.records] == [
        ("intent", trace),
        ("ok", trace),
        ("SignatureMismatch", trace),
    ]
    own.send(edits.headers(traceparent="00-1-2-3")(create(scheme, wrong)))
    assert audit.records[-1].trace == ""
