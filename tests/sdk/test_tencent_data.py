"""What goes in comes out, through the Tencent API 3.0 SDK: plaintexts, sizes, contexts, data keys, re-encryption."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import uuid4

import pytest

from kit.sdk_clients import Login, Tencent, refused
from tenantkms.crypto.envelope import OVERHEAD


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


HELLO = _base64(b"hello")
EVERY_BYTE = _base64(bytes(range(256)))
WRONG_CONTEXT = "FailedOperation.DecryptError"


@pytest.fixture(scope="module", params=["TC3-HMAC-SHA256 POST", "TC3-HMAC-SHA256 GET", "HmacSHA1 POST"])
def sdk(request: pytest.FixtureRequest, plain: Login) -> Tencent:
    return Tencent(plain, *request.param.split())


@pytest.fixture(scope="module")
def keys(tencent: Tencent) -> tuple[str, str]:
    first, second = (tencent.call("CreateKey", Alias=f"d-{uuid4().hex}").KeyId for _ in range(2))
    return first, second


@pytest.mark.parametrize("plaintext", [HELLO, EVERY_BYTE, "AA=="], ids=["word", "every byte", "zero"])
def test_a_plaintext_comes_back_unchanged(sdk: Tencent, keys: tuple[str, str], plaintext: str) -> None:
    blob = sdk.call("Encrypt", KeyId=keys[0], Plaintext=plaintext).CiphertextBlob
    assert sdk.call("Decrypt", CiphertextBlob=blob).Plaintext == plaintext


@pytest.mark.parametrize("byte", [b"\x00", b"\xff"], ids=["zeros", "slashes"])
def test_a_plaintext_of_4096_bytes_and_not_one_more(sdk: Tencent, keys: tuple[str, str], byte: bytes) -> None:
    plaintext = _base64(byte * 4096)
    blob = sdk.call("Encrypt", KeyId=keys[0], Plaintext=plaintext).CiphertextBlob
    assert len(base64.b64decode(blob)) == 4096 + OVERHEAD
    assert sdk.call("Decrypt", CiphertextBlob=blob).Plaintext == plaintext
    with refused(sdk, "InvalidParameterValue.InvalidPlaintext", text="4096 bytes"):
        sdk.call("Encrypt", KeyId=keys[0], Plaintext=_base64(byte * 4097))


def test_a_context_of_1024_characters_and_not_one_more(sdk: Tencent, keys: tuple[str, str]) -> None:
    context = '{"k":"' + "密" * 1016 + '"}'
    assert len(context) == 1024
    blob = sdk.call("Encrypt", KeyId=keys[0], Plaintext=HELLO, EncryptionContext=context).CiphertextBlob
    assert sdk.call("Decrypt", CiphertextBlob=blob, EncryptionContext=context).Plaintext == HELLO
    with refused(sdk, "InvalidParameter", text="1024 characters"):
        sdk.call("Encrypt", KeyId=keys[0], Plaintext=HELLO, EncryptionContext=context[:-2] + 'v"}')


@pytest.mark.parametrize("context", ["a=b", '["a"]', '{"a":1}', '{"a":"1","a":"2"}', "null", '{"a":{"b":"c"}}'])
def test_what_is_not_a_context_is_refused(sdk: Tencent, keys: tuple[str, str], context: str) -> None:
    with refused(sdk, "InvalidParameter", text="EncryptionContext"):
        sdk.call("Encrypt", KeyId=keys[0], Plaintext=HELLO, EncryptionContext=context)


@pytest.mark.parametrize("context", ["", "{}"], ids=["blank", "empty"])
def test_an_empty_context_is_none(sdk: Tencent, keys: tuple[str, str], context: str) -> None:
    blob = sdk.call("Encrypt", KeyId=keys[0], Plaintext=HELLO).CiphertextBlob
    assert sdk.call("Decrypt", CiphertextBlob=blob, EncryptionContext=context).Plaintext == HELLO


SIZES: dict[str, tuple[dict[str, Any], int]] = {
    "AES_256": ({"KeySpec": "AES_256"}, 32),
    "AES_128": ({"KeySpec": "AES_128"}, 16),
    "1 byte": ({"NumberOfBytes": 1}, 1),
    "1024 bytes": ({"NumberOfBytes": 1024}, 1024),
    "both": ({"KeySpec": "AES_128", "NumberOfBytes": 64}, 64),
}


@pytest.mark.parametrize(("fields", "size"), SIZES.values(), ids=SIZES)
def test_data_keys(sdk: Tencent, keys: tuple[str, str], fields: dict[str, Any], size: int) -> None:
    context = json.dumps({"for": "a file"})
    made = sdk.call("GenerateDataKey", KeyId=keys[0], EncryptionContext=context, **fields)
    opened = sdk.call("Decrypt", CiphertextBlob=made.CiphertextBlob, EncryptionContext=context)
    assert len(base64.b64decode(made.Plaintext)) == size
    assert (opened.Plaintext, opened.KeyId) == (made.Plaintext, made.KeyId) == (made.Plaintext, keys[0])
    with refused(sdk, WRONG_CONTEXT):
        sdk.call("Decrypt", CiphertextBlob=made.CiphertextBlob)


def test_a_data_key_needs_a_size_or_a_spec(sdk: Tencent, keys: tuple[str, str]) -> None:
    with refused(sdk, "MissingParameter", text="KeySpec or NumberOfBytes"):
        sdk.call("GenerateDataKey", KeyId=keys[0])
    for fields in ({"NumberOfBytes": 1025}, {"NumberOfBytes": 0}, {"KeySpec": "AES_512"}):
        with refused(sdk, "InvalidParameterValue"):
            sdk.call("GenerateDataKey", KeyId=keys[0], **fields)


@pytest.mark.parametrize("same", [False, True], ids=["another key", "the same key"])
def test_re_encryption(sdk: Tencent, keys: tuple[str, str], same: bool) -> None:
    old, new = '{"c":"old"}', '{"c":"new"}'
    source = sdk.call("Encrypt", KeyId=keys[0], Plaintext=HELLO, EncryptionContext=old).CiphertextBlob
    move = {"CiphertextBlob": source, "DestinationEncryptionContext": new}
    if not same:
        move["DestinationKeyId"] = keys[1]
    moved = sdk.call("ReEncrypt", **move, SourceEncryptionContext=old)
    destination = keys[0] if same else keys[1]
    assert (moved.SourceKeyId, moved.KeyId, moved.ReEncrypted) == (keys[0], destination, True)
    assert moved.CiphertextBlob != source
    opened = sdk.call("Decrypt", CiphertextBlob=moved.CiphertextBlob, EncryptionContext=new)
    assert (opened.KeyId, opened.Plaintext) == (destination, HELLO)
    with refused(sdk, WRONG_CONTEXT):
        sdk.call("ReEncrypt", **move)
    with refused(sdk, WRONG_CONTEXT):
        sdk.call("Decrypt", CiphertextBlob=moved.CiphertextBlob, EncryptionContext=old)


@pytest.mark.parametrize("size", [1, 32, 1024])
def test_random_bytes(sdk: Tencent, size: int) -> None:
    made = {sdk.call("GenerateRandom", NumberOfBytes=size).Plaintext for _ in range(2)}
    assert {len(base64.b64decode(value)) for value in made} == {size}
    assert len(made) == 2 or size == 1


def test_a_changed_ciphertext_is_refused(sdk: Tencent, keys: tuple[str, str]) -> None:
    blob = bytearray(base64.b64decode(sdk.call("Encrypt", KeyId=keys[0], Plaintext=HELLO).CiphertextBlob))
    for at in (0, 1, 4, 20, 24, 48, 80, len(blob) - 1):
        changed = bytearray(blob)
        changed[at] ^= 1
        with refused(sdk, WRONG_CONTEXT):
            sdk.call("Decrypt", CiphertextBlob=_base64(changed))
