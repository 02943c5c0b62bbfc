"""A signature that is right but covers too little is refused: what must be signed is not the signer's choice."""

from __future__ import annotations

import hashlib

import pytest

from kit.support import HOST, event
from tenantkms.errors import KmsError, MalformedRequest, SignatureMismatch, Unsigned, UnsupportedSignature
from tenantkms.wire.dialects import recognise
from tenantkms.wire.http import Request, request_from_event
from tenantkms.wire.signing import alibaba_acs, tencent_tc3, verify

SECRET = "secret"
EMPTY = hashlib.sha256(b"").hexdigest()
ACS_HEADERS = {
    "host": HOST,
    "x-acs-action": "ListKeys",
    "x-acs-version": "2016-01-20",
    "x-acs-date": "2027-01-15T08:00:00Z",
    "x-acs-signature-nonce": "1",
    "x-acs-content-sha256": EMPTY,
}
TC3_HEADERS = {"content-type": "application/json", "host": HOST}


def acs_request(headers: dict[str, str], signed: list[str], algorithm: str = "ACS3-HMAC-SHA256") -> Request:
    canonical = alibaba_acs.canonical_request("POST", {}, headers, signed, headers.get("x-acs-content-sha256", EMPTY))
    scope = ("20270115", "local", "Kms") if algorithm.startswith("ACS4") else ()
    signature = alibaba_acs.sign(algorithm, alibaba_acs.signing_key(algorithm, SECRET, *scope), canonical)
    credential = "/".join(["id", *scope, "aliyun_v4_request"] if scope else ["id"])
    authorization = f"{algorithm} Credential={credential},SignedHeaders={';'.join(signed)},Signature={signature}"
    return request_from_event(event("POST", headers={**headers, "authorization": authorization}))


def tc3_request(
    headers: dict[str, str], signed: list[str], *, date: str = "2027-01-15", query: str = "", body: bytes = b"{}"
) -> Request:
    payload = hashlib.sha256(body).hexdigest()
    chosen = {name: headers[name] for name in signed}
    canonical = tencent_tc3.canonical_request("POST", "/", query, chosen, payload)
    key = tencent_tc3.signing_key(SECRET, date, "kms")
    signature = tencent_tc3.sign(key, "1800000000", date, "kms", canonical)
    authorization = (
        f"TC3-HMAC-SHA256 Credential=id/{date}/kms/tc3_request, SignedHeaders={';'.join(signed)}, Signature={signature}"
    )
    common = {"x-tc-action": "ListKeys", "x-tc-version": "2019-01-18", "x-tc-timestamp": "1800000000"}
    return request_from_event(
        event("POST", query=query, headers={**common, **headers, "authorization": authorization}, body=body)
    )


def serve(request: Request) -> str:
    """The Action of a request that verifies."""
    spoken = recognise(request)
    assert spoken is not None
    parameters = spoken.dialect.parameters(request, spoken.scheme)
    assert verify(spoken.scheme.read(request, parameters), SECRET) == frozenset()
    return spoken.dialect.parse(request, spoken.scheme, parameters)[0]


@pytest.mark.parametrize("algorithm", ["ACS3-HMAC-SHA256", "ACS4-HMAC-SHA256"])
@pytest.mark.parametrize("name", ACS_HEADERS)
def test_alibaba_headers_that_must_be_signed(algorithm: str, name: str) -> None:
    assert serve(acs_request(ACS_HEADERS, sorted(ACS_HEADERS), algorithm)) == "ListKeys"
    with pytest.raises(Unsigned, match=name):
        serve(acs_request(ACS_HEADERS, sorted(ACS_HEADERS.keys() - {name}), algorithm))


def test_an_alibaba_token_must_be_signed() -> None:
    headers = {**ACS_HEADERS, "x-acs-security-token": "t"}
    assert serve(acs_request(headers, sorted(headers))) == "ListKeys"
    with pytest.raises(Unsigned, match="x-acs-security-token"):
        serve(acs_request(headers, sorted(ACS_HEADERS)))


MORE = {f"x-more-{i:02}": "a" for i in range(27)}


