"""Managing keys as AWS does: aliases, tags, rotations, imports, markers, and what other dialects see of it."""

from __future__ import annotations

import base64
import json
import os
from typing import Any
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_der_public_key

from kit.catalogue import prepare
from kit.support import Kms
from tenantkms.keys import rotation
from tenantkms.model.profiles import DAY


def made(kms: Kms, **params: Any) -> str:
    return str(kms.aws("CreateKey", **params)["KeyMetadata"]["KeyId"])


# -- aliases ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a:b", "app:prod/key", ":", "x" * 250])
def test_an_alias_of_awss_form_names_its_key(name: str, kms: Kms) -> None:
    key, other, alias = made(kms), made(kms), f"alias/{name}"
    assert kms.aws("CreateAlias", AliasName=alias, TargetKeyId=key) == {}
    site = kms.settings.site
    arn = f"arn:aws:kms:{site.region}:{site.account}:{alias}"
    row = {"AliasName": alias, "AliasArn": arn, "TargetKeyId": key}
    assert kms.aws("ListAliases", KeyId=key)["Aliases"] == [row]
    assert [kms.aws("DescribeKey", KeyId=ref)["KeyMetadata"]["KeyId"] for ref in (alias, arn)] == [key] * 2
    assert kms.aws("UpdateAlias", AliasName=alias, TargetKeyId=other) == {}
    assert kms.aws("DescribeKey", KeyId=alias)["KeyMetadata"]["KeyId"] == other
    assert kms.aws("DeleteAlias", AliasName=alias) == {}
    assert kms.aws("DescribeKey", KeyId=alias)["__type"] == "NotFoundException"


@pytest.mark.parametrize("operation", ["CreateAlias", "UpdateAlias", "DeleteAlias"])
def test_an_alias_without_its_prefix_is_told_so(operation: str, kms: Kms) -> None:
    told = kms.aws(operation, AliasName="app", **({} if operation == "DeleteAlias" else {"TargetKeyId": made(kms)}))
    assert (told["__type"], told["message"]) == (
        "ValidationException",
        'AliasName must start with the prefix "alias/".',
    )


def test_other_dialects_know_such_an_alias_and_make_none(kms: Kms) -> None:
    key = made(kms)
    kms.aws("CreateAlias", AliasName="alias/app:prod", TargetKeyId=key)
    assert "alias/app:prod" in [row["AliasName"] for row in kms.alibaba("ListAliases")["Aliases"]["Alias"]]
    assert kms.tencent("DescribeKey", KeyId=key)["KeyMetadata"]["Alias"] == "app:prod"
    assert kms.alibaba("CreateAlias", KeyId=key, AliasName="alias/a:b")["Code"] == "InvalidParameter"
    assert kms.alibaba("Encrypt", KeyId="alias/app:prod", Plaintext="aGVsbG8=")["KeyId"] == key
    assert kms.alibaba("Encrypt", KeyId="alias/app:", Plaintext="aGVsbG8=")["Code"] == "Forbidden.AliasNotFound"
    assert kms.tencent("UpdateAlias", KeyId=key, Alias="a:b")["Error"]["Code"] == "InvalidParameterValue.InvalidAlias"


