"""tencentcloud-sdk-python-kms (API 3.0), unmodified, over real sockets: signatures, keys, lists and service facts."""

from __future__ import annotations

import base64
import time
from typing import Any
from uuid import uuid4

import pytest

from kit.sdk_clients import REQUEST_ID, UNKNOWN_KEY, UUID, Login, Tencent, refused
from kit.support import Server

HELLO = base64.b64encode(b"hello").decode()
CONTEXT = '{"tenant": "blue", "数据": "a=b +c*~"}'
SIGNATURES = [(sign, method) for sign in ("TC3-HMAC-SHA256", "HmacSHA256", "HmacSHA1") for method in ("POST", "GET")]


@pytest.fixture(scope="module", params=SIGNATURES, ids=" ".join)
def signature(request: pytest.FixtureRequest) -> tuple[str, str]:
    """(signature method, HTTP method): everything that this SDK can be set to."""
    row: tuple[str, str] = request.param
    return row


def _alias() -> str:
    return f"t-{uuid4().hex}"


def _key(sdk: Tencent, **fields: Any) -> str:
    key_id: str = sdk.call("CreateKey", **{"Alias": _alias(), **fields}).KeyId
    return key_id


# -- signatures ----------------------------------------------------------------------------------------


def test_a_key_from_creation_to_decryption(plain: Login, signature: tuple[str, str]) -> None:
    sdk = Tencent(plain, *signature)
    made = sdk.call("CreateKey", Alias=_alias(), Description="数据 & <b> + =", Tags=[{"TagKey": "a", "TagValue": "b"}])
    sealed = sdk.call("Encrypt", KeyId=made.KeyId, Plaintext=HELLO, EncryptionContext=CONTEXT)
    opened = sdk.call(
        "Decrypt",
        CiphertextBlob=sealed.CiphertextBlob,
        EncryptionContext='{"数据":"a=b +c*~","tenant":"blue"}',
    )
    assert opened.Plaintext == HELLO
    assert made.KeyId == sealed.KeyId == opened.KeyId
    assert REQUEST_ID.fullmatch(sealed.RequestId)
    described = sdk.call("DescribeKeys", KeyIds=[made.KeyId]).KeyMetadatas
    assert [row.Description for row in described] == ["数据 & <b> + ="]
    for wrong in ({}, {"EncryptionContext": '{"tenant":"blue"}'}):
        with refused(sdk, "FailedOperation.DecryptError", text="EncryptionContext differs"):
            sdk.call("Decrypt", CiphertextBlob=sealed.CiphertextBlob, **wrong)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"secret": "no"}, "AuthFailure.SignatureFailure"),
        ({"access_key_id": "AKIDunknown"}, "AuthFailure.SecretIdNotFound"),
    ],
    ids=["secret", "access key"],
)
def test_nobody_gets_in_with_a_wrong(
    plain: Login, signature: tuple[str, str], wrong: dict[str, str], code: str
) -> None:
    with refused(Tencent, code):
        Tencent(plain.but(**wrong), *signature).call("ListKeys")


def test_a_credential_of_another_dialect_is_refused(server: Server, plain: Login, signature: tuple[str, str]) -> None:
    access_key_id, secret = server.credential("--dialect", "alibaba", "--dialect", "tencent-v2")
    with refused(Tencent, "UnauthorizedOperation", text="dialect"):
        Tencent(plain.but(access_key_id=access_key_id, secret=secret), *signature).call("ListKeys")


# -- keys ----------------------------------------------------------------------------------------------


def test_what_a_user_reads_of_a_new_key(tencent: Tencent) -> None:
    alias = _alias()
    made = tencent.call("CreateKey", Alias=alias, Description="first", KeyUsage="ENCRYPT_DECRYPT", Type=1)
    key = tencent.call("DescribeKey", KeyId=made.KeyId).KeyMetadata
    assert UUID.fullmatch(made.KeyId)
    assert abs(key.CreateTime - time.time()) < 60
    shared = ("KeyId", "Alias", "CreateTime", "Description", "KeyState", "KeyUsage")
    assert [getattr(made, name) for name in shared] == [getattr(key, name) for name in shared]
    assert key.ResourceId == f"creatorUin/{key.CreatorUin}/{key.KeyId}"
    expected = {
        "Alias": alias,
        "Description": "first",
        "KeyState": "Enabled",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "Type": 1,
        "Owner": "user",
        "Origin": "TENCENT_KMS",
        "KeyRotationEnabled": False,
        "NextRotateTime": 0,
        "DeletionDate": 0,
        "ValidTo": 0,
        "CreatorUinString": str(key.CreatorUin),
    }
    assert {name: getattr(key, name) for name in expected} == expected


