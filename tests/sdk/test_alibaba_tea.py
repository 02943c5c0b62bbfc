"""alibabacloud-kms20160120 (Tea), unmodified, over real sockets: what its users do with keys, and how it signs."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from datetime import datetime
from uuid import uuid4

import pytest
from alibabacloud_kms20160120 import models

from kit.sdk_clients import UUID, Login, Tea, refused

CONTEXT = {"tenant": "blue", "数据": "a=b&c +*~'/"}
HELLO = base64.b64encode(b"hello").decode()
SIGNATURES = {"acs3": {}, "rpc-v1": {"signature_algorithm": "v2"}, "acs4": {"signature_version": "v4"}}


@pytest.fixture(scope="module", params=SIGNATURES)
def options(request: pytest.FixtureRequest) -> dict[str, str]:
    """The SDK's settings for one of the signatures that it can make."""
    return SIGNATURES[request.param]


@pytest.fixture(scope="module")
def key(tea: Tea) -> str:
    key_id: str = tea.call("CreateKey").key_metadata.key_id
    return key_id


def _name() -> str:
    return f"alias/tea-{uuid4().hex}"


# -- signatures ----------------------------------------------------------------------------------------


def test_a_key_from_creation_to_decryption(plain: Login, options: dict[str, str]) -> None:
    tea = Tea(plain, **options)
    made = tea.call("CreateKey", description="payment data, ü & <b>").key_metadata
    sealed = tea.call("Encrypt", key_id=made.key_id, plaintext=HELLO, encryption_context=CONTEXT)
    opened = tea.call(
        "Decrypt", ciphertext_blob=sealed.ciphertext_blob, encryption_context=dict(reversed(CONTEXT.items()))
    )
    assert opened.plaintext == HELLO
    assert {made.key_id} == {sealed.key_id, opened.key_id}
    assert made.primary_key_version == sealed.key_version_id == opened.key_version_id
    assert UUID.fullmatch(sealed.request_id)
    for wrong in ({}, {**CONTEXT, "tenant": "red"}, {**CONTEXT, "more": "1"}, {"tenant": "blue"}):
        with refused(tea, "InvalidParameter", 400, "EncryptionContext differs"):
            tea.call("Decrypt", ciphertext_blob=sealed.ciphertext_blob, encryption_context=wrong)


@pytest.mark.parametrize(
    ("wrong", "code", "status"),
    [
        ({"secret": "no"}, "SignatureDoesNotMatch", 400),
        ({"access_key_id": "TKMSunknown"}, "InvalidAccessKeyId.NotFound", 404),
    ],
    ids=["secret", "access key"],
)
def test_nobody_gets_in_with_a_wrong(
    plain: Login, options: dict[str, str], wrong: dict[str, str], code: str, status: int
) -> None:
    with refused(Tea, code, status):
        Tea(plain.but(**wrong), **options).call("ListKeys")


def test_a_security_token_is_refused(plain: Login, options: dict[str, str]) -> None:
    with refused(Tea, "InvalidSecurityToken.Malformed", 400):
        Tea(plain.but(token="token"), **options).call("ListKeys")


def test_the_asynchronous_client(plain: Login, key: str) -> None:
    client = Tea(plain).client

    async def round_trip() -> str:
        sealed = await client.encrypt_async(models.EncryptRequest(key_id=key, plaintext="async"))
        opened = await client.decrypt_async(models.DecryptRequest(ciphertext_blob=sealed.body.ciphertext_blob))
        plaintext: str = opened.body.plaintext
        return plaintext

    assert asyncio.run(round_trip()) == "async"


# -- keys ----------------------------------------------------------------------------------------------


