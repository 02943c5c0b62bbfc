"""`tkms rewrap`: sealed data moves to another version or key, keeps its context, and no body is touched."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kit.support import new_directory, run_tkms
from tenantkms.crypto.envelope import parse_header
from tenantkms.crypto.sealed import read_head
from tenantkms.errors import KmsError, Unavailable
from tkms.files import sealed
from tkms.output import NotDone
from tkms.places import OneMachine
from tkms.rewrap import commands, files
from tkms.rewrap.work import Found, Item, Moved, Report, Rewrap

CONTEXT = {"app": "shop"}
TEXT = b"body " * 300_000


@pytest.fixture
def place(tmp_path: Path) -> OneMachine:
    return OneMachine(new_directory(tmp_path / "data"))


@pytest.fixture
def work(tmp_path: Path) -> Path:
    directory = tmp_path / "work"
    directory.mkdir()
    return directory


def seal(place: OneMachine, path: Path, key: str = "alias/default", text: bytes = TEXT) -> None:
    (path.parent / "plain").write_bytes(text)
    sealed.seal(place, path.parent / "plain", path, key, CONTEXT)
    (path.parent / "plain").unlink()


def at(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        header = parse_header(read_head(file))
    return header.key_id, header.version


def rotate(place: OneMachine, key: str = "alias/default") -> str:
    described: Any = place.call("DescribeKey", {"key_ids": [key]})
    key_id = str(described["keys"][0]["id"])
    place.call("CreateKeyVersion", {"key_id": key_id})
    return key_id


def opens(place: OneMachine, path: Path) -> bytes:
    out = path.with_name("out")
    sealed.unseal(place, path, out, CONTEXT)
    text = out.read_bytes()
    out.unlink()
    return text


# -- files -----------------------------------------------------------------------------------------------


def test_files_move_to_the_newest_version_and_only_their_heads_change(place: OneMachine, work: Path) -> None:
    for name in ("a.tkms", "deep.tkms"):
        seal(place, work / name)
    (work / "a.tkms").chmod(0o640)
    os.utime(work / "a.tkms", (1_000_000, 1_000_000))
    before = (work / "a.tkms").read_bytes()
    key_id = rotate(place)
    (work / "other.txt").write_bytes(b"not sealed")
    (work / "link.tkms").symlink_to("a.tkms")
    os.mkfifo(work / "pipe")
    report = Rewrap(place, "", dry_run=False).run(files.items([work], CONTEXT))
    assert (report.found, report.old, report.rewrapped, report.others, report.failed) == (2, 0, 2, 2, [])
    assert [(count.version, count.count, count.current) for count in report.by] == [(2, 2, True)]
    after = (work / "a.tkms").read_bytes()
    assert at(work / "a.tkms") == (key_id, 2)
    assert after[134:] == before[134:]
    assert after[:6] == before[:6]
    assert opens(place, work / "a.tkms") == TEXT
    found = (work / "a.tkms").stat()
    assert (stat.S_IMODE(found.st_mode), found.st_mtime) == (0o640, 1_000_000)
    assert (work / "link.tkms").is_symlink()
    with pytest.raises(KmsError):
        sealed.unseal(place, work / "a.tkms", work / "out", {})


def test_who_is_stopped_goes_on_where_it_was(place: OneMachine, work: Path) -> None:
    for number in range(6):
        seal(place, work / f"{number}.tkms", text=b"x")
    rotate(place)

    class Down:
        left = 4

        def call(self, action: str, params: dict[str, object]) -> dict[str, object]:
            if action == "ReEncrypt":
                self.left -= 1
                if self.left <= 0:
                    raise Unavailable
            return place.call(action, params)

    pauses: list[float] = []
    stopped = Rewrap(Down(), "", dry_run=False, pause=pauses.append).run(files.items([work], CONTEXT))  # type: ignore[arg-type]
    assert (stopped.rewrapped, stopped.failed, pauses) == (3, [], [1, 4])
    assert stopped.stopped.startswith(f"{work}/3.tkms: The service is temporarily unavailable")
    asked: list[str] = []

    class Counting:
        def call(self, action: str, params: dict[str, object]) -> dict[str, object]:
            asked.append(action)
            return place.call(action, params)

    report = Rewrap(Counting(), "", dry_run=False).run(files.items([work], CONTEXT))  # type: ignore[arg-type]
    assert (report.found, report.rewrapped, report.old) == (6, 3, 0)
    assert asked.count("ReEncrypt") == 3, "what was moved is not moved again"
    assert asked.count("DescribeKey") == 1


def test_many_at_a_time_are_all_counted(place: OneMachine, work: Path) -> None:
    for number in range(60):
        seal(place, work / f"{number}.tkms", text=b"x")
    (work / "other").write_bytes(b"")
    rotate(place)
    counts: list[int] = []
    asked: list[str] = []

    class Slow:
        def call(self, action: str, params: dict[str, object]) -> dict[str, object]:
            asked.append(f"{action} begins")
            time.sleep(0.01)
            answer = place.call(action, params)
            asked.append(f"{action} ends")
            return answer

    report = Rewrap(Slow(), "", dry_run=False, workers=5).run(  # type: ignore[arg-type]
        files.items([work], CONTEXT), counts.append
    )
    assert (report.found, report.rewrapped, report.old, report.others) == (60, 60, 0, 1)
    assert counts == list(range(1, 62))
    assert asked[:2] == ["DescribeKey begins", "DescribeKey ends"]
    assert asked.count("DescribeKey begins") == 1
    assert {at(path)[1] for path in work.glob("*.tkms")} == {2}


def test_files_move_to_another_key(place: OneMachine, work: Path) -> None:
    made: Any = place.call("CreateKey", {"alias": "new"})
    seal(place, work / "a.tkms")
    rotate(place)
    seal(place, work / "b.tkms")
    seal(place, work / "c.tkms", "alias/new")
    report = Rewrap(place, "alias/new", dry_run=False).run(files.items([work], CONTEXT))
    assert (report.found, report.rewrapped) == (3, 2)
    for name in "abc":
        assert at(work / f"{name}.tkms") == (made["key"]["id"], 1)
        assert opens(place, work / f"{name}.tkms") == TEXT


def test_nothing_is_written_by_a_dry_run(place: OneMachine, work: Path) -> None:
    seal(place, work / "a.tkms")
    key_id = rotate(place)
    seal(place, work / "b.tkms")
    before = {path: (path.read_bytes(), path.stat()) for path in work.iterdir()}
    report = Rewrap(place, "", dry_run=True).run(files.items([work], CONTEXT))
    assert (report.found, report.old, report.rewrapped) == (2, 1, 0)
    assert [(c.key_id, c.version, c.count, c.current) for c in report.by] == [
        (key_id, 1, 1, False),
        (key_id, 2, 1, True),
    ]
    assert {path: (path.read_bytes(), path.stat()) for path in work.iterdir()} == before


def test_one_that_does_not_open_leaves_the_others(place: OneMachine, work: Path) -> None:
    for name in ("a", "b", "c", "d"):
        seal(place, work / f"{name}.tkms")
    rotate(place)
    good = (work / "b.tkms").read_bytes()
    (work / "b.tkms").write_bytes(good[:100] + bytes([good[100] ^ 1]) + good[101:])
    (work / "c.tkms").write_bytes(good[:60])
    gone: Any = place.call("CreateKey", {})
    foreign = good[:10] + bytes.fromhex(gone["key"]["id"].replace("-", ""))[:15] + b"\0" + good[26:]
    (work / "d.tkms").write_bytes(foreign)
    report = Rewrap(place, "", dry_run=False).run(files.items([work], CONTEXT))
    assert (report.rewrapped, report.old) == (1, 2)
    assert [failure.name for failure in report.failed] == [str(work / f"{name}.tkms") for name in "bcd"]
    assert (work / "d.tkms").read_bytes() == foreign


def test_the_wrong_context_moves_nothing(place: OneMachine, work: Path) -> None:
    seal(place, work / "a.tkms")
    rotate(place)
    before = (work / "a.tkms").read_bytes()
    report = Rewrap(place, "", dry_run=False).run(files.items([work], {"app": "other"}))
    assert (report.rewrapped, len(report.failed)) == (0, 1)
    assert "EncryptionContext" in report.failed[0].reason
    assert (work / "a.tkms").read_bytes() == before


def test_a_file_that_is_replaced_meanwhile_stays(place: OneMachine, work: Path) -> None:
    seal(place, work / "a.tkms")
    rotate(place)
    seal(place, work / "b.tkms")
    newer = (work / "b.tkms").read_bytes()

    class Meddling:
        def call(self, action: str, params: dict[str, object]) -> dict[str, object]:
            answer = place.call(action, params)
            if action == "ReEncrypt":
                (work / "b.tkms").replace(work / "a.tkms")
            return answer

    report = Rewrap(Meddling(), "", dry_run=False).run(files.items([work / "a.tkms"], CONTEXT))  # type: ignore[arg-type]
    assert [failure.reason for failure in report.failed] == ["was changed meanwhile: try again"]
    assert {path.name: path.read_bytes() for path in work.iterdir()} == {"a.tkms": newer}


def test_a_key_to_move_to_that_is_not_there_is_said_at_once(place: OneMachine) -> None:
    with pytest.raises(KmsError):
        Rewrap(place, "alias/none", dry_run=False)


def test_a_write_that_somebody_else_was_faster_at_is_counted_as_failed(place: OneMachine) -> None:
    made: Any = place.call("Encrypt", {"key_id": "alias/default", "plaintext": "", "context": CONTEXT})

    def lose(_: Moved) -> None:
        raise NotDone("was changed meanwhile: try again")

    rotate(place)
    item = Item("one", lambda: Found(base64.b64decode(made["ciphertext"]), CONTEXT, lose))
    report = Rewrap(place, "", dry_run=False).run([item])
    assert (report.found, report.old, report.rewrapped, len(report.failed)) == (1, 1, 0, 1)


# -- the command -----------------------------------------------------------------------------------------

Tkms = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def tkms(tmp_path: Path) -> Tkms:
    data = str(new_directory(tmp_path / "data").path)
    return lambda *args: run_tkms(*args, "--data-dir", data, check=False)


def test_the_command_says_how_much_lies_where(tkms: Tkms, place: OneMachine, work: Path) -> None:
    for name in ("a.tkms", "b.tkms"):
        seal(place, work / name)
    (work / "other").write_bytes(b"")
    key_id = rotate(place)
    context = ("--context", "app=shop")
    done = tkms("rewrap", "--dry-run", str(work), *context)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "KEY ID                                VERSION  COUNT",
        f"{key_id}  1        2      old",
        "2 sealed, 2 to rewrap, 0 failed, 1 not sealed",
    ]
    assert tkms("rewrap", "--check", str(work), *context).returncode == 1
    done = tkms("rewrap", str(work), *context)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (
        0,
        "2 sealed, 2 rewrapped, 0 left, 0 failed, 1 not sealed",
    )
    done = tkms("rewrap", "--check", "--json", str(work), *context)
    assert done.returncode == 0
    report = json.loads(done.stdout)
    assert [(count["version"], count["count"]) for count in report.pop("by")] == [(2, 2)]
    assert report == {"found": 2, "old": 0, "rewrapped": 0, "others": 1, "failed": [], "stopped": ""}


@pytest.mark.parametrize(
    ("args", "status", "text"),
    [
        (["s3://bucket/prefix"], 2, "s3://bucket/prefix is of a deployed stack: name it with --stack"),
        (["table:keys"], 2, "--stack"),
        (["none.tkms"], 1, "none.tkms: No such file"),
        (["none.tkms", "--to", "alias/none"], 1, "tkms: --to alias/none: The alias does not exist."),
        ([], 2, "PATH"),
    ],
)
def test_what_is_wrong_is_said(tkms: Tkms, args: list[str], status: int, text: str) -> None:
    done = tkms("rewrap", *args)
    assert done.returncode == status
    assert text in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("rewrapped", "why", "said"),
    [
        (0, "The table is the stack's own.", "tkms: stopped: The table is the stack's own.\n"),
        (0, "It cannot be read: no", "tkms: stopped: It cannot be read: no.\n"),
        (3, "No answer.", "tkms: stopped: No answer. The same command again goes on where it was.\n"),
    ],
)
def test_why_it_stopped_is_said(rewrapped: int, why: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    commands._show(Report(rewrapped=rewrapped, stopped=why), dry_run=False)
    assert capsys.readouterr().err == said


def test_a_named_file_that_is_not_sealed_is_an_error(tkms: Tkms, work: Path) -> None:
    (work / "a").write_bytes(b"plain")
    done = tkms("rewrap", str(work / "a"))
    assert done.returncode == 1
    assert "no sealed file" in done.stderr
