"""`tkms serve` as its user meets it: the first start, programs that really run, credentials that change under it."""

from __future__ import annotations

import base64
import json
import os
import pty
import re
import signal
import socket
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from functions.endpoint.clients import CLIENTS
from kit.connections import Start, Wire, command, starting, tencent
from kit.sdk_aws import Boto
from kit.sdk_clients import login
from kit.support import Server, Signer, new_directory, run_tkms, serving

HELLO = base64.b64encode(b"hello").decode()


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def _facts(welcome: str) -> dict[str, str]:
    """The four facts of the welcome."""
    rows = re.findall(r"^(endpoint|access key id|access key secret|key)  +(\S+)", welcome, re.MULTILINE)
    return dict(rows)


# -- starts --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def first_start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Start]]:
    data = tmp_path_factory.mktemp("first") / "a" / "b" / "data"
    with starting(data, "--tenant", "blue") as start:
        yield data, start


def test_a_first_start_makes_a_private_directory(first_start: tuple[Path, Start]) -> None:
    data, _ = first_start
    assert _mode(data) == 0o700
    assert (_mode(data / "parent.key"), (data / "parent.key").stat().st_size) == (0o600, 32)
    files = [path for path in data.rglob("*") if path.is_file()]
    assert {path.name for path in files} >= {
        "kms.sqlite3",
        "kms.sqlite3-wal",
        "site.json",
        "audit.jsonl",
        "server.json",
    }
    assert {path.name for path in files if _mode(path) != 0o600} == set()


def test_a_first_start_tells_what_a_client_needs(first_start: tuple[Path, Start]) -> None:
    """In a file, since its output is no terminal, which may be a log that others read."""
    data, start = first_start
    welcome = (data / "welcome.txt").read_text()
    printed = _facts(welcome)
    assert printed["endpoint"] == start.url
    assert printed["access key secret"] not in start.printed
    assert str(data / "welcome.txt") in start.printed
    signer = Signer(printed["access key id"], printed["access key secret"])
    sealed = tencent(start.port, signer, "Encrypt", KeyId=printed["key"], Plaintext=HELLO)
    assert tencent(start.port, signer, "Decrypt", CiphertextBlob=sealed["CiphertextBlob"])["Plaintext"] == HELLO
    key = tencent(start.port, signer, "DescribeKey", KeyId=printed["key"])["KeyMetadata"]
    assert key["Alias"] == "default"
    for snippet in CLIENTS.values():
        assert snippet.title in welcome
    assert start.printed.endswith(f"tkms: ready on {start.url}\n")


def test_a_first_start_on_a_terminal_prints_it(tmp_path: Path) -> None:
    ours, terminal = pty.openpty()
    line = command("serve", "--port", "0", "--data-dir", str(tmp_path / "data"))
    with subprocess.Popen(line, stdout=terminal, stderr=subprocess.PIPE) as process:
        os.close(terminal)
        try:
            shown = ""
            while "tkms: ready on " not in shown:
                shown += os.read(ours, 65536).decode().replace("\r\n", "\n")
        finally:
            process.kill()
            process.communicate(timeout=20)
            os.close(ours)
    assert _facts(shown).keys() == {"endpoint", "access key id", "access key secret", "key"}
    assert not (tmp_path / "data" / "welcome.txt").exists()


def test_later_starts_print_no_secret_and_no_key(tmp_path: Path) -> None:
    with starting(tmp_path / "data"):
        first = _facts((tmp_path / "data" / "welcome.txt").read_text())
    with starting(tmp_path / "data") as start:
        assert first["access key secret"] not in start.printed
        assert str(tmp_path / "data") in start.printed
        assert len(start.printed.splitlines()) == 2
        signer = Signer(first["access key id"], first["access key secret"])
        assert tencent(start.port, signer, "ListKeys")["Keys"] == [{"KeyId": first["key"]}]
    rows = json.loads(run_tkms("credential", "list", "--json", "--data-dir", str(tmp_path / "data")).stdout)
    assert [row["access_key_id"] for row in rows] == [first["access key id"]]


def test_ctrl_c_ends_it_without_a_word(tmp_path: Path) -> None:
    with starting(tmp_path / "data") as start:
        start.process.send_signal(2)
        _, errors = start.process.communicate(timeout=20)
    assert (errors, start.process.returncode) == ("", 130)


