"""boto3 against a running server: its own exception classes, its paginators, sessions, and keys of a life's length."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from botocore.exceptions import ClientError

from kit.sdk_aws import HELLO, Aws, Boto
from kit.sdk_clients import UNKNOWN_KEY, Login, session
from kit.support import Server


@pytest.fixture(scope="module")
def user(plain: Login) -> Aws:
    return Aws(Boto(plain))


def test_each_refusal_is_a_class_of_its_own(user: Aws) -> None:
    errors, key = user.sdk.client.exceptions, user.key()
    blob = user.blob(key)
    with pytest.raises(errors.InvalidCiphertextException):
        user.ask("Decrypt", CiphertextBlob=blob, EncryptionContext={"a": "b"})
    with pytest.raises(errors.IncorrectKeyException):
        user.ask("Decrypt", CiphertextBlob=blob, KeyId=user.key())
    with pytest.raises(errors.NotFoundException, match=f"{UNKNOWN_KEY}' does not exist"):
        user.ask("Encrypt", KeyId=UNKNOWN_KEY, Plaintext=HELLO)
    with pytest.raises(errors.DisabledException, match=r"key/.* is disabled"):
        user.ask("Encrypt", KeyId=user.disabled(), Plaintext=HELLO)
    with pytest.raises(errors.KMSInvalidStateException, match="is pending deletion"):
        user.ask("Encrypt", KeyId=user.scheduled(), Plaintext=HELLO)
    with pytest.raises(errors.KMSInvalidStateException, match="is pending deletion"):
        user.ask("ScheduleKeyDeletion", KeyId=user.scheduled())
    with pytest.raises(errors.InvalidKeyUsageException, match="key usage is GENERATE_VERIFY_MAC"):
        user.ask("Encrypt", KeyId=user.hmac(), Plaintext=HELLO)
    with pytest.raises(errors.DryRunOperationException):
        user.ask("Encrypt", KeyId=key, Plaintext=HELLO, DryRun=True)
    signed = user.signed()
    with pytest.raises(errors.KMSInvalidSignatureException):
        user.ask("Verify", **{**signed, "Message": b"other"})
    with pytest.raises(ClientError, match="ValidationException"):
        user.ask("GenerateDataKey", KeyId=key)


def test_paginators_end(user: Aws) -> None:
    made = {user.key() for _ in range(3)}
    pages = user.sdk.client.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 2})
    assert made <= {row["KeyArn"] for page in pages for row in page["Keys"]}
    key = made.pop()
    names = {f"alias/p-{key[-6:]}-{n}" for n in range(5)}
    for name in names:
        user.ask("CreateAlias", AliasName=name, TargetKeyId=key)
    aliases = user.sdk.client.get_paginator("list_aliases").paginate(KeyId=key, PaginationConfig={"PageSize": 2})
    assert {row["AliasName"] for page in aliases for row in page["Aliases"]} == names


def test_dates_are_dates(user: Aws) -> None:
    key = user.key()
    made = user.ask("DescribeKey", KeyId=key)["KeyMetadata"]["CreationDate"]
    gone = user.ask("ScheduleKeyDeletion", KeyId=key)["DeletionDate"]
    assert timedelta(days=29) < gone - made < timedelta(days=31)
    assert abs(made - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_session_is_taken(server: Server, plain: Login) -> None:
    user = Aws(Boto(session(server, "--name", "sdk")))
    assert user.ask("Decrypt", CiphertextBlob=user.blob(user.key()))["Plaintext"] == HELLO


def test_a_wrong_secret_is_one_attempt(plain: Login) -> None:
    user = Aws(Boto(plain.but(secret="wrong")))
    with pytest.raises(ClientError, match="InvalidSignatureException") as refused:
        user.ask("ListKeys")
    assert refused.value.response["ResponseMetadata"]["RetryAttempts"] == 0


def test_two_calls_of_one_second_are_two(user: Aws) -> None:
    """boto3 signs both alike."""
    assert len({user.key(Description="the same") for _ in range(5)}) == 5
