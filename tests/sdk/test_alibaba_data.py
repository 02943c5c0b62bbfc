"""What goes in comes out, through both Alibaba SDKs: plaintexts, sizes, contexts, data keys, re-encryption."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from uuid import uuid4

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from kit.campaign.machine import caller_key
from kit.sdk_clients import Classic, Login, Tea, refused
from kit.support import Server
from tenantkms.crypto.envelope import OVERHEAD

HELLO = base64.b64encode(b"hello").decode()
SDKS = ["tea", "classic", "classic GET"]


@pytest.fixture(scope="module", params=SDKS)
def sdk(request: pytest.FixtureRequest, plain: Login) -> Tea | Classic:
    return {"tea": Tea, "classic": Classic, "classic GET": lambda at: Classic(at, method="GET")}[request.param](plain)


@pytest.fixture(scope="module")
def keys(tea: Tea) -> tuple[str, str]:
    first, second = (tea.call("CreateKey").key_metadata.key_id for _ in range(2))
    return first, second


def _encrypt(sdk: Tea | Classic, plaintext: str, context: Mapping[str, str] | None = None) -> str:
    fields = {"EncryptionContext": dict(context)} if context else {}
    blob: str = sdk.ask("Encrypt", KeyId="alias/default", Plaintext=plaintext, **fields)["CiphertextBlob"]
    return blob


PLAINTEXTS = {
    "base64": HELLO,
    "a word": "plaintext",
    "a word that is base64": "password",
    "base64 without padding": "aGVsbG8",
    "base64 with loose bits": "aGVsbG9=",
    "base64 of another alphabet": "_-_-",
    "spaces": "  a  b ",
    "one character": "x",
    "lines": "a\nb\r\nc\t",
    "reserved characters": "a=b&c+d%20*~'()!/?#",
    "not ASCII": "密码 пароль 🔑",
}


@pytest.mark.parametrize("plaintext", PLAINTEXTS.values(), ids=PLAINTEXTS)
def test_a_plaintext_comes_back_unchanged(sdk: Tea | Classic, plaintext: str) -> None:
    blob = _encrypt(sdk, plaintext)
    assert sdk.ask("Decrypt", CiphertextBlob=blob)["Plaintext"] == plaintext


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


# The limit is on bytes before any encoding: on the wire each character of some of these takes three.
LONGEST = {
    "base64": (_base64(bytes(range(256)) * 24), _base64(bytes(range(256)) * 24 + b"x")),
    "base64 of slashes": (_base64(b"\xff" * 6144), _base64(b"\xff" * 6145)),
    "text": ("~" * 6144, "~" * 6145),
    "text beyond ASCII": ("密" * 2048, "密" * 2048 + "x"),
}


@pytest.mark.parametrize(("plaintext", "longer"), LONGEST.values(), ids=LONGEST)
def test_a_plaintext_of_6144_bytes_and_not_one_more(sdk: Tea | Classic, plaintext: str, longer: str) -> None:
    blob = _encrypt(sdk, plaintext)
    assert len(base64.b64decode(blob)) == 6144 + OVERHEAD
    assert sdk.ask("Decrypt", CiphertextBlob=blob)["Plaintext"] == plaintext
    with refused(sdk, "InvalidParameter", 400, "6144 bytes"):
        _encrypt(sdk, longer)


def test_a_context_of_8192_characters_and_not_one_more(sdk: Tea | Classic) -> None:
    around = len(json.dumps({"k": ""}, separators=(",", ":") if isinstance(sdk, Tea) else None))
    context = {"k": "v" * (8192 - around)}
    blob = _encrypt(sdk, HELLO, context)
    opened = sdk.ask("Decrypt", CiphertextBlob=blob, EncryptionContext=context)
    assert opened["Plaintext"] == HELLO
    with refused(sdk, "InvalidParameter", 400, "8192 characters"):
        _encrypt(sdk, HELLO, {"k": context["k"] + "v"})


def test_an_empty_context_is_none(sdk: Tea | Classic) -> None:
    blob = _encrypt(sdk, HELLO)
    assert sdk.ask("Decrypt", CiphertextBlob=blob, EncryptionContext={})["Plaintext"] == HELLO


CONTEXTS = {"not JSON": "a=b", "a list": '["a"]', "a number": '{"a":1}', "twice": '{"a":"1","a":"2"}', "text": '"a"'}


@pytest.mark.parametrize("context", CONTEXTS.values(), ids=CONTEXTS)
def test_what_is_not_a_context_is_refused(classic: Classic, context: str) -> None:
    with refused(classic, "InvalidParameter", 400, "EncryptionContext"):
        classic.call("Encrypt", KeyId="alias/default", Plaintext=HELLO, EncryptionContext=context)


SIZES: dict[str, tuple[dict[str, object], int]] = {
    "default": ({}, 32),
    "AES_256": ({"KeySpec": "AES_256"}, 32),
    "AES_128": ({"KeySpec": "AES_128"}, 16),
    "1 byte": ({"NumberOfBytes": 1}, 1),
    "1024 bytes": ({"NumberOfBytes": 1024}, 1024),
    "both": ({"KeySpec": "AES_128", "NumberOfBytes": 64}, 64),
}


@pytest.mark.parametrize(("fields", "size"), SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("action", ["GenerateDataKey", "GenerateDataKeyWithoutPlaintext"])
def test_data_keys(
    sdk: Tea | Classic, keys: tuple[str, str], action: str, fields: dict[str, object], size: int
) -> None:
    context = {"for": "a file"}
    made = sdk.ask(action, KeyId=keys[0], EncryptionContext=context, **fields)
    opened = sdk.ask("Decrypt", CiphertextBlob=made["CiphertextBlob"], EncryptionContext=context)
    assert len(base64.b64decode(opened["Plaintext"])) == size
    assert made.get("Plaintext") == (opened["Plaintext"] if action == "GenerateDataKey" else None)
    assert made["KeyId"] == opened["KeyId"] == keys[0]
    assert made["KeyVersionId"] == opened["KeyVersionId"]
    with refused(sdk, "InvalidParameter", 400):
        sdk.ask("Decrypt", CiphertextBlob=made["CiphertextBlob"])


def test_data_keys_differ(sdk: Tea | Classic, keys: tuple[str, str]) -> None:
    made = [sdk.ask("GenerateDataKey", KeyId=keys[0]) for _ in range(3)]
    assert len({row["Plaintext"] for row in made}) == len({row["CiphertextBlob"] for row in made}) == 3


@pytest.mark.parametrize("plaintext", [HELLO, "no base64!"], ids=["base64", "text"])
def test_re_encryption_moves_key_and_context(sdk: Tea | Classic, keys: tuple[str, str], plaintext: str) -> None:
    old, new = {"c": "old"}, {"c": "new"}
    source = sdk.ask("Encrypt", KeyId=keys[0], Plaintext=plaintext, EncryptionContext=old)
    move = {"CiphertextBlob": source["CiphertextBlob"], "DestinationKeyId": keys[1]}
    moved = sdk.ask("ReEncrypt", **move, SourceEncryptionContext=old, DestinationEncryptionContext=new)
    assert moved["KeyId"] == keys[1]
    opened = sdk.ask("Decrypt", CiphertextBlob=moved["CiphertextBlob"], EncryptionContext=new)
    assert (opened["KeyId"], opened["Plaintext"]) == (keys[1], plaintext)
    for context in ({}, {"SourceEncryptionContext": new}):
        with refused(sdk, "InvalidParameter", 400):
            sdk.ask("ReEncrypt", **move, **context)
    with refused(sdk, "InvalidParameter", 400):
        sdk.ask("Decrypt", CiphertextBlob=moved["CiphertextBlob"], EncryptionContext=old)


def test_an_alias_of_alibabas_own_services_is_used_once_an_operator_has_made_it(
    sdk: Tea | Classic, server: Server
) -> None:
    """Nacos' client asks for alias/acs/mse, where its user names no key."""
    name = f"acs/mse-{uuid4().hex}"
    with refused(sdk, "Forbidden.AliasNotFound", 404):
        sdk.ask("Encrypt", KeyId=f"alias/{name}", Plaintext=HELLO)
    made = json.loads(server.tkms("key", "create", "--alias", name, "--json"))
    sealed = sdk.ask("Encrypt", KeyId=f"alias/{name}", Plaintext=HELLO)
    assert sealed["KeyId"] == made["id"]
    assert sdk.ask("Decrypt", CiphertextBlob=sealed["CiphertextBlob"])["Plaintext"] == HELLO
    assert sdk.ask("DescribeKey", KeyId=f"alias/{name}")["KeyMetadata"]["KeyId"] == made["id"]
    with refused(sdk, "InvalidParameter", 400, "reserved"):
        sdk.ask("DeleteAlias", AliasName=f"alias/{name}")