# -- programs ------------------------------------------------------------------------------------------


def test_programs_name_the_arn_of_their_own_directory(tmp_path: Path) -> None:
    """Encryption SDKs write it into each message, and compare it when they open one."""
    with serving(tmp_path / "data", "--region", "eu-central-1", "--account", "111122223333") as server:
        (arn,) = (key["KeyArn"] for key in Boto(login(server)).ask("ListKeys")["Keys"])
        assert arn.startswith("arn:aws:kms:eu-central-1:111122223333:key/")
        for name in ("aws-encryption-sdk", "tink", "mongodb"):
            assert arn in server.tkms("snippet", name, "--key", "alias/default")


def test_arns_are_chosen_once(tmp_path: Path) -> None:
    """They stand in the messages of encryption SDKs for ever."""
    data, chosen = tmp_path / "data", ["--region", "eu-central-1", "--account", "111122223333"]
    with serving(data, *chosen) as server:
        kms = Boto(login(server))
        (key,) = kms.ask("ListKeys")["Keys"]
        assert key["KeyArn"].startswith("arn:aws:kms:eu-central-1:111122223333:key/")
    with serving(data):
        pass
    for other in (["--region", "us-east-1"], ["--account", "1" * 12]):
        done = run_tkms("serve", "--port", "0", "--data-dir", str(data), *other, check=False)
        assert done.returncode == 1
        assert "would not open" in done.stderr
    for wrong in (["--region", "EU"], ["--account", "1"]):
        done = run_tkms("serve", "--port", "0", "--data-dir", str(tmp_path / "new"), *wrong, check=False)
        assert done.returncode == 1


def test_a_program_comes_with_a_word_on_a_server_that_is_not_there(server: Server, tmp_path: Path) -> None:
    """It stands on standard error: standard output is the program alone."""
    data = new_directory(tmp_path / "data").path
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nowhere = f"http://127.0.0.1:{closed.getsockname()[1]}"
    for url, found in ((nowhere, "no server"), (server.url, f"a server that is not of {data}")):
        (data / "server.json").write_text(json.dumps({"url": url}))
        for words in (["snippet", "aws"], ["welcome"]):
            done = run_tkms(*words, "--data-dir", str(data))
            assert f'"{url}"' in done.stdout
            assert done.stderr == f"tkms: {found} runs at {url} now: tkms serve\n"
    for url, told in (
        (nowhere, f"tkms: no server runs at {nowhere} now, as seen from this machine\n"),
        (server.url, ""),
    ):
        done = run_tkms("snippet", "aws", "--endpoint", url, "--data-dir", str(data))
        assert (f'"{url}"' in done.stdout, done.stderr) == (True, told)
    for words in (["snippet", "aws"], ["welcome"]):
        assert run_tkms(*words, "--data-dir", str(server.data_dir)).stderr == ""


# -- credentials ---------------------------------------------------------------------------------------


def _within_2_seconds(server: Server, signer: Signer, outcome: str) -> None:
    """Poll until a call answers with the error code `outcome`, or without an error if it is empty."""
    port = int(server.url.rpartition(":")[2])
    deadline = time.monotonic() + 2
    while (got := tencent(port, signer, "GetRegions").get("Error", {}).get("Code", "")) != outcome:
        assert time.monotonic() < deadline, got
        time.sleep(0.02)


def test_the_last_use_of_a_credential_is_listed_to_the_hour(server: Server) -> None:
    used, unused = (Signer(*server.credential("--name", name)) for name in ("used", "unused"))
    began = int(time.time())
    _within_2_seconds(server, used, "")
    forged = Signer(unused.access_key_id, "wrong")
    _within_2_seconds(server, forged, "AuthFailure.SignatureFailure")
    deadline = time.monotonic() + 10
    while True:
        rows = {
            row["access_key_id"]: row["last_used"] for row in json.loads(server.tkms("credential", "list", "--json"))
        }
        if rows[used.access_key_id] or time.monotonic() > deadline:
            break
    assert rows[used.access_key_id] in {now - now % 3600 for now in (began, int(time.time()))}
    assert rows[unused.access_key_id] == 0, "a forged request is no use"


