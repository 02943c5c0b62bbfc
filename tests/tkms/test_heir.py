"""Opening without the service: what the command and `tools/open_alone.py` make of exports and of copies of tables."""

from __future__ import annotations

import base64
import gzip
import json
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyrage
import pytest

from kit.backup_files import PASSPHRASE, ROOT, identity_in
from kit.backups import act, create, encrypt, using
from kit.moto_aws import REGION
from kit.moto_stack import STACK, Aws, moto_stack, with_create_key
from kit.support import new_directory, run_tkms
from tenantkms.store import dynamodb_layout as layout
from tkms.machine.directory import Directory
from tools.keep_release import RELEASES, versions

Open = Callable[..., tuple[int, bytes, str]]


def by_command(rows: Path, blob: str, *more: str | Path, passphrase: Path | None = None) -> tuple[int, bytes, str]:
    closed = ["--passphrase-file", passphrase] if passphrase else []
    parent = ["--parent", more[0], *more[1:]] if more and Path(more[0]).exists() else more
    words = ["open", "--offline", rows, "--data-dir", "/nowhere", *closed, *parent]
    done = run_tkms(*map(str, words), "--json", stdin=blob, check=False)
    opened = b"" if done.returncode else base64.b64decode(json.loads(done.stdout)["plaintext"])
    return done.returncode, opened, done.stderr


def alone(rows: Path, blob: str, *more: str | Path, passphrase: Path | None = None) -> tuple[int, bytes, str]:
    """By the one file, where nothing of the project can be imported."""
    closed = ["--passphrase", passphrase] if passphrase else []
    command = [sys.executable, "-I", ROOT / "tools" / "open_alone.py", rows, *more, *closed]
    done = subprocess.run(command, input=blob.encode(), capture_output=True, timeout=60, cwd="/")
    return done.returncode, done.stdout, done.stderr.decode()


both = pytest.mark.parametrize("opens", [by_command, alone])


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    (tmp_path / "passphrase").write_bytes(PASSPHRASE + b"\n")
    return tmp_path / "passphrase"


def made(directory: Directory) -> list[tuple[bytes, str]]:
    """Blobs of an older version and of the newest one, of a key of each spec that encrypts."""
    blobs = []
    for spec in ("AES_256", "SM4_128"):
        key = create(directory, spec=spec)
        for text in (b"older \x00\xff", b"newest"):
            act(directory, "CreateKeyVersion", key_id=key)
            blobs.append((text, encrypt(directory, key, text)))
    return blobs


def refused(answer: tuple[int, bytes, str], why: str) -> None:
    """By one sentence."""
    status, opened, told = answer
    assert (status, opened, told.count("\n")) == (1, b"", 1), told
    assert why in told


# -- an export --------------------------------------------------------------------------------------------


@both
def test_an_export_opens_every_version_with_no_parent_key(
    opens: Open, directory: Directory, tmp_path: Path, passphrase: Path
) -> None:
    blobs = made(directory)
    for file, closing, given in (("plain", "--plain", None), ("closed", f"--passphrase-file={passphrase}", passphrase)):
        run_tkms("export", str(tmp_path / file), closing, "--data-dir", str(directory.path))
        for text, blob in blobs if given is None else blobs[:1]:  # a passphrase takes its time
            assert opens(tmp_path / file, blob, passphrase=given) == (0, text, "")


def test_an_export_for_age_opens(directory: Directory, tmp_path: Path) -> None:
    recipient, identity = identity_in(tmp_path / "identity")
    text, blob = made(directory)[0]
    file, clear = tmp_path / "file", tmp_path / "clear"
    run_tkms("export", str(file), "--recipient", recipient, "--data-dir", str(directory.path))
    assert by_command(file, blob, "--identity", identity) == (0, text, "")
    refused(by_command(file, blob), "is for recipients of age")
    refused(alone(file, blob), "is for age: age --decrypt makes of it what opens here")
    secret = pyrage.x25519.Identity.from_str(Path(identity).read_text().splitlines()[-1])
    clear.write_bytes(pyrage.decrypt(file.read_bytes(), [secret]))
    assert alone(clear, blob) == (0, text, "")