@pytest.mark.parametrize("text", ["password", "hello", HELLO, "密码"])
def test_the_operator_reads_the_text_that_was_encrypted(sdk: Tea | Classic, server: Server, text: str) -> None:
    blob = _encrypt(sdk, text)
    assert server.tkms("decrypt", stdin=blob) == text
    assert json.loads(server.tkms("decrypt", "--json", stdin=blob))["text"] is True


def test_a_data_key_that_was_encrypted_as_a_string_is_exported_as_the_key(sdk: Tea | Classic) -> None:
    key = bytes(range(32))
    blob = _encrypt(sdk, base64.b64encode(key).decode())
    private, public = caller_key()
    wrap = {"PublicKeyBlob": public, "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}
    exported = sdk.ask("ExportDataKey", CiphertextBlob=blob, **wrap)["ExportedDataKey"]
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    assert private.decrypt(base64.b64decode(exported), oaep) == key


def test_a_changed_ciphertext_is_refused(sdk: Tea | Classic) -> None:
    blob = bytearray(base64.b64decode(_encrypt(sdk, HELLO)))
    for at in (0, 1, 2, 3, 4, 20, 24, 48, 80, len(blob) - 1):
        changed = bytearray(blob)
        changed[at] ^= 1
        with refused(sdk, "InvalidParameter", 400, "The CiphertextBlob is not valid"):
            sdk.ask("Decrypt", CiphertextBlob=base64.b64encode(changed).decode())
