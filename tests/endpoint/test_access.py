"""Who may call: credentials and their dialects, clocks, nonces, policies; each refusal in the caller's dialect."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pytest

from kit.captures import add_credential, at
from kit.catalogue import SCHEMES, error_code, prepare
from kit.edits import Event, with_headers
from kit.support import Kms, Signer
from tenantkms.names import DIALECTS

NOW = 1_800_000_000.0
"""A fixed clock, so that the edges of windows are exact."""
WINDOW = {"alibaba": 900, "tencent": 300, "tencent-v2": 300, "aws": 300}

MISMATCH = {
    "alibaba": "SignatureDoesNotMatch",
    "tencent": "AuthFailure.SignatureFailure",
    "tencent-v2": 4100,
    "aws": "InvalidSignatureException",
}
DISABLED = {
    "alibaba": "InvalidAccessKeyId.Inactive",
    "tencent": "AuthFailure.InvalidSecretId",
    "tencent-v2": 4100,
    "aws": "UnrecognizedClientException",
}
DENIED = {
    "alibaba": "Forbidden.NoPermission",
    "tencent": "UnauthorizedOperation",
    "tencent-v2": 4103,
    "aws": "AccessDeniedException",
}
EXPIRED = {
    "alibaba": "InvalidTimeStamp.Expired",
    "tencent": "AuthFailure.SignatureExpire",
    "tencent-v2": 4500,
    "aws": "InvalidSignatureException",
}
UNKNOWN = {
    "alibaba": "InvalidAccessKeyId.NotFound",
    "tencent": "AuthFailure.SecretIdNotFound",
    "tencent-v2": 4104,
    "aws": "UnrecognizedClientException",
}
REPLAYED = {"alibaba": "SignatureNonceUsed", "tencent": "AuthFailure.SignatureFailure", "tencent-v2": 4500}

LIST = {"alibaba": "ListKeys", "tencent": "ListKeys", "tencent-v2": "ListKey", "aws": "ListKeys"}

ONCE = [scheme for scheme in SCHEMES if scheme not in ("tencent-tc3", "aws-sigv4")]
"""Schemes whose requests are served once, whatever they ask for."""


@pytest.fixture
def then(kms: Kms) -> Kms:
    return at(kms, NOW)


def listing(scheme: str, signer: Signer) -> Event:
    dialect, sign = SCHEMES[scheme]
    return sign(signer, LIST[dialect], {})


def code(kms: Kms, scheme: str, request: Event) -> str | int | None:
    return error_code(SCHEMES[scheme][0], kms.send(request))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_wrong_secret_and_an_unknown_access_key_have_the_vendors_codes(scheme: str, kms: Kms) -> None:
    dialect, _ = SCHEMES[scheme]
    wrong = code(kms, scheme, listing(scheme, Signer(kms.signer.access_key_id, "wrong")))
    unknown = code(kms, scheme, listing(scheme, Signer("TKMSnobody", "wrong")))
    assert (wrong, unknown) == (MISMATCH[dialect], UNKNOWN[dialect])


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_disabled_credential(scheme: str, kms: Kms) -> None:
    dialect, _ = SCHEMES[scheme]
    signer = add_credential(kms, "TKMSdisabled", "secret", enabled=False)
    assert code(kms, scheme, listing(scheme, signer)) == DISABLED[dialect]
    wrong = Signer("TKMSdisabled", "wrong")
    assert code(kms, scheme, listing(scheme, wrong)) == MISMATCH[dialect], "told to someone who cannot sign"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_expired_credential(scheme: str, then: Kms) -> None:
    dialect, _ = SCHEMES[scheme]
    signer = add_credential(then, "TKMSexpires", "secret", expires=int(NOW) + 1)
    assert code(then, scheme, listing(scheme, signer)) is None
    late = at(then, NOW + 1)
    answer = late.send(listing(scheme, signer))
    assert error_code(dialect, answer) == DISABLED[dialect]
    assert "has expired" in json.dumps(answer)
    wrong = Signer("TKMSexpires", "wrong", then.signer.now)
    assert code(late, scheme, listing(scheme, wrong)) == MISMATCH[dialect], "told to someone who cannot sign"


@pytest.mark.parametrize("allowed", DIALECTS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_credential_is_for_the_dialects_that_it_lists(scheme: str, allowed: str, kms: Kms) -> None:
    dialect, _ = SCHEMES[scheme]
    signer = add_credential(kms, "TKMSone", "secret", dialects=(allowed,))
    assert code(kms, scheme, listing(scheme, signer)) == (None if allowed == dialect else DENIED[dialect])


@pytest.mark.parametrize("side", [-1, 1])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_clock_window_at_both_edges(scheme: str, side: int, then: Kms) -> None:
    dialect, _ = SCHEMES[scheme]
    edge = NOW + side * WINDOW[dialect]
    for signed_at, expected in ((edge, None), (edge + side, EXPIRED[dialect])):
        signer = Signer(then.signer.access_key_id, then.signer.secret, lambda now=signed_at: now)  # type: ignore[misc]
        assert code(then, scheme, listing(scheme, signer)) == expected


@pytest.mark.parametrize(
    "stamp",
    [
        "2027-01-15 08:00:00",
        "2027-01-15T08:00:00",
        "2027-01-15T08:00:00+00:00",
        "2027-01-15T08:00Z",
        "2027-02-30T08:00:00Z",
        "2027-01-15T24:00:00Z",
        "20270115T080000Z",
        "1800000000",
        "",
    ],
)
def test_alibaba_dates_have_one_form(stamp: str, then: Kms) -> None:
    request = then.signer.alibaba_rpc("ListKeys", Timestamp=stamp)
    assert code(then, "alibaba-rpc", request) == "IncompleteSignature"


@pytest.mark.parametrize(
    "stamp", ["1800000000.0", "+1800000000", " 1800000000", "1e9", "\uff11800000000", "9" * 12, ""]
)
def test_tencent_times_are_plain_numbers(stamp: str, then: Kms) -> None:
    request = then.signer.tencent_v1("ListKeys", Timestamp=stamp)
    assert code(then, "tencent-v1", request) == "AuthFailure.InvalidAuthorization"


def test_alibaba_times_may_have_milliseconds(then: Kms) -> None:
    assert code(then, "alibaba-rpc", then.signer.alibaba_rpc("ListKeys", Timestamp="2027-01-15T08:00:00.123Z")) is None


def test_a_tc3_date_is_that_of_its_time(then: Kms) -> None:
    request = with_headers(then.signer.tencent("ListKeys"), x_tc_timestamp=str(int(NOW) - 86_400))
    assert code(then, "tencent-tc3", request) == "AuthFailure.InvalidAuthorization"


@pytest.mark.parametrize("scheme", ONCE)
def test_a_request_is_served_once(scheme: str, then: Kms) -> None:
    dialect, _ = SCHEMES[scheme]
    request = listing(scheme, then.signer)
    assert code(then, scheme, request) is None
    assert code(then, scheme, request) == REPLAYED[dialect]
    # The last moment at which its time is within the window: its nonce is still known.
    assert code(at(then, NOW + WINDOW[dialect]), scheme, request) == REPLAYED[dialect]
    assert code(at(then, NOW + WINDOW[dialect] + 1), scheme, request) == EXPIRED[dialect]


@pytest.mark.parametrize("scheme", ONCE)
def test_a_request_dated_ahead_is_served_once(scheme: str, then: Kms) -> None:
    """A nonce is remembered for twice the window: from the earliest moment of use to the latest."""
    dialect, _ = SCHEMES[scheme]
    request = listing(scheme, then.signer)
    early = at(then, NOW - WINDOW[dialect])
    assert code(early, scheme, request) is None
    assert code(at(then, NOW + WINDOW[dialect]), scheme, request) == REPLAYED[dialect]


def test_a_nonce_is_one_credentials_own(then: Kms) -> None:
    other = add_credential(then, "TKMSother", "secret")
    for signer in (then.signer, other):
        assert code(then, "alibaba-rpc", signer.alibaba_rpc("ListKeys", SignatureNonce="1")) is None
    assert code(then, "alibaba-rpc", other.alibaba_rpc("ListKeys", SignatureNonce="1")) == "SignatureNonceUsed"


def test_a_forged_request_uses_no_nonce(then: Kms) -> None:
    forged = Signer(then.signer.access_key_id, "wrong", then.signer.now)
    assert code(then, "alibaba-rpc", forged.alibaba_rpc("ListKeys", SignatureNonce="1")) == "SignatureDoesNotMatch"
    assert code(then, "alibaba-rpc", then.signer.alibaba_rpc("ListKeys", SignatureNonce="1")) is None


def test_an_rpc_request_may_lack_a_nonce(then: Kms) -> None:
    """One vendor SDK sends none; what it sends with a nonce is still seen once."""
    request = then.signer.alibaba_rpc("ListKeys", SignatureNonce="")
    assert code(then, "alibaba-rpc", request) is None


def policy(*statements: tuple[str, str, str]) -> str:
    rows = [{"Effect": effect, "Action": action, "Resource": resource} for effect, action, resource in statements]
    return json.dumps({"Statement": rows})


ALLOW = ("Allow", "*", "*")
POLICIES = [
    ("nothing is allowed", (), False),
    ("everything is allowed", (ALLOW,), True),
    ("a deny wins", (ALLOW, ("Deny", "Encrypt", "*")), False),
    ("a deny of another Action", (ALLOW, ("Deny", "Decrypt", "*")), True),
    ("a deny of the key", (ALLOW, ("Deny", "*", "key/{key}")), False),
    ("a deny of its alias", (ALLOW, ("Deny", "*", "alias/first")), False),
    ("the key's id", (("Allow", "Encrypt", "key/{key}"),), True),
    ("another key's id", (("Allow", "Encrypt", "key/{other}"),), False),
    ("its alias", (("Allow", "Encrypt", "alias/first"),), True),
    ("a pattern of its alias", (("Allow", "Enc*", "alias/f*"),), True),
    ("a pattern of other aliases", (("Allow", "Encrypt", "alias/o*"),), False),
    ("a pattern that ends early", (("Allow", "Encrypt", "alias/fir"),), False),
    ("another Action", (("Allow", "Decrypt", "*"),), False),
    ("an Action's beginning", (("Allow", "Enc", "*"),), False),
]


def _policy_cases() -> Iterable[Any]:
    return [
        pytest.param(scheme, statements, allowed, id=f"{scheme}: {name}")
        for scheme in ("alibaba-rpc", "alibaba-acs3", "tencent-tc3", "tencent-v1", "tencent-v2", "aws-sigv4")
        for name, statements, allowed in POLICIES
    ]


@pytest.mark.parametrize(("scheme", "statements", "allowed"), _policy_cases())
def test_policies_are_enforced(
    scheme: str, statements: tuple[tuple[str, str, str], ...], allowed: bool, kms: Kms
) -> None:
    dialect, sign = SCHEMES[scheme]
    tenant = prepare(kms)
    text = policy(*statements).replace("{key}", tenant.key_id).replace("{other}", tenant.other_id)
    signer = add_credential(kms, "TKMSlimited", "secret", policy=text)
    names = ("keyId", "plaintext") if dialect == "tencent-v2" else ("KeyId", "Plaintext")
    request = sign(signer, "Encrypt", dict(zip(names, (tenant.key_id, "aGk="), strict=True)))
    assert code(kms, scheme, request) == (None if allowed else DENIED[dialect])


@pytest.mark.parametrize("scheme", ["alibaba-rpc", "tencent-tc3", "tencent-v2", "aws-sigv4"])
def test_a_policy_for_one_key_does_not_list_or_create(scheme: str, kms: Kms) -> None:
    dialect, sign = SCHEMES[scheme]
    tenant = prepare(kms)
    signer = add_credential(kms, "TKMSlimited", "secret", policy=policy(("Allow", "*", f"key/{tenant.key_id}")))
    assert code(kms, scheme, listing(scheme, signer)) == DENIED[dialect]
    request = sign(
        signer, "CreateKey", {"alibaba": {}, "aws": {}, "tencent": {"Alias": "a"}}.get(dialect, {"alias": "a"})
    )
    assert code(kms, scheme, request) == DENIED[dialect]


@pytest.mark.parametrize(
    ("scheme", "action", "expected"),
    [
        ("alibaba-rpc", "GetSecretValue", "UnsupportedOperation"),
        ("alibaba-acs3", "CreateSecret", "UnsupportedOperation"),
        ("tencent-tc3", "ListDataKeys", "UnsupportedOperation"),
        ("tencent-v1", "CreateWhiteBoxKey", "UnsupportedOperation"),
        ("alibaba-rpc", "NoSuchAction", "InvalidAction.NotFound"),
        ("alibaba-acs3", "encrypt", "InvalidAction.NotFound"),
        ("tencent-tc3", "CreateAlias", "InvalidAction"),
        ("tencent-v1", "../Encrypt", "InvalidAction"),
        ("tencent-v2", "NoSuchAction", 4000),
        ("tencent-v2", "DescribeKey", 4000),
        ("tencent-tc3", "", "MissingParameter"),
        ("alibaba-rpc", "", "MissingParameter"),
        ("tencent-v2", "", 4000),
        ("aws-sigv4", "NoSuchAction", "UnknownOperationException"),
        ("aws-sigv4", "ReplicateKey", "UnsupportedOperationException"),
    ],
)
def test_actions_that_are_not_served(scheme: str, action: str, expected: str | int, kms: Kms) -> None:
    assert code(kms, scheme, SCHEMES[scheme][1](kms.signer, action, {})) == expected


def test_versions_that_are_not_served(kms: Kms) -> None:
    assert code(kms, "alibaba-rpc", kms.signer.alibaba_rpc("ListKeys", Version="2014-05-26")) == "InvalidVersion"
    assert code(kms, "tencent-v1", kms.signer.tencent_v1("ListKeys", version="2017-03-12")) == "NoSuchVersion"
    request = with_headers(kms.signer.tencent("ListKeys"), x_tc_version="2017-03-12")
    assert code(kms, "tencent-tc3", request) == "NoSuchVersion"
