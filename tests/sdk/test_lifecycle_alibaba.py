"""The life of keys through both Alibaba SDKs: deletion, protection, versions and rotation."""

from __future__ import annotations

import calendar
import time
from typing import Any

import pytest

from kit.sdk_alibaba import HELLO, OAEP, Alibaba
from kit.sdk_clients import UUID, Classic, Tea, Tencent, refused
from kit.sdk_tencent import Tencent3

DAY = 86_400
_CONFLICT = ("Rejected.PendingDeletion", 409)
_CHANGE = ("Rejected.StateModifiedFailed", 409)
_BAD = ("InvalidParameter", 400)


@pytest.fixture(params=["tea", "classic"])
def user(request: pytest.FixtureRequest, tea: Tea, classic: Classic) -> Alibaba:
    return Alibaba(tea if request.param == "tea" else classic)


def seconds(text: str) -> int:
    """The time that an answer names."""
    return calendar.timegm(time.strptime(text, "%Y-%m-%dT%H:%M:%SZ"))


# -- deletion ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("days", [7, 366])
def test_a_deletion_is_scheduled_and_cancelled(user: Alibaba, days: int) -> None:
    key = user.key()
    blob = user.blob(key)
    user.ask("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=days)
    described = user.described(key)
    assert described["KeyState"] == "PendingDeletion"
    assert abs(seconds(described["DeleteDate"]) - time.time() - days * DAY) < 60
    with refused(user, *_CONFLICT):
        user.ask("Decrypt", CiphertextBlob=blob)
    user.ask("CancelKeyDeletion", KeyId=key)
    described = user.described(key)
    assert (described["KeyState"], described.get("DeleteDate", "")) == ("Enabled", "")
    assert user.ask("Decrypt", CiphertextBlob=blob)["Plaintext"] == HELLO
    with refused(user, *_CHANGE):
        user.ask("CancelKeyDeletion", KeyId=key)


@pytest.mark.parametrize("days", [0, 1, 6, 367, 100_000])
def test_a_window_is_from_7_to_366_days(user: Alibaba, days: int) -> None:
    key = user.key()
    with refused(user, *_BAD, "PendingWindowInDays is from 7 to 366"):
        user.ask("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=days)
    assert user.state(key) == "Enabled"


def test_a_disabled_key_is_enabled_when_its_deletion_is_cancelled(user: Alibaba) -> None:
    key = user.key()
    user.ask("DisableKey", KeyId=key)
    user.ask("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)
    user.ask("CancelKeyDeletion", KeyId=key)
    assert user.state(key) == "Enabled"


def test_a_key_without_material_waits_for_it_again(user: Alibaba) -> None:
    key = user.scheduled(Origin="EXTERNAL")
    user.ask("CancelKeyDeletion", KeyId=key)
    assert user.state(key) == "PendingImport"


REFUSED_WHILE_PENDING: dict[str, tuple[dict[str, Any], tuple[str, int]]] = {
    "Encrypt": ({"Plaintext": HELLO}, _CONFLICT),
    "GenerateDataKey": ({}, _CONFLICT),
    "UpdateKeyDescription": ({"Description": "d"}, _CONFLICT),
    "UpdateRotationPolicy": ({"EnableAutomaticRotation": "true"}, _CONFLICT),
    "CreateKeyVersion": ({}, _CONFLICT),
    "TagResource": ({"Tags": "[]"}, _CONFLICT),
    "CreateAlias": ({"AliasName": "alias/pending"}, _CHANGE),
    "EnableKey": ({}, _CHANGE),
    "DisableKey": ({}, _CHANGE),
    "ScheduleKeyDeletion": ({"PendingWindowInDays": 7}, _CHANGE),
}


def test_what_a_key_refuses_while_it_is_to_be_deleted(user: Alibaba) -> None:
    key = user.scheduled()
    before = user.described(key)
    for action, (fields, refusal) in REFUSED_WHILE_PENDING.items():
        with refused(user, *refusal):
            user.ask(action, KeyId=key, **fields)
    assert user.described(key) == before


def test_a_protected_key_is_not_deleted(user: Alibaba, tencent: Tencent) -> None:
    key = user.key()
    arn = user.described(key)["Arn"]
    user.ask(
        "SetDeletionProtection",
        ProtectedResourceArn=arn,
        EnableDeletionProtection="true",
        DeletionProtectionDescription="production",
    )
    described = user.described(key)
    assert (described["DeletionProtection"], described["DeletionProtectionDescription"]) == ("Enabled", "production")
    with refused(user, "Rejected.ResourceInUse", 409, "protected from deletion"):
        user.ask("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)
    user.ask("DisableKey", KeyId=key)
    other = Tencent3(tencent)
    with refused(other, "FailedOperation", text="protected from deletion"):
        other.ask("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)
    user.ask("SetDeletionProtection", ProtectedResourceArn=arn, EnableDeletionProtection="false")
    described = user.described(key)
    assert (described["DeletionProtection"], described.get("DeletionProtectionDescription", "")) == ("Disabled", "")
    user.ask("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)


# -- versions ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", ["Aliyun_AES_256", "Aliyun_SM4"])
def test_old_ciphertexts_open_after_rotation(user: Alibaba, spec: str) -> None:
    key = user.key(KeySpec=spec)
    made = [user.ask("Encrypt", KeyId=key, Plaintext=HELLO)]
    for _ in range(2):
        version = user.ask("CreateKeyVersion", KeyId=key)["KeyVersion"]
        assert version["KeyId"] == key
        assert user.described(key)["PrimaryKeyVersion"] == version["KeyVersionId"]
        made.append(user.ask("Encrypt", KeyId=key, Plaintext=HELLO))
        assert made[-1]["KeyVersionId"] == version["KeyVersionId"]
    assert len({answer["KeyVersionId"] for answer in made}) == 3
    for sealed in made:
        opened = user.ask("Decrypt", CiphertextBlob=sealed["CiphertextBlob"])
        assert (opened["Plaintext"], opened["KeyVersionId"]) == (HELLO, sealed["KeyVersionId"])
    newest = user.ask("ReEncrypt", CiphertextBlob=made[0]["CiphertextBlob"], DestinationKeyId=key)
    assert newest["KeyVersionId"] == made[-1]["KeyVersionId"]
    assert user.ask("Decrypt", CiphertextBlob=newest["CiphertextBlob"])["Plaintext"] == HELLO


def test_versions_are_listed_by_page_and_described(user: Alibaba) -> None:
    key = user.key()
    ids = [user.described(key)["PrimaryKeyVersion"]]
    ids += [user.ask("CreateKeyVersion", KeyId=key)["KeyVersion"]["KeyVersionId"] for _ in range(4)]
    pages = [user.ask("ListKeyVersions", KeyId=key, PageNumber=n, PageSize=2) for n in (1, 2, 3, 4)]
    rows = [page["KeyVersions"]["KeyVersion"] for page in pages]
    assert [len(row) for row in rows] == [2, 2, 1, 0]
    assert [row["KeyVersionId"] for page in rows for row in page] == ids
    assert {(page["TotalCount"], page["PageSize"]) for page in pages} == {(5, 2)}
    for row in rows[0] + rows[2]:
        one = user.ask("DescribeKeyVersion", KeyId=key, KeyVersionId=row["KeyVersionId"])["KeyVersion"]
        assert one == row
        assert one["KeyId"] == key
        assert abs(seconds(one["CreationDate"]) - time.time()) < 60
    assert all(UUID.fullmatch(version) for version in ids)


def test_the_versions_of_a_key_are_no_others(user: Alibaba) -> None:
    key, other = user.key(), user.version(user.key())["KeyVersionId"]
    for version in (other, "no version", "00000000-0000-4000-8000-000000000000"):
        with refused(user, "Forbidden.KeyVersionNotFound", 404):
            user.ask("DescribeKeyVersion", KeyId=key, KeyVersionId=version)


def test_old_versions_of_an_asymmetric_key_work_by_their_names(user: Alibaba) -> None:
    key = user.key(KeySpec="RSA_2048")
    old = {**user.version(key), "Algorithm": OAEP}
    sealed = user.ask("AsymmetricEncrypt", **old, Plaintext=HELLO)["CiphertextBlob"]
    user.ask("CreateKeyVersion", KeyId=key)
    new = {**user.version(key), "Algorithm": OAEP}
    assert user.ask("AsymmetricDecrypt", **old, CiphertextBlob=sealed)["Plaintext"] == HELLO
    with refused(user, *_BAD):
        user.ask("AsymmetricDecrypt", **new, CiphertextBlob=sealed)
    keys = {user.ask("GetPublicKey", KeyId=key, KeyVersionId=at["KeyVersionId"])["PublicKey"] for at in (old, new)}
    assert len(keys) == 2


# -- rotation ------------------------------------------------------------------------------------------

INTERVALS = {"7d": 7, "730d": 730, "8760h": 365, "10080m": 7, "604800s": 7, "63072000s": 730}


@pytest.mark.parametrize(("interval", "days"), INTERVALS.items())
def test_a_rotation_policy_reads_back(user: Alibaba, interval: str, days: int) -> None:
    key = user.key()
    user.ask("UpdateRotationPolicy", KeyId=key, EnableAutomaticRotation="true", RotationInterval=interval)
    made = user.key(EnableAutomaticRotation="true", RotationInterval=interval)
    for described in (user.described(key), user.described(made)):
        assert (described["AutomaticRotation"], described["RotationInterval"]) == ("Enabled", f"{days * DAY}s")
        assert seconds(described["NextRotationDate"]) - seconds(described["LastRotationDate"]) == days * DAY


def test_a_rotation_policy_stops_and_starts(user: Alibaba) -> None:
    key = user.key(EnableAutomaticRotation="true")
    assert user.described(key)["RotationInterval"] == "31536000s"
    user.ask("DisableKey", KeyId=key)
    described = user.described(key)
    assert (described["AutomaticRotation"], described.get("NextRotationDate", "")) == ("Suspended", "")
    user.ask("EnableKey", KeyId=key)
    assert user.described(key)["AutomaticRotation"] == "Enabled"
    user.ask("UpdateRotationPolicy", KeyId=key, EnableAutomaticRotation="true", RotationInterval="30d")
    user.ask("UpdateRotationPolicy", KeyId=key, EnableAutomaticRotation="true")
    assert user.described(key)["RotationInterval"] == "2592000s"
    user.ask("UpdateRotationPolicy", KeyId=key, EnableAutomaticRotation="false")
    described = user.described(key)
    assert (described["AutomaticRotation"], described.get("RotationInterval", "")) == ("Disabled", "")


@pytest.mark.parametrize("interval", ["6d", "731d", "604799s", "1w", "-30d", "30", "d", "1.5d", "99999999999d"])
def test_an_interval_is_from_7_to_730_days(user: Alibaba, interval: str) -> None:
    key = user.key()
    with refused(user, *_BAD):
        user.ask("UpdateRotationPolicy", KeyId=key, EnableAutomaticRotation="true", RotationInterval=interval)
    with refused(user, *_BAD):
        user.ask("CreateKey", EnableAutomaticRotation="true", RotationInterval=interval)
    assert user.described(key)["AutomaticRotation"] == "Disabled"


NOT_ROTATED = {
    "imported": ({"Origin": "EXTERNAL"}, "Unsupported.Origin"),
    "RSA": ({"KeySpec": "RSA_2048"}, "Rejected.UnsupportedOperation"),
    "MAC": ({"KeySpec": "HMAC_SHA_256"}, "Rejected.UnsupportedOperation"),
}


@pytest.mark.parametrize(("fields", "code"), NOT_ROTATED.values(), ids=NOT_ROTATED)
def test_keys_that_are_not_rotated_automatically(user: Alibaba, fields: dict[str, str], code: str) -> None:
    with refused(user, code, 400):
        user.ask("CreateKey", EnableAutomaticRotation="true", **fields)
    key = user.key(**fields)
    if "Origin" in fields:
        user.ask("ImportKeyMaterial", **user.imported(key))
    with refused(user, code, 400):
        user.ask("UpdateRotationPolicy", KeyId=key, EnableAutomaticRotation="true")
