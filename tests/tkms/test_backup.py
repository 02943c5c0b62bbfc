"""`tkms backup` and `tkms backup verify`: whole, and consistent while others write."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import resource
import sqlite3
import stat
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from kit.backup_files import CLOSINGS, PASSPHRASE, ROOT, identity_in, made, opened
from kit.backups import act, create
from kit.connections import Wire, starting
from kit.support import Signer, new_directory, run_tkms
from tkms.backup.container import Plain
from tkms.backup.rows import Rows
from tkms.backup.snapshot import snapshot
from tkms.backup.write import back_up
from tkms.machine.directory import Directory
from tkms.machine.lock import locked
from tkms.output import Failed


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    return new_directory(tmp_path / "data")


# -- what is in it ----------------------------------------------------------------------------------------


def test_it_is_a_tar_that_says_what_is_in_it(directory: Directory, tmp_path: Path) -> None:
    key = create(directory)
    act(directory, "CreateKeyVersion", key_id=key)
    file = made(directory, tmp_path / "a.tar", Plain())
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    subprocess.run(["tar", "xf", file], cwd=tmp_path, check=True)
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=tmp_path, check=True)
    about = json.loads((tmp_path / "backup.json").read_bytes())
    counts = {name: about[name] for name in ("keys", "older_versions", "aliases", "credentials", "parent_key")}
    assert counts == {"keys": 2, "older_versions": 1, "aliases": 1, "credentials": 1, "parent_key": False}
    assert (tmp_path / "site.json").read_bytes() == (directory.path / "site.json").read_bytes()
    verified = run_tkms("audit", "verify", "--head", about["audit_head"], "--data-dir", str(directory.path))
    assert verified.stdout.endswith("0 problems, 0 notes\n")
    assert not (tmp_path / "parent.key").exists()


def test_the_parent_key_is_in_it_only_if_that_is_asked(directory: Directory, tmp_path: Path) -> None:
    parent = (directory.path / "parent.key").read_bytes()
    without, with_it = (
        made(directory, tmp_path / "a", Plain()),
        made(directory, tmp_path / "b", Plain(), with_parent=True),
    )
    assert parent not in without.read_bytes()
    assert parent in with_it.read_bytes()
    assert opened(with_it, tmp_path / "x").parent == parent


def test_nothing_of_the_copy_is_left_in_the_directory(directory: Directory, tmp_path: Path) -> None:
    (directory.path / "backup.sqlite3").write_bytes(b"of a process that was killed")
    made(directory, tmp_path / "a")
    assert not [*directory.path.glob("backup.sqlite3*")]


def test_what_others_write_meanwhile_is_in_it_whole_or_not_at_all(directory: Directory, tmp_path: Path) -> None:
    """Four clients create keys without end. In every backup each key has its alias, and each alias its key."""
    parent = (directory.path / "parent.key").read_bytes()
    with starting(directory.path) as start:
        signer = _signer(directory.path)
        ended = threading.Event()
        failed: list[str] = []

        def write(name: str) -> None:
            with Wire(start.port) as wire:
                number = 0
                while not ended.is_set():
                    answer = wire.ask(signer.tencent("CreateKey", {"Alias": f"{name}-{number}"}))["Response"]
                    number += 1
                    if "KeyId" not in answer:
                        failed.append(str(answer))

        threads = [threading.Thread(target=write, args=(f"w{n}",)) for n in range(4)]
        for thread in threads:
            thread.start()
        counts = []
        try:
            for number in range(5):
                made(directory, tmp_path / f"{number}.tkb")
                unpacked = opened(tmp_path / f"{number}.tkb", tmp_path / f"{number}")
                report = Rows(unpacked.store, "local", parent, "it").check(every=True)
                assert not report.problems
                assert (report.keys, report.aliases) == (unpacked.about.keys, unpacked.about.aliases)
                assert report.keys == report.aliases == report.opened
                counts.append(report.keys)
        finally:
            ended.set()
            for thread in threads:
                thread.join(timeout=20)
        assert not failed
        assert counts == sorted(counts)
        assert counts[0] < counts[-1]


def _signer(data: Path) -> Signer:
    found = json.loads(run_tkms("credential", "create", "--json", "--data-dir", str(data)).stdout)
    return Signer(found["access_key_id"], found["access_key_secret"])


# -- one moment -------------------------------------------------------------------------------------------

WRITES = """
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN")
for number in range(300):
    db.execute("INSERT INTO junk VALUES (?, zeroblob(10000))", (number,))
