"""`tkms export` and `tkms import`: all of a tenant is elsewhere, or nothing of it, and it is said why."""

from __future__ import annotations

import base64
import errno
import io
import json
import os
import re
import resource
import sqlite3
import stat
import tarfile
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kit.backup_files import QUICK, identity_in
from kit.backups import act, backed_up, create, credentials_of, decrypt, encrypt, found, using
from tenantkms.access.policy import ALLOW_ALL
from tkms import cli
from tkms.backup.container import Passphrase
from tkms.backup.contents import SUMS, tarred
from tkms.machine.directory import Directory, call
from tkms.machine.site_file import read_site
from tkms.output import Failed
from tkms.transfer.inward import Arrival

PASSPHRASE = "correct horse battery staple\n"
NARROW = '{"Statement": []}'
Tkms = Callable[..., Any]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tkms.backup.asking.Passphrase", partial(Passphrase, log_n=QUICK))


@pytest.fixture
def tkms(capsys: pytest.CaptureFixture[str]) -> Tkms:
    """Runs the command on a directory; answers its JSON, or what it says where it has `status` 1."""

    def run(directory: Directory | Path, *args: str | Path, status: int = 0) -> Any:
        path = directory.path if isinstance(directory, Directory) else directory
        done = cli.main([*map(str, args), "--data-dir", str(path), "--json"])
        told = capsys.readouterr()
        assert done == status, told
        return told.err if status else json.loads(told.out)

    return run


@pytest.fixture
def file(directory: Directory, tmp_path: Path, tkms: Tkms) -> Path:
    """An export of the directory as it is when the test begins, not encrypted."""
    tkms(directory, "export", tmp_path / "file", "--plain")
    return tmp_path / "file"


def rows(directory: Directory) -> str:
    """All that its store holds, and its log."""
    with closing(sqlite3.connect(directory.path / "kms.sqlite3")) as db:
        return "\n".join(db.iterdump()) + (directory.path / "audit.jsonl").read_text()


def lines(directory: Directory, action: str) -> list[tuple[str, list[str]]]:
    """(outcome, keys) of each line of the log."""
    every = map(json.loads, (directory.path / "audit.jsonl").read_bytes().splitlines())
    return [(line["outcome"], line.get("keys", [])) for line in every if line.get("action") == action]


# -- all of it --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["passphrase", "age"])
def test_a_tenant_is_elsewhere_with_all_it_has(how: str, directory: Directory, tmp_path: Path, tkms: Tkms) -> None:
    recipient, identity = identity_in(tmp_path / "identity")
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    closing, opening = {
        "passphrase": (["--passphrase-file", tmp_path / "passphrase"],) * 2,
        "age": (["--recipient", recipient], ["--identity", identity]),
    }[how]
    key = create(directory, alias="app", description="of some length", tags={"a": "b"}, rotate=True)
    blobs = [encrypt(directory, key)]
    act(directory, "CreateKeyVersion", key_id=key)
    blobs += [encrypt(directory, key), encrypt(directory)]
    file = tmp_path / "file"
    told = tkms(directory, "export", file, *closing)
    assert told["counts"] == {"keys": 2, "versions": 3, "aliases": 2, "credentials": 1}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert b"of some length" not in file.read_bytes()

    new = Directory(tmp_path / "new")
    told = tkms(new, "import", file, *opening, "--dry-run")
    assert (told["found"]["new"]["keys"], told["made"]["keys"], new.path.exists()) == (2, 0, False)
    told = tkms(new, "import", file, *opening)
    assert told["made"] == told["found"]["file"] == {"keys": 2, "versions": 3, "aliases": 2, "credentials": 1}
    assert [decrypt(new, blob) for blob in blobs] == [b"secret"] * 3
    assert credentials_of(new) == credentials_of(directory)
    assert (new.path / "parent.key").read_bytes() != (directory.path / "parent.key").read_bytes()
    here, there = read_site(directory.path), read_site(new.path)
    assert (there.tenant, there.region, there.account) == (here.tenant, here.region, here.account)
    assert (there.restored > told["about"]["created"], there.paused) == (True, False)
    for action in ("DescribeKey", "ListKeyVersions"):
        of: dict[str, Any] = {"key_ids": [key]} if action == "DescribeKey" else {"key_id": key}
        assert act(new, action, **of) == act(directory, action, **of)
    assert [(outcome, key in keys) for outcome, keys in lines(new, "Import")] == [
        ("intent", True),
        ("ok", True),
        ("intent", False),  # of access keys
        ("ok", False),
    ]
    assert [(outcome, key in keys) for outcome, keys in lines(directory, "Export")] == [("ok", True), ("ok", False)]

    before = rows(new)
    told = tkms(new, "import", file, *opening)
    assert (told["found"]["new"]["keys"], told["made"]["keys"]) == (0, 0)
    assert rows(new) == before