def test_a_disabled_key_is_refused_until_it_is_enabled(tencent: Tencent) -> None:
    key = _key(tencent)
    blob = tencent.call("Encrypt", KeyId=key, Plaintext=HELLO).CiphertextBlob
    for _ in range(2):
        tencent.call("DisableKey", KeyId=key)
    assert tencent.call("DescribeKey", KeyId=key).KeyMetadata.KeyState == "Disabled"
    uses: dict[str, dict[str, Any]] = {
        "Encrypt": {"KeyId": key, "Plaintext": HELLO},
        "Decrypt": {"CiphertextBlob": blob},
        "GenerateDataKey": {"KeyId": key, "KeySpec": "AES_256"},
        "ReEncrypt": {"CiphertextBlob": blob},
    }
    for action, fields in uses.items():
        with refused(tencent, "ResourceUnavailable.CmkDisabled"):
            tencent.call(action, **fields)
    tencent.call("EnableKey", KeyId=key)
    assert tencent.call("Decrypt", CiphertextBlob=blob).Plaintext == HELLO


def test_many_keys_switch_together_or_not_at_all(tencent: Tencent) -> None:
    keys = [_key(tencent) for _ in range(3)]

    def states() -> list[str]:
        return [row.KeyState for row in tencent.call("DescribeKeys", KeyIds=keys).KeyMetadatas]

    tencent.call("DisableKeys", KeyIds=keys[:2])
    assert states() == ["Disabled", "Disabled", "Enabled"]
    with refused(tencent, "ResourceUnavailable.CmkNotFound"):
        tencent.call("DisableKeys", KeyIds=[keys[2], UNKNOWN_KEY])
    assert states()[2] == "Enabled"
    tencent.call("EnableKeys", KeyIds=keys)
    assert states() == ["Enabled"] * 3
    reverse = [row.KeyId for row in tencent.call("DescribeKeys", KeyIds=keys[::-1]).KeyMetadatas]
    assert reverse == keys[::-1]


def test_description_and_alias_change(tencent: Tencent) -> None:
    key = _key(tencent, Description="old")
    alias = _alias()
    for description in ("d" * 1024, ""):
        tencent.call("UpdateKeyDescription", KeyId=key, Description=description)
        assert tencent.call("DescribeKey", KeyId=key).KeyMetadata.Description == description
    tencent.call("UpdateAlias", KeyId=key, Alias=alias)
    assert tencent.call("DescribeKey", KeyId=key).KeyMetadata.Alias == alias
    with refused(tencent, "InvalidParameterValue.AliasAlreadyExists"):
        tencent.call("CreateKey", Alias=alias)
    tencent.call("UpdateAlias", KeyId=key, Alias=_alias())
    tencent.call("CreateKey", Alias=alias)


# -- lists ---------------------------------------------------------------------------------------------


def test_listing_keys_by_page(tencent: Tencent) -> None:
    made = {_key(tencent) for _ in range(3)}
    total = tencent.call("ListKeys").TotalCount
    pages = [tencent.call("ListKeys", Offset=at, Limit=2) for at in range(0, total, 2)]
    listed = [row.KeyId for page in pages for row in page.Keys]
    assert len(listed) == len(set(listed)) == total
    assert made <= set(listed)
    assert {page.TotalCount for page in pages} == {total}
    assert tencent.call("ListKeys", Role=1).TotalCount == 0


def test_listing_key_details_by_filter_and_order(tencent: Tencent) -> None:
    word, tag = uuid4().hex[:20], uuid4().hex
    keys = [_key(tencent, Alias=f"a-{word}-{n}", Tags=[{"TagKey": tag, "TagValue": str(n)}]) for n in range(3)]
    tencent.call("DisableKey", KeyId=keys[1])

    def found(**fields: Any) -> list[str]:
        answer = tencent.call("ListKeyDetail", SearchKeyAlias=word, **fields)
        rows = [row.KeyId for row in answer.KeyMetadatas]
        assert answer.TotalCount == len(rows) or "Limit" in fields
        return rows

    newest_first = found()
    assert sorted(newest_first) == sorted(keys)
    assert found(OrderType=0) == newest_first
    assert found(OrderType=1) == newest_first[::-1]
    assert found(Offset=1, Limit=1) == newest_first[1:2]
    assert found(KeyState=2) == [keys[1]]
    assert keys[1] not in found(KeyState=1)
    assert len(found(KeyState=0)) == 3
    assert found(KeyState=3) == found(KeyState=4) == found(KeyState=5) == []
    assert found(Role=1) == found(Origin="EXTERNAL") == []
    assert len(found(Role=0, Origin="TENCENT_KMS")) == len(found(Origin="ALL", KeyUsage="ALL")) == 3
    assert found(TagFilters=[{"TagKey": tag, "TagValue": ["2"]}]) == [keys[2]]
    assert len(found(TagFilters=[{"TagKey": tag, "TagValue": ["0", "1"]}])) == 2
    assert found(TagFilters=[{"TagKey": "other"}]) == []


