"""AWS CLI 1 and 2, unmodified, against a running server: what they read, print, page through, and say of a refusal."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.sdk_aws import HELLO, PSS, Aws, Boto
from kit.sdk_clients import UNKNOWN_KEY, Login, Tea, Tencent, session
from kit.sdk_programs import AWS_CLI, AwsCli
from kit.support import Server

CONTEXT = {"tenant": "blue", "z": "ключ"}
IN_CONTEXT = ("--encryption-context", "tenant=blue,z=ключ")
EVERY_BYTE = bytes(range(256))
FAILED = {"AWS CLI 1": 255, "AWS CLI 2": 254}
"""The status with which each ends where the service refuses."""
File = Callable[[bytes], str]


@pytest.fixture(params=AWS_CLI)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def cli(name: str, plain: Login) -> AwsCli:
    return AwsCli(AWS_CLI[name], plain)


@pytest.fixture(scope="module")
def user(plain: Login) -> Aws:
    return Aws(Boto(plain))


@pytest.fixture
def file(tmp_path: Path) -> File:
    """What stands on a command line for these bytes in a file."""

    def write(data: bytes) -> str:
        path = tmp_path / f"file-{len(list(tmp_path.iterdir()))}"
        path.write_bytes(data)
        return f"fileb://{path}"

    return write


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def test_a_file_goes_in_and_opens_everywhere(cli: AwsCli, user: Aws, plain: Login, file: File) -> None:
    key = user.key()
    made = cli.ask("encrypt", "--key-id", key, "--plaintext", file(EVERY_BYTE), *IN_CONTEXT)
    assert (made["KeyId"], made["EncryptionAlgorithm"]) == (key, "SYMMETRIC_DEFAULT")
    blob = made["CiphertextBlob"]
    opened = cli.ask("decrypt", "--ciphertext-blob", file(base64.b64decode(blob)), *IN_CONTEXT)
    assert (opened["KeyId"], opened["Plaintext"]) == (key, text(EVERY_BYTE))
    assert Tea(plain).ask("Decrypt", CiphertextBlob=blob, EncryptionContext=CONTEXT)["Plaintext"] == text(EVERY_BYTE)
    tencent = Tencent(plain).call("Decrypt", CiphertextBlob=blob, EncryptionContext=json.dumps(CONTEXT))
    assert tencent.Plaintext == text(EVERY_BYTE)


def of_alibaba(login: Login, key: str) -> str:
    fields = {"KeyId": key, "Plaintext": text(EVERY_BYTE), "EncryptionContext": CONTEXT}
    return str(Tea(login).ask("Encrypt", **fields)["CiphertextBlob"])


def of_tencent(login: Login, key: str) -> str:
    fields = {"KeyId": key, "Plaintext": text(EVERY_BYTE), "EncryptionContext": json.dumps(CONTEXT)}
    return str(Tencent(login).call("Encrypt", **fields).CiphertextBlob)


@pytest.mark.parametrize(("encrypt", "plaintext"), [(of_alibaba, text(EVERY_BYTE).encode()), (of_tencent, EVERY_BYTE)])
def test_what_others_encrypted_opens(
    cli: AwsCli, user: Aws, plain: Login, file: File, encrypt: Callable[[Login, str], str], plaintext: bytes
) -> None:
    """What Alibaba's Encrypt takes is a string, whatever it says."""
    blob = encrypt(plain, user.key().rpartition("/")[2])
    opened = cli.ask("decrypt", "--ciphertext-blob", file(base64.b64decode(blob)), *IN_CONTEXT)
    assert base64.b64decode(opened["Plaintext"]) == plaintext


@pytest.mark.parametrize(
    ("name", "written", "plaintext"),
    [
        ("AWS CLI 1", ("password",), b"password"),
        ("AWS CLI 2", ("password",), base64.b64decode("password")),
        ("AWS CLI 2", ("my secret!",), base64.b64decode("mysecret")),
        ("AWS CLI 2", ("my secret!", "--cli-binary-format", "raw-in-base64-out"), b"my secret!"),
    ],
)
def test_a_plaintext_on_the_command_line(cli: AwsCli, user: Aws, written: tuple[str, ...], plaintext: bytes) -> None:
    """CLI 1 takes it as text, CLI 2 as base64, of which it drops what is none."""
    made = cli.ask("encrypt", "--key-id", user.key(), "--plaintext", *written)
    assert user.ask("Decrypt", CiphertextBlob=base64.b64decode(made["CiphertextBlob"]))["Plaintext"] == plaintext


def test_a_ciphertext_as_it_was_printed(name: str, cli: AwsCli, user: Aws) -> None:
    """CLI 1 encodes the base64 text once more."""
    words = ("decrypt", "--ciphertext-blob", text(user.blob(user.key())))
    if name == "AWS CLI 2":
        assert cli.ask(*words)["Plaintext"] == text(HELLO)
    else:
        assert cli.refused(*words).code == "InvalidCiphertextException"


