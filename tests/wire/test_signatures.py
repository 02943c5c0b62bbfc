"""Every published signature example and every recorded SDK request verifies, or is refused for a reason given here."""

from __future__ import annotations

import hmac
import json
from typing import Any

import pytest

from kit.captures import Capture, add_credential, at, capture, captures, check
from kit.support import VECTORS, Kms, event
from tenantkms import errors as e
from tenantkms.model.credential import Secret
from tenantkms.wire.dialects import recognise
from tenantkms.wire.http import request_from_event
from tenantkms.wire.parse import Parameters
from tenantkms.wire.signing import alibaba_acs, alibaba_rpc, tencent_tc3, tencent_v1, verify

Vector = dict[str, Any]


def _vectors(name: str) -> list[Any]:
    rows = json.loads((VECTORS / "signatures" / f"{name}.json").read_text())
    return [pytest.param(row, id=row["name"]) for row in rows if "alg" not in row or name == "tencent-v1"]


@pytest.mark.parametrize("vector", _vectors("alibaba-rpc-v1"))
def test_alibaba_rpc_example(vector: Vector) -> None:
    text = alibaba_rpc.string_to_sign(vector["method"], vector["params"])
    assert text == vector["string_to_sign"]
    signature = alibaba_rpc.sign(vector["access_key_secret"], text)
    assert signature == vector["expected_signature"]
    assert signature != vector.get("must_not_accept")


@pytest.mark.parametrize("vector", _vectors("alibaba-acs3"))
def test_alibaba_acs3_example(vector: Vector) -> None:
    canonical = alibaba_acs.canonical_request(
        vector["method"], vector["query"], vector["headers"], sorted(vector["headers"]), vector["payload_sha256"]
    )
    assert canonical == vector["canonical_request"]
    key = alibaba_acs.signing_key("ACS3-HMAC-SHA256", vector["access_key_secret"])
    assert alibaba_acs.sign("ACS3-HMAC-SHA256", key, canonical) == vector["expected_signature"]


@pytest.mark.parametrize("vector", _vectors("tencent-tc3"))
def test_tencent_tc3_example(vector: Vector) -> None:
    canonical = tencent_tc3.canonical_request(
        vector["method"], vector["path"], vector["query"], vector["signed_headers"], vector["payload_sha256"]
    )
    assert canonical == vector["canonical_request"]
    key = tencent_tc3.signing_key(vector["secret_key"], vector["date"], vector["service"])
    assert key(b"x") == hmac.digest(bytes.fromhex(vector["secret_signing"]), b"x", "sha256")
    signature = tencent_tc3.sign(key, str(vector["timestamp"]), vector["date"], vector["service"], canonical)
    assert signature == vector["expected_signature"]


def test_a_signing_key_stays_with_its_secret() -> None:
    one, other = Secret("one"), Secret("other")
    days = [("2026-01-01", "kms"), ("2026-01-02", "kms"), ("2026-01-01", "cvm")]
    for secret in (one, other):
        for day in (*days, *days):
            assert tencent_tc3.signing_key(secret, *day)(b"x") == tencent_tc3.signing_key(str(secret), *day)(b"x")
    scope = ("20260101", "cn-hangzhou", "Kms")
    name = "ACS4-HMAC-SHA256"
    known = alibaba_acs.signing_key(name, one, *scope)
    assert known(b"x") == alibaba_acs.signing_key(name, "one", *scope)(b"x")
    assert alibaba_acs.signing_key(name, one, *scope) is known
    for sign in (alibaba_rpc.sign, lambda secret, text: tencent_v1.sign(secret, "HmacSHA1", text)):
        assert sign(one, "x") == sign("one", "x") == sign(one, "x") != sign(other, "x")


@pytest.mark.parametrize("vector", _vectors("tencent-tc3"))
def test_tencent_tc3_example_as_a_request(vector: Vector) -> None:
    authorization = (
        f"TC3-HMAC-SHA256 Credential={vector['secret_id'].replace('*', 'x')}/{vector['date']}/{vector['service']}"
        f"/tc3_request, SignedHeaders={';'.join(vector['signed_headers'])}, Signature={vector['expected_signature']}"
    )
    headers = {
        **vector["signed_headers"],
        # The documentation signs it in lower case and sends it as it is.
        "x-tc-action": "DescribeInstances",
        "x-tc-timestamp": str(vector["timestamp"]),
        "authorization": authorization,
    }
    request = request_from_event(event("POST", headers=headers, body=vector["payload"].encode()))
    assert verify(tencent_tc3.read(request, Parameters({})), vector["secret_key"]) == frozenset()


@pytest.mark.parametrize("vector", _vectors("tencent-v1"))
def test_tencent_v1_example(vector: Vector) -> None:
    text = f"{vector['method']}{vector['host']}{vector['path']}?{tencent_v1.joined(vector['params'])}"
    assert text == vector["string_to_sign"]
    assert tencent_v1.sign(vector["secret_key"], vector["alg"], text) == vector["expected_signature"]


def test_alibaba_acs3_example_as_a_request() -> None:
    vector = json.loads((VECTORS / "signatures" / "alibaba-acs3.json").read_text())[0]
    query = "&".join(f"{name}={value}" for name, value in vector["query"].items())
    headers = {**vector["headers"], "authorization": vector["authorization"]}
    request = request_from_event(event("POST", query=query, headers=headers))
    assert verify(alibaba_acs.read(request, Parameters(vector["query"])), vector["access_key_secret"]) == frozenset()


