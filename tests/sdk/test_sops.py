"""The real sops, and in it AWS's SDK for Go v2: files encrypted, edited and rotated with keys of a running server."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kit.sdk_aws import Aws, Boto
from kit.sdk_clients import UNKNOWN_KEY, Login, Tea, Tencent
from kit.sdk_programs import SOPS, Done, Program

CONTEXT = {"Env": "prod", "Role": "имя"}
IN_CONTEXT = ("--encryption-context", "Env:prod,Role:имя")
PLAIN = {"user": "anna", "password": "hunter2", "ports": [1, 2], "deep": {"ключ": "значение"}}


class Sops(Program):
    """sops on JSON files in a folder of its own."""

    def __init__(self, login: Login, folder: Path, **environ: str) -> None:
        super().__init__(SOPS, login, **environ)
        self.folder = folder
        (folder / "plain.json").write_text(json.dumps(PLAIN))

    def encrypt(self, *keys: str, words: tuple[str, ...] = ()) -> Path:
        """A new file, encrypted under `keys`."""
        file = self.folder / "sealed.json"
        file.write_text(self("encrypt", "--kms", ",".join(keys), *words, self.folder / "plain.json"))
        return file

    def decrypt(self, file: Path) -> dict[str, Any]:
        content: dict[str, Any] = json.loads(self("decrypt", file))
        return content

    def refused(self, *words: str | Path, **environ: str) -> Done:
        done = self.run(*words, **environ)
        assert (done.status != 0, done.out) == (True, ""), done
        return done


def sealed_keys(file: Path) -> list[dict[str, Any]]:
    """Each of the file's copies of its data key, and what it was encrypted with. None is ever empty."""
    rows: list[dict[str, Any]] = json.loads(file.read_text())["sops"]["kms"]
    assert rows
    assert all(len(base64.b64decode(row["enc"])) > 32 for row in rows)
    return rows


@pytest.fixture
def sops(plain: Login, tmp_path: Path) -> Sops:
    return Sops(plain, tmp_path)


@pytest.fixture(scope="module")
def user(plain: Login) -> Aws:
    return Aws(Boto(plain))


def editor(folder: Path, sed: str) -> str:
    """An editor that changes one word."""
    script = folder / "editor"
    script.write_text(f'#!/bin/sh\nsed "{sed}" "$1" > "$1.new" && cat "$1.new" > "$1"\n')
    script.chmod(0o755)
    return str(script)


def test_a_file_is_encrypted_edited_and_rotated(sops: Sops, user: Aws, tmp_path: Path) -> None:
    key = user.key()
    file = sops.encrypt(key, words=IN_CONTEXT)
    assert "hunter2" not in file.read_text()
    assert sops.decrypt(file) == PLAIN
    (made,) = sealed_keys(file)
    assert (made["arn"], made["context"]) == (key, CONTEXT)

    sops("edit", file, EDITOR=editor(tmp_path, "s/hunter2/hunter3/"))
    assert sealed_keys(file) == [made]
    assert sops.decrypt(file) == {**PLAIN, "password": "hunter3"}

    sops("set", file, '["user"]', '"berta"')
    sops("rotate", "--in-place", file)
    (rotated,) = sealed_keys(file)
    assert rotated["enc"] != made["enc"]
    assert sops.decrypt(file) == {**PLAIN, "password": "hunter3", "user": "berta"}


def test_a_rotated_key_still_opens_the_file(sops: Sops, user: Aws) -> None:
    key = user.key()
    file = sops.encrypt(key)
    user.ask("RotateKeyOnDemand", KeyId=key)
    assert sops.decrypt(file) == PLAIN


def arn_of(alias: str, user: Aws) -> str:
    """sops takes nothing but ARNs."""
    key: str = user.ask("DescribeKey", KeyId=alias)["KeyMetadata"]["Arn"]
    return f"{key.partition(':key/')[0]}:{alias}"


def test_another_key_takes_over(sops: Sops, user: Aws) -> None:
    old, new = user.key(), arn_of(user.alias(), user)
    file = sops.encrypt(old)
    sops("rotate", "--in-place", "--add-kms", new, "--rm-kms", old, file)
    assert [row["arn"] for row in sealed_keys(file)] == [new]
    user.ask("DisableKey", KeyId=old)
    assert sops.decrypt(file) == PLAIN


def test_an_alias_that_is_moved_closes_the_file(sops: Sops, user: Aws) -> None:
    """sops asks for the alias when it decrypts, too."""
    alias, other = user.alias(), user.key()
    was = user.ask("DescribeKey", KeyId=alias)["KeyMetadata"]["Arn"]
    file = sops.encrypt(arn_of(alias, user))
    user.ask("UpdateAlias", AliasName=alias, TargetKeyId=other)
    assert "IncorrectKeyException" in sops.refused("decrypt", file).told
    user.ask("UpdateAlias", AliasName=alias, TargetKeyId=was)
    assert sops.decrypt(file) == PLAIN


def test_of_two_keys_one_is_enough(sops: Sops, user: Aws) -> None:
    first, second = user.key(), user.key()
    file = sops.encrypt(first, second)
    assert len(sealed_keys(file)) == 2
    user.ask("DisableKey", KeyId=first)
    assert sops.decrypt(file) == PLAIN