@pytest.mark.parametrize(
    ("headers", "signed", "error"),
    [
        pytest.param(ACS_HEADERS | MORE, sorted(ACS_HEADERS | MORE), Unsigned, id="33 of them"),
        pytest.param(ACS_HEADERS, sorted(ACS_HEADERS, reverse=True), Unsigned, id="not sorted"),
        pytest.param(ACS_HEADERS, ["host", *sorted(ACS_HEADERS)], Unsigned, id="one twice"),
        pytest.param(ACS_HEADERS | {"x-acs-signature-nonce": ""}, sorted(ACS_HEADERS), Unsigned, id="a blank nonce"),
        pytest.param(
            ACS_HEADERS | {"x-acs-content-sha256": "0" * 64}, sorted(ACS_HEADERS), SignatureMismatch, id="another body"
        ),
        pytest.param(
            ACS_HEADERS | {"x-acs-content-sha256": "f" * 64}, sorted(ACS_HEADERS), SignatureMismatch, id="a third body"
        ),
        pytest.param(
            ACS_HEADERS | {"x-acs-content-sha256": EMPTY.upper()}, sorted(ACS_HEADERS), SignatureMismatch, id="capitals"
        ),
        pytest.param(
            ACS_HEADERS | {"x-acs-date": "Fri, 15 Jan 2027 08:00:00 GMT"}, sorted(ACS_HEADERS), Unsigned, id="a date"
        ),
    ],
)
def test_alibaba_header_lists(headers: dict[str, str], signed: list[str], error: type[KmsError]) -> None:
    with pytest.raises(error):
        serve(acs_request(headers, signed))


def test_at_most_32_headers_are_signed() -> None:
    fewer = ACS_HEADERS | dict(list(MORE.items())[:26])
    assert serve(acs_request(fewer, sorted(fewer))) == "ListKeys"


@pytest.mark.parametrize("name", TC3_HEADERS)
def test_tencent_headers_that_must_be_signed(name: str) -> None:
    assert serve(tc3_request(TC3_HEADERS, sorted(TC3_HEADERS))) == "ListKeys"
    with pytest.raises(Unsigned, match=name):
        serve(tc3_request(TC3_HEADERS, sorted(TC3_HEADERS.keys() - {name})))


def test_a_tencent_action_may_be_signed() -> None:
    """As the vendor's current documentation does; then it may not be another."""
    headers = {**TC3_HEADERS, "x-tc-action": "listkeys"}
    request = tc3_request(headers, sorted(headers))
    assert serve(request) == "listkeys"
    other = request_from_event(event("POST", headers={**request.headers, "x-tc-action": "other"}, body=request.body))
    with pytest.raises(SignatureMismatch):
        serve(other)


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        pytest.param(tc3_request(TC3_HEADERS, ["content-type", "host"], query="a=b"), MalformedRequest, id="a query"),
        pytest.param(
            tc3_request({**TC3_HEADERS, "content-type": "text/xml"}, ["content-type", "host"]),
            MalformedRequest,
            id="another content type",
        ),
        pytest.param(tc3_request(TC3_HEADERS, ["content-type", "host"], date="2027-01-14"), Unsigned, id="another day"),
        pytest.param(tc3_request(TC3_HEADERS, ["content-type", "host"], date="2027-01-16"), Unsigned, id="a later day"),
        pytest.param(tc3_request(TC3_HEADERS, ["content-type", "content-type", "host"]), Unsigned, id="one twice"),
        pytest.param(tc3_request(TC3_HEADERS, ["host", "content-type"]), Unsigned, id="not sorted"),
        pytest.param(
            tc3_request({**TC3_HEADERS, "x-tc-content-sha256": "unsigned-payload"}, ["content-type", "host"]),
            UnsupportedSignature,
            id="unsigned payload in small letters",
        ),
        pytest.param(
            tc3_request(
                {**TC3_HEADERS, **{f"x-{i:02}": "a" for i in range(31)}},
                sorted(["content-type", "host", *(f"x-{i:02}" for i in range(31))]),
            ),
            Unsigned,
            id="33 headers",
        ),
    ],
)
def test_tencent_requests_that_are_signed_and_refused(request_: Request, error: type[KmsError]) -> None:
    with pytest.raises(error):
        serve(request_)


def acs_authorization(request: Request, before: str, after: str) -> Request:
    """`request` with another `Authorization`, which nobody signed."""
    authorization = request.header("authorization")
    assert before in authorization
    headers = {**request.headers, "authorization": authorization.replace(before, after)}
    return request_from_event(event("POST", headers=headers, body=request.body))


ACS4_SCOPES = [
    ("id/20270115/local/Kms", "id/20270114/local/Kms"),
    ("id/20270115/local/Kms", "id/20270116/local/Kms"),
    ("id/20270115/local/Kms", "id/20270115/local/Ecs"),
    ("id/20270115/local/Kms", "id/20270115/local/Rds"),
    ("id/20270115/local/Kms", "id/20270115/Kms"),
    ("id/20270115/local/Kms", "20270115/local/Kms"),
    ("aliyun_v4_request", "aliyun_v3_request"),
    ("/aliyun_v4_request", "/aliyun_v4_request/more"),
]


@pytest.mark.parametrize(("before", "after"), ACS4_SCOPES)
def test_a_scope_of_something_else(before: str, after: str) -> None:
    request = acs_request(ACS_HEADERS, sorted(ACS_HEADERS), "ACS4-HMAC-SHA256")
    assert serve(request) == "ListKeys"
    with pytest.raises(Unsigned, match="scope"):
        serve(acs_authorization(request, before, after))


