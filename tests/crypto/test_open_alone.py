"""`tools/open_alone.py`: what an heir of the data has, held against every vector, and against a data directory."""

from __future__ import annotations

import ast
import base64
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kit.backup_files import PASSPHRASE, made
from kit.support import VECTORS, new_directory
from tenantkms.model.key import Key
from tenantkms.runtime.assemble import Settings
from tkms.machine.directory import call
from tools import open_alone

ROOT = Path(__file__).parents[2]
TOOL = ROOT / "tools" / "open_alone.py"
FORMAT = VECTORS / "format"
GOOD = sorted(FORMAT.glob("*.json"))
NEGATIVE = sorted((FORMAT / "negative").glob("*.json"))


def alone(*args: str | Path, stdin: str) -> subprocess.CompletedProcess[bytes]:
    """The program as it is run by whoever has this one file: nothing of the project can be imported."""
    command = [sys.executable, "-I", str(TOOL), *map(str, args)]
    return subprocess.run(command, input=stdin.encode(), capture_output=True, timeout=60, cwd="/")


def cases() -> Iterator[dict[str, Any]]:
    for path in GOOD:
        yield from json.loads(path.read_text("utf-8"))["cases"]


def test_it_imports_nothing_of_the_project() -> None:
    tree = ast.parse(TOOL.read_text("utf-8"))
    modules = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    modules |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in modules} - sys.stdlib_module_names == {"cryptography"}


@pytest.mark.parametrize("case", list(cases()))
def test_it_opens_every_vector(case: dict[str, Any]) -> None:
    blob, material = base64.b64decode(case["blob_base64"]), bytes.fromhex(case["material_hex"])
    assert open_alone.open_blob(blob, material, case["context"]) == base64.b64decode(case["plaintext_base64"])


@pytest.mark.parametrize("path", NEGATIVE, ids=lambda path: path.stem)
def test_it_opens_none_of_the_wrong_ones(path: Path) -> None:
    case = json.loads(path.read_text("utf-8"))
    whole, material = base64.b64decode(case["blob_base64"]), bytes.fromhex(case["key"]["material_hex"])
    for length in case.get("lengths", [len(whole)]):
        with pytest.raises(open_alone.Refused):
            open_alone.open_blob(whole[:length], material, case["context"])


# -- a data directory ----------------------------------------------------------------------------------


def _encrypt(settings: Settings, key: str, text: bytes, **context: str) -> str:
    params: dict[str, object] = {"key_id": key, "plaintext": base64.b64encode(text).decode(), "context": context}
    return str(call(settings, "Encrypt", params)["ciphertext"])


def _created(settings: Settings, spec: str) -> str:
    made: Any = call(settings, "CreateKey", {"spec": spec})
    return str(made["key"]["id"])


def _key(settings: Settings, key_id: str) -> Key:
    found = settings.deps.keyring.key(key_id)
    assert found
    return found


def test_it_opens_what_a_data_directory_has_made(tmp_path: Path) -> None:
    directory = new_directory(tmp_path / "data")
    settings = directory.open()
    keys = [_created(settings, spec) for spec in ("AES_256", "SM4_128")]
    made = []
    for text in (b"first", b"second \x00\xff"):
        made += [(text, _encrypt(settings, key, text, app="shop", tier="gold")) for key in keys]
        for key in keys:
            call(settings, "CreateKeyVersion", {"key_id": key})
    assert all(_key(settings, key).primary_number == 3 for key in keys)
    data = tmp_path / "data"
    context = ("--context", "tier=gold", "--context", "app=shop", "--tenant", "local")
    copy = tmp_path / "copy.sqlite3"
    subprocess.run(["sqlite3", data / "kms.sqlite3", f".backup {copy}"], check=True)
    before = copy.read_bytes()
    for text, blob in made:
        done = alone(copy, data / "parent.key", *context, stdin=blob)
        assert (done.stdout, done.stderr) == (text, b"")
    assert copy.read_bytes() == before

    blob = made[0][1]
    refused = [
        (alone(copy, data / "parent.key", *context, "--tenant", "other", stdin=blob), "tenant's name"),
        (alone(copy, data / "parent.key", *context[2:], stdin=blob), "another encryption context"),
    ]
    (tmp_path / "short.key").write_bytes(bytes(31))
    for name, head in {"closed.tkb": b"TKB1", "aged.tkb": b"age-encryption.org/v1\n"}.items():
        (tmp_path / name).write_bytes(head + bytes(200))
    key = data / "parent.key"
    refused += [
        (alone(copy, tmp_path / "short.key", *context, stdin=blob), "is no parent key of 32 bytes"),
        (alone(tmp_path / "closed.tkb", key, *context, stdin=blob), "under a passphrase: --passphrase FILE"),
        (alone(tmp_path / "aged.tkb", key, *context, stdin=blob), "age --decrypt makes of it what opens here"),
        (alone(copy, key, *context, stdin="AQlh" * 40), "no ciphertext blob of version 1"),
        (alone(copy, key, *context, stdin="no blob at all?"), "is no base64"),
    ]
    (tmp_path / "other.key").write_bytes(bytes(32))
    refused.append((alone(copy, tmp_path / "other.key", *context, stdin=blob), "The parent key is another one"))
    shutil.rmtree(data)
    foreign = new_directory(tmp_path / "foreign").path
    args = (foreign / "kms.sqlite3", foreign / "parent.key", *context)
    refused.append((alone(*args, stdin=blob), f"There is no key {keys[0]}"))
    assert "app is not NAME=VALUE" in alone(*args[:2], "--context", "app", stdin=blob).stderr.decode()
    for done, why in refused:
        assert done.returncode == 1, why
        assert why in done.stderr.decode()
        assert not done.stdout


def test_it_reads_the_passphrase_of_a_file_as_the_backup_did(tmp_path: Path) -> None:
    directory = new_directory(tmp_path / "data")
    blob = _encrypt(directory.open(), "alias/default", b"text")
    file, passphrase = made(directory, tmp_path / "backup"), tmp_path / "passphrase"
    args = (file, directory.path / "parent.key", "--passphrase", passphrase)
    for end in (b"", b"\n", b"\r\n"):
        passphrase.write_bytes(PASSPHRASE + end)
        assert alone(*args, stdin=blob).stdout == b"text"
    file.write_bytes(file.read_bytes()[:5] + bytes([255]) * 3 + file.read_bytes()[8:])
    assert alone(*args, stdin=blob).stderr == b"The file is damaged or not whole.\n"
