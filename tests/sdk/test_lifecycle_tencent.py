"""The life of keys through Tencent's SDK of API 3.0: deletion, archive, rotation, import, lists."""

from __future__ import annotations

import base64
import os
import time
from typing import Any

import pytest

from kit.asymmetric_keys import ENCRYPTIONS
from kit.sdk_alibaba import HELLO, MATERIAL, OAEP
from kit.sdk_clients import Tencent, refused
from kit.sdk_tencent import ECC, RSA, Tencent3

DAY = 86_400
_STATE = "ResourceUnavailable.CmkStateNotSupport"
_BAD = "InvalidParameterValue"


@pytest.fixture
def user(tencent: Tencent) -> Tencent3:
    return Tencent3(tencent)


# -- deletion ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [7, 30, "7"])
def test_a_deletion_is_scheduled_and_cancelled(user: Tencent3, days: Any) -> None:
    key = user.key()
    blob = user.blob(key)
    with refused(user, "ResourceUnavailable.CmkShouldBeDisabled"):
        user.ask("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=days)
    user.ask("DisableKey", KeyId=key)
    answer = user.ask("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=days)
    described = user.described(key)
    assert (answer.KeyId, described.KeyState) == (key, "PendingDelete")
    assert answer.DeletionDate == described.DeletionDate
    assert abs(answer.DeletionDate - time.time() - int(days) * DAY) < 60
    with refused(user, "ResourceUnavailable.KeyPendingDelete"):
        user.ask("Decrypt", CiphertextBlob=blob)
    assert user.ask("CancelKeyDeletion", KeyId=key).KeyId == key
    described = user.described(key)
    assert (described.KeyState, described.DeletionDate) == ("Disabled", 0)
    with refused(user, "ResourceUnavailable.CmkNotPendingDelete"):
        user.ask("CancelKeyDeletion", KeyId=key)
    user.ask("EnableKey", KeyId=key)
    assert user.ask("Decrypt", CiphertextBlob=blob).Plaintext == HELLO


@pytest.mark.parametrize("days", [0, 6, 31, 366])
def test_a_window_is_from_7_to_30_days(user: Tencent3, days: int) -> None:
    key = user.disabled()
    with refused(user, "InvalidParameter.InvalidPendingWindowInDays", text="from 7 to 30"):
        user.ask("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=days)
    assert user.state(key) == "Disabled"


def test_a_key_without_material_waits_for_it_again(user: Tencent3) -> None:
    key = user.key(Type=2)
    user.ask("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)
    user.ask("CancelKeyDeletion", KeyId=key)
    assert user.state(key) == "PendingImport"


REFUSED_WHILE_PENDING: dict[str, tuple[dict[str, Any], str]] = {
    "Encrypt": ({"Plaintext": HELLO}, "ResourceUnavailable.KeyPendingDelete"),
    "UpdateAlias": ({"Alias": "x"}, "ResourceUnavailable.KeyPendingDelete"),
    "UpdateKeyDescription": ({"Description": "d"}, "ResourceUnavailable.KeyPendingDelete"),
    "EnableKeyRotation": ({}, "ResourceUnavailable.KeyPendingDelete"),
    "RotateKey": ({}, "ResourceUnavailable.KeyPendingDelete"),
    "ArchiveKey": ({}, "ResourceUnavailable.KeyPendingDelete"),
    "CancelKeyArchive": ({}, _STATE),
    "EnableKey": ({}, _STATE),
    "DisableKey": ({}, _STATE),
    "ScheduleKeyDeletion": ({"PendingWindowInDays": 7}, _STATE),
}


def test_what_a_key_refuses_while_it_is_to_be_deleted(user: Tencent3) -> None:
    key = user.scheduled()
    for action, (fields, code) in REFUSED_WHILE_PENDING.items():
        with refused(user, code):
            user.ask(action, KeyId=key, **fields)
    assert user.state(key) == "PendingDelete"


# -- archive -------------------------------------------------------------------------------------------


def test_an_archived_key_decrypts_only(user: Tencent3) -> None:
    key = user.key()
    blob = user.blob(key)
    for _ in range(2):
        user.ask("ArchiveKey", KeyId=key)
    assert user.state(key) == "Archived"
    assert user.ask("Decrypt", CiphertextBlob=blob).Plaintext == HELLO
    uses: dict[str, dict[str, Any]] = {
        "Encrypt": {"KeyId": key, "Plaintext": HELLO},
        "GenerateDataKey": {"KeyId": key, "KeySpec": "AES_256"},
        "ReEncrypt": {"CiphertextBlob": blob},
    }
    for action, fields in uses.items():
        with refused(user, "ResourceUnavailable.CmkArchived"):
            user.ask(action, **fields)
    for action in ("EnableKey", "DisableKey", "EnableKeyRotation", "RotateKey"):
        with refused(user, _STATE):
            user.ask(action, KeyId=key)
    moved = user.ask("ReEncrypt", CiphertextBlob=blob, DestinationKeyId=user.key())
    assert (moved.SourceKeyId, moved.ReEncrypted) == (key, True)
    user.ask("CancelKeyArchive", KeyId=key)
    assert user.state(key) == "Enabled"
    assert user.blob(key)
    with refused(user, _STATE):
        user.ask("CancelKeyArchive", KeyId=key)


# -- rotation ------------------------------------------------------------------------------------------


def test_old_ciphertexts_open_after_rotation_and_move_to_the_newest_version(user: Tencent3) -> None:
    key = user.key()
    old = user.blob(key)
    first = user.ask("ReEncrypt", CiphertextBlob=old)
    assert (first.ReEncrypted, first.CiphertextBlob) == (False, old)
    assert user.ask("RotateKey", KeyId=key).TaskId
    assert abs(user.described(key).LastRotateTime - time.time()) < 60
    assert user.ask("Decrypt", CiphertextBlob=old).Plaintext == HELLO
    moved = user.ask("ReEncrypt", CiphertextBlob=old)
    assert (moved.ReEncrypted, moved.KeyId, moved.SourceKeyId) == (True, key, key)
    assert moved.CiphertextBlob != old
    assert user.ask("Decrypt", CiphertextBlob=moved.CiphertextBlob).Plaintext == HELLO
    again = user.ask("ReEncrypt", CiphertextBlob=moved.CiphertextBlob)
    assert (again.ReEncrypted, again.CiphertextBlob) == (False, moved.CiphertextBlob)
    with refused(user, "RequestLimitExceeded.RotateRateLimited"):
        user.ask("RotateKey", KeyId=key)


@pytest.mark.parametrize(("fields", "days"), [({}, 365), ({"RotateDays": 7}, 7), ({"RotateDays": 365}, 365)])
def test_rotation_is_switched_on_and_off(user: Tencent3, fields: dict[str, int], days: int) -> None:
    key = user.key()
    user.ask("EnableKeyRotation", KeyId=key, **fields)
    described = user.described(key)
    assert (described.KeyRotationEnabled, described.RotateDays) == (True, days)
    assert described.NextRotateTime == described.CreateTime + days * DAY
    assert user.ask("GetKeyRotationStatus", KeyId=key).KeyRotationEnabled is True
    user.ask("DisableKeyRotation", KeyId=key)
    assert user.ask("GetKeyRotationStatus", KeyId=key).KeyRotationEnabled is False
    described = user.described(key)
    assert (described.KeyRotationEnabled, described.NextRotateTime) == (False, 0)


@pytest.mark.parametrize("days", [-1, 1, 6, 366])
def test_an_interval_is_from_7_to_365_days(user: Tencent3, days: int) -> None:
    key = user.key()
    with refused(user, _BAD):
        user.ask("EnableKeyRotation", KeyId=key, RotateDays=days)
    assert user.ask("GetKeyRotationStatus", KeyId=key).KeyRotationEnabled is False


NOT_ROTATED = {
    "imported": ({"Type": 2}, "UnsupportedOperation.ExternalCmkCanNotRotate"),
    "RSA": ({"KeyUsage": RSA}, "UnsupportedOperation.RotateNotSupported"),
    "a curve": ({"KeyUsage": ECC}, "UnsupportedOperation.RotateNotSupported"),
}


@pytest.mark.parametrize(("fields", "code"), NOT_ROTATED.values(), ids=NOT_ROTATED)
def test_keys_that_are_not_rotated(user: Tencent3, fields: dict[str, Any], code: str) -> None:
    key = user.key(**fields)
    if "Type" in fields:
        user.ask("ImportKeyMaterial", **user.imported(key))
    for action in ("EnableKeyRotation", "RotateKey"):
        with refused(user, code):
            user.ask(action, KeyId=key)


# -- import --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ENCRYPTIONS)
def test_a_key_is_brought_taken_away_and_brought_again(user: Tencent3, algorithm: str) -> None:
    key = user.key(Type=2)
    described = user.described(key)
    assert (described.KeyState, described.Origin, described.ValidTo) == ("PendingImport", "EXTERNAL", 0)
    with refused(user, _STATE):
        user.blob(key)
    until = int(time.time()) + DAY
    user.ask("ImportKeyMaterial", **user.imported(key, algorithm=algorithm), ValidTo=until)
    described = user.described(key)
    assert (described.KeyState, described.ValidTo) == ("Enabled", until)
    blob = user.blob(key)
    user.ask("DeleteImportedKeyMaterial", KeyId=key)
    assert user.state(key) == "PendingImport"
    with refused(user, _STATE):
        user.ask("Decrypt", CiphertextBlob=blob)
    if algorithm != "RSAES_PKCS1_V1_5":  # which tells of no damage, so that what came by it may be followed
        with refused(user, f"{_BAD}.MaterialNotMatch"):
            user.ask("ImportKeyMaterial", **user.imported(key, os.urandom(32), algorithm))
    user.ask("ImportKeyMaterial", **user.imported(key, algorithm=algorithm))
    assert user.ask("Decrypt", CiphertextBlob=blob).Plaintext == HELLO
    assert user.described(key).ValidTo == 0


def test_what_a_user_reads_of_import_parameters(user: Tencent3) -> None:
    key = user.key(Type=2)
    made = user.ask("GetParametersForImport", KeyId=key, WrappingAlgorithm=OAEP, WrappingKeySpec="RSA_2048")
    assert made.KeyId == key
    assert abs(made.ParametersValidTo - time.time() - DAY) < 60


BAD_IMPORTS: dict[str, tuple[dict[str, Any], str]] = {
    "a changed token": (
        {"ImportToken": base64.b64encode(os.urandom(64)).decode()},
        "InvalidParameter.DecryptMaterialError",
    ),
    "no base64": ({"EncryptedKeyMaterial": "!"}, "InvalidParameter.DecryptMaterialError"),
    "not wrapped": (
        {"EncryptedKeyMaterial": base64.b64encode(MATERIAL).decode()},
        "InvalidParameter.DecryptMaterialError",
    ),
    "valid to the past": ({"ValidTo": 1_500_000_000}, _BAD),
    "valid for too long": ({"ValidTo": 2_147_443_201}, _BAD),
}


@pytest.mark.parametrize(("change", "code"), BAD_IMPORTS.values(), ids=BAD_IMPORTS)
def test_a_bad_import_is_refused_and_nothing_changes(user: Tencent3, change: dict[str, Any], code: str) -> None:
    key = user.key(Type=2)
    with refused(user, code):
        user.ask("ImportKeyMaterial", **{**user.imported(key), **change})
    assert user.state(key) == "PendingImport"


@pytest.mark.parametrize(
    ("algorithm", "spec", "code"),
    [("SM2", "RSA_2048", "UnsupportedOperation"), (OAEP, "SM2", "UnsupportedOperation"), ("RSA", "RSA_2048", _BAD)],
)
def test_wrappings_that_are_not_served(user: Tencent3, algorithm: str, spec: str, code: str) -> None:
    with refused(user, code):
        user.ask("GetParametersForImport", KeyId=user.key(Type=2), WrappingAlgorithm=algorithm, WrappingKeySpec=spec)


def test_a_key_that_was_made_here_takes_no_material(user: Tencent3) -> None:
    made_here, code = user.key(), "UnsupportedOperation.NotExternalCmk"
    with refused(user, code):
        user.ask("GetParametersForImport", KeyId=made_here, WrappingAlgorithm=OAEP, WrappingKeySpec="RSA_2048")
    with refused(user, code):
        user.ask("ImportKeyMaterial", **{**user.imported(user.key(Type=2)), "KeyId": made_here})
    with refused(user, code):
        user.ask("DeleteImportedKeyMaterial", KeyId=made_here)