def test_requests_of_before_are_refused_where_the_import_was_stopped_at_its_end(
    directory: Directory, file: Path, tmp_path: Path, tkms: Tkms, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = Directory(tmp_path / "new")
    with monkeypatch.context() as patch:

        def stopped(arrival: Arrival) -> None:
            finish(arrival)
            raise Failed("stopped")

        finish = Arrival.finish
        patch.setattr(Arrival, "finish", stopped)
        assert "stopped" in tkms(new, "import", file, status=1)
    assert tkms(new, "import", file)["made"]["credentials"] == 0
    assert credentials_of(new) == credentials_of(directory)
    assert new.open().not_before() > 0


def test_versions_that_a_stopped_import_left_are_made_again_after_a_reseal(
    directory: Directory, tmp_path: Path, tkms: Tkms, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No reseal can open them: what they are bound to stands in the row of the key that is not there."""
    monkeypatch.setattr("tkms.transfer.inward.MAX_WRITES", 3)
    monkeypatch.setattr("tkms.reseal.machine.OnMachine.__init__.__defaults__", (0.0,))
    key = create(directory, alias="app")
    blob = encrypt(directory, key)
    for _ in range(4):
        act(directory, "CreateKeyVersion", key_id=key)
    tkms(directory, "export", file := tmp_path / "file", "--plain", "--keys", key)
    new = Directory(tmp_path / "new")
    with monkeypatch.context() as patch:
        patch.setattr(Arrival, "_put_keys", lambda _: (_ for _ in ()).throw(Failed("stopped")))
        assert "stopped" in tkms(new, "import", file, status=1)
    (tmp_path / "parent").write_bytes(os.urandom(32))
    (tmp_path / "parent").chmod(0o600)
    for former in tkms(new, "reseal", "--to", tmp_path / "parent")["former"]:
        Path(former).unlink()
    assert tkms(new, "import", file)["made"] == {"keys": 1, "versions": 5, "aliases": 1, "credentials": 0}
    assert decrypt(new, blob) == b"secret"


def test_some_keys_go_to_another_tenant(directory: Directory, tmp_path: Path, tkms: Tkms) -> None:
    """Without access keys, and with their own policies; what has an account in it is told."""
    account = read_site(directory.path).account
    allowed = {"Effect": "Allow", "Principal": {"AWS": f"arn:aws:iam::{account}:root"}, "Action": "kms:*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{**allowed, "Resource": "*"}]})
    keys = [create(directory, alias=f"app-{number}", policy=policy) for number in range(3)]
    blob, file = encrypt(directory, keys[1]), tmp_path / "file"
    told = tkms(directory, "export", file, "--plain", "--keys", "alias/app-0", "--keys", keys[1])
    assert told["counts"] == {"keys": 2, "versions": 2, "aliases": 2, "credentials": 0}
    other = Directory(tmp_path / "other")
    other.make("other")
    before = credentials_of(other)
    why = tkms(other, "import", file, status=1)
    assert "is of tenant 'local'" in why
    assert "--from-tenant local" in why
    told = tkms(other, "import", file, "--from-tenant", "local", "--keys", "alias/app-1")
    assert (told["made"]["keys"], told["found"]["policies"]) == (1, [keys[1]])
    assert decrypt(other, blob) == b"secret"
    assert [found(other, key) is not None for key in keys] == [False, True, False]
    assert credentials_of(other) == before
    kept = found(other, keys[1])
    assert kept
    assert kept.policy == policy
    act(other, "CreateKeyVersion", key_id=keys[1])
    again = ("import", file, "--from-tenant", "local", "--keys", "alias/app-1")
    assert "with other versions or material, last_rotation" in tkms(other, *again, status=1)
    told = tkms(other, *again, "--keep-changed")
    assert (told["found"]["changed"], told["made"]["keys"]) == ([keys[1]], 0)
    assert "There is no key alias/nobody" in tkms(
        directory, "export", tmp_path / "b", "--plain", "--keys", "alias/nobody", status=1
    )
    assert not (tmp_path / "b").exists()


def test_another_tenant_of_the_same_name_has_to_be_named(
    directory: Directory, file: Path, tmp_path: Path, tkms: Tkms
) -> None:
    """Most machines are `local`: without a word its access keys would be callers here."""
    other = Directory(tmp_path / "other")
    other.make("local")
    accounts = [read_site(each.path).account for each in (directory, other)]
    before, only = credentials_of(other), ("import", file, "--keys", create(other, alias="x"))
    why = tkms(other, "import", file, status=1)
    assert f"is of tenant 'local' of the account {accounts[0]}, and {other.path} of 'local' of {accounts[1]}" in why
    assert "--from-tenant local" in why
    assert "--from-tenant local" in tkms(other, *only, status=1)
    assert credentials_of(other) == before
    assert "it has no key" in tkms(other, *only, "--from-tenant", "local", status=1)


def test_keys_are_named_as_everywhere(directory: Directory, tmp_path: Path, tkms: Tkms) -> None:
    """By id in any case, alias and ARN of both vendors' dialects: of where they come from, when they arrive, too."""
    key, site = create(directory, alias="app"), read_site(directory.path)
    for number, name in enumerate(
        (
            key.upper(),
            "alias/app",
            f"arn:aws:kms:{site.region}:{site.account}:key/{key}",
            f"arn:aws:kms:{site.region}:{site.account}:alias/app",
            f"acs:kms:{site.region}:{site.account}:key/{key}",
        )
    ):
        file, whole, new = (tmp_path / f"{what}-{number}" for what in ("file", "whole", "new"))
        assert tkms(directory, "export", file, "--plain", "--keys", name)["counts"]["keys"] == 1, name
        tkms(directory, "export", whole, "--plain")
        for each in (file, whole):
            assert tkms(new, "import", each, "--keys", name, "--dry-run")["found"]["file"]["keys"] == 1
    elsewhere = f"arn:aws:kms:{site.region}:999999999999:key/{key}"
    assert "There is no key arn:" in tkms(directory, "export", tmp_path / "b", "--plain", "--keys", elsewhere, status=1)
    assert "There is no key arn:" in tkms(tmp_path / "n", "import", whole, "--keys", elsewhere, status=1)


# -- nothing of it ----------------------------------------------------------------------------------------


def test_what_stands_against_it_is_told_before_anything_is_written(
    directory: Directory, tmp_path: Path, tkms: Tkms
) -> None:
    keys = {name: create(directory, alias=name) for name in ("same", "moved", "turned", "tagged", "taken")}
    with using(directory) as settings:
        for number in range(2):
            settings.access.create("app", ("aws",), NARROW, 1_700_000_000 + number)
        wide, _ = settings.access.create("narrow", ("aws",), ALLOW_ALL, 1_700_000_000)
        (first,) = (c for c in settings.access.store.list_credentials() if c.name == "first")
        del settings
    file = tmp_path / "file"
    tkms(directory, "export", file, "--plain")
    new = Directory(tmp_path / "new")
    chosen = [word for name in ("same", "turned", "tagged") for word in ("--keys", keys[name])]
    tkms(new, "import", file, *chosen)
    act(new, "CreateKeyVersion", key_id=keys["turned"])
    act(new, "TagResources", key_ids=[keys["tagged"]], tags={"a": "b"})
    act(new, "DisableKey", key_ids=[keys["tagged"]])
    other = create(new, alias="taken")
    with using(new) as settings:
        settings.access.create("app", ("aws",), NARROW, 1_700_000_000)
        narrow, _ = settings.access.create("narrow", ("aws",), NARROW, 1_700_000_000)
        settings.access.create("first", ("aws",), "", 1, given=(first.access_key_id, "another secret of some length"))
        del settings
    before = rows(new)
    told = tkms(new, "import", file, status=1)
    for text in (
        f"the key {keys['turned']} is here with other versions or material, last_rotation: --keep-changed",
        f"the key {keys['tagged']} is here with other state, tags: --keep-changed",
        f"alias/taken is of the key {other} here",
        f"the access key {first.access_key_id} is here with other secret, dialects, policy, created\n",
        "app would have 3 active access keys: 2 at most",
        f"{wide.access_key_id}: its name narrow is that of {narrow.access_key_id} here, with another policy",
        "6 things stand against it",
    ):
        assert text in told
    assert keys["same"] not in told
    assert "4 things stand against it" in tkms(new, "import", file, "--keep-changed", status=1)
    assert "it has no key alias/nobody" in tkms(new, "import", file, "--keys", "alias/nobody", status=1)
    assert rows(new) == before


def _chunk(*rows: bytes) -> bytes:
    """A file that is whole, of these rows."""
    about = (
        b'{"format":1,"release":"0","created":1,"tenant":"local","region":"r","account":"123456789012","whole":true}'
    )
    counts = b'{"keys":1,"versions":2,"aliases":0,"credentials":0}'
    files = {"export.json": about, "rows/000001.jsonl": b"\n".join(rows), "counts.json": counts}
    return b"".join(tarred(((name, io.BytesIO(data)) for name, data in files.items()), 1))


def test_a_file_that_is_not_whole_or_none_leaves_nothing(
    directory: Directory, file: Path, tmp_path: Path, tkms: Tkms
) -> None:
    whole, new = file.read_bytes(), tmp_path / "new"
    (tmp_path / "right").write_text(PASSPHRASE)
    (tmp_path / "wrong").write_text("another")
    right, wrong = (("--passphrase-file", tmp_path / name) for name in ("right", "wrong"))
    closed = tmp_path / "closed"
    tkms(directory, "export", closed, *right)
    key = whole[whole.index(b'{"row":"key"') :].partition(b"\n")[0].replace(b'"number":1', b'"number":2')
    version = b'{"row":"versions","versions":[{"number":%d,"created":1,"sealed":""}]}'
    bad: dict[str, tuple[bytes, str]] = {
        "empty": (b"", "is no backup and no export"),
        "another file": (b"x" * 5000, "is no backup and no export"),
        "a backup": (backed_up(directory, tmp_path / "backup").read_bytes(), "is a backup: tkms restore"),
        "newer": (whole.replace(b'"format":1', b'"format":2'), "was made by a newer release"),
        "a version less": (_chunk(key), "is damaged or not whole"),
        "another version": (_chunk(key, version % 2), "is damaged or not whole"),
        "a version more": (_chunk(key, version % 1, version % 2), "is damaged or not whole"),
        "twice": (_chunk(key, version % 1, key, version % 1), "is damaged or not whole"),
        "no row": (_chunk(b"{}"), "is damaged or not whole"),
        "changed": (whole.replace(b'"The first key"', b'"The worst key"'), "is damaged or not whole"),
        **{f"cut at {at}": (whole[:at], "damaged|no export") for at in (100, 400, 700, 1200, len(whole) - 1537)},
    }
    for name, (data, why) in bad.items():
        (tmp_path / "bad").write_bytes(data)
        told = tkms(new, "import", tmp_path / "bad", status=1)
        assert any(each in told for each in why.split("|")), (name, told)
        assert not new.exists(), name
    assert "made with another passphrase" in tkms(new, "import", closed, *wrong, status=1)
    (tmp_path / "bad").write_bytes(closed.read_bytes()[:-1])
    assert "is damaged or not whole" in tkms(new, "import", tmp_path / "bad", *right, status=1)
    assert "is an export: tkms import" in tkms(new, "restore", file, status=1)
    assert not new.exists()
    assert "is there already" in tkms(directory, "export", file, "--plain", status=1)


def test_a_key_that_nobody_can_have_made_is_refused(
    directory: Directory, file: Path, tmp_path: Path, tkms: Tkms
) -> None:
    with tarfile.open(file) as tar:
        found = [(member.name, tar.extractfile(member).read()) for member in tar if member.name != SUMS]  # type: ignore[union-attr]
    material = re.findall(rb'"sealed":"([^"]*)"', found[1][1])[0]
    for old, new, why in (
        (b'"sealed":"' + material, b'"sealed":"' + base64.b64encode(b"12345"), "version 1: its material is none"),
        (b'"spec":"AES_256"', b'"spec":"RSA_2048"', "version 1: its material is none"),
        (b'"key":{"id":"', b'"key":{"id":"x', "its id is none"),
        (b'"aliases":["', b'"aliases":["a b', "An alias has 1 to 255"),
    ):
        assert old in found[1][1]
        rows_ = [(name, io.BytesIO(data.replace(old, new, 1))) for name, data in found]
        (tmp_path / "bad").write_bytes(b"".join(tarred(rows_, 1)))
        assert why in tkms(tmp_path / "new", "import", tmp_path / "bad", status=1)
        assert not (tmp_path / "new").exists()


def test_a_file_in_its_place_that_is_closed_otherwise_is_refused(
    directory: Directory, file: Path, tmp_path: Path, tkms: Tkms
) -> None:
    """What is under a passphrase is somebody's who has it; what is in clear, or to a public key, is anybody's."""
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    given, new = ("--passphrase-file", tmp_path / "passphrase"), tmp_path / "new"
    recipient, identity = identity_in(tmp_path / "identity")
    tkms(directory, "export", tmp_path / "age", "--recipient", recipient)
    tkms(directory, "export", tmp_path / "closed", *given)
    tkms(directory, "backup", tmp_path / "backup", "--plain", "--with-parent")
    assert "is not encrypted, and not under a passphrase" in tkms(new, "import", file, *given, status=1)
    assert "is not encrypted, and not under a passphrase" in tkms(new, "restore", tmp_path / "backup", *given, status=1)
    assert "is closed to recipients of age, and not under" in tkms(new, "import", tmp_path / "age", *given, status=1)
    told = tkms(new, "import", tmp_path / "closed", "--identity", identity, status=1)
    assert "is closed under a passphrase, and not to recipients of age" in told
    assert "exclude each other" in tkms(new, "import", file, *given, "--identity", identity, status=2)
    assert not new.exists()


def test_a_full_disk_is_said_and_the_next_run_goes_on(
    directory: Directory, file: Path, tmp_path: Path, tkms: Tkms, monkeypatch: pytest.MonkeyPatch
) -> None:
    with using(directory) as settings:
        for _ in range(120):
            call(settings, "CreateKey", {"description": "x" * 2000})
        del settings
    large, new = tmp_path / "large", Directory(tmp_path / "new")

    def no_room(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("tkms.whole.os.fsync", no_room)
        assert "No space left on device" in tkms(directory, "export", large, "--plain", status=1)
    assert {path.name for path in tmp_path.iterdir()} == {"data", "file"}
    told = tkms(directory, "export", large, "--plain")
    tkms(new, "import", file)
    limits, there = resource.getrlimit(resource.RLIMIT_FSIZE), (new.path / "kms.sqlite3").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (there + 150_000, limits[1]))
    try:
        why = tkms(new, "import", large, status=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert why == "tkms: The key store is not available. (disk I/O error)\n"
    done = tkms(new, "import", large)
    assert done["found"]["file"] == told["counts"]
    assert done["made"]["keys"] == done["found"]["new"]["keys"] > 0
    assert act(new, "ListKeys")["total"] == 121