def test_what_a_user_reads_of_a_new_key(tea: Tea, plain: Login) -> None:
    made = tea.call("CreateKey", description="first").key_metadata
    key = tea.call("DescribeKey", key_id=made.key_id).key_metadata
    assert made.to_map().items() <= key.to_map().items()
    assert UUID.fullmatch(key.key_id)
    assert re.fullmatch(rf"acs:kms:cn-hangzhou:[0-9]{{12}}:key/{key.key_id}", key.arn)
    assert abs(datetime.now().astimezone() - datetime.fromisoformat(key.creation_date)).total_seconds() < 60
    assert {
        "AutomaticRotation": "Disabled",
        "Creator": plain.access_key_id,
        "DeleteDate": "",
        "DeletionProtection": "Disabled",
        "Description": "first",
        "KeySpec": "Aliyun_AES_256",
        "KeyState": "Enabled",
        "KeyUsage": "ENCRYPT/DECRYPT",
        "MaterialExpireTime": "",
        "Origin": "Aliyun_KMS",
        "ProtectionLevel": "SOFTWARE",
    }.items() <= key.to_map().items()


def test_an_sm4_key_encrypts(tea: Tea) -> None:
    key = tea.call("CreateKey", key_spec="Aliyun_SM4", key_usage="ENCRYPT/DECRYPT").key_metadata
    assert key.key_spec == "Aliyun_SM4"
    blob = tea.call("Encrypt", key_id=key.key_id, plaintext=HELLO).ciphertext_blob
    assert base64.b64decode(blob)[1] == 2
    assert tea.call("Decrypt", ciphertext_blob=blob).plaintext == HELLO


def test_a_disabled_key_is_refused_until_it_is_enabled(tea: Tea) -> None:
    key = tea.call("CreateKey").key_metadata.key_id
    blob = tea.call("Encrypt", key_id=key, plaintext=HELLO).ciphertext_blob
    for _ in range(2):
        tea.call("DisableKey", key_id=key)
    assert tea.call("DescribeKey", key_id=key).key_metadata.key_state == "Disabled"
    uses = {
        "Encrypt": {"key_id": key, "plaintext": HELLO},
        "Decrypt": {"ciphertext_blob": blob},
        "GenerateDataKey": {"key_id": key},
        "GenerateDataKeyWithoutPlaintext": {"key_id": key},
        "ReEncrypt": {"ciphertext_blob": blob, "destination_key_id": key},
    }
    for action, fields in uses.items():
        with refused(tea, "Rejected.Disabled", 409):
            tea.call(action, **fields)
    tea.call("UpdateKeyDescription", key_id=key, description="still described")
    tea.call("EnableKey", key_id=key)
    assert tea.call("Decrypt", ciphertext_blob=blob).plaintext == HELLO


@pytest.mark.parametrize(
    "description", ["new", "", "多 bytes <&> \"'\n", "d" * 8192], ids=["word", "none", "odd", "8192"]
)
def test_a_description_reads_back(tea: Tea, description: str) -> None:
    key = tea.call("CreateKey", description="old").key_metadata.key_id
    tea.call("UpdateKeyDescription", key_id=key, description=description)
    assert tea.call("DescribeKey", key_id=key).key_metadata.description == description


def test_listing_keys_by_page_and_filter(tea: Tea) -> None:
    tag = uuid4().hex
    made = [
        tea.call("CreateKey", tags=json.dumps([{"TagKey": tag, "TagValue": str(i)}])).key_metadata for i in range(5)
    ]
    tea.call("DisableKey", key_id=made[4].key_id)
    by_tag = {"Key": "TagKey", "Values": [tag]}

    def page(*filters: dict[str, object], **fields: int) -> tuple[int, list[str]]:
        answer = tea.call("ListKeys", filters=json.dumps([by_tag, *filters]), **fields)
        return answer.total_count, [key.key_id for key in answer.keys.key]

    ids = sorted(key.key_id for key in made)
    pages = [page(page_number=n, page_size=2) for n in (1, 2, 3, 4)]
    assert [(total, len(keys)) for total, keys in pages] == [(5, 2), (5, 2), (5, 1), (5, 0)]
    assert sorted(key for _, keys in pages for key in keys) == ids
    assert page({"Key": "KeyState", "Values": ["Disabled"]}) == (1, [made[4].key_id])
    assert page({"Key": "KeyState", "Values": ["Enabled", "Disabled"]})[0] == 5
    assert page({"Key": "TagValue", "Values": ["1", "3"]})[0] == 2
    assert page({"Key": "KeySpec", "Values": ["Aliyun_SM4"]}) == (0, [])
    answer = tea.call("ListKeys", filters=json.dumps([{"Key": "KeyId", "Values": [made[0].key_id]}]))
    assert answer.keys.key[0].key_arn == made[0].arn
    assert (answer.page_number, answer.page_size) == (1, 10)


