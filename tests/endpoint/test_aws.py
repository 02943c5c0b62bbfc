"""What is AWS's own: SigV4's edges, requests that are sent again, ARNs, parameters that are ignored, pages."""

from __future__ import annotations

import base64
import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from msgspec.structs import replace

from functions.endpoint.repeats import Answers
from kit import edits
from kit.action_samples import ListAudit
from kit.captures import add_credential, at, captures
from kit.catalogue import prepare
from kit.edits import Event
from kit.support import Kms, Signer
from tenantkms.access.policy import ALLOW_ALL
from tenantkms.model.key import KeyFilter
from tenantkms.wire.dialects.aws import names
from tenantkms.wire.http import Response

NOW = 1_800_000_000.0
HELLO = base64.b64encode(b"hello").decode()


@pytest.fixture
def then(kms: Kms) -> Kms:
    return at(kms, NOW)


def said(kms: Kms, request: Event) -> tuple[int, dict[str, Any]]:
    answer = kms.send(request)
    return answer["statusCode"], json.loads(answer["body"])


def code(kms: Kms, request: Event) -> str | None:
    return said(kms, request)[1].get("__type")


def count(kms: Kms) -> int:
    return kms.settings.deps.keyring.store.list_keys(KeyFilter(), now=0, offset=0, limit=1)[0]


# -- what is signed --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        pytest.param(edits.headers(x_amz_target="TrentService.Decrypt"), "InvalidSignatureException", id="operation"),
        pytest.param(edits.headers(host="other.test"), "InvalidSignatureException", id="host"),
        pytest.param(edits.headers(x_amz_date="20270115T080001Z"), "InvalidSignatureException", id="date"),
        pytest.param(edits.headers(x_amz_date="20270116T080000Z"), "IncompleteSignatureException", id="another day"),
        pytest.param(edits.headers(x_amz_more="a"), "IncompleteSignatureException", id="an x-amz header more"),
        pytest.param(edits.headers(x_amz_security_token="a"), "IncompleteSignatureException", id="a token"),
        pytest.param(edits.headers(x_amz_content_sha256="0" * 64), "IncompleteSignatureException", id="unsigned hash"),
        pytest.param(edits.query_more("&a=b"), "IncompleteSignatureException", id="query"),
        pytest.param(edits.method("PUT"), "InvalidSignatureException", id="method"),
        pytest.param(lambda r: edits.with_body(r, b"{} "), "InvalidSignatureException", id="body"),
        pytest.param(lambda r: {**r, "rawPath": "/prod"}, "InvalidSignatureException", id="path"),
        pytest.param(edits.headers(authorization="AWS4-HMAC-SHA256 a"), "IncompleteSignatureException", id="partial"),
        pytest.param(edits.headers(authorization="AWS4-ECDSA-P256-SHA256 a"), "IncompleteSignatureException", id="v4a"),
        pytest.param(edits.headers(authorization="AWS3-HTTPS a"), "IncompleteSignatureException", id="AWS3"),
        pytest.param(edits.headers(authorization="Bearer a"), "IncompleteSignatureException", id="bearer"),
    ],
)
def test_whatever_is_changed_is_seen(edit: edits.Edit, expected: str, then: Kms) -> None:
    request = then.signer.aws("CreateKey")
    before = count(then)
    status, body = said(then, edit(request))
    assert (status, body["__type"]) == (400, expected)
    assert count(then) == before


def test_a_request_without_authentication_is_told_so(kms: Kms) -> None:
    request = kms.signer.aws("ListKeys")
    del request["headers"]["authorization"]
    assert said(kms, request)[1] == {
        "__type": "MissingAuthenticationTokenException",
        "message": "Missing Authentication Token",
    }


def test_a_presigned_request_is_refused_by_name(kms: Kms) -> None:
    request = edits.with_query(kms.signer.aws("ListKeys"), "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=a")
    del request["headers"]["authorization"], request["headers"]["x-amz-target"]
    assert "presigned" in said(kms, request)[1]["message"]


@pytest.mark.parametrize("media_type", ["application/json", "application/x-www-form-urlencoded", "", "text/plain"])
def test_an_unsigned_content_type_is_none_to_choose(media_type: str, kms: Kms) -> None:
    """Some clients do not sign it, so it may say one thing only."""
    request = kms.signer.aws("ListKeys")
    names_ = request["headers"]["authorization"].replace("content-type;", "")
    request["headers"] |= {"content-type": media_type, "authorization": names_}
    assert code(kms, request) in ("InvalidSignatureException", "SerializationException")


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD"])
def test_another_method_is_told_which_one_there_is(method: str, kms: Kms) -> None:
    message = said(kms, kms.signer.aws("ListKeys", method=method))[1]["message"]
    assert message == "The HTTP method is not supported: use POST."


