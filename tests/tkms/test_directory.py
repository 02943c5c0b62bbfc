"""The data directory: nothing acknowledged is lost, and what is not right is refused with a clear message."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from kit.connections import Wire, command, starting, tencent
from kit.support import Signer, new_directory, run_tkms
from tenantkms.model.alias import Alias
from tenantkms.model.key import KeyFilter
from tenantkms.store.port import DeleteAlias, DeleteKey
from tkms.machine.directory import Directory, call
from tkms.machine.serve import _reached, _warn_of
from tkms.machine.site_file import read_site, write_site

HELLO = "aGVsbG8="


def _signer(data: Path) -> Signer:
    made = json.loads(run_tkms("credential", "create", "--json", "--data-dir", str(data)).stdout)
    return Signer(made["access_key_id"], made["access_key_secret"])


def _serve(data: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """A start that is expected to fail."""
    return run_tkms("serve", "--port", "0", "--data-dir", str(data), *args, check=False)


def _refused(done: subprocess.CompletedProcess[str], text: str, status: int = 1) -> None:
    assert done.returncode == status, done
    assert text in done.stderr
    assert done.stderr.startswith("tkms: ")
    assert len(done.stderr.splitlines()) == 1
    assert "ready" not in done.stdout


# -- nothing is lost -----------------------------------------------------------------------------------


def test_keys_and_ciphertexts_survive_restarts(tmp_path: Path) -> None:
    data = new_directory(tmp_path / "data").path
    signer = _signer(data)
    blobs: list[str] = []
    for number in range(3):
        with starting(data) as start:
            key = tencent(start.port, signer, "CreateKey", Alias=f"k{number}")["KeyId"]
            blobs.append(tencent(start.port, signer, "Encrypt", KeyId=key, Plaintext=HELLO)["CiphertextBlob"])
            for blob in blobs:
                assert tencent(start.port, signer, "Decrypt", CiphertextBlob=blob)["Plaintext"] == HELLO
            start.process.terminate()
            assert start.process.wait(timeout=20) in (0, -15)


# An answer that breaks off in the middle is what this test makes; http.client of Python 3.13 grumbles at its end.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_what_was_acknowledged_survives_kill_9_during_writes(tmp_path: Path) -> None:
    data = new_directory(tmp_path / "data").path
    signer = _signer(data)
    made: dict[str, str] = {}

    def write(port: int, name: str) -> None:
        """Create keys and encrypt until the server is gone; note what was answered."""
        try:
            with Wire(port) as wire:
                for number in range(100_000):
                    created = wire.ask(signer.tencent("CreateKey", {"Alias": f"{name}-{number}"}))["Response"]
                    fields = {"KeyId": created["KeyId"], "Plaintext": HELLO}
                    sealed = wire.ask(signer.tencent("Encrypt", fields))["Response"]
                    made[created["KeyId"]] = sealed["CiphertextBlob"]
        except (OSError, ValueError, http.client.HTTPException):
            pass  # the server died before or in the middle of an answer: nothing was acknowledged

    for life in range(2):
        with starting(data) as start:
            before = len(made)
            threads = [threading.Thread(target=write, args=(start.port, f"w{life}-{n}")) for n in range(4)]
            for thread in threads:
                thread.start()
            deadline = time.monotonic() + 20
            while len(made) < before + 40 and time.monotonic() < deadline:
                time.sleep(0.005)
            start.process.kill()
            for thread in threads:
                thread.join(timeout=20)
    assert len(made) >= 80
    with starting(data) as start, Wire(start.port) as wire:
        for key, blob in made.items():
            opened = wire.ask(signer.tencent("Decrypt", {"CiphertextBlob": blob}))["Response"]
            assert (opened["KeyId"], opened["Plaintext"]) == (key, HELLO)
        first = wire.ask(signer.tencent("ListKeyDetail", {"Limit": 200}))["Response"]
        # A key that was made but not acknowledged is whole, too: it has its alias and works.
        for row in first["KeyMetadatas"]:
            assert row["Alias"]
            fields = {"KeyId": row["KeyId"], "Plaintext": HELLO}
            assert "CiphertextBlob" in wire.ask(signer.tencent("Encrypt", fields))["Response"]


# -- who may use it ------------------------------------------------------------------------------------


def test_a_second_server_is_refused_while_commands_work_beside_the_first(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with starting(data) as start:
        said = f"A server is already running on {data} ({start.url})"
        _refused(_serve(data), said)
        _refused(_serve(data, "--port", str(start.port)), said)
        _refused(_serve(data, "--metrics", str(start.port)), said)
        elsewhere = _serve(tmp_path / "other", "--port", str(start.port))
        _refused(elsewhere, "Address already in use. --port 0 takes any free one")
        blob = run_tkms("encrypt", "--data-dir", str(data), stdin="beside").stdout
        assert run_tkms("decrypt", "--data-dir", str(data), stdin=blob).stdout == "beside"
        assert "Regions" in tencent(start.port, _signer(data), "GetRegions")
    with starting(data):
        pass


def test_of_two_first_starts_at_once_one_serves(tmp_path: Path) -> None:
    data = tmp_path / "data"
    line = command("serve", "--port", "0", "--data-dir", str(data))
    both = [subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        deadline = time.monotonic() + 20
        while not (ended := [process for process in both if process.poll() is not None]):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        (loser,) = ended
        assert loser.returncode == 1
        assert "A server is already running" in loser.communicate()[1]
    finally:
        for process in both:
            process.kill()
            process.communicate()
    credentials = json.loads(run_tkms("credential", "list", "--json", "--data-dir", str(data)).stdout)
    keys = json.loads(run_tkms("key", "list", "--json", "--data-dir", str(data)).stdout)
    assert (len(credentials), [key["aliases"] for key in keys]) == (1, [["default"]])


def test_a_first_start_that_was_killed_is_finished_by_the_next(tmp_path: Path) -> None:
    data = tmp_path / "data"
    line = command("serve", "--port", "0", "--data-dir", str(data))
    for wait in (0.1, 0.15, 0.2, 0.25):
        with subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(wait)
            process.kill()
    run_tkms("init", "--data-dir", str(data))
    keys = json.loads(run_tkms("key", "list", "--json", "--data-dir", str(data)).stdout)
    credentials = json.loads(run_tkms("credential", "list", "--json", "--data-dir", str(data)).stdout)
    assert ([key["aliases"] for key in keys], len(credentials)) == ([["default"]], 1)


# -- what is not right ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("template") / "data"
    run_tkms("init", "--data-dir", str(data))
    return data


@pytest.fixture
def data(template: Path, tmp_path: Path) -> Path:
    """A directory as a first start leaves it, to damage."""
    copy = tmp_path / "data"
    subprocess.run(["cp", "-a", str(template), str(copy)], check=True)
    return copy


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "parent key gone": (lambda at: (at / "parent.key").unlink(), "parent.key is missing: restore it"),
    "parent key open to others": (lambda at: (at / "parent.key").chmod(0o644), "open to others (mode 0644): chmod 600"),
    "directory open to others": (lambda at: at.chmod(0o750), "is open to others (mode 0750): chmod 700 it"),
    "parent key cut": (lambda at: os.truncate(at / "parent.key", 31), "is not 32 bytes long"),
    "store overwritten": (lambda at: (at / "kms.sqlite3").write_bytes(b"?" * 9000), "kms.sqlite3 cannot be opened"),
    "store is a directory": (
        lambda at: ((at / "kms.sqlite3").unlink(), (at / "kms.sqlite3").mkdir()),
        "kms.sqlite3 cannot be opened",
    ),
    "site file overwritten": (lambda at: (at / "site.json").write_text("{"), "site.json is damaged: restore it"),
    "site file of something else": (lambda at: (at / "site.json").write_text("{}"), "site.json is damaged: restore it"),
    "audit log is a directory": (
        lambda at: ((at / "audit.jsonl").unlink(), (at / "audit.jsonl").mkdir()),
        "audit.jsonl cannot be opened",
    ),
}


@pytest.mark.parametrize(("damage", "text"), DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_directory_is_refused_with_what_to_do(
    data: Path, damage: Callable[[Path], object], text: str
) -> None:
    damage(data)
    _refused(_serve(data), text)
    _refused(run_tkms("encrypt", "--data-dir", str(data), stdin="x", check=False), text)


def test_another_parent_key_opens_nothing_and_seals_nothing(data: Path) -> None:
    """A key that was made under it would be lost as soon as the right one is back."""
    blob = run_tkms("encrypt", "--data-dir", str(data), stdin="x").stdout
    right = (data / "parent.key").read_bytes()
    (data / "parent.key").write_bytes(os.urandom(32))
    text = "parent.key is not the one that this directory was sealed with: restore the right one"
    _refused(_serve(data), text)
    for words in (("decrypt",), ("key", "create"), ("credential", "create"), ("maintain",)):
        _refused(run_tkms(*words, "--data-dir", str(data), stdin=blob, check=False), text)
    (data / "parent.key").write_bytes(right)
    assert run_tkms("decrypt", "--data-dir", str(data), stdin=blob).stdout == "x"
    assert len(json.loads(run_tkms("key", "list", "--json", "--data-dir", str(data)).stdout)) == 1


@pytest.mark.parametrize("without", ["credential", "key"])
def test_what_is_damaged_or_not_there_proves_nothing_of_the_parent_key(data: Path, without: str) -> None:
    settings = Directory(data).open()
    (credential,) = settings.access.store.list_credentials()
    if without == "credential":
        settings.access.store.delete_credential(credential.access_key_id)
    else:
        damaged = msgspec.structs.replace(credential, sealed=credential.sealed[:-1] + b"x")
        settings.access.store.put_credential(damaged, new=False)
    assert run_tkms("encrypt", "--data-dir", str(data), stdin="x").stdout
    (data / "parent.key").write_bytes(os.urandom(32))
    _refused(run_tkms("encrypt", "--data-dir", str(data), stdin="x", check=False), "not the one")


@pytest.mark.parametrize("killed", [False, True])
def test_a_first_start_that_dies_while_it_writes_is_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, killed: bool
) -> None:
    def die(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    data = tmp_path / "data"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die)
        if killed:  # who is killed takes nothing away
            patch.setattr(Path, "unlink", die)
        with pytest.raises(KeyboardInterrupt):
            Directory(data).make()
    left = [path for path in data.iterdir() if path.name not in ("setup.lock", "site.json")]
    assert len(left) == killed
    assert len(Directory(data).make().access.store.list_credentials()) == 1


def test_keys_without_material_do_not_hide_what_is_sealed(data: Path) -> None:
    settings = Directory(data).open()
    first = settings.deps.keyring.store.list_keys(KeyFilter(), now=0, offset=0, limit=1)[1]
    for _ in range(101):
        call(settings, "CreateKey", {"origin": "EXTERNAL"})
    time.sleep(1.1)  # keys are listed by the second in which they were made
    call(settings, "CreateKey", {})
    settings.deps.keyring.commit(
        [*(DeleteAlias(Alias(name="default", key_id=k.id)) for k in first), *map(DeleteKey, first)]
    )
    for credential in settings.access.store.list_credentials():
        settings.access.store.delete_credential(credential.access_key_id)
    (data / "parent.key").write_bytes(os.urandom(32))
    _refused(run_tkms("key", "list", "--data-dir", str(data), check=False), "not the one")


def test_a_directory_of_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("dear")
    _refused(_serve(tmp_path), f"{tmp_path} is not a data directory and not empty: choose another one")
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


def test_a_file_is_not_a_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    _refused(_serve(tmp_path / "file"), f"The data directory {tmp_path / 'file'} cannot be used")


@pytest.mark.parametrize(("tenant", "text"), [("red", "belongs to tenant 'local', not to 'red'")])
def test_the_directory_of_another_tenant_is_refused(data: Path, tenant: str, text: str) -> None:
    _refused(_serve(data, "--tenant", tenant), text)


@pytest.mark.parametrize("tenant", ["Blue", "b_l", "b" * 64, "../b"])
def test_a_tenant_has_a_name_of_its_own(tmp_path: Path, tenant: str) -> None:
    _refused(_serve(tmp_path / "data", "--tenant", tenant), f"Tenant {tenant!r} is not valid")


# -- where it listens ----------------------------------------------------------------------------------


def test_port_0_picks_a_free_port_each_time(data: Path) -> None:
    with starting(data) as first:
        assert first.port > 0
        with socket.create_connection(("127.0.0.1", first.port), timeout=5):
            pass


def test_a_port_that_is_taken_is_told(data: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        _refused(_serve(data, "--port", str(port)), f"Cannot listen on 127.0.0.1:{port}")


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (["--port", "70000"], "Cannot listen on 127.0.0.1:70000: a port is"),
        (["--port", "-1"], "Cannot listen on 127.0.0.1:-1: a port is"),
        (["--host", "192.0.2.1"], "Cannot listen on 192.0.2.1:0"),
        (["--host", "no.such.host.invalid"], "Cannot listen on no.such.host.invalid:0"),
        (["--tls-cert", "cert.pem"], "--tls-cert and --tls-key go together"),
        (["--tls-key", "key.pem"], "--tls-cert and --tls-key go together"),
        (["--tls-cert", "none.pem", "--tls-key", __file__], "The TLS file none.pem cannot be read: No such file"),
        (["--tls-cert", __file__, "--tls-key", "none.pem"], "has no certificate in PEM"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_address_or_certificate_that_cannot_be_is_told(data: Path, args: list[str], text: str) -> None:
    _refused(_serve(data, *args), text)


@pytest.mark.parametrize(
    ("address", "warned"),
    [("127.0.0.1", False), ("127.3.2.1", False), ("::1", False), ("0.0.0.0", True), ("::", True), ("192.0.2.1", True)],
)
def test_without_tls_beyond_this_machine_it_says_what_that_means(
    address: str, warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    _warn_of(address, 8480)
    told = capsys.readouterr().err
    assert ("signed but not encrypted" in told) is warned
    assert ("--tls-cert" in told) is warned


@pytest.mark.parametrize(
    ("host", "address", "named"),
    [
        ("127.0.0.1", "127.0.0.1", "127.0.0.1"),
        ("kms.example.test", "192.0.2.1", "kms.example.test"),
        ("::1", "::1", "[::1]"),
        ("0.0.0.0", "0.0.0.0", "127.0.0.1"),
        ("0", "0.0.0.0", "127.0.0.1"),
        ("::", "::", "[::1]"),
    ],
)
def test_programs_are_given_an_address_that_they_can_reach(host: str, address: str, named: str) -> None:
    assert _reached(host, address) == named


def test_what_root_writes_stays_the_owners(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it has its name: a server of that user reads it at any time."""
    data = tmp_path / "data"
    new_directory(data)
    given = list[tuple[int, int]]()

    def fchown(_file: int, user: int, group: int) -> None:
        given.append((user, group))

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(os, "fchown", fchown)
    write_site(data, read_site(data))
    owner = data.stat()
    assert given == [(owner.st_uid, owner.st_gid)]