def test_data_keys(cli: AwsCli, user: Aws) -> None:
    made = cli.ask("generate-data-key", "--key-id", user.key(), "--key-spec", "AES_256", *IN_CONTEXT)
    opened = user.ask("Decrypt", CiphertextBlob=base64.b64decode(made["CiphertextBlob"]), EncryptionContext=CONTEXT)
    assert (len(opened["Plaintext"]), text(opened["Plaintext"])) == (32, made["Plaintext"])


def test_signatures(cli: AwsCli, user: Aws, file: File) -> None:
    how = ("--key-id", user.signing(), "--signing-algorithm", PSS)
    signature = file(base64.b64decode(cli.ask("sign", *how, "--message", file(EVERY_BYTE))["Signature"]))
    assert cli.ask("verify", *how, "--message", file(EVERY_BYTE), "--signature", signature)["SignatureValid"] is True
    refused = cli.refused("verify", *how, "--message", file(HELLO), "--signature", signature)
    assert refused.code == "KMSInvalidSignatureException"


def test_pages_are_read_to_the_end(cli: AwsCli, user: Aws) -> None:
    key = user.key()
    names = {f"alias/c-{key[-12:]}-{n}" for n in range(5)}
    for alias in names:
        user.ask("CreateAlias", AliasName=alias, TargetKeyId=key)
    words = ("list-aliases", "--key-id", key, "--page-size", "2")
    every = cli.ask(*words)
    assert {row["AliasName"] for row in every["Aliases"]} == names
    assert "NextToken" not in every
    first = cli.ask(*words, "--max-items", "3")
    rest = cli.ask(*words, "--starting-token", first["NextToken"])
    assert [len(first["Aliases"]), len(rest["Aliases"])] == [3, 2]
    assert {row["AliasName"] for row in first["Aliases"] + rest["Aliases"]} == names


def test_a_key_s_life(name: str, cli: AwsCli) -> None:
    made = cli.ask("create-key", "--description", "мой ключ", "--tags", "TagKey=team,TagValue=")["KeyMetadata"]
    key = ("--key-id", made["Arn"])
    gone = cli.ask("schedule-key-deletion", *key, "--pending-window-in-days", "7")
    seen = cli.ask("describe-key", *key)["KeyMetadata"]
    assert (seen["KeyState"], seen["Description"]) == (gone["KeyState"], "мой ключ") == ("PendingDeletion", "мой ключ")
    assert seen["DeletionDate"] == gone["DeletionDate"]
    # CLI 1 prints the number that came, CLI 2 a date.
    assert isinstance(seen["DeletionDate"], str if name == "AWS CLI 2" else int | float)


REFUSALS: dict[str, tuple[Callable[[Aws, File], tuple[str, ...]], str]] = {
    "InvalidCiphertextException": (
        lambda user, file: ("--ciphertext-blob", file(user.blob(user.key())), "--encryption-context", "a=b"),
        "",
    ),
    "IncorrectKeyException": (
        lambda user, file: ("--ciphertext-blob", file(user.blob(user.key())), "--key-id", user.key()),
        "",
    ),
    "NotFoundException": (lambda user, file: ("--plaintext", file(HELLO), "--key-id", UNKNOWN_KEY), "does not exist"),
    "DisabledException": (lambda user, file: ("--plaintext", file(HELLO), "--key-id", user.disabled()), "is disabled"),
    "KMSInvalidStateException": (
        lambda user, file: ("--plaintext", file(HELLO), "--key-id", user.scheduled()),
        "is pending deletion",
    ),
    "InvalidKeyUsageException": (
        lambda user, file: ("--plaintext", file(HELLO), "--key-id", user.hmac()),
        "key usage is GENERATE_VERIFY_MAC",
    ),
}


@pytest.mark.parametrize("code", REFUSALS)
def test_each_refusal_has_its_name(name: str, cli: AwsCli, user: Aws, file: File, code: str) -> None:
    make, message = REFUSALS[code]
    words = make(user, file)
    refused = cli.refused("encrypt" if "--plaintext" in words else "decrypt", *words)
    assert (refused.code, refused.status) == (code, FAILED[name])
    assert message in refused.told


def test_a_wrong_secret_has_its_name(name: str, plain: Login) -> None:
    refused = AwsCli(AWS_CLI[name], plain.but(secret="wrong")).refused("list-keys")
    assert (refused.code, refused.status) == ("InvalidSignatureException", FAILED[name])


def test_a_session_is_taken(name: str, server: Server, plain: Login) -> None:
    made = AwsCli(AWS_CLI[name], session(server, "--name", "sdk")).ask("generate-random", "--number-of-bytes", "33")
    assert len(base64.b64decode(made["Plaintext"])) == 33


def test_a_private_certificate_is_named_in_the_environment(name: str, secure: Login) -> None:
    assert AwsCli(AWS_CLI[name], secure).ask("list-keys")["Keys"]
