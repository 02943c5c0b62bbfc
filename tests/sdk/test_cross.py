"""A ciphertext made through any SDK opens through every other, with the same context and no other one."""

from __future__ import annotations

import base64
from itertools import permutations
from typing import Any

import pytest

from kit.sdk_clients import Login, Qcloud, Tea, Tencent, refused
from kit.speakers import SPEAKERS

CONTEXT = {"tenant": "blue", "数据": "ключ 🔑", "z": ""}
EVERY_BYTE = base64.b64encode(bytes(range(256))).decode()


def read_as(plaintext: str, writer: str, reader: str) -> str:
    """What `reader` gets of the Plaintext of `writer`. Alibaba's is a string, and bytes are base64 there; to all others
    it is bytes, in base64 on the wire, and a string is its UTF-8."""
    if writer.startswith("alibaba") and not reader.startswith("alibaba"):
        return base64.b64encode(plaintext.encode()).decode()
    return plaintext


PAIRS = {f"{writer} to {reader}": (writer, reader) for writer, reader in permutations(SPEAKERS, 2)}
KEYS = ["Aliyun_AES_256", "Aliyun_SM4"]


@pytest.fixture(scope="module", params=KEYS)
def key(request: pytest.FixtureRequest, secure: Login) -> str:
    """A key of each spec; Tencent's dialects use the SM4 key, though they cannot make it."""
    made: Any = Tea(secure).call("CreateKey", key_spec=request.param)
    return str(made.key_metadata.key_id)


@pytest.mark.parametrize(("writer", "reader"), PAIRS.values(), ids=PAIRS)
def test_a_ciphertext_opens_through_every_other_dialect(trusted: Login, key: str, writer: str, reader: str) -> None:
    made_by, read_by = SPEAKERS[writer](trusted), SPEAKERS[reader](trusted)
    blob = made_by.encrypt(key, EVERY_BYTE, CONTEXT)
    assert read_by.decrypt(blob, CONTEXT) == read_as(EVERY_BYTE, writer, reader)
    assert read_by.decrypt(blob, {**CONTEXT, "z": "z"}) is None
    assert read_by.decrypt(blob, {}) is None


@pytest.mark.parametrize(("writer", "reader"), PAIRS.values(), ids=PAIRS)
def test_a_data_key_opens_through_every_other_dialect(trusted: Login, key: str, writer: str, reader: str) -> None:
    plaintext, blob = SPEAKERS[writer](trusted).data_key(key, CONTEXT)
    assert len(base64.b64decode(plaintext)) == 16
    assert SPEAKERS[reader](trusted).decrypt(blob, CONTEXT) == plaintext


@pytest.mark.parametrize("reader", SPEAKERS)
@pytest.mark.parametrize("text", ["plaintext", "password", "aGVsbG8=", "not base64: 密码 🔑"])
def test_a_text_of_alibaba_is_its_utf_8_to_the_others(trusted: Login, key: str, text: str, reader: str) -> None:
    blob = SPEAKERS["alibaba rpc"](trusted).encrypt(key, text, CONTEXT)
    read = SPEAKERS[reader](trusted).decrypt(blob, CONTEXT)
    assert read == read_as(text, "alibaba rpc", reader)


@pytest.mark.parametrize("text", ["not base64!", "password"])
def test_a_text_stays_one_when_another_dialect_re_encrypts_it(trusted: Login, key: str, text: str) -> None:
    alibaba, tencent = Tea(trusted), Tencent(trusted)
    blob = alibaba.call("Encrypt", key_id=key, plaintext=text).ciphertext_blob
    moved = tencent.call("ReEncrypt", CiphertextBlob=blob, DestinationEncryptionContext='{"a":"b"}').CiphertextBlob
    opened = alibaba.call("Decrypt", ciphertext_blob=moved, encryption_context={"a": "b"})
    assert opened.plaintext == text
    assert base64.b64decode(tencent.call("Decrypt", CiphertextBlob=moved, EncryptionContext='{"a":"b"}').Plaintext) == (
        text.encode()
    )


def test_what_only_alibaba_may_write_everyone_reads(trusted: Login, key: str) -> None:
    """Tencent's limit of 4,096 bytes is on what it encrypts, not on what it decrypts."""
    plaintext = base64.b64encode(b"\x01" * 6144).decode()
    blob = SPEAKERS["alibaba acs3"](trusted).encrypt(key, plaintext, {})
    for name, speaker in SPEAKERS.items():
        assert speaker(trusted).decrypt(blob, {}) == read_as(plaintext, "alibaba acs3", name), name


def test_a_key_disabled_in_one_dialect_is_disabled_in_all(trusted: Login) -> None:
    tea, tencent, qcloud = Tea(trusted), Tencent(trusted), Qcloud(trusted)
    key = tea.call("CreateKey").key_metadata.key_id
    tencent.call("DisableKey", KeyId=key)
    assert tea.call("DescribeKey", key_id=key).key_metadata.key_state == "Disabled"
    with refused(tea, "Rejected.Disabled", 409):
        tea.call("GenerateDataKey", key_id=key)
    assert qcloud.call("GenerateDataKey", keyId=key, keySpec="AES_256")["code"] == 5100
    qcloud.call("EnableKey", keyId=key)
    assert tencent.call("DescribeKey", KeyId=key).KeyMetadata.KeyState == "Enabled"


def test_an_alias_of_one_dialect_is_the_alias_of_another(trusted: Login) -> None:
    made = Tencent(trusted).call("CreateKey", Alias="shared-name")
    assert Tea(trusted).call("DescribeKey", key_id="alias/shared-name").key_metadata.key_id == made.KeyId
    read = Qcloud(trusted).call("GetKeyAttributes", keyId=made.KeyId)
    assert read["keyMetadata"]["alias"] == "shared-name"
