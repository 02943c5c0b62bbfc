"""Grants through the AWS dialect: what its parameters may be, tokens, markers, and what each error is called."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.catalogue import prepare
from kit.support import Kms, Signer

HELLO = base64.b64encode(b"hello").decode()


def arn(kms: Kms, name: str = "TKMSguest") -> str:
    of = name if name == "root" else f"user/{name}"
    return f"arn:aws:iam::{kms.settings.site.account}:{of}"


def made(kms: Kms, key: str, **more: Any) -> dict[str, Any]:
    params = {"KeyId": key, "GranteePrincipal": arn(kms), "Operations": ["Decrypt"], **more}
    return kms.aws("CreateGrant", **params)


def test_a_grant_is_shown_as_it_was_made(kms: Kms) -> None:
    key = prepare(kms).key_id
    said = {
        "GranteePrincipal": arn(kms),
        "RetiringPrincipal": arn(kms, "root"),
        "Operations": ["Decrypt", "GenerateDataKey", "RetireGrant"],
        "Constraints": {"EncryptionContextEquals": {"a": "b"}, "EncryptionContextSubset": {"a": "b"}},
        "Name": "a:name/1_-",
    }
    first = kms.aws("CreateGrant", KeyId=key, **said, GrantTokens=["anything"])
    again = kms.aws("CreateGrant", KeyId=key, **said)
    assert first == again
    (row,) = kms.aws("ListGrants", KeyId=key, GrantId=first["GrantId"])["Grants"]
    assert isinstance(row.pop("CreationDate"), int)
    assert row == {
        **said,
        "GrantId": first["GrantId"],
        "KeyId": f"arn:aws:kms:{kms.settings.site.region}:{kms.settings.site.account}:key/{key}",
        "IssuingAccount": arn(kms, "root"),
    }
    made(kms, key)
    assert "Constraints" not in kms.aws("ListGrants", KeyId=key)["Grants"][-1]
    assert len(kms.aws("ListGrants", KeyId=key, GranteePrincipal=arn(kms))["Grants"]) == 2
    assert kms.aws("ListGrants", KeyId=key, GranteePrincipal=arn(kms, "root"))["Grants"] == []


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no grantee": ({"GranteePrincipal": None}, "ValidationException"),
    "an access key alone": ({"GranteePrincipal": "TKMSguest"}, "InvalidArnException"),
    "a role": ({"GranteePrincipal": "arn:aws:iam::{account}:role/x"}, "InvalidArnException"),
    "another account": ({"GranteePrincipal": "arn:aws:iam::111122223333:user/x"}, "InvalidArnException"),
    "another account to retire": ({"RetiringPrincipal": "arn:aws:iam::111122223333:root"}, "InvalidArnException"),
    "no operation": ({"Operations": []}, "ValidationException"),
    "an operation that is none": ({"Operations": ["PutKeyPolicy"]}, "ValidationException"),
    "an operation of other keys": ({"Operations": ["Sign"]}, "ValidationException"),
    "an operation that is not served": ({"Operations": ["Encapsulate"]}, "UnsupportedOperationException"),
    "operations that are no list": ({"Operations": "Decrypt"}, "SerializationException"),
    "an operation that is no text": ({"Operations": [1]}, "SerializationException"),
    "a constraint that is none": ({"Constraints": {"SourceArn": "a"}}, "UnsupportedOperationException"),
    "a constraint of nothing": ({"Constraints": {"EncryptionContextSubset": {}}}, "ValidationException"),
    "a constraint that is no map": ({"Constraints": {"EncryptionContextSubset": "a"}}, "SerializationException"),
    "a value that is no text": ({"Constraints": {"EncryptionContextSubset": {"a": 1}}}, "SerializationException"),
    "nine pairs": (
        {"Constraints": {"EncryptionContextEquals": {str(n): "" for n in range(9)}}},
        "ValidationException",
    ),
    "a long pair": ({"Constraints": {"EncryptionContextEquals": {"a": "b" * 384}}}, "ValidationException"),
    "constraints that are no object": ({"Constraints": []}, "SerializationException"),
    "a name with a space": ({"Name": "a b"}, "ValidationException"),
    "an empty name": ({"Name": ""}, "ValidationException"),
    "a service": ({"GranteeServicePrincipal": "s3.amazonaws.com"}, "UnsupportedOperationException"),
    "a service instead": (
        {"GranteePrincipal": None, "GranteeServicePrincipal": "s3.amazonaws.com"},
        "UnsupportedOperationException",
    ),
    "an alias": ({"KeyId": "alias/first"}, "NotFoundException"),
    "a dry run": ({"DryRun": True}, "DryRunOperationException"),
}


@pytest.mark.parametrize(("params", "code"), BAD.values(), ids=BAD)
def test_a_wrong_parameter_has_awss_error(params: dict[str, Any], code: str, kms: Kms) -> None:
    key = prepare(kms).key_id
    sent = json.loads(json.dumps(params).replace("{account}", kms.settings.site.account))
    answer = made(kms, sent.pop("KeyId", key), **sent)
    assert answer["__type"] == code, answer
    assert kms.aws("ListGrants", KeyId=key)["Grants"] == []


def test_no_grants_of_a_service_are_listed(kms: Kms) -> None:
    answer = kms.aws("ListRetirableGrants", RetiringServicePrincipal="s3.amazonaws.com")
    assert answer["__type"] == "UnsupportedOperationException"


ENDS: dict[str, tuple[str, dict[str, Any], str]] = {
    "no parameter": ("RetireGrant", {}, "ValidationException"),
    "a key alone": ("RetireGrant", {"KeyId": "{key}"}, "ValidationException"),
    "a token and more": ("RetireGrant", {"GrantToken": "{token}", "KeyId": "{key}"}, "ValidationException"),
    "no token of here": ("RetireGrant", {"GrantToken": "anything"}, "InvalidGrantTokenException"),
    "a token of a grant that there is none of": ("RetireGrant", {"GrantToken": "{forged}"}, "NotFoundException"),
    "no id": ("RetireGrant", {"KeyId": "{key}", "GrantId": "a"}, "InvalidGrantIdException"),
    "no id to revoke": ("RevokeGrant", {"KeyId": "{key}", "GrantId": "a"}, "InvalidGrantIdException"),
    "an id that there is none of": ("RevokeGrant", {"KeyId": "{key}", "GrantId": "0" * 64}, "NotFoundException"),
    "a grant of another key": ("RevokeGrant", {"KeyId": "{other}", "GrantId": "{id}"}, "NotFoundException"),
}


@pytest.mark.parametrize(("operation", "params", "code"), ENDS.values(), ids=ENDS)
def test_what_ends_no_grant(operation: str, params: dict[str, Any], code: str, kms: Kms) -> None:
    tenant = prepare(kms)
    key = tenant.key_id
    grant = made(kms, key)
    words = {
        "{key}": key,
        "{other}": tenant.other_id,
        "{id}": grant["GrantId"],
        "{token}": grant["GrantToken"],
        "{forged}": base64.b64encode(f"{key} {'0' * 64}".encode()).decode(),
    }
    answer = kms.aws(operation, **{name: words.get(value, value) for name, value in params.items()})
    assert answer["__type"] == code
    assert len(kms.aws("ListGrants", KeyId=key)["Grants"]) == 1


def guest(kms: Kms) -> Signer:
    """Of an access key that may do nothing by itself."""
    credential, secret = kms.settings.access.create("guest", ("aws",), '{"Statement":[]}', 1_700_000_000)
    return Signer(credential.access_key_id, secret)


def test_a_forged_token_does_nothing(kms: Kms) -> None:
    """Nor does a real one for whom it is not: a token only names a grant."""
    key = prepare(kms).key_id
    grant = made(kms, key)
    stranger = guest(kms)
    blob = kms.aws("Encrypt", KeyId=key, Plaintext=HELLO)["CiphertextBlob"]
    for token in (grant["GrantToken"], base64.b64encode(f"{key} {'a' * 64}".encode()).decode(), "x"):
        for operation, params in (
            ("Decrypt", {"CiphertextBlob": blob, "GrantTokens": [token]}),
            ("RetireGrant", {"GrantToken": token}),
        ):
            refused = json.loads(kms.send(stranger.aws(operation, params))["body"])
            assert refused["__type"] in ("AccessDeniedException", "InvalidGrantTokenException"), refused
    assert len(kms.aws("ListGrants", KeyId=key)["Grants"]) == 1


def test_a_grantee_uses_what_it_was_given_and_retires_it(kms: Kms) -> None:
    key = prepare(kms).key_id
    other = guest(kms)
    blob = kms.aws("Encrypt", KeyId=key, Plaintext=HELLO)["CiphertextBlob"]

    def ask(operation: str, **params: Any) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(kms.send(other.aws(operation, params))["body"])
        return answer

    assert ask("Decrypt", CiphertextBlob=blob)["__type"] == "AccessDeniedException"
    grant = made(kms, key, GranteePrincipal=arn(kms, other.access_key_id), Operations=["Decrypt", "RetireGrant"])
    assert ask("Decrypt", CiphertextBlob=blob)["Plaintext"] == HELLO
    assert ask("Encrypt", KeyId=key, Plaintext=HELLO)["__type"] == "AccessDeniedException"
    assert ask("RetireGrant", GrantToken=grant["GrantToken"]) == {}
    assert ask("Decrypt", CiphertextBlob=blob)["__type"] == "AccessDeniedException"


def test_markers_are_of_their_key_and_operation(kms: Kms) -> None:
    tenant = prepare(kms)
    for key in (tenant.key_id, tenant.other_id):
        for _ in range(3):
            made(kms, key, RetiringPrincipal=arn(kms))
    page = kms.aws("ListGrants", KeyId=tenant.key_id, Limit=2)
    assert page["Truncated"] is True
    marker = page["NextMarker"]
    assert kms.aws("ListGrants", KeyId=tenant.other_id, Marker=marker)["__type"] == "InvalidMarkerException"
    retirable = {"RetiringPrincipal": arn(kms)}
    assert kms.aws("ListRetirableGrants", **retirable, Marker=marker)["__type"] == "InvalidMarkerException"
    rest = kms.aws("ListGrants", KeyId=tenant.key_id, Limit=2, Marker=marker)
    assert (len(rest["Grants"]), rest["Truncated"], "NextMarker" in rest) == (1, False, False)
    seen: list[str] = []
    more: dict[str, str] = {}
    while True:
        page = kms.aws("ListRetirableGrants", **retirable, Limit=2, **more)
        seen += [row["GrantId"] for row in page["Grants"]]
        assert page["Truncated"] is ("NextMarker" in page)
        if not page["Truncated"]:
            break
        more = {"Marker": page["NextMarker"]}
    assert len(seen) == len(set(seen)) == 6
    for text in ("ListRetirableGrants 1 x 2", "ListRetirableGrants 1 - -2", "ListRetirableGrants 1", "ListGrants a"):
        wrong = base64.b64encode(text.encode()).decode()
        answer = kms.aws("ListRetirableGrants", **retirable, Marker=wrong)
        assert answer["__type"] == "InvalidMarkerException"


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(said=st.text(max_size=80) | st.binary(max_size=80).map(lambda data: base64.b64encode(data).decode()))
def test_no_token_and_no_marker_is_more_than_refused(said: str, kms: Kms) -> None:
    text = said.encode("utf-8", "replace").decode()
    for operation, params in (
        ("RetireGrant", {"GrantToken": text}),
        ("ListRetirableGrants", {"RetiringPrincipal": arn(kms), "Marker": text}),
    ):
        assert kms.aws(operation, **params)["__type"] in (
            "InvalidGrantTokenException",
            "InvalidMarkerException",
            "ValidationException",
        )