def test_a_credential_changes_under_a_running_server(server: Server) -> None:
    signer = Signer(*server.credential("--name", "changing"))
    _within_2_seconds(server, signer, "")
    server.tkms("credential", "disable", signer.access_key_id)
    _within_2_seconds(server, signer, "AuthFailure.InvalidSecretId")
    server.tkms("credential", "enable", signer.access_key_id)
    _within_2_seconds(server, signer, "")
    server.tkms("credential", "delete", "--yes", signer.access_key_id)
    _within_2_seconds(server, signer, "AuthFailure.SecretIdNotFound")


def test_a_policy_holds_on_the_server(server: Server, tmp_path: Path) -> None:
    port = int(server.url.rpartition(":")[2])
    every = Signer(*server.credential())
    names = ("app-1", "app-2", "other-1")
    app, denied, other = (tencent(port, every, "CreateKey", Alias=name)["KeyId"] for name in names)
    policy = tmp_path / "policy.json"
    allow = {"Effect": "Allow", "Action": "Encrypt", "Resource": "alias/app-*"}
    deny = {"Effect": "Deny", "Action": "*", "Resource": f"key/{denied}"}
    policy.write_text(json.dumps({"Statement": [allow, deny]}))
    signer = Signer(*server.credential("--policy", str(policy)))
    sealed = tencent(port, signer, "Encrypt", KeyId=app, Plaintext=HELLO)
    refused = [
        tencent(port, signer, "Encrypt", KeyId=other, Plaintext=HELLO),
        tencent(port, signer, "Encrypt", KeyId=denied, Plaintext=HELLO),
        tencent(port, signer, "Decrypt", CiphertextBlob=sealed["CiphertextBlob"]),
        tencent(port, signer, "DescribeKey", KeyId=app),
        tencent(port, signer, "ListKeys"),
        tencent(port, signer, "CreateKey", Alias="app-3"),
    ]
    assert [answer["Error"]["Code"] for answer in refused] == ["UnauthorizedOperation"] * 6
    assert tencent(port, every, "Decrypt", CiphertextBlob=sealed["CiphertextBlob"])["Plaintext"] == HELLO


def test_a_key_that_the_command_makes_works_on_the_server(server: Server) -> None:
    port = int(server.url.rpartition(":")[2])
    signer = Signer(*server.credential())
    key = json.loads(server.tkms("key", "create", "--json"))["id"]
    blob = tencent(port, signer, "Encrypt", KeyId=key, Plaintext=HELLO, EncryptionContext='{"a":"b"}')["CiphertextBlob"]
    assert server.tkms("decrypt", "--context", "a=b", stdin=blob) == "hello"


def test_commands_get_their_turn_at_the_files_of_a_busy_server(server: Server) -> None:
    """The server keeps the lock of its audit log for some milliseconds at a time, and a command writes lines too."""
    port = int(server.url.rpartition(":")[2])
    signer = Signer(*server.credential("--name", "busy"))
    over = threading.Event()
    answered = 0

    def ask() -> None:
        nonlocal answered
        with Wire(port) as wire:
            while not over.is_set():
                assert wire.ask(signer.tencent("GenerateRandom", {"NumberOfBytes": 1}))["Response"]["Plaintext"]
                answered += 1

    with ThreadPoolExecutor(1) as pool:
        asking = pool.submit(ask)
        try:
            ids = [json.loads(server.tkms("key", "create", "--json"))["id"] for _ in range(3)]
        finally:
            over.set()
        asking.result(20)
    assert answered > 100
    assert len(ids) == 3
    server.tkms("audit", "verify")


def test_commands_do_not_wait_for_a_server_that_is_stopped(tmp_path: Path) -> None:
    """As by Ctrl-Z, a moment after it has taken its locks."""
    with starting(tmp_path / "data") as start:
        signer = Signer(*Server(start.url, tmp_path / "data", start.process).credential())
        with Wire(start.port) as wire:
            wire.ask(signer.tencent("GenerateRandom", {"NumberOfBytes": 1}))
            time.sleep(0.5)  # the use of the access key is written by now, which has a lock of SQLite's
            for _ in range(5):
                assert wire.ask(signer.tencent("GenerateRandom", {"NumberOfBytes": 1}))["Response"]["Plaintext"]
                start.process.send_signal(signal.SIGTSTP)
                assert os.waitid(os.P_PID, start.process.pid, os.WSTOPPED)
                run_tkms("key", "create", "--data-dir", str(tmp_path / "data"))
                start.process.send_signal(signal.SIGCONT)