_KINDS = {
    "symmetric": {},
    "rsa": {"KeySpec": "RSA_2048", "KeyUsage": "ENCRYPT_DECRYPT"},
    "rsa signing": {"KeySpec": "RSA_2048", "KeyUsage": "SIGN_VERIFY"},
    "ec": {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"},
    "hmac": {"KeySpec": "HMAC_256", "KeyUsage": "GENERATE_VERIFY_MAC"},
}


def test_an_alias_moves_to_a_key_of_the_same_type_and_usage_only(kms: Kms) -> None:
    keys = {kind: made(kms, **params) for kind, params in _KINDS.items()}
    for kind, key in keys.items():
        kms.aws("CreateAlias", AliasName=f"alias/{kind.replace(' ', '-')}", TargetKeyId=key)
    refused = set()
    for kind, key in keys.items():
        alias = f"alias/{kind.replace(' ', '-')}"
        for other, target in keys.items():
            answer = kms.aws("UpdateAlias", AliasName=alias, TargetKeyId=target)
            if answer:
                assert answer["__type"] == "ValidationException"
                refused.add((kind, other))
            kms.aws("UpdateAlias", AliasName=alias, TargetKeyId=key)
    signing = {"rsa signing", "ec"}
    assert refused == {(a, b) for a in keys for b in keys if a != b and {a, b} != signing}
    # Alibaba's has no such rule.
    assert "Code" not in kms.alibaba("UpdateAlias", AliasName="alias/hmac", KeyId=keys["symmetric"])


# -- tags ------------------------------------------------------------------------------------------------


def test_tags_of_awss_sizes(kms: Kms) -> None:
    tags = [{"TagKey": f"{n:03}" + "k" * 125, "TagValue": "v" * 256 if n else ""} for n in range(50)]
    key = made(kms, Tags=tags)
    assert kms.aws("ListResourceTags", KeyId=key, Limit=50)["Tags"] == tags
    more = {"KeyId": key, "Tags": [{"TagKey": "one", "TagValue": "more"}]}
    assert kms.aws("TagResource", **more)["__type"] == "LimitExceededException"
    # Another dialect shows all of them, and may take them away, but adds none.
    listed = kms.alibaba("ListResourceTags", KeyId=key)["Tags"]["Tag"]
    assert {row["TagKey"]: row["TagValue"] for row in listed} == {row["TagKey"]: row["TagValue"] for row in tags}
    add = {"KeyId": key, "Tags": json.dumps([{"TagKey": "a", "TagValue": "b"}])}
    assert kms.alibaba("TagResource", **add)["Code"] == "Rejected.LimitExceeded"
    assert "Code" not in kms.alibaba("UntagResource", KeyId=key, TagKeys=json.dumps([tags[0]["TagKey"]]))
    assert kms.aws("TagResource", **more) == {}
    assert "Code" not in kms.alibaba("DescribeKey", KeyId=key)


@pytest.mark.parametrize(
    ("tag", "expected"),
    [
        ({"TagKey": "k" * 129, "TagValue": ""}, "ValidationException"),
        ({"TagKey": "", "TagValue": ""}, "ValidationException"),
        ({"TagKey": "k", "TagValue": "v" * 257}, "ValidationException"),
        ({"TagKey": "k"}, "ValidationException"),
        ({"TagKey": "aws:k", "TagValue": "v"}, "TagException"),
        ({"TagKey": "aliyun:k", "TagValue": "v"}, None),
        ({"TagKey": "acs:k", "TagValue": "v"}, None),
    ],
)
def test_what_a_tag_may_be(tag: dict[str, str], expected: str | None, kms: Kms) -> None:
    key = made(kms)
    assert kms.aws("TagResource", KeyId=key, Tags=[tag]).get("__type") == expected
    assert kms.aws("ListResourceTags", KeyId=key)["Tags"] == ([] if expected else [tag])


def test_what_is_reserved_elsewhere_does_not_stand_in_the_way_there(kms: Kms) -> None:
    """A tag that this dialect allows is no reason to refuse another one by another dialect."""
    key = made(kms, Tags=[{"TagKey": "acs:k", "TagValue": "v" * 200}])
    tags = json.dumps([{"TagKey": "a", "TagValue": "b"}])
    assert "Code" not in kms.alibaba("TagResource", KeyId=key, Tags=tags)
    reserved = json.dumps([{"TagKey": "acs:k", "TagValue": "b"}])
    assert kms.alibaba("TagResource", KeyId=key, Tags=reserved)["Code"] == "InvalidParameter"
    assert len(kms.aws("ListResourceTags", KeyId=key)["Tags"]) == 2


# -- rotations and imports -------------------------------------------------------------------------------


def test_rotations_say_whether_they_were_scheduled(kms: Kms) -> None:
    key = made(kms)
    kms.aws("EnableKeyRotation", KeyId=key, RotationPeriodInDays=90)
    kms.aws("RotateKeyOnDemand", KeyId=key)
    store, deps = kms.settings.deps.keyring.store, kms.settings.deps
    row = store.get(key)
    assert row is not None
    rotation.rotate_due(deps, row, int(deps.clock()), uuid4().hex)
    rows = kms.aws("ListKeyRotations", KeyId=key)["Rotations"]
    assert [row["RotationType"] for row in rows] == ["ON_DEMAND", "AUTOMATIC"]


def test_the_status_of_rotation(kms: Kms) -> None:
    key = made(kms)
    off = {"KeyId": kms.aws("DescribeKey", KeyId=key)["KeyMetadata"]["Arn"], "KeyRotationEnabled": False}
    assert kms.aws("GetKeyRotationStatus", KeyId=key) == off
    kms.aws("EnableKeyRotation", KeyId=key)
    on = kms.aws("GetKeyRotationStatus", KeyId=key)
    created = kms.aws("DescribeKey", KeyId=key)["KeyMetadata"]["CreationDate"]
    assert on == {
        **off,
        "KeyRotationEnabled": True,
        "RotationPeriodInDays": 365,
        "NextRotationDate": created + 365 * DAY,
    }
    # A disabled key keeps its policy and is not rotated; one that is pending deletion has none until that is cancelled.
    kms.aws("DisableKey", KeyId=key)
    del on["NextRotationDate"]
    assert kms.aws("GetKeyRotationStatus", KeyId=key) == on
    kms.aws("ScheduleKeyDeletion", KeyId=key)
    assert kms.aws("GetKeyRotationStatus", KeyId=key) == off
    kms.aws("CancelKeyDeletion", KeyId=key)
    assert kms.aws("GetKeyRotationStatus", KeyId=key) == on


def _import(kms: Kms, key: str, **expiry: Any) -> dict[str, Any]:
    how = {"WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}
    got = kms.aws("GetParametersForImport", KeyId=key, **how)
    public = load_der_public_key(base64.b64decode(got["PublicKey"]))
    assert isinstance(public, rsa.RSAPublicKey)
    wrapped = public.encrypt(os.urandom(32), padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None))
    return kms.aws(
        "ImportKeyMaterial",
        KeyId=key,
        ImportToken=got["ImportToken"],
        EncryptedKeyMaterial=base64.b64encode(wrapped).decode(),
        **(expiry or {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"}),
    )


@pytest.mark.parametrize("when", [0.5, 1e-300, 1, -1, 0, 1e300])
def test_material_that_is_to_expire_is_not_kept_for_ever(when: float, kms: Kms) -> None:
    """0 is never in the canonical call, and fractions are cut off."""
    key = made(kms, Origin="EXTERNAL")
    assert _import(kms, key, ValidTo=when)["__type"] in ("ValidationException", "SerializationException")
    assert kms.aws("DescribeKey", KeyId=key)["KeyMetadata"]["KeyState"] == "PendingImport"


def test_deleting_imported_material_names_it(kms: Kms) -> None:
    key = made(kms, Origin="EXTERNAL")
    arn = kms.aws("DescribeKey", KeyId=key)["KeyMetadata"]["Arn"]
    assert kms.aws("DeleteImportedKeyMaterial", KeyId=key) == {"KeyId": arn}
    imported = _import(kms, key)
    about = kms.aws("DescribeKey", KeyId=key)["KeyMetadata"]
    told = {"KeyId": arn, "KeyMaterialId": about["CurrentKeyMaterialId"]}
    assert (about["KeyState"], imported) == ("Enabled", told)
    # A second time there is nothing to delete, and what there was is named.
    assert [kms.aws("DeleteImportedKeyMaterial", KeyId=key) for _ in range(2)] == [told] * 2
    assert kms.aws("DescribeKey", KeyId=key)["KeyMetadata"]["KeyState"] == "PendingImport"
    assert kms.aws("DeleteImportedKeyMaterial", KeyId=made(kms))["__type"] == "UnsupportedOperationException"


# -- pages -----------------------------------------------------------------------------------------------


def _paged(kms: Kms) -> dict[str, tuple[str, str]]:
    """Operation -> two keys that have two pages each."""
    keys = made(kms), made(kms)
    for key in keys:
        for n in range(3):
            kms.aws("CreateAlias", AliasName=f"alias/{key}-{n}", TargetKeyId=key)
            kms.aws("RotateKeyOnDemand", KeyId=key)
            kms.aws("TagResource", KeyId=key, Tags=[{"TagKey": str(n), "TagValue": ""}])
    return dict.fromkeys(("ListAliases", "ListKeyRotations", "ListResourceTags"), keys)


def test_a_marker_is_of_one_operation_and_one_key(kms: Kms) -> None:
    paged = _paged(kms)
    markers = {
        (operation, key): kms.aws(operation, KeyId=key, Limit=2)["NextMarker"]
        for operation, keys in paged.items()
        for key in keys
    }
    markers["ListKeys", ""] = kms.aws("ListKeys", Limit=1)["NextMarker"]
    markers["ListAliases", ""] = kms.aws("ListAliases", Limit=2)["NextMarker"]
    for operation, key in list(markers):
        for of, marker in markers.items():
            about = {"KeyId": key} if key else {}
            found = kms.aws(operation, **about, Marker=marker).get("__type")
            assert found == (None if of == (operation, key) else "InvalidMarkerException"), (operation, key, of)


def test_a_marker_holds_for_every_spelling_of_the_key(kms: Kms) -> None:
    (key, _) = _paged(kms)["ListAliases"]
    marker = kms.aws("ListAliases", KeyId=key.upper(), Limit=2)["NextMarker"]
    arn = kms.aws("DescribeKey", KeyId=key)["KeyMetadata"]["Arn"]
    assert kms.aws("ListAliases", KeyId=arn, Marker=marker)["Truncated"] is False


@pytest.mark.parametrize(
    "operation", ["ListKeys", "ListAliases", "ListKeyRotations", "ListResourceTags", "ListKeyPolicies"]
)
def test_how_long_a_page_may_be(operation: str, kms: Kms) -> None:
    about = {} if operation == "ListKeys" else {"KeyId": prepare(kms).key_id}
    for limit in (1, 1000):
        assert "__type" not in kms.aws(operation, **about, Limit=limit)
    for limit in (0, -1, 1001, 2**70):
        assert kms.aws(operation, **about, Limit=limit)["__type"] == "ValidationException"
    for marker in ("a", "AA==", "TGlzdEtleXMgIDA="):
        assert kms.aws(operation, **about, Marker=marker)["__type"] == "InvalidMarkerException"
    assert kms.aws(operation, **about, Marker="")["__type"] == "ValidationException"


def test_what_is_archived_is_told_why_it_cannot_be_enabled(kms: Kms) -> None:
    """It looks disabled, as AWS has no such state."""
    key = kms.aws("CreateKey")["KeyMetadata"]
    kms.tencent("ArchiveKey", KeyId=key["KeyId"])
    assert kms.aws("DescribeKey", KeyId=key["KeyId"])["KeyMetadata"]["KeyState"] == "Disabled"
    told = kms.aws("EnableKey", KeyId=key["KeyId"])
    assert told == {"__type": "KMSInvalidStateException", "message": f"{key['Arn']} is archived."}
    used = kms.aws("Encrypt", KeyId=key["KeyId"], Plaintext="aGVsbG8=")
    assert used == {"__type": "DisabledException", "message": f"{key['Arn']} is disabled."}