REFUSED: dict[str, tuple[type[e.KmsError], str]] = {
    "alibaba-kms-sdk-npm-Encrypt-GET-retry": (
        e.SignatureMismatch,
        "a retry that signs the first attempt's Signature, which it does not send",
    ),
    "alibaba-kms-sdk-npm-GenerateDataKey-GET-zero": (
        e.SignatureMismatch,
        "sends NumberOfBytes=0 without signing it",
    ),
    "tencent2-qcloudapi-npm-Decrypt-POST-HmacSHA256-sha1": (
        e.SignatureMismatch,
        "names HmacSHA256 and signs with HMAC-SHA1",
    ),
    "tencent2-qcloudapi-npm-Encrypt-POST-TC2-labelOnly": (
        e.SignatureMismatch,
        "names TC2-HmacSHA256 and signs the plain HmacSHA256 string",
    ),
    "tencent3-tencentcloud-node-Encrypt-HmacSHA256-POST-upperHost": (
        e.SignatureMismatch,
        "signs a host in capitals that its HTTP library sends in lower case",
    ),
    "aws-aws4fetch-1.0.20-ListKeys-presigned": (e.UnsupportedSignature, "is signed in its query"),
    "aws-boto3crt-1.44.8-ListKeys-sigv4a": (e.UnsupportedSignature, "is signed with SigV4a"),
    "tencent3-tencentcloud-py-Encrypt-SkipSign": (e.UnsupportedSignature, "is not signed at all"),
    "tencent3-tencentcloud-py-Encrypt-UNSIGNED-PAYLOAD": (e.UnsupportedSignature, "does not sign its body"),
}
UNCOVERED = {
    "tencent2-qcloudapi-npm-Encrypt-POST-quirks": {"plaintext"},
    "tencent2-qcloudapi-py-Encrypt-POST-quirks": {"plaintext"},
}
"""Verify, but leave values that begin with `@` out of what they sign."""

SERVED = captures()
VERIFIED = [c for c in SERVED if c.name not in REFUSED]


def _spoken(of: Capture) -> tuple[str, str]:
    """(dialect, scheme) by the table of what each SDK speaks, from the name of the recording alone."""
    variant = of.data["variant"]
    if of.data["dialect"] == "aws":
        return "aws", "aws-sigv4"
    if of.data["dialect"] == "alibaba":
        header_signed = of.data["sdk"] == "tea" and "rpcV1" not in variant
        return "alibaba", "alibaba-acs" if header_signed else "alibaba-rpc"
    if of.data["dialect"] == "tencent3":
        return "tencent", "tencent-v1" if "Hmac" in variant else "tencent-tc3"
    return "tencent" if "v3Version" in variant else "tencent-v2", "tencent-v1"


@pytest.mark.parametrize("of", SERVED, ids=str)
def test_a_recorded_request_is_recognised(of: Capture) -> None:
    spoken = recognise(request_from_event(of.event))
    assert spoken is not None
    assert (spoken.dialect.name, spoken.scheme.name) == _spoken(of)
    assert not spoken.ambiguous


@pytest.mark.parametrize("of", VERIFIED, ids=str)
def test_a_recorded_request_verifies(of: Capture) -> None:
    assert check(of.event, of.access_key_id, of.secret) == UNCOVERED.get(of.name, set())


@pytest.mark.parametrize("of", VERIFIED, ids=str)
def test_a_recorded_request_does_not_verify_with_another_secret(of: Capture) -> None:
    with pytest.raises(e.SignatureMismatch):
        check(of.event, of.access_key_id, of.secret + "x")


@pytest.mark.parametrize("of", VERIFIED, ids=str)
def test_the_action_and_time_of_a_recorded_request(of: Capture) -> None:
    request = request_from_event(of.event)
    spoken = recognise(request)
    assert spoken is not None
    parameters = spoken.dialect.parameters(request, spoken.scheme)
    assert spoken.scheme.read(request, parameters).time == of.time
    if "multipart" not in of.name:
        assert spoken.dialect.parse(request, spoken.scheme, parameters)[0] == of.action


@pytest.mark.parametrize(
    ("name", "error"), [pytest.param(name, row[0], id=f"{name}: {row[1]}") for name, row in REFUSED.items()]
)
def test_a_recorded_request_that_must_be_refused(name: str, error: type[e.KmsError]) -> None:
    of = capture(name)
    with pytest.raises(error):
        check(of.event, of.access_key_id, of.secret)


@pytest.mark.parametrize("name", UNCOVERED)
def test_the_endpoint_refuses_values_that_are_not_signed(name: str, kms: Kms) -> None:
    of = capture(name)
    then = at(kms, of.time)
    add_credential(then, of.access_key_id, of.secret)
    answer = json.loads(then.send(of.event)["body"])
    assert answer["code"] == 4000
    assert "begins with '@'" in answer["message"]


@pytest.mark.parametrize("name", ["ACS3-HMAC-SM3", "ACS3-RSA-SHA256", "ACS3-HMAC-SHA256x", "ACS4-HMAC-SM3", "Bearer"])
def test_algorithms_that_are_not_served(name: str) -> None:
    of = capture("alibaba-tea-Encrypt")
    changed = of.event
    changed["headers"]["authorization"] = changed["headers"]["authorization"].replace("ACS3-HMAC-SHA256", name)
    with pytest.raises(e.UnsupportedSignature):
        check(changed, of.access_key_id, of.secret)