@both
@pytest.mark.parametrize("version", versions())
def test_the_export_of_every_release_opens(opens: Open, version: str) -> None:
    blobs = json.loads((RELEASES / version / "expected.json").read_bytes())["blobs"]
    assert blobs
    for blob in blobs:
        context = [word for name, value in blob["context"].items() for word in ("--context", f"{name}={value}")]
        opened = opens(RELEASES / version / "export.tke", blob["ciphertext"], *context)
        assert opened == (0, base64.b64decode(blob["plaintext"]), "")


@both
def test_what_is_no_such_export_is_told_in_a_sentence(
    opens: Open, directory: Directory, tmp_path: Path, passphrase: Path
) -> None:
    key = create(directory)
    blob, where = encrypt(directory, key), ("--data-dir", str(directory.path))
    closed, plain, some = tmp_path / "closed", tmp_path / "plain", tmp_path / "some"
    run_tkms("export", str(closed), "--passphrase-file", str(passphrase), *where)
    run_tkms("export", str(plain), "--plain", *where)
    run_tkms("export", str(some), "--plain", "--keys", "alias/default", *where)
    act(directory, "CreateKeyVersion", key_id=key)
    later = encrypt(directory, key)
    (other := tmp_path / "other").write_bytes(b"another one\n")
    refused(opens(closed, blob, passphrase=other), "passphrase")
    refused(opens(some, blob), f"There is no key {key} in ")
    refused(opens(plain, later), f"The key {key} has no material of version 2 in ")
    whole, sealed = plain.read_bytes(), closed.read_bytes()
    for name, data, given in (
        ("half", whole[: len(whole) // 2], None),
        ("without its sums", whole[: whole.rindex(b"SHA256SUMS")], None),
        ("cut", sealed[:-1], passphrase),
        ("head", sealed[:20], passphrase),
        ("empty", b"", None),
        ("noise", bytes(range(256)) * 40, None),
        ("text", b"{ this is no JSON", None),
        ("other JSON", b'{"Items": [{"pk": 1}]}', None),
        ("half compressed", gzip.compress(whole)[:-20], None),
        ("no store", b"SQLite format 3\0" + bytes(4000), None),
    ):
        (tmp_path / name).write_bytes(data)
        refused(opens(tmp_path / name, blob, passphrase=given), "damaged" if name != "no store" else "")
    refused(opens(tmp_path / "nowhere", blob), "nowhere")
    refused(opens(plain, "no blob!"), "base64")
    refused(opens(plain, base64.b64encode(bytes(100)).decode()), "")


# -- a copy of the tables ---------------------------------------------------------------------------------


def text_of(value: bytes) -> str:
    """Bytes as they are in JSON."""
    return base64.b64encode(value).decode()


def copies(aws: Aws, folder: Path) -> list[Path]:
    """The table of keys, as the command line of AWS prints it and as an export to S3 has it, compressed or not."""
    items = aws.client("dynamodb").scan(TableName="keys")["Items"]
    scanned, lines, packed = (folder / name for name in ("scan.json", "keys.jsonl", "keys.json.gz"))
    scanned.write_text(json.dumps({"Items": items, "Count": len(items)}, indent=4, default=text_of))
    exported = [json.dumps({"Item": item}, default=text_of) + "\n" for item in items]
    lines.write_text("".join(exported))
    half = len(exported) // 2  # S3 has some files, which are one behind each other
    packed.write_bytes(b"".join(gzip.compress("".join(each).encode()) for each in (exported[:half], exported[half:])))
    return [scanned, lines, packed]


def answered(aws: Aws, command: str) -> str:
    """What AWS KMS answers to a command line, as AWS's own prints it."""
    words = shlex.split(command)
    assert words[:3] == ["aws", "kms", "decrypt"]
    said = dict(zip(words[3::2], words[4::2], strict=True))
    assert (said.pop("--region"), said.pop("--query"), said.pop("--output")) == (REGION, "Plaintext", "text")
    context = dict(pair.split("=", 1) for pair in said.pop("--encryption-context").split(","))
    sealed = base64.b64decode(said.pop("--ciphertext-blob"))
    answer = aws.client("kms").decrypt(KeyId=said.pop("--key-id"), CiphertextBlob=sealed, EncryptionContext=context)
    assert not said
    return base64.b64encode(answer["Plaintext"]).decode() + "\n"


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    with moto_stack() as made_here, monkeypatch.context() as patch:
        for name, value in made_here.environment.items():
            patch.setenv(name, value)
        with_create_key(made_here.client)
        yield made_here


def test_a_copy_of_the_tables_opens_with_the_parent_key_in_aws_kms(stack: Aws, tmp_path: Path) -> None:
    here = new_directory(tmp_path / "here")
    blobs = made(here)
    file, parent, answer, back = (tmp_path / name for name in ("file", "parent", "answer", "back"))
    run_tkms("export", str(file), "--plain", "--data-dir", str(here.path))
    run_tkms("import", str(file), "--stack", STACK, "--from-tenant", "local")
    (key,) = stack.client("kms").list_keys()["Keys"]
    parent.write_text(key["KeyArn"] + "\n")
    tenant = ("--tenant", "acme")
    for rows in copies(stack, tmp_path):
        for text, blob in blobs if rows.suffix == ".json" else blobs[1:3]:
            assert by_command(rows, blob, parent, *tenant) == (0, text, "")
            status, opened, told = alone(rows, blob, parent, *tenant)
            assert (status, opened) == (1, b"")
            advice, command, end = told.split("\n")
            assert (advice.startswith("Give as PARENT a file of what this prints"), end) == (True, "")
            answer.write_text(answered(stack, command))
            assert alone(rows, blob, answer, *tenant) == (0, text, "")
    refused(alone(rows, blobs[1][1], answer, *tenant), "the answer is another one, or the tenant's name")
    refused(alone(rows, blob, answer, "--tenant", "other"), "the answer is another one, or the tenant's name")
    refused(alone(rows, blob, *tenant), "The parent key is needed")
    refused(by_command(rows, blob, parent, "--tenant", "other"), "the tenant is not other")
    run_tkms("export", str(back), "--plain", "--stack", STACK)
    for opens in (by_command, alone):
        assert opens(back, blobs[0][1]) == (0, blobs[0][0], "")


@both
@pytest.mark.parametrize("kept", ["record", "doc"])
def test_a_copy_of_the_tables_opens_with_a_parent_key_in_a_file(
    opens: Open, kept: str, directory: Directory, tmp_path: Path
) -> None:
    """`doc`: a key's row as it was before its material had an attribute of its own."""
    rows, blobs = tmp_path / "rows", made(directory)
    items: list[dict[str, Any]] = []
    with using(directory) as settings:
        store = settings.deps.keyring.store
        for key in store.keys_after((0, ""), limit=9):
            row = layout.typed(pk=layout.key_pk(key.id), sk=layout.META)
            items.append(layout.with_key(row, key) if kept == "record" else row | layout.typed(doc=layout.encode(key)))
            items += [
                layout.typed(pk=layout.key_pk(key.id), sk=layout.version_sk(each.number), doc=layout.encode(each))
                for each in store.list_versions(key.id, 1, key.primary_number - 1)
            ]
        del settings, store
    rows.write_text("".join(json.dumps({"Item": item}, default=text_of) + "\n" for item in items))
    for text, blob in blobs:
        assert opens(rows, blob, directory.path / "parent.key", "--tenant", "local") == (0, text, "")