def test_a_refusal_asks_for_what_would_be_taken(kms: Kms) -> None:
    bare = kms.signer.aws("ListKeys")
    bare["headers"]["authorization"] = "AWS4-HMAC-SHA256"
    assert said(kms, bare)[1]["message"] == "The Authorization header is not complete."
    key = kms.aws("CreateKey")["KeyMetadata"]["KeyId"]
    least = "Value at 'tagKeys' failed to satisfy constraint: Member must have length greater than or equal to 1"
    assert least in kms.aws("UntagResource", KeyId=key, TagKeys=[])["message"]


def test_a_path_is_signed_as_it_was_sent_and_encoded_once_more(kms: Kms) -> None:
    assert code(kms, kms.signer.aws("ListKeys", path="/prod/")) is None
    assert code(kms, kms.signer.aws("ListKeys", path="/a%20b")) is None


@pytest.mark.parametrize(
    "of", [c for c in captures("aws-") if "signed" not in c.name and "sigv4a" not in c.name], ids=str
)
def test_a_recorded_request_gets_past_the_signature(of: Any, kms: Kms) -> None:
    then = at(kms, of.time)
    add_credential(then, of.access_key_id, of.secret)
    found = code(then, of.event)
    # Its token, its key and its ciphertext are another world's.
    assert found in (
        {"UnrecognizedClientException"}
        if of.data["variant"] == "token"
        else {None, "NotFoundException", "InvalidCiphertextException", "UnknownOperationException"}
    )


def test_an_expired_request_has_the_words_that_clients_correct_their_clock_by(then: Kms) -> None:
    late = at(then, NOW + 301)
    assert said(late, then.signer.aws("ListKeys"))[1]["message"].startswith("Signature expired")


# -- sent again ------------------------------------------------------------------------------------------


def test_what_only_reads_is_answered_each_time(then: Kms) -> None:
    request = then.signer.aws("ListKeys")
    assert [code(then, request) for _ in range(3)] == [None] * 3


def test_a_change_is_made_once_and_answered_again(then: Kms) -> None:
    key = then.aws("CreateKey")["KeyMetadata"]["KeyId"]
    request = then.signer.aws("RotateKeyOnDemand", {"KeyId": key})
    first, second = then.send(request), then.send(request)
    assert first == second
    assert len(then.aws("ListKeyRotations", KeyId=key)["Rotations"]) == 1
    # The next process does not know it: it is as at AWS then.
    assert code(at(then, NOW), request) is None


def test_attempts_that_are_signed_anew_are_one_call(then: Kms) -> None:
    """A client waits before it tries again: its next attempt is of another second, and its signature another."""
    key = then.aws("CreateKey")["KeyMetadata"]["KeyId"]
    calls = {"RotateKeyOnDemand": {"KeyId": key}, "CreateAlias": {"AliasName": "alias/new", "TargetKeyId": key}}
    for operation, params in calls.items():
        answers = []
        for later in range(3):
            then.signer.now = lambda later=later: NOW + later  # type: ignore[misc]
            answers.append(said(then, then.signer.aws(operation, params, invocation=operation)))
        assert answers == [(200, answers[0][1])] * 3
    assert len(then.aws("ListKeyRotations", KeyId=key)["Rotations"]) == 1


def test_an_id_of_another_call_gets_no_answer_of_it(then: Kms) -> None:
    """Not every SDK signs it: what is asked and who asks must be the same, too."""
    one, two = (then.aws("CreateKey")["KeyMetadata"]["KeyId"] for _ in range(2))
    credential, secret = then.settings.access.create("other", ("aws",), ALLOW_ALL, int(NOW))
    other = Kms(then.settings, Signer(credential.access_key_id, secret, then.signer.now))
    other.endpoint = then.endpoint
    for kms, operation, key in (
        (then, "DisableKey", one),
        (then, "EnableKey", one),
        (then, "DisableKey", two),
        (other, "RotateKeyOnDemand", one),
        (then, "RotateKeyOnDemand", one),
    ):
        assert said(kms, kms.signer.aws(operation, {"KeyId": key}, invocation="one"))[0] == 200
    assert len(then.aws("ListKeyRotations", KeyId=one)["Rotations"]) == 2
    states = [then.aws("DescribeKey", KeyId=key)["KeyMetadata"]["KeyState"] for key in (one, two)]
    assert states == ["Enabled", "Disabled"]


