"""What makes a data directory and what does not, what a failed first start leaves, and who is told the first secret."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from urllib.request import urlopen

import pytest

from cdk.tenants import ROOT
from kit.connections import command, starting
from kit.support import new_directory, run_tkms
from tenantkms.runtime.assemble import SettingsError
from tkms.machine.directory import Directory

SECRET = re.compile(r"^access key secret  (\S+)$", re.MULTILINE)
COMMANDS = [
    ("encrypt",),
    ("decrypt",),
    ("key", "list"),
    ("key", "create"),
    ("credential", "create"),
    ("snippet",),
    ("maintain",),
    ("doctor",),
    ("welcome",),
    ("audit",),
    ("seal", "none.txt"),
]


def _run(data: Path, *words: str, check: bool = False) -> subprocess.CompletedProcess[str]:
    return run_tkms(*words, "--data-dir", str(data), stdin="eA==", check=check)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_only_init_and_serve_make_a_directory(tmp_path: Path, words: tuple[str, ...]) -> None:
    done = _run(tmp_path / "typo", *words)
    assert done.returncode
    assert str(tmp_path / "typo") in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_directory_of_somebody_else_gets_nothing_of_ours(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    for words in (*COMMANDS, ("init",)):
        assert _run(tmp_path, *words).returncode
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_init_makes_it_once(tmp_path: Path) -> None:
    data = tmp_path / "data"
    _run(data, "init", "--tenant", "blue", "--region", "eu-west-1", "--account", "123456789012", check=True)
    (secret,) = SECRET.findall((data / "welcome.txt").read_text())
    site = (data / "site.json").read_bytes()
    (data / "welcome.txt").unlink()
    again = _run(data, "init", check=True)
    assert again.stdout == f"{data} is there already, of tenant blue: tkms serve\n"
    assert "cannot" not in again.stderr
    assert not (data / "welcome.txt").exists()
    assert (data / "site.json").read_bytes() == site
    assert "belongs to tenant 'blue'" in _run(data, "init", "--tenant", "red").stderr
    assert SECRET.findall(_run(data, "welcome", check=True).stdout) == [secret]


def test_a_first_start_that_fails_leaves_nothing_and_the_next_one_welcomes(tmp_path: Path) -> None:
    data = tmp_path / "data"
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("no certificate")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        told = _run(data, "serve", "--port", str(taken.getsockname()[1])).stderr
        assert "Cannot listen" in told
        assert told.endswith(' --port 0 takes any free one (make run ARGS="--port 0").\n')
    wrong = ("--tls-cert", str(garbage), "--tls-key", str(garbage))
    assert "no certificate in PEM" in _run(data, "serve", "--port", "0", *wrong).stderr
    assert not data.exists()
    # The directory is made before it is known who the credential is.
    assert _run(data, "serve", "--port", "0", "--credentials-uri", "nobody").returncode == 1
    assert not (data / "welcome.txt").exists()
    with starting(data) as start:
        assert start.url in (data / "welcome.txt").read_text()
        assert SECRET.findall(_run(data, "welcome", check=True).stdout)
    (data / "welcome.txt").unlink()
    with starting(data):
        assert not (data / "welcome.txt").exists()


def test_a_directory_of_an_earlier_release_was_welcomed(tmp_path: Path) -> None:
    data = new_directory(tmp_path / "data").path
    site = json.loads((data / "site.json").read_text())
    del site["welcomed"]
    (data / "site.json").write_text(json.dumps(site))
    _run(data, "init", check=True)
    assert not (data / "welcome.txt").exists()


def test_a_welcome_without_an_access_key_says_how_to_make_one(tmp_path: Path) -> None:
    settings = new_directory(tmp_path / "data").open()
    for credential in settings.access.store.list_credentials():
        settings.access.store.delete_credential(credential.access_key_id)
    for words in (("welcome",), ("snippet",), ("snippet", "aws")):
        done = _run(tmp_path / "data", *words)
        assert (done.returncode, done.stdout) == (1, "")
        assert "tkms credential create" in done.stderr


@pytest.mark.parametrize("name", ["lost+found", ".gitkeep", ".writing-abcd1234", "setup.lock"])
def test_what_means_nothing_may_be_there_before(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert Directory(tmp_path).make().access.store.list_credentials()
    assert Directory(tmp_path).open().access.store.list_credentials()


def test_a_directory_of_a_group_becomes_private(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o2775)
    assert Directory(data).make().access.store.list_credentials()
    assert data.stat().st_mode & 0o077 == 0
    data.chmod(0o2775)
    with pytest.raises(SettingsError, match=r"is open to others \(mode 2775\): chmod 700 it"):
        Directory(data).open()


def test_a_directory_of_another_user_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = new_directory(tmp_path / "data")
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    owner = data.path.stat().st_uid
    with pytest.raises(SettingsError, match=f"belongs to user {owner}, and this is user 4321: chown 4321 it"):
        data.open()


def test_first_commands_at_once_all_work(tmp_path: Path) -> None:
    data = tmp_path / "data"
    line = command("init", "--data-dir", str(data))
    first = [subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(6)]
    ended = [(process.communicate(timeout=60), process.returncode) for process in first]
    assert [status for _, status in ended] == [0] * 6, ended
    assert len(Directory(data).open().access.store.list_credentials()) == 1


MISSING = {
    "site.json": "site.json is missing, which has tenant, region and account of the store beside it: restore it",
    "parent.key": "parent.key is missing: restore it from a backup",
    "kms.sqlite3": "kms.sqlite3 is missing: restore it from a backup",
    "parent.key kms.sqlite3": r"parent.key and .*kms.sqlite3 are missing: restore them from a backup",
}


@pytest.mark.parametrize(("names", "text"), MISSING.items())
def test_a_part_that_is_missing_is_never_made_anew(tmp_path: Path, names: str, text: str) -> None:
    data = new_directory(tmp_path / "data")
    for name in names.split():
        (data.path / name).unlink()
    left = sorted(path.name for path in data.path.iterdir())
    for use in (data.open, data.make):
        with pytest.raises(SettingsError, match=text):
            use()
    assert sorted(path.name for path in data.path.iterdir()) == left


def test_a_parent_key_that_was_brought_is_used(tmp_path: Path) -> None:
    (tmp_path / "parent.key").write_bytes(bytes(range(32)))
    (tmp_path / "parent.key").chmod(0o600)
    assert Directory(tmp_path).make().access.store.list_credentials()
    assert (tmp_path / "parent.key").read_bytes() == bytes(range(32))


def test_a_server_goes_on_where_nobody_reads_its_lines(tmp_path: Path) -> None:
    data = tmp_path / "data"
    line = command("serve", "--port", "0", "--data-dir", str(data))
    reading, writing = os.pipe()
    os.close(reading)
    with subprocess.Popen(line, stdout=writing, stderr=writing) as process:
        os.close(writing)
        try:
            deadline = time.monotonic() + 30
            while (url := Directory(data).server_url()) is None or not _healthy(url):
                assert process.poll() is None, process.returncode
                assert time.monotonic() < deadline
                time.sleep(0.05)
        finally:
            process.terminate()
    assert process.returncode in (0, -15)
    assert SECRET.findall((data / "welcome.txt").read_text())


def _healthy(url: str) -> bool:
    try:
        with urlopen(f"{url}/healthz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_a_copy_of_a_young_store_without_its_wal_is_told(tmp_path: Path) -> None:
    data, copy = tmp_path / "data", tmp_path / "copy"
    copy.mkdir(mode=0o700)
    held = Directory(data).make("young")  # as long as one has it open SQLite keeps what is new in the WAL
    for name in ("site.json", "parent.key", "kms.sqlite3"):
        shutil.copy2(data / name, copy / name)
    told = _run(copy, "key", "list")
    assert (told.returncode, told.stdout) == (1, "")
    assert "kms.sqlite3-wal with it" in told.stderr
    whole = Path(shutil.copytree(data, tmp_path / "whole"))
    del held
    assert "alias/default" in _run(whole, "key", "list", check=True).stdout


# -- make run ------------------------------------------------------------------------------------------


def _on_a_terminal(*args: str, ready: str, key: bytes) -> tuple[int, str]:
    """The exit code of `make run` with these options, and what it shows; `key` is pressed once it is `ready`."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(ROOT)
        for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):  # of the make that runs the tests
            os.environ.pop(name, None)
        os.execvp("make", ["make", "run", f"ARGS={' '.join(args)}"])
    shown = ""
    with os.fdopen(terminal, "r+b", 0) as screen:
        while ready not in shown:
            shown += screen.read(65536).decode()
        screen.write(key)
        try:
            while more := screen.read(65536).decode():
                shown += more
        except OSError:  # nobody has the terminal any more
            pass
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown


def test_who_stops_what_make_runs_reads_of_no_error(tmp_path: Path) -> None:
    options = ("--port", "0", "--data-dir", str(tmp_path / "data"))
    _, shown = _on_a_terminal(*options, ready="tkms: ready on ", key=b"\x03")
    assert "tkms: ready on " in shown
    assert "make:" not in shown


def test_who_ends_make_ends_what_it_runs(tmp_path: Path) -> None:
    line = ["make", "run", f"ARGS=--port 0 --data-dir {tmp_path / 'data'}"]
    env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    with subprocess.Popen(line, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, process_group=0) as make:
        assert make.stdout is not None
        try:
            url = next(text.split()[-1] for text in make.stdout if text.startswith("tkms: ready on "))
            make.terminate()
            assert make.wait(timeout=20) == -signal.SIGTERM
            assert not _healthy(url)
        finally:
            with suppress(ProcessLookupError):  # nobody is left
                os.killpg(make.pid, signal.SIGKILL)


def test_what_make_cannot_run_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    status, shown = _on_a_terminal("--port", "0", "--data-dir", str(tmp_path), ready="tkms: ", key=b"")
    assert "Error 1" in shown
    assert status == 2
