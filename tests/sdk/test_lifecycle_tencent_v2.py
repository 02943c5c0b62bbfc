"""The life of keys through Tencent's legacy SDK, and what it makes of keys that the other APIs moved on."""

from __future__ import annotations

import time
from typing import Any

import pytest

from kit.sdk_alibaba import HELLO, Alibaba
from kit.sdk_clients import UNKNOWN_KEY, Classic, Login, Qcloud, Tencent
from kit.sdk_tencent import ECC, Tencent2, Tencent3

DAY = 86_400


@pytest.fixture
def user(qcloud: Qcloud) -> Tencent2:
    return Tencent2(qcloud)


@pytest.fixture
def newer(trusted: Login) -> Tencent3:
    """API 3.0 of the same server."""
    return Tencent3(Tencent(trusted))


def refused(user: Tencent2, code: int, text: str, action: str, **fields: Any) -> None:
    answer = user.sdk.call(action, **fields)
    assert answer.keys() == {"code", "message", "codeDesc", "requestId"}, answer
    assert (answer["code"], text in answer["message"]) == (code, True), answer
    assert answer["message"].startswith(f"({code})")


@pytest.mark.parametrize("days", [7, 30])
def test_a_deletion_is_scheduled_and_cancelled(user: Tencent2, days: int) -> None:
    key = user.key()
    blob = user.blob(key)
    refused(user, 5100, "must be disabled first", "ScheduleKeyDeletion", keyId=key, pendingWindowInDays=days)
    user.ask("DisableKey", keyId=key)
    user.ask("ScheduleKeyDeletion", keyId=key, pendingWindowInDays=days)
    described = user.described(key)
    assert described["keyState"] == "PendingDelete"
    assert abs(described["deleteTime"] - time.time() - days * DAY) < 60
    refused(user, 5100, "pending deletion", "Decrypt", ciphertextBlob=blob)
    for action in ("EnableKey", "DisableKey"):
        refused(user, 5100, "state does not allow", action, keyId=key)
    refused(user, 5100, "pending deletion", "SetKeyAttributes", keyId=key, alias="x")
    user.ask("CancelKeyDeletion", keyId=key)
    described = user.described(key)
    assert (described["keyState"], described["deleteTime"]) == ("Disabled", 0)
    refused(user, 5100, "not pending deletion", "CancelKeyDeletion", keyId=key)
    user.ask("EnableKey", keyId=key)
    assert user.ask("Decrypt", ciphertextBlob=blob)["plaintext"] == HELLO


@pytest.mark.parametrize("days", [0, 6, 31])
def test_a_window_is_from_7_to_30_days(user: Tencent2, days: int) -> None:
    key = user.disabled()
    refused(user, 4000, "from 7 to 30", "ScheduleKeyDeletion", keyId=key, pendingWindowInDays=days)
    assert user.described(key)["keyState"] == "Disabled"


@pytest.mark.parametrize(
    ("action", "fields", "code", "text"),
    [
        ("ScheduleKeyDeletion", {"pendingWindowInDays": 7}, 4000, "keyId is required"),
        ("ScheduleKeyDeletion", {"keyId": UNKNOWN_KEY}, 4000, "pendingWindowInDays is required"),
        ("ScheduleKeyDeletion", {"keyId": UNKNOWN_KEY, "pendingWindowInDays": 7}, 5000, "does not exist"),
        ("CancelKeyDeletion", {"keyId": UNKNOWN_KEY}, 5000, "does not exist"),
        ("CancelKeyDeletion", {"keyId": "x"}, 4000, "KeyId is not valid"),
    ],
)
def test_bad_parameters(user: Tencent2, action: str, fields: dict[str, Any], code: int, text: str) -> None:
    refused(user, code, text, action, **fields)


def test_a_protected_key_is_not_deleted(user: Tencent2, trusted: Login) -> None:
    key, other = user.disabled(), Alibaba(Classic(trusted))
    arn = other.described(key)["Arn"]
    other.ask("SetDeletionProtection", ProtectedResourceArn=arn, EnableDeletionProtection="true")
    refused(user, 5100, "protected", "ScheduleKeyDeletion", keyId=key, pendingWindowInDays=7)
    assert user.described(key)["keyState"] == "Disabled"


def test_keys_that_the_newer_api_moved_on(user: Tencent2, newer: Tencent3) -> None:
    key = user.key()
    blob = user.blob(key)
    newer.ask("RotateKey", KeyId=key)
    assert user.ask("Decrypt", ciphertextBlob=blob)["plaintext"] == HELLO
    newer.ask("ArchiveKey", KeyId=key)
    assert user.described(key)["keyState"] == "Archived"
    assert user.ask("Decrypt", ciphertextBlob=blob)["plaintext"] == HELLO
    refused(user, 5100, "archived", "Encrypt", keyId=key, plaintext=HELLO)
    waiting = newer.key(Type=2)
    assert user.described(waiting)["keyState"] == "PendingImport"
    refused(user, 5100, "material", "Encrypt", keyId=waiting, plaintext=HELLO)
    signer = newer.key(KeyUsage=ECC)
    assert user.described(signer)["keyUsage"] == "SIGN_VERIFY"
    refused(user, 4000, "usage", "Encrypt", keyId=signer, plaintext=HELLO)