def test_an_attempt_amid_the_first_one_waits_for_its_answer(then: Kms) -> None:
    key = then.aws("CreateKey")["KeyMetadata"]["KeyId"]
    request = then.signer.aws("RotateKeyOnDemand", {"KeyId": key})
    with ThreadPoolExecutor(4) as pool:
        answers = [*pool.map(then.send, [request] * 4)]
    assert answers == answers[:1] * 4
    assert len(then.aws("ListKeyRotations", KeyId=key)["Rotations"]) == 1


def test_what_is_remembered_is_bounded() -> None:
    answers = Answers()
    small = Response(status=200, content_type="", body="{}")
    for n in range(3_000):
        answers.put(("id", n.to_bytes(2)), small, NOW)
    answers.put(("id", b"long"), replace(small, body="a" * 9_000), NOW)
    assert answers.get(("id", b"long"), NOW) is None
    assert [answers.get(("id", n.to_bytes(2)), NOW) for n in (999, 1_000, 2_999)] == [None, small, small]
    assert answers.get(("id", (2_999).to_bytes(2)), NOW + 1) is None


def test_an_old_state_is_not_brought_back_by_an_old_request(then: Kms) -> None:
    key = then.aws("CreateKey")["KeyMetadata"]["KeyId"]
    disable = then.signer.aws("DisableKey", {"KeyId": key})
    assert said(then, disable) == (200, {})
    then.aws("EnableKey", KeyId=key)
    assert said(then, disable) == (200, {})
    assert then.aws("DescribeKey", KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"


def test_a_refusal_is_not_remembered(then: Kms) -> None:
    key = then.aws("CreateKey")["KeyMetadata"]["KeyId"]
    request = then.signer.aws("CancelKeyDeletion", {"KeyId": key})
    assert code(then, request) == "KMSInvalidStateException"
    then.aws("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)
    assert code(then, request) is None


def test_what_is_answered_again_has_its_line(then: Kms) -> None:
    audit = ListAudit()
    settings = replace(then.settings, deps=replace(then.settings.deps, audit=audit))
    kms = Kms(settings, then.signer)
    request = then.signer.aws("CreateKey")
    assert kms.send(request) == kms.send(request)
    assert [(r.action, r.outcome, r.note) for r in audit.records][-1] == ("CreateKey", "ok", "answered-again")


def test_attempts_at_one_call_make_one_key_even_in_other_processes(then: Kms) -> None:
    made = {
        json.loads(at(then, NOW + n).send(at(then, NOW + n).signer.aws("CreateKey", invocation="one"))["body"])[
            "KeyMetadata"
        ]["KeyId"]
        for n in range(3)
    }
    assert len(made) == 1


def test_two_calls_of_one_second_make_two_keys(then: Kms) -> None:
    """They have one and the same signature: the SDK's own id tells them apart."""
    one, two = then.signer.aws("CreateKey"), then.signer.aws("CreateKey")
    assert one["headers"]["authorization"] == two["headers"]["authorization"]
    ids = {said(then, request)[1]["KeyMetadata"]["KeyId"] for request in (one, two)}
    assert len(ids) == 2


# -- names of keys ---------------------------------------------------------------------------------------


def test_cryptographic_answers_name_the_arn_whatever_was_asked(kms: Kms) -> None:
    tenant = prepare(kms)
    site = kms.settings.site
    home = f"arn:aws:kms:{site.region}:{site.account}:"
    arn = f"{home}key/{tenant.key_id}"
    for ref in (tenant.key_id, tenant.key_id.upper(), arn, "alias/first", f"{home}alias/first"):
        made = kms.aws("Encrypt", KeyId=ref, Plaintext=HELLO)
        assert made["KeyId"] == arn
        opened = kms.aws("Decrypt", KeyId=ref, CiphertextBlob=made["CiphertextBlob"])
        assert (opened["KeyId"], opened["Plaintext"]) == (arn, HELLO)


@pytest.mark.parametrize("place", ["region", "account", "partition"])
def test_an_arn_of_elsewhere_names_nothing_here(place: str, kms: Kms) -> None:
    tenant, site = prepare(kms), kms.settings.site
    parts = {"partition": "aws", "region": site.region, "account": site.account} | {
        place: {"partition": "aws-cn", "region": "us-east-1", "account": "111122223333"}[place]
    }
    arn = f"arn:{parts['partition']}:kms:{parts['region']}:{parts['account']}:key/{tenant.key_id}"
    answer = kms.aws("Encrypt", KeyId=arn, Plaintext=HELLO)
    assert answer == {"__type": "NotFoundException", "message": f"Key '{arn}' does not exist"}


def test_a_blob_of_another_key_than_the_one_named(kms: Kms) -> None:
    tenant = prepare(kms)
    blob = kms.aws("Encrypt", KeyId=tenant.key_id, Plaintext=HELLO)["CiphertextBlob"]
    assert kms.aws("Decrypt", KeyId=tenant.other_id, CiphertextBlob=blob)["__type"] == "IncorrectKeyException"
    refused = kms.aws("ReEncrypt", SourceKeyId=tenant.other_id, DestinationKeyId=tenant.other_id, CiphertextBlob=blob)
    assert refused["__type"] == "IncorrectKeyException"
    moved = kms.aws("ReEncrypt", SourceKeyId=tenant.key_id, DestinationKeyId=tenant.key_id, CiphertextBlob=blob)
    assert moved["CiphertextBlob"] != blob
    assert moved["SourceKeyId"] == moved["KeyId"] == names.named_arn(tenant.key_id, kms.settings.site)


@pytest.mark.parametrize("operation", ["EnableKey", "ScheduleKeyDeletion", "GetKeyRotationStatus", "ListResourceTags"])
def test_what_manages_a_key_takes_no_alias(operation: str, kms: Kms) -> None:
    prepare(kms)
    assert kms.aws(operation, KeyId="alias/first") == {
        "__type": "NotFoundException",
        "message": "Invalid keyId 'alias/first'",
    }


# -- parameters ------------------------------------------------------------------------------------------


def test_unknown_members_and_empty_lists_are_ignored(kms: Kms) -> None:
    tenant = prepare(kms)
    made = kms.aws("Encrypt", KeyId=tenant.key_id, Plaintext=HELLO, GrantTokens=[], Newer={"a": [1]}, Other=None)
    assert "CiphertextBlob" in made
    opened = kms.aws("Decrypt", CiphertextBlob=made["CiphertextBlob"], GrantTokens=["a"], DryRunModifiers=[])
    assert opened["Plaintext"] == HELLO


@pytest.mark.parametrize(
    ("operation", "params", "expected"),
    [
        ("Encrypt", {"EncryptionContext": '{"a":"b"}'}, "SerializationException"),
        ("Encrypt", {"EncryptionContext": {"a": 1}}, "SerializationException"),
        ("Encrypt", {"Plaintext": "?"}, "SerializationException"),
        ("Encrypt", {"Plaintext": ""}, "ValidationException"),
        ("Encrypt", {"Plaintext": None}, "ValidationException"),
        ("Encrypt", {"KeyId": ""}, "ValidationException"),
        ("Encrypt", {"KeyId": 1}, "SerializationException"),
        ("Encrypt", {"KeyId": ["a"]}, "SerializationException"),
        ("Encrypt", {"KeyId": "alias/none"}, "NotFoundException"),
        ("Encrypt", {"DryRun": True}, "DryRunOperationException"),
        ("Encrypt", {"DryRun": "true"}, "SerializationException"),
        ("Encrypt", {"EncryptionAlgorithm": "SM2PKE"}, "UnsupportedOperationException"),
        ("Encrypt", {"EncryptionAlgorithm": "ROT13"}, "ValidationException"),
        ("Encrypt", {"EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}, "InvalidKeyUsageException"),
        ("GenerateDataKey", {}, "ValidationException"),
        ("GenerateDataKey", {"KeySpec": "AES_256", "NumberOfBytes": 32}, "ValidationException"),
        ("GenerateDataKey", {"NumberOfBytes": 1025}, "ValidationException"),
        ("GenerateDataKey", {"NumberOfBytes": "32"}, "SerializationException"),
        ("GenerateDataKey", {"KeySpec": "AES_256", "Recipient": {"a": "b"}}, "UnsupportedOperationException"),
        ("EnableKeyRotation", {"RotationPeriodInDays": 89}, "ValidationException"),
        ("ScheduleKeyDeletion", {"PendingWindowInDays": 6}, "ValidationException"),
        ("ListResourceTags", {"Marker": "a"}, "InvalidMarkerException"),
        ("TagResource", {"Tags": [{"TagKey": "aws:a", "TagValue": ""}]}, "TagException"),
        ("TagResource", {"Tags": {"a": "b"}}, "SerializationException"),
        ("GetParametersForImport", {}, "ValidationException"),
        ("GetPublicKey", {}, "InvalidKeyUsageException"),
    ],
)
def test_a_wrong_parameter_has_awss_error(operation: str, params: dict[str, Any], expected: str, kms: Kms) -> None:
    tenant = prepare(kms)
    whole = {"KeyId": tenant.key_id, **({"Plaintext": HELLO} if operation == "Encrypt" else {}), **params}
    assert kms.aws(operation, **whole).get("__type") == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("alias/aws/mine", "InvalidAliasNameException"),
        ("mine", "ValidationException"),
        ("alias/", "ValidationException"),
        ("alias/" + "a" * 251, "ValidationException"),
        ("alias/first", "AlreadyExistsException"),
    ],
)
def test_alias_names(name: str, expected: str, kms: Kms) -> None:
    tenant = prepare(kms)
    assert kms.aws("CreateAlias", AliasName=name, TargetKeyId=tenant.key_id)["__type"] == expected


def test_a_wrong_signature_or_mac_is_an_error_never_false(kms: Kms) -> None:
    key = kms.aws("CreateKey", KeySpec="ECC_NIST_P521", KeyUsage="SIGN_VERIFY")["KeyMetadata"]["KeyId"]
    how = {"KeyId": key, "Message": HELLO, "SigningAlgorithm": "ECDSA_SHA_512"}
    made = kms.aws("Sign", **how)["Signature"]
    assert kms.aws("Verify", **how, Signature=made)["SignatureValid"] is True
    assert kms.aws("Verify", **{**how, "Message": "AAAA"}, Signature=made)["__type"] == "KMSInvalidSignatureException"
    wrong = {**how, "SigningAlgorithm": "ECDSA_SHA_256"}
    assert kms.aws("Sign", **wrong)["__type"] == "InvalidKeyUsageException"
    key = kms.aws("CreateKey", KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")["KeyMetadata"]["KeyId"]
    how = {"KeyId": key, "Message": HELLO, "MacAlgorithm": "HMAC_SHA_256"}
    assert kms.aws("VerifyMac", **how, Mac="AAAA")["__type"] == "KMSInvalidMacException"


def test_rsa_encrypts_by_the_algorithm_that_is_named(kms: Kms) -> None:
    key = kms.aws("CreateKey", KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["KeyId"]
    for name in names.ENCRYPTIONS:
        made = kms.aws("Encrypt", KeyId=key, Plaintext=HELLO, EncryptionAlgorithm=name)
        assert made["EncryptionAlgorithm"] == name
        opened = kms.aws("Decrypt", KeyId=key, CiphertextBlob=made["CiphertextBlob"], EncryptionAlgorithm=name)
        assert opened["Plaintext"] == HELLO
    assert kms.aws("Encrypt", KeyId=key, Plaintext=HELLO)["__type"] == "InvalidKeyUsageException"
    refused = kms.aws(
        "Encrypt", KeyId=key, Plaintext=HELLO, EncryptionAlgorithm="RSAES_OAEP_SHA_256", EncryptionContext={"a": "b"}
    )
    assert refused["__type"] == "ValidationException"


# -- pages -----------------------------------------------------------------------------------------------


def test_pages_end_without_a_marker(kms: Kms) -> None:
    for _ in range(4):
        kms.aws("CreateKey")
    total, seen, marker = count(kms), [], {}
    while True:
        page = kms.aws("ListKeys", Limit=2, **marker)
        seen += [row["KeyId"] for row in page["Keys"]]
        assert page["Truncated"] is ("NextMarker" in page)
        if not page["Truncated"]:
            break
        assert kms.aws("ListAliases", Marker=page["NextMarker"])["__type"] == "InvalidMarkerException"
        marker = {"Marker": page["NextMarker"]}
    assert len(seen) == len(set(seen)) == total


def test_the_versions_after_the_first_are_rotations(kms: Kms) -> None:
    key = kms.aws("CreateKey")["KeyMetadata"]["KeyId"]
    assert kms.aws("ListKeyRotations", KeyId=key) == {"Rotations": [], "Truncated": False}
    for _ in range(3):
        kms.aws("RotateKeyOnDemand", KeyId=key)
    page = kms.aws("ListKeyRotations", KeyId=key, Limit=2)
    rest = kms.aws("ListKeyRotations", KeyId=key, Limit=2, Marker=page["NextMarker"])
    rows = [*page["Rotations"], *rest["Rotations"]]
    assert len(rows) == 3
    assert rows[-1]["KeyMaterialId"] == kms.aws("DescribeKey", KeyId=key)["KeyMetadata"]["CurrentKeyMaterialId"]
    assert all(abs(row["RotationDate"] - time.time()) < 60 for row in rows)
