"""What a release has left opens with every later one, and the release before reads what this one writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kit.backups import act, decrypt, restored, using
from kit.support import new_directory
from tenantkms import __version__
from tenantkms.model.key import Key
from tenantkms.store.port import PutKey
from tkms import cli
from tkms.findings import OK, examine_rows
from tkms.machine.directory import Directory
from tools.keep_release import CONTEXT, RELEASES, SPECS, fill, versions

VERSIONS = versions()


def expected_of(version: str) -> Any:
    return json.loads((RELEASES / version / "expected.json").read_bytes())


def unpacked(version: str, what: str, target: Path) -> Path:
    target.mkdir(mode=0o700)
    with tarfile.open(RELEASES / version / f"{what}.tar.xz") as tar:
        tar.extractall(target, filter="data")
    return target


def check(directory: Directory, expected: Any) -> None:
    """Everything of it opens, and is as it was."""
    for blob in expected["blobs"]:
        opened = act(directory, "Decrypt", ciphertext=blob["ciphertext"], context=blob["context"])
        assert opened["plaintext"] == blob["plaintext"]
        assert opened["key_id"] == blob["key"]
    states = {}
    for spec, key in expected["keys"].items():
        described = act(directory, "DescribeKey", key_ids=[key])["keys"][0]
        assert (described["spec"], described["description"]) == (spec, f"kept {spec}")
        states[spec] = described["state"]
    assert states == {spec: "Disabled" if spec == "HMAC_SHA_256" else "Enabled" for spec in SPECS}
    (aliased,) = act(directory, "DescribeKey", key_ids=[expected["alias"]])["keys"]
    assert aliased["id"] == expected["keys"]["AES_256"]
    with using(directory) as settings:
        assert {status for status, _, _ in examine_rows(settings)} == {OK}
        del settings


def test_this_release_is_kept() -> None:
    assert __version__ == VERSIONS[-1], "make keep-release"
    assert [path.parent.name for path in sorted(RELEASES.glob("*/sources.tar.xz"))] == sorted(VERSIONS[-2:])


@pytest.mark.parametrize("version", VERSIONS)
def test_what_a_release_left_opens(version: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory, expected = Directory(unpacked(version, "data", tmp_path / "data")), expected_of(version)
    check(directory, expected)
    where = ("--data-dir", str(directory.path))
    assert cli.main(["audit", "verify", *where]) == 0
    sealed = RELEASES / version / "sealed.tkms"
    assert cli.main(["unseal", str(sealed), "--to", str(tmp_path), "--context", "kept=release", *where]) == 0
    assert (tmp_path / "sealed").read_text() == "a file of a release"
    names = [row["name"] for row in json.loads(_printed(capsys, "credential", "list", "--json", *where))]
    assert "kept" in names

    restored(tmp_path / "restored", RELEASES / version / "backup.tkms")
    check(Directory(tmp_path / "restored"), expected)

    empty = new_directory(tmp_path / "empty")
    act(empty, "DeleteAlias", alias="default")
    file = str(RELEASES / version / "export.tke")
    assert cli.main(["import", file, "--data-dir", str(empty.path), "--from-tenant", "local"]) == 0
    check(empty, expected)


def _printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert cli.main([*words]) == 0
    return capsys.readouterr().out


class Later(Key, frozen=True, kw_only=True):
    """A key as a release to come may write it."""

    since_later: str = "of a later release"


BEFORE = """
import base64, json, sys
from pathlib import Path
import tenantkms
from tkms.machine.directory import Directory, call
sources, data, asked = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
assert Path(tenantkms.__file__).is_relative_to(sources), tenantkms.__file__
settings = Directory(data).open()
act = lambda action, **params: call(settings, action, params)
for blob in asked["blobs"]:
    opened = act("Decrypt", ciphertext=blob["ciphertext"], context=blob["context"])
    assert opened["plaintext"] == blob["plaintext"]
assert {row["id"] for row in act("ListKeys")["keys"]} >= {*asked["keys"].values()}
key = asked["keys"]["AES_256"]
act("UpdateKeyDescription", key_id=key, description="of the release before")
act("CreateKeyVersion", key_id=key)
print(act("Encrypt", key_id=key, plaintext=base64.b64encode(b"written before").decode(), context={})["ciphertext"])
"""


def test_the_release_before_reads_what_this_one_writes_and_back(tmp_path: Path) -> None:
    """The newest but this one; while there is none, the first of them."""
    sources = unpacked(VERSIONS[-2:][0], "sources", tmp_path / "sources")
    directory = Directory(tmp_path / "data")
    asked = fill(directory.path)
    with using(directory) as settings:
        keyring = settings.deps.keyring
        for spec in ("AES_256", "SM4_128"):
            key = keyring.key(asked["keys"][spec], fresh=True)
            assert key
            fields = msgspec.structs.asdict(key) | {"revision": key.revision + 1}
            keyring.commit([PutKey(Later(**fields))])
        del settings, keyring
    command = [sys.executable, "-c", BEFORE, str(sources), str(directory.path), json.dumps(asked)]
    environment = {**os.environ, "PYTHONPATH": str(sources)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert decrypt(directory, done.stdout.strip()) == b"written before"
    for blob in asked["blobs"]:
        assert (
            act(directory, "Decrypt", ciphertext=blob["ciphertext"], context=CONTEXT)["plaintext"] == blob["plaintext"]
        )
    with using(directory) as settings:
        assert {status for status, _, _ in examine_rows(settings)} == {OK}
        del settings