db.execute("COMMIT")
print(*db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone())
"""
"""Of another process, more than SQLite brings into the file by itself (1,000 pages), and then as much as it can."""


def _junk(directory: Directory) -> Path:
    store = directory.path / "kms.sqlite3"
    with closing(sqlite3.connect(store)) as db:
        db.execute("CREATE TABLE junk (number INTEGER, data BLOB)")
    return store


def _write(store: Path) -> list[int]:
    """(whether somebody was in the way, pages in the log, pages of it that are in the file)."""
    done = subprocess.run([sys.executable, "-c", WRITES, store], capture_output=True, text=True, check=True)
    return [int(word) for word in done.stdout.split()]


def test_nobody_writes_to_the_file_that_is_read(directory: Directory) -> None:
    store = _junk(directory)
    with snapshot(directory.path) as found:
        assert found.file.name == str(store)
        before = os.pread(found.file.fileno(), 1 << 30, 0)  # who opens and closes it lets go of its locks
        _, logged, brought = _write(store)
        assert (logged > 700, brought) == (True, 0)
        assert found.file.read() == before
        found.check()
    assert _write(store)[2] > 0


def test_where_others_read_it_is_a_copy(directory: Directory, tmp_path: Path) -> None:
    """A reader that began before what is in the log keeps it there."""
    store = _junk(directory)
    with closing(sqlite3.connect(store, isolation_level=None)) as other:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM keys").fetchone()
        _write(store)
        with snapshot(directory.path) as found:
            assert found.file.name.endswith("backup.sqlite3")
            _write(store)
            (copy := tmp_path / "copy").write_bytes(found.file.read())
            found.check()
    with closing(sqlite3.connect(copy)) as db:
        assert db.execute("SELECT count(*) FROM junk").fetchone() == (300,)


def test_what_something_else_writes_to_it_is_noticed(directory: Directory, tmp_path: Path) -> None:
    with pytest.raises(Failed, match="was changed while it was read"):
        back_up(
            directory,
            tmp_path / "a",
            Plain(),
            with_parent=False,
            tell=lambda _: os.utime(directory.path / "kms.sqlite3"),
        )
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


# -- nothing is half done ---------------------------------------------------------------------------------


def test_what_is_there_is_not_replaced(directory: Directory, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"there")
    with pytest.raises(FileExistsError):
        made(directory, tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == b"there"


@pytest.mark.parametrize("how", CLOSINGS)
def test_a_full_disk_leaves_nothing(how: str, directory: Directory, tmp_path: Path) -> None:
    target, closing = tmp_path / "out", CLOSINGS[how](identity_in(tmp_path / "identity")[0])
    target.mkdir()
    before = {path.name for path in directory.path.iterdir()} | {"backup.lock"}
    before |= {"kms.sqlite3-wal", "kms.sqlite3-shm"}  # which SQLite leaves where it cannot write to the file itself
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for most in (100, 20_000, 40_000):  # amid the copy, and amid the file
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, limits[1]))
        try:
            with pytest.raises((OSError, Failed)):
                made(directory, target / "a", closing)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        assert not [*target.iterdir()]
        assert {path.name for path in directory.path.iterdir()} <= before
    made(directory, target / "a", closing)


def test_two_at_a_time_are_refused(directory: Directory, tmp_path: Path) -> None:
    with locked(directory.path / "backup.lock", ""):
        done = run_tkms("backup", "--plain", str(tmp_path / "a"), "--data-dir", str(directory.path), check=False)
    assert (done.returncode, done.stderr) == (1, f"tkms: A backup of {directory.path} is being made.\n")


# -- the command ------------------------------------------------------------------------------------------


def _tkms(directory: Directory, *args: str | Path, status: int = 0) -> str:
    done = run_tkms(*map(str, args), "--data-dir", str(directory.path), check=False)
    assert done.returncode == status, done.stderr
    return done.stderr if status else done.stdout


def test_it_is_made_and_verified(directory: Directory, tmp_path: Path) -> None:
    file, passphrase = tmp_path / "a.tkb", tmp_path / "passphrase"
    passphrase.write_bytes(PASSPHRASE + b"\n")
    for spec in ("SM4_128", "RSA_2048", "EC_P256", "ED25519", "ML_DSA_44", "HMAC_SHA_256"):
        create(directory, spec=spec)
    create(directory, origin="EXTERNAL")
    key = create(directory)
    for _ in range(5):
        act(directory, "CreateKeyVersion", key_id=key)
    told = _tkms(directory, "backup", file, "--passphrase-file", passphrase)
    assert "9 keys with 5 older versions, 1 alias, 1 access key;" in told
    assert "The parent key is not in it" in told
    assert "is there already" in _tkms(directory, "backup", file, "--passphrase-file", passphrase, status=1)

    verify = ("backup", "verify", file, "--passphrase-file", passphrase)
    found = json.loads(_tkms(directory, *verify, "--json"))["found"]
    assert (found["keys"], found["versions"], found["opened"], found["bad"]) == (9, 13, 10, 0)
    assert json.loads(_tkms(directory, *verify, "--all", "--json"))["found"]["opened"] == 13
    (tmp_path / "other.key").write_bytes(os.urandom(32))
    told = _tkms(directory, *verify, "--parent", tmp_path / "other.key", status=1)
    assert told == f"tkms: The parent key is not the one that {file} was sealed with.\n"
    passphrase.write_bytes(b"wrong")
    assert _tkms(directory, *verify, status=1) == f"tkms: {file} was made with another passphrase.\n"
    assert "nobody can be asked" in _tkms(directory, "backup", tmp_path / "b", status=2)
    told = _tkms(directory, "backup", tmp_path / "b", "--plain", "--passphrase-file", passphrase, status=2)
    assert "exclude each other" in told


def test_verify_names_what_does_not_open(directory: Directory, tmp_path: Path) -> None:
    good, bad = create(directory), create(directory)
    with sqlite3.connect(directory.path / "kms.sqlite3") as db:
        (doc,) = db.execute("SELECT doc FROM keys WHERE id = ?", (bad,)).fetchone()
        row = json.loads(doc)
        sealed = bytearray(base64.b64decode(row["primary"]["sealed"]))
        sealed[-1] ^= 1
        row["primary"]["sealed"] = base64.b64encode(sealed).decode()
        db.execute("UPDATE keys SET doc = ? WHERE id = ?", (json.dumps(row).encode(), bad))
    _tkms(directory, "backup", "--plain", tmp_path / "a")
    told = _tkms(directory, "backup", "verify", tmp_path / "a", status=1)
    assert f"keys {bad} is not what its MAC says" in told
    assert f"key {bad}, version 1: Sealed material does not open" in told
    assert good not in told


def test_the_audit_log_says_which_file_has_the_keys_now(directory: Directory, tmp_path: Path) -> None:
    """Whether it was made, and when one was put back."""
    file = tmp_path / "a"
    _tkms(directory, "backup", "--plain", file)
    _tkms(directory, "backup", "--plain", file, status=1)
    _tkms(directory, "restore", file, "--replace", "--yes")
    text = f"{file}: 1 key, SHA-256 {hashlib.sha256(file.read_bytes()).hexdigest()}"
    lines = [json.loads(line) for line in (directory.path / "audit.jsonl").read_bytes().splitlines()]
    told = [line for line in lines if line.get("action") in ("Backup", "Restore")]
    assert [(line["action"], line["outcome"], line["note"]) for line in told] == [
        ("Backup", "intent", str(file)),
        ("Backup", "ok", text),
        ("Backup", "intent", str(file)),
        ("Backup", "FileExistsError", str(file)),
        ("Restore", "intent", text),
        ("Restore", "ok", text),
    ]
    requests = [line["request_id"] for line in told]
    assert requests[::2] == requests[1::2]
    assert len(set(requests)) == 3
    assert {(line["principal"], line["profile"]) for line in told} == {("tkms", "native")}
    _tkms(directory, "audit", "verify")


def test_without_its_line_no_backup_is_made(directory: Directory, tmp_path: Path) -> None:
    log = directory.path / "audit.jsonl"
    log.unlink()
    log.mkdir()
    _tkms(directory, "backup", "--plain", tmp_path / "a", status=1)
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize(
    ("answers", "told"),
    [
        (["the passphrase", "the passphrase"], ""),
        (["the passphrase", "another"], "The two passphrases are not the same: nothing is made."),
        ([""], "No passphrase was typed."),
        (["\x04"], "No passphrase was typed."),
    ],
)
def test_a_terminal_asks_twice(answers: list[str], told: str, directory: Directory, tmp_path: Path) -> None:
    """On a terminal of its own; what is typed is not shown."""
    file = tmp_path / "a"
    program = (
        "import json, os, pty, sys\n"
        "process, terminal = pty.fork()\n"
        "if not process:\n"
        "    os.execv(sys.executable, [sys.executable, '-m', 'tkms.cli', *sys.argv[2:]])\n"
        "said, answers = b'', json.loads(sys.argv[1])\n"
        "try:\n"
        "    while piece := os.read(terminal, 1000):\n"
        "        said += piece\n"
        "        if answers and said.rstrip().endswith(b':'):\n"
        "            os.write(terminal, answers.pop(0).encode() + b'\\n')\n"
        "            said += b'|'\n"
        "except OSError: pass\n"
        "print(said.decode())\n"
        "sys.exit(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))\n"
    )
    command = [sys.executable, "-c", program, json.dumps(answers), "backup", str(file)]
    done = subprocess.run(
        [*command, "--data-dir", str(directory.path)], capture_output=True, text=True, timeout=60, cwd=ROOT
    )
    assert done.returncode == bool(told), done
    assert told in done.stdout
    assert "the passphrase" not in done.stdout
    assert file.exists() is not bool(told)
    if not told:
        assert opened(file, tmp_path / "x", lambda: b"the passphrase").about.keys == 1


def test_an_empty_file_has_no_passphrase(directory: Directory, tmp_path: Path) -> None:
    (empty := tmp_path / "empty").write_bytes(b"\n")
    there, new = made(directory, tmp_path / "there"), tmp_path / "new"
    for *words, file in (("backup", new), ("export", new), ("backup", "verify", there), ("import", there)):
        told = _tkms(directory, *words, file, "--passphrase-file", empty, status=1)
        assert told == f"tkms: {empty} has no passphrase: it is empty.\n"


# -- whoever has nothing of the project -------------------------------------------------------------------


def test_the_file_of_an_heir_opens_what_is_in_a_backup(directory: Directory, tmp_path: Path) -> None:
    blob = run_tkms("encrypt", "--data-dir", str(directory.path), stdin="secret").stdout
    recipient, identity = identity_in(tmp_path / "identity")
    passphrase = tmp_path / "passphrase"
    passphrase.write_bytes(PASSPHRASE + b"\n")
    parent = tmp_path / "parent.key"
    parent.write_bytes((directory.path / "parent.key").read_bytes())
    for how, closed in CLOSINGS.items():
        file = made(directory, tmp_path / f"of-{how}", closed(recipient))
        if how != "age":
            command = [sys.executable, "-I", ROOT / "tools" / "open_alone.py", file, parent]
            command += ["--passphrase", passphrase] if how == "passphrase" else []
            done = subprocess.run(command, input=blob, capture_output=True, text=True, timeout=60, cwd="/")
            assert (done.stdout, done.stderr) == ("secret", ""), how
        given = {"passphrase": ["--passphrase-file", str(passphrase)], "age": ["--identity", identity]}.get(how, [])
        args = ["open", "--offline", str(file), "--parent", str(parent), "--data-dir", "/nowhere", *given]
        assert run_tkms(*args, stdin=blob).stdout == "secret", how