# -- aliases -------------------------------------------------------------------------------------------


def test_an_alias_from_creation_to_deletion(tea: Tea) -> None:
    first, second = (tea.call("CreateKey").key_metadata.key_id for _ in range(2))
    name, other = _name(), _name()
    tea.call("CreateAlias", alias_name=name, key_id=first)
    tea.call("CreateAlias", alias_name=other, key_id=first)
    blob = tea.call("Encrypt", key_id=name, plaintext=HELLO).ciphertext_blob
    with refused(tea, "AliasAlreadyExists", 400):
        tea.call("CreateAlias", alias_name=name, key_id=second)
    tea.call("UpdateAlias", alias_name=name, key_id=second)
    assert tea.call("Encrypt", key_id=name, plaintext=HELLO).key_id == second
    assert tea.call("Decrypt", ciphertext_blob=blob).key_id == first
    listed = tea.call("ListAliasesByKeyId", key_id=first)
    assert [(row.alias_name, row.key_id) for row in listed.aliases.alias] == [(other, first)]
    assert listed.total_count == 1
    tea.call("DeleteAlias", alias_name=name)
    with refused(tea, "Forbidden.AliasNotFound", 404):
        tea.call("Encrypt", key_id=name, plaintext=HELLO)
    assert tea.call("Decrypt", ciphertext_blob=blob).plaintext == HELLO


def test_listing_aliases_by_page(tea: Tea, key: str) -> None:
    names = sorted(_name() for _ in range(3))
    for name in names:
        tea.call("CreateAlias", alias_name=name, key_id=key)
    rows = [
        row
        for number in (1, 2)
        for row in tea.call("ListAliasesByKeyId", key_id=key, page_number=number, page_size=2).aliases.alias
    ]
    assert [row.alias_name for row in rows] == names
    everything = tea.call("ListAliases", page_size=100)
    found = {row.alias_name: row for row in everything.aliases.alias}
    assert {"alias/default", *names} <= found.keys()
    assert found[names[0]].key_id == key
    assert found[names[0]].alias_arn.endswith(f":{names[0]}")
    assert everything.total_count == len(found)


@pytest.mark.parametrize("form", ["id", "ID", "alias", "key ARN", "alias ARN"])
def test_a_key_by_any_of_its_names_answers_with_its_id(tea: Tea, key: str, form: str) -> None:
    name = _name()
    tea.call("CreateAlias", alias_name=name, key_id=key)
    arn: str = tea.call("DescribeKey", key_id=key).key_metadata.arn
    ref = {
        "id": key,
        "ID": key.upper(),
        "alias": name,
        "key ARN": arn,
        "alias ARN": arn.replace(f"key/{key}", name),
    }[form]
    sealed = tea.call("Encrypt", key_id=ref, plaintext=HELLO)
    assert sealed.key_id == key
    assert tea.call("GenerateDataKey", key_id=ref).key_id == key
    assert tea.call("ReEncrypt", ciphertext_blob=sealed.ciphertext_blob, destination_key_id=ref).key_id == key
    assert tea.call("DescribeKey", key_id=ref).key_metadata.key_id == key