@pytest.mark.parametrize(
    ("request_", "name"),
    [
        (acs_request(ACS_HEADERS, sorted(ACS_HEADERS)), "ACS3-HMAC-SHA256"),
        (acs_request(ACS_HEADERS, sorted(ACS_HEADERS), "ACS4-HMAC-SHA256"), "ACS4-HMAC-SHA256"),
        (tc3_request(TC3_HEADERS, sorted(TC3_HEADERS)), "TC3-HMAC-SHA256"),
    ],
)
def test_an_authorization_that_is_cut_is_not_complete_and_another_is_not_served(request_: Request, name: str) -> None:
    with pytest.raises(Unsigned, match="not complete"):
        serve(acs_authorization(request_, ",SignedHeaders" if name[0] == "A" else ", SignedHeaders", ";SignedHeaders"))
    with pytest.raises(UnsupportedSignature, match=name):
        serve(acs_authorization(request_, f"{name} ", f"{name}X "))


def test_a_header_that_is_signed_must_be_sent() -> None:
    acs, tc3 = acs_request(ACS_HEADERS, sorted(ACS_HEADERS)), tc3_request(TC3_HEADERS, sorted(TC3_HEADERS))
    for request in (
        acs_authorization(acs, "x-acs-version", "x-acs-version;x-more"),
        acs_authorization(tc3, "host", "host;x-more"),
    ):
        with pytest.raises(Unsigned, match="x-more must be sent"):
            serve(request)


def test_at_most_32_tencent_headers_are_signed() -> None:
    headers = {**TC3_HEADERS, **{f"x-{i:02}": "a" for i in range(30)}}
    assert serve(tc3_request(headers, sorted(headers))) == "ListKeys"


@pytest.mark.parametrize(
    ("signed", "verifies"),
    [
        ({"content-type": "application/json; charset=UTF-8", "x-tc-action": "listkeys"}, True),  # the SDKs
        ({"content-type": "application/json; charset=utf-8", "x-tc-action": "listkeys"}, True),  # the documentation
        ({"content-type": "application/json; charset=UTF-8", "x-tc-action": "ListKeys"}, False),
        ({"content-type": "application/json; charset=utf-8", "x-tc-action": "ListKeys"}, False),
        ({"content-type": "APPLICATION/JSON; CHARSET=UTF-8", "x-tc-action": "listkeys"}, False),
    ],
)
def test_tencent_header_values_are_signed_as_sent_or_in_lower_case(signed: dict[str, str], verifies: bool) -> None:
    request = tc3_request({"host": HOST, **signed}, ["content-type", "host", "x-tc-action"])
    sent = {"content-type": "application/json; charset=UTF-8", "x-tc-action": "ListKeys"}
    request = request_from_event(event("POST", headers={**request.headers, **sent}, body=request.body))
    if verifies:
        assert serve(request) == "ListKeys"
    else:
        with pytest.raises(SignatureMismatch):
            serve(request)


@pytest.mark.parametrize("digest", ["", "f" * 64, "z"])
def test_tencent_reads_no_digest_but_the_bodys_own(digest: str) -> None:
    assert serve(tc3_request({**TC3_HEADERS, "x-tc-content-sha256": digest}, ["content-type", "host"])) == "ListKeys"


PUBLIC = "kms.tencentcloudapi.com"
OTHERS = ["kms.intl.tencentcloudapi.com", "kms.internal.tencentcloudapi.com"]
REGIONAL = [name for public in (PUBLIC, *OTHERS) for name in (public, public.replace("tencent", "ap-x.tencent"))]


@pytest.mark.parametrize(
    ("host", "region", "names"),
    [
        ("a.example", "", ["a.example", "a.example:80", "a.example:443", PUBLIC, *OTHERS]),
        ("localhost:8480", "ap-x", ["localhost:8480", "localhost", *REGIONAL]),
        (PUBLIC, "no region", [PUBLIC, f"{PUBLIC}:80", f"{PUBLIC}:443", *OTHERS]),
        (f"{PUBLIC}:443", "", [f"{PUBLIC}:443", PUBLIC, *OTHERS]),
    ],
)
def test_the_names_of_a_host_that_may_be_signed(host: str, region: str, names: list[str]) -> None:
    assert [*tencent_tc3.hosts(host, region)] == names


@pytest.mark.parametrize(
    ("authorization", "dialect"),
    [("ACS3-x", "alibaba"), ("ACS4-x", "alibaba"), ("TC3-x", "tencent"), ("SKIP", "tencent")],
)
def test_an_authorization_alone_says_whose_it_is(authorization: str, dialect: str) -> None:
    spoken = recognise(request_from_event(event("POST", headers={"authorization": authorization})))
    assert spoken is not None
    assert spoken.dialect.name == dialect