def test_binary_files_and_environments(sops: Sops, user: Aws, tmp_path: Path) -> None:
    file = tmp_path / "blob"
    file.write_bytes(bytes(range(256)))
    sops("encrypt", "--in-place", "--kms", user.key(), file)
    sops("decrypt", "--in-place", file)
    assert file.read_bytes() == bytes(range(256))
    variables = tmp_path / "app.env"
    variables.write_text("PASSWORD=hunter2\n")
    sops("encrypt", "--in-place", "--kms", user.key(), variables)
    assert sops("exec-env", variables, "printf %s $PASSWORD") == "hunter2"


# -- the other vendors' SDKs ---------------------------------------------------------------------------


def through_alibaba(login: Login, key: str, blob: str) -> tuple[str, str]:
    sdk = Tea(login)
    opened = str(sdk.ask("Decrypt", CiphertextBlob=blob, EncryptionContext=CONTEXT)["Plaintext"])
    # Its Encrypt would take the data key's base64 as a string.
    contexts = {"SourceEncryptionContext": CONTEXT, "DestinationEncryptionContext": CONTEXT}
    again = sdk.ask("ReEncrypt", DestinationKeyId=key, CiphertextBlob=blob, **contexts)
    return opened, str(again["CiphertextBlob"])


def through_tencent(login: Login, key: str, blob: str) -> tuple[str, str]:
    sdk, context = Tencent(login), json.dumps(CONTEXT)
    opened = str(sdk.call("Decrypt", CiphertextBlob=blob, EncryptionContext=context).Plaintext)
    return opened, str(sdk.call("Encrypt", KeyId=key, Plaintext=opened, EncryptionContext=context).CiphertextBlob)


@pytest.mark.parametrize("through", [through_alibaba, through_tencent])
def test_others_open_its_data_key_and_make_one_for_it(
    sops: Sops, user: Aws, plain: Login, through: Callable[[Login, str, str], tuple[str, str]]
) -> None:
    key = user.key()
    file = sops.encrypt(key, words=IN_CONTEXT)
    (row,) = sealed_keys(file)
    data_key, again = through(plain, key.rpartition("/")[2], row["enc"])
    assert len(base64.b64decode(data_key)) == 32
    file.write_text(file.read_text().replace(row["enc"], again))
    assert sops.decrypt(file) == PLAIN


# -- refusals ------------------------------------------------------------------------------------------


def of_another_context(file: Path, key: str, user: Aws) -> None:
    file.write_text(file.read_text().replace('"prod"', '"test"'))


def of_another_key(file: Path, key: str, user: Aws) -> None:
    file.write_text(file.read_text().replace(key, user.key()))


def of_an_unknown_key(file: Path, key: str, user: Aws) -> None:
    file.write_text(file.read_text().replace(key.rpartition("/")[2], UNKNOWN_KEY))


def of_a_disabled_key(file: Path, key: str, user: Aws) -> None:
    user.ask("DisableKey", KeyId=key)


def of_a_key_pending_deletion(file: Path, key: str, user: Aws) -> None:
    user.ask("ScheduleKeyDeletion", KeyId=key, PendingWindowInDays=7)


REFUSALS: dict[str, tuple[Callable[[Path, str, Aws], None], str]] = {
    "InvalidCiphertextException": (of_another_context, ""),
    "IncorrectKeyException": (of_another_key, ""),
    "NotFoundException": (of_an_unknown_key, "does not exist"),
    "DisabledException": (of_a_disabled_key, "is disabled"),
    "KMSInvalidStateException": (of_a_key_pending_deletion, "is pending deletion"),
}


@pytest.mark.parametrize("code", REFUSALS)
def test_each_refusal_has_its_name_and_leaves_the_file(sops: Sops, user: Aws, tmp_path: Path, code: str) -> None:
    change, message = REFUSALS[code]
    key = user.key()
    file = sops.encrypt(key, words=IN_CONTEXT)
    change(file, key, user)
    before = file.read_bytes()
    for words in (("decrypt",), ("edit",), ("rotate", "--in-place")):
        done = sops.refused(*words, file, EDITOR=editor(tmp_path, "s/hunter2/hunter3/"))
        told = re.sub(r"[\s|]+", " ", done.told)
        assert f"{code}: " in told
        assert message in told
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (Aws.disabled, "DisabledException"),
        (Aws.scheduled, "KMSInvalidStateException"),
        (Aws.hmac, "InvalidKeyUsageException"),
    ],
)
def test_nothing_is_written_under_a_key_that_does_not_encrypt(
    sops: Sops, user: Aws, tmp_path: Path, key: Callable[[Aws], str], code: str
) -> None:
    file = tmp_path / "plain.json"
    done = sops.refused("encrypt", "--in-place", "--kms", key(user), file)
    assert f"{code}: " in done.told
    assert json.loads(file.read_text()) == PLAIN


def test_a_wrong_secret_has_its_name(sops: Sops, user: Aws, plain: Login, tmp_path: Path) -> None:
    file = sops.encrypt(user.key())
    done = Sops(plain.but(secret="wrong"), tmp_path).refused("decrypt", file)
    assert "InvalidSignatureException: The signature does not match" in re.sub(r"[\s|]+", " ", done.told)


def test_a_private_certificate_is_named_in_the_environment(secure: Login, tmp_path: Path) -> None:
    sops = Sops(secure, tmp_path)
    assert sops.decrypt(sops.encrypt(Aws(Boto(secure)).key())) == PLAIN