def test_what_the_service_says_of_itself(tencent: Tencent) -> None:
    status = tencent.call("GetServiceStatus")
    assert (status.ServiceEnabled, status.InvalidType, status.UserLevel) == (True, 0, 0)
    _key(tencent)
    assert tencent.call("GetServiceStatus").CmkUserCount == status.CmkUserCount + 1
    assert tencent.call("GetRegions").Regions == ["cn-hangzhou"]
    algorithms = tencent.call("ListAlgorithms")
    assert ("ENCRYPT_DECRYPT", "AES_256") in [(a.KeyUsage, a.Algorithm) for a in algorithms.SymmetricAlgorithms]


# -- refusals ------------------------------------------------------------------------------------------

_BAD = "InvalidParameterValue"
REFUSALS: dict[str, tuple[str, dict[str, Any], str]] = {
    "unknown key": ("Encrypt", {"KeyId": UNKNOWN_KEY, "Plaintext": HELLO}, "ResourceUnavailable.CmkNotFound"),
    "key id": ("Encrypt", {"KeyId": "alias/default", "Plaintext": HELLO}, f"{_BAD}.InvalidKeyId"),
    "no plaintext": ("Encrypt", {"KeyId": UNKNOWN_KEY}, "MissingParameter"),
    "plaintext": ("Encrypt", {"KeyId": UNKNOWN_KEY, "Plaintext": "no base64"}, f"{_BAD}.InvalidPlaintext"),
    "ciphertext": ("Decrypt", {"CiphertextBlob": "no base64"}, f"{_BAD}.InvalidCiphertext"),
    "foreign ciphertext": ("Decrypt", {"CiphertextBlob": "AAAA" * 40}, "FailedOperation.DecryptError"),
    "re-encrypt": ("ReEncrypt", {"CiphertextBlob": "AAAA"}, "FailedOperation.DecryptError"),
    "no alias": ("CreateKey", {}, "MissingParameter"),
    "alias": ("CreateKey", {"Alias": "kms-mine"}, f"{_BAD}.InvalidAlias"),
    "long alias": ("CreateKey", {"Alias": "a" * 61}, f"{_BAD}.InvalidAlias"),
    "usage": ("CreateKey", {"Alias": "x", "KeyUsage": "WASH"}, f"{_BAD}.InvalidKeyUsage"),
    "description": ("CreateKey", {"Alias": "x", "Description": "d" * 1025}, _BAD),
    "describe": ("DescribeKey", {"KeyId": UNKNOWN_KEY}, "ResourceUnavailable.CmkNotFound"),
    "enable": ("EnableKey", {"KeyId": UNKNOWN_KEY}, "ResourceUnavailable.CmkNotFound"),
    "too many": ("DescribeKeys", {"KeyIds": [UNKNOWN_KEY] * 101}, _BAD),
    "none": ("EnableKeys", {"KeyIds": []}, _BAD),
    "limit": ("ListKeys", {"Limit": 201}, _BAD),
    "order": ("ListKeyDetail", {"OrderType": 2}, _BAD),
    "state": ("ListKeyDetail", {"KeyState": 6}, _BAD),
    "random": ("GenerateRandom", {"NumberOfBytes": 1025}, _BAD),
    "no random": ("GenerateRandom", {"NumberOfBytes": 0}, _BAD),
    "data key of nothing said": ("GenerateDataKey", {"KeyId": UNKNOWN_KEY}, "MissingParameter"),
    "other product": ("ListDataKeys", {}, "UnsupportedOperation"),
}


@pytest.mark.parametrize(("action", "fields", "code"), REFUSALS.values(), ids=REFUSALS)
def test_refused(tencent: Tencent, action: str, fields: dict[str, Any], code: str) -> None:
    with refused(tencent, code):
        tencent.call(action, **fields)


@pytest.mark.parametrize("sign", ["TC3-HMAC-SHA256", "HmacSHA256"])
@pytest.mark.parametrize(
    "endpoint",
    [
        "kms.tencentcloudapi.com",
        "kms.intl.tencentcloudapi.com",
        "kms.internal.tencentcloudapi.com",
        "kms.ap-guangzhou.tencentcloudapi.com",
        "kms.intl.ap-guangzhou.tencentcloudapi.com",
    ],
)
def test_behind_a_gateway_it_signs_its_own_endpoint(plain: Login, endpoint: str, sign: str) -> None:
    assert Tencent(plain, sign, behind_gateway=endpoint).call("ListKeys").TotalCount >= 0


def test_behind_a_gateway_no_other_name_is_taken(plain: Login) -> None:
    user = Tencent(plain, behind_gateway="kms.ap-beijing.tencentcloudapi.com")
    with refused(user, "AuthFailure.SignatureFailure"):
        user.call("ListKeys")
