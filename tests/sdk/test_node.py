"""@aws-sdk/client-kms and @aws-crypto/client-node, unmodified, against a running server."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from kit.sdk_aws import CALLS, HELLO, Aws
from kit.sdk_clients import UNKNOWN_KEY, Login, Tea, Tencent, session
from kit.sdk_node import Node, NodeError
from kit.support import Server

CONTEXT = {"tenant": "blue", "数据": "ключ 🔑", "z": ""}
EVERY_BYTE = bytes(range(256))


@pytest.fixture(scope="module")
def node(plain: Login) -> Iterator[Node]:
    node = Node(plain)
    yield node
    node.close()


@pytest.fixture
def other(request: pytest.FixtureRequest) -> Callable[..., Node]:
    """More clients, each in a process of its own."""

    def start(login: Login, **options: Any) -> Node:
        node = Node(login, **options)
        request.addfinalizer(node.close)
        return node

    return start


@pytest.fixture(scope="module")
def user(node: Node) -> Aws:
    return Aws(node)


@pytest.mark.parametrize("action", CALLS)
def test_every_operation(user: Aws, action: str) -> None:
    fields, expected = CALLS[action]
    assert user.ask(action, **fields(user)).keys() == expected


def test_dates_are_dates(user: Aws) -> None:
    key = user.key()
    made = user.ask("DescribeKey", KeyId=key)["KeyMetadata"]["CreationDate"]
    gone = user.ask("ScheduleKeyDeletion", KeyId=key)["DeletionDate"]
    assert timedelta(days=29) < gone - made < timedelta(days=31)
    assert abs(made - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_date_with_a_fraction_is_taken(user: Aws) -> None:
    valid_to = datetime.now(UTC).replace(microsecond=234_000) + timedelta(days=3)
    fields = {**user.external(), "ExpirationModel": "KEY_MATERIAL_EXPIRES", "ValidTo": valid_to}
    user.ask("ImportKeyMaterial", **fields)
    seen = user.ask("DescribeKey", KeyId=fields["KeyId"])["KeyMetadata"]["ValidTo"]
    assert abs(seen - valid_to) < timedelta(seconds=1)


def test_pages_are_read_to_the_end(node: Node, user: Aws) -> None:
    key = user.key()
    names = {f"alias/n-{key[-12:]}-{n}" for n in range(5)}
    for alias in names:
        user.ask("CreateAlias", AliasName=alias, TargetKeyId=key)
    pages = node.call("pages", "ListAliases", 2, {"KeyId": key})
    assert [len(page["Aliases"]) for page in pages] == [2, 2, 1]
    assert {row["AliasName"] for page in pages for row in page["Aliases"]} == names


# -- the other vendors' SDKs ---------------------------------------------------------------------------


class Alibaba:
    """What its Encrypt takes is a string, whatever it says: others open `written` of what was given."""

    written = staticmethod(base64.b64encode)

    def __init__(self, login: Login) -> None:
        self.sdk = Tea(login)

    def encrypt(self, key: str, plaintext: bytes, context: dict[str, str]) -> bytes:
        fields = {"KeyId": key, "Plaintext": base64.b64encode(plaintext).decode(), "EncryptionContext": context}
        return base64.b64decode(self.sdk.ask("Encrypt", **fields)["CiphertextBlob"])

    def decrypt(self, blob: bytes, context: dict[str, str]) -> bytes:
        fields = {"CiphertextBlob": base64.b64encode(blob).decode(), "EncryptionContext": context}
        return base64.b64decode(self.sdk.ask("Decrypt", **fields)["Plaintext"])


class TencentCloud:
    written = staticmethod(bytes)

    def __init__(self, login: Login) -> None:
        self.sdk = Tencent(login)

    def encrypt(self, key: str, plaintext: bytes, context: dict[str, str]) -> bytes:
        text, words = base64.b64encode(plaintext).decode(), json.dumps(context)
        return base64.b64decode(
            self.sdk.call("Encrypt", KeyId=key, Plaintext=text, EncryptionContext=words).CiphertextBlob
        )

    def decrypt(self, blob: bytes, context: dict[str, str]) -> bytes:
        text, words = base64.b64encode(blob).decode(), json.dumps(context)
        return base64.b64decode(self.sdk.call("Decrypt", CiphertextBlob=text, EncryptionContext=words).Plaintext)


@pytest.fixture(params=[Alibaba, TencentCloud])
def vendor(request: pytest.FixtureRequest, plain: Login) -> Alibaba | TencentCloud:
    made: Alibaba | TencentCloud = request.param(plain)
    return made


def test_ciphertexts_and_data_keys_cross(user: Aws, vendor: Alibaba | TencentCloud) -> None:
    key = user.key()
    blob = user.ask("Encrypt", KeyId=key, Plaintext=EVERY_BYTE, EncryptionContext=CONTEXT)["CiphertextBlob"]
    assert vendor.decrypt(blob, CONTEXT) == EVERY_BYTE
    made = user.ask("GenerateDataKey", KeyId=key, KeySpec="AES_256", EncryptionContext=CONTEXT)
    assert vendor.decrypt(made["CiphertextBlob"], CONTEXT) == made["Plaintext"]
    back = vendor.encrypt(key.rpartition("/")[2], EVERY_BYTE, CONTEXT)
    opened = user.ask("Decrypt", CiphertextBlob=back, EncryptionContext=CONTEXT)
    assert (opened["Plaintext"], opened["KeyId"]) == (vendor.written(EVERY_BYTE), key)


# -- refusals ------------------------------------------------------------------------------------------

REFUSALS: dict[str, tuple[str, Callable[[Aws], dict[str, Any]], str]] = {
    "InvalidCiphertextException": (
        "Decrypt",
        lambda user: {"CiphertextBlob": user.blob(user.key()), "EncryptionContext": {"a": "b"}},
        "",
    ),
    "IncorrectKeyException": (
        "Decrypt",
        lambda user: {"CiphertextBlob": user.blob(user.key()), "KeyId": user.key()},
        "",
    ),
    "NotFoundException": ("Encrypt", lambda user: {"KeyId": UNKNOWN_KEY, "Plaintext": HELLO}, "does not exist"),
    "DisabledException": ("Encrypt", lambda user: {"KeyId": user.disabled(), "Plaintext": HELLO}, "is disabled"),
    "KMSInvalidStateException": (
        "GenerateDataKey",
        lambda user: {"KeyId": user.scheduled(), "NumberOfBytes": 32},
        "is pending deletion",
    ),
    "InvalidKeyUsageException": (
        "Encrypt",
        lambda user: {"KeyId": user.hmac(), "Plaintext": HELLO},
        "key usage is GENERATE_VERIFY_MAC",
    ),
    "KMSInvalidSignatureException": ("Verify", lambda user: {**user.signed(), "Message": b"other"}, ""),
    "DryRunOperationException": (
        "Encrypt",
        lambda user: {"KeyId": user.key(), "Plaintext": HELLO, "DryRun": True},
        "",
    ),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_each_refusal_is_a_class_of_its_own(user: Aws, name: str) -> None:
    action, make, message = REFUSALS[name]
    with pytest.raises(NodeError) as refused:
        user.ask(action, **make(user))
    error = refused.value
    assert message in error.message
    assert (error.name, error.is_of_its_class, error.status, error.attempts) == (name, True, 400, 1)


def test_a_wrong_secret_is_one_attempt(plain: Login, other: Callable[..., Node]) -> None:
    with pytest.raises(NodeError, match="The signature does not match") as refused:
        other(plain.but(secret="wrong")).ask("ListKeys")
    assert (refused.value.name, refused.value.attempts) == ("InvalidSignatureException", 1)


# -- where it is, and when -----------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["", "/", "/prod", "/prod/", "/a/b"])
def test_an_endpoint_may_have_a_path(plain: Login, other: Callable[..., Node], path: str) -> None:
    """It adds a slash to the path, and signs that."""
    assert other(plain, endpoint=f"http://{plain.host}{path}").ask("ListKeys")["Keys"]


def test_a_session_is_taken(server: Server, plain: Login, other: Callable[..., Node]) -> None:
    user = Aws(other(session(server, "--name", "sdk")))
    assert user.ask("Decrypt", CiphertextBlob=user.blob(user.key()))["Plaintext"] == HELLO


def test_a_private_certificate_is_named_in_the_environment(secure: Login, other: Callable[..., Node]) -> None:
    assert other(secure).ask("ListKeys")["Keys"]


@pytest.mark.parametrize("minutes", [-20, 20])
def test_our_date_sets_a_wrong_clock_right(plain: Login, other: Callable[..., Node], minutes: int) -> None:
    node = other(plain, skew=timedelta(minutes=minutes))
    assert node.ask("ListKeys")["Keys"]
    assert node.attempts == 2
    assert node.ask("ListKeys")["Keys"]
    assert node.attempts == 1


def test_equal_calls_of_one_moment_are_all_made(node: Node) -> None:
    keys = node.call("all", "CreateKey", [{"Description": "the same"}] * 8)
    assert [row["attempts"] for row in keys] == [1] * 8


# -- the Encryption SDK --------------------------------------------------------------------------------


def test_a_message_opens_with_its_key_and_by_discovery(node: Node, user: Aws) -> None:
    key, second = user.key(), user.key()
    message = node.call("encrypt", {"generatorKeyId": key, "keyIds": [second]}, EVERY_BYTE, CONTEXT)
    for keyring in ({"keyIds": [key]}, {"keyIds": [second]}, {"discovery": True}):
        opened = node.call("decrypt", keyring, message)
        assert opened["plaintext"] == EVERY_BYTE
        assert opened["context"].items() >= CONTEXT.items()
    assert [row["providerInfo"] for row in opened["keys"]] == [key, second]


def test_others_open_a_message_s_data_key(node: Node, user: Aws, vendor: Alibaba | TencentCloud) -> None:
    key = user.key()
    message = node.call("encrypt", {"generatorKeyId": key}, EVERY_BYTE, CONTEXT)
    opened = node.call("decrypt", {"keyIds": [key]}, message)
    (row,) = opened["keys"]
    assert len(vendor.decrypt(row["encryptedDataKey"], opened["context"])) == 32


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (Aws.disabled, "DisabledException"),
        (Aws.scheduled, "KMSInvalidStateException"),
        (Aws.hmac, "InvalidKeyUsageException"),
    ],
)
def test_the_encryption_sdk_raises_what_kms_says(node: Node, user: Aws, key: Callable[[Aws], str], name: str) -> None:
    with pytest.raises(NodeError) as refused:
        node.call("encrypt", {"generatorKeyId": key(user)}, HELLO, {})
    assert (refused.value.name, refused.value.is_of_its_class) == (name, True)


def test_the_encryption_sdk_tells_in_words_why_nothing_opens(node: Node, user: Aws) -> None:
    key = user.key()
    message = node.call("encrypt", {"generatorKeyId": key}, HELLO, {})
    user.ask("DisableKey", KeyId=key)
    with pytest.raises(NodeError, match=f"DisabledException: {key} is disabled"):
        node.call("decrypt", {"keyIds": [key]}, message)
    # It asks no key but that of the message, and has no word for that.
    with pytest.raises(NodeError, match="unencryptedDataKey has not been set"):
        node.call("decrypt", {"keyIds": [user.key()]}, message)
