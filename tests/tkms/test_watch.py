"""`tkms watch`: what comes into the inbox is sealed once, and nothing is lost whenever it dies."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.connections import command
from kit.fakes import Clock
from kit.support import new_directory, run_tkms
from tenantkms.errors import Unavailable
from tkms.files import sealed
from tkms.files.watch import AGAIN_SECONDS, Watch
from tkms.places import OneMachine
from tkms.whole import WRITING

SETTLE = 5
CONTEXT = {"app": "shop"}


class Room:
    """An inbox, a directory of sealed files, and a watch of both whose clock the test moves."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.inbox, self.to = path / "inbox", path / "sealed"
        self.inbox.mkdir()
        self.to.mkdir()
        self.place = OneMachine(new_directory(path / "data"))
        self.clock = Clock()
        self.told: list[tuple[str, str, int]] = []
        self.complaints: list[tuple[str, str]] = []
        self.watch = self.start()

    def start(self, place: object = None) -> Watch:
        return Watch(
            place or self.place,  # type: ignore[arg-type]
            self.inbox,
            self.to,
            "alias/default",
            CONTEXT,
            SETTLE,
            lambda source, target, size: self.told.append((self._short(source), self._short(target), size)),
            lambda path, error: self.complaints.append((self._short(path), str(error))),
            self.clock,
        )

    def _short(self, path: Path) -> str:
        return path.relative_to(self.path).as_posix()

    def look(self, after: float = 0) -> None:
        self.clock.now += after
        self.watch.look()

    def opened(self) -> dict[str, bytes]:
        """What the sealed files hold, by name."""
        found = {}
        for path in sorted(self.to.rglob(f"*{sealed.SUFFIX}")):
            out = self.path / "out"
            sealed.unseal(self.place, path, out, CONTEXT)
            found[path.relative_to(self.to).as_posix()] = out.read_bytes()
            out.unlink()
        return found

    def left(self) -> list[str]:
        return sorted(path.relative_to(self.inbox).as_posix() for path in self.inbox.rglob("*") if path.is_file())


@pytest.fixture
def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def test_files_are_sealed_under_their_names_and_removed(room: Room) -> None:
    (room.inbox / "deep" / "er").mkdir(parents=True)
    (room.inbox / "empty").write_bytes(b"")
    (room.inbox / "deep" / "er" / "r\u00e9port.csv").write_bytes(b"x" * 3_000_000)
    room.look()
    room.look(SETTLE)
    assert room.opened() == {"deep/er/r\u00e9port.csv.tkms": b"x" * 3_000_000, "empty.tkms": b""}
    assert room.left() == []
    assert sorted(room.told) == [
        ("inbox/deep/er/r\u00e9port.csv", "sealed/deep/er/r\u00e9port.csv.tkms", 3_000_000),
        ("inbox/empty", "sealed/empty.tkms", 0),
    ]
    assert room.complaints == []


def test_a_file_is_left_alone_until_it_has_not_changed_for_a_while(room: Room) -> None:
    with (room.inbox / "a").open("wb", buffering=0) as file:
        for text in (b"one ", b"two ", b"three"):
            file.write(text)
            room.look(SETTLE - 1)
    room.look(SETTLE - 1.5)
    assert room.opened() == {}
    room.look(2)
    assert room.opened() == {"a.tkms": b"one two three"}


def test_a_file_that_is_open_to_write_is_kept_however_long_its_program_pauses(room: Room) -> None:
    with (room.inbox / "a").open("wb", buffering=0) as file:
        file.write(b"half")
        room.look()
        room.look(SETTLE)
        assert room.left() == ["a"]
        assert room.opened() == {}
        file.write(b" and half")
    room.look()
    room.look(SETTLE)
    assert room.opened() == {"a.tkms": b"half and half"}
    assert [path for path, _ in room.complaints] == ["inbox/a"]


def test_the_same_name_again_is_another_file(room: Room) -> None:
    for text in (b"one", b"two", b"six"):
        (room.inbox / "a").write_bytes(text)
        room.look()
        room.look(SETTLE)
    assert room.opened() == {"a.tkms": b"one", "a@2.tkms": b"two", "a@3.tkms": b"six"}


def test_a_name_that_something_else_has_is_passed_over(room: Room) -> None:
    (room.to / "a.tkms").mkdir()
    (room.to / "a@2.tkms").symlink_to(room.inbox / "a")
    (room.to / "a@3.tkms").write_bytes(b"x" * 202)  # as long as the sealed one
    os.mkfifo(room.to / "a@4.tkms")
    (room.inbox / "a").write_bytes(b"a" * 12)
    room.look()
    room.look(SETTLE)
    assert room.complaints == []
    assert room.told == [("inbox/a", "sealed/a@5.tkms", 12)]
    assert room.left() == []


def test_hidden_files_links_and_pipes_are_left(room: Room) -> None:
    (room.inbox / ".a.XyZ").write_bytes(b"rsync is about to rename it")
    (room.inbox / ".hidden").mkdir()
    (room.inbox / ".hidden" / "b").write_bytes(b"b")
    (room.path / "secret").write_bytes(b"of somebody else")
    (room.inbox / "link").symlink_to(room.path / "secret")
    (room.inbox / "directory").symlink_to(room.path)
    os.mkfifo(room.inbox / "pipe")
    room.look()
    room.look(SETTLE)
    assert room.opened() == {}
    assert sorted(path for path, _ in room.complaints) == ["inbox/link", "inbox/pipe"]
    assert (room.path / "secret").exists()


def test_what_cannot_be_sealed_now_is_tried_again(room: Room) -> None:
    (room.inbox / "a").write_bytes(b"a")
    (room.inbox / "b").write_bytes(b"b")

    class Down:
        down = True

        def call(self, action: str, params: dict[str, object]) -> dict[str, object]:
            if self.down and action == "GenerateDataKey":
                raise Unavailable
            return room.place.call(action, params)

    place = Down()
    room.watch = room.start(place)
    room.look()
    room.look(SETTLE)
    assert [path for path, _ in room.complaints] == ["inbox/a", "inbox/b"]
    assert room.watch.failed == {room.inbox / "a", room.inbox / "b"}
    assert not room.watch.waiting
    place.down = False
    room.look(AGAIN_SECONDS - 1)
    assert room.opened() == {}
    room.look(1)
    assert room.opened() == {"a.tkms": b"a", "b.tkms": b"b"}
    assert room.watch.failed == set()


def test_a_sealed_file_of_a_key_that_is_gone_does_not_stop_another_of_its_name(room: Room) -> None:
    key: dict[str, object] = room.place.call("CreateKey", {"alias": "gone"})["key"]  # type: ignore[assignment]
    (room.inbox / "a").write_bytes(b"same")
    sealed.seal(room.place, room.inbox / "a", room.to / "a.tkms", "alias/gone", CONTEXT)
    room.place.call("DisableKey", {"key_ids": [key["id"]]})
    room.look()
    room.look(SETTLE)
    assert (room.to / "a@2.tkms").exists()
    assert room.left() == []


def test_what_a_killed_one_left_is_taken_up(room: Room) -> None:
    (room.to / f"{WRITING}abcd_123").write_bytes(b"half")
    (room.inbox / "a").write_bytes(b"sealed before")
    sealed.seal(room.place, room.inbox / "a", room.to / "a.tkms", "alias/default", CONTEXT)
    (room.inbox / f"{sealed.ASIDE}b").write_bytes(b"set aside before it was sealed, by a person")
    (room.inbox / "b").write_bytes(b"another b")
    room.watch = room.start()
    room.look()
    room.look(SETTLE)
    assert room.opened() == {
        "a.tkms": b"sealed before",
        "b.tkms": b"set aside before it was sealed, by a person",
        "b@2.tkms": b"another b",
    }
    assert room.left() == []
    assert not list(room.to.glob(f"{WRITING}*"))


def test_a_sealed_file_whose_name_only_begins_as_one_that_is_not_whole_stays(room: Room) -> None:
    (room.inbox / f"{sealed.ASIDE}{WRITING}a").write_bytes(b"a")
    (room.to / f"{WRITING}directory").mkdir()
    room.look()
    room.look(SETTLE)
    room.watch = room.start()
    assert room.opened() == {f"{WRITING}a.tkms": b"a"}
    assert room.left() == []


def test_a_link_that_takes_the_place_of_a_directory_leads_nowhere(room: Room) -> None:
    """Whoever may write into the inbox may do so while a file is sealed, and no other directory is changed."""
    other, directory = room.path / "other", room.inbox / "deep"
    for path in (other, directory):
        path.mkdir()
        (path / "a").write_bytes(b"a")
    calls = 0

    class Meddling:
        def call(self, action: str, params: dict[str, object]) -> dict[str, object]:
            nonlocal calls
            calls += 1
            if action == "Decrypt":
                directory.rename(room.path / "gone")
                directory.symlink_to(other)
            return room.place.call(action, params)

    room.watch = room.start(Meddling())
    room.look()
    room.look(SETTLE)
    assert calls == 2
    assert [path.name for path in other.iterdir()] == ["a"]
    assert room.complaints == [("inbox/deep/a", "is left: it was changed meanwhile")]


# -- the process -----------------------------------------------------------------------------------------

_DIES = """
import os, sys
from pathlib import Path
from tkms.files.watch import Watch
from tkms.machine.directory import Directory
from tkms.places import OneMachine

root, left = Path(sys.argv[1]), int(sys.argv[2])
place = OneMachine(Directory(root / "data"))

def step(event, args):
    global left
    here = (str(root / "inbox"), str(root / "sealed"))
    named = str(args[0]).startswith(here) or event in ("os.rename", "os.remove") and args[-1] >= 0
    if event in ("open", "os.rename", "os.link", "os.remove", "os.mkdir") and named:
        left -= 1
        if left < 0:
            os._exit(9)

def complain(path, error):
    print(path, error)
    os._exit(2)

sys.addaudithook(step)
watch = Watch(place, root / "inbox", root / "sealed", "alias/default", {"app": "shop"}, 0, print, complain)
watch.look()
os._exit(0)
"""


def test_nothing_is_lost_whatever_step_it_dies_before(room: Room) -> None:
    """It dies before each of its opening, linking, renaming and removing; another goes on, and dies one later."""
    texts = {"deep/a": b"a" * 2_500_000, "b": b"b", "c": b""}
    (room.inbox / "deep").mkdir()
    deaths = 0
    for step in range(100):
        for name, text in texts.items():
            (room.inbox / name).write_bytes(text)
        args = [sys.executable, "-c", _DIES, str(room.path), str(step)]
        done = subprocess.run(args, capture_output=True, text=True, timeout=60)
        assert done.returncode in (0, 9), done.stdout + done.stderr
        there = {name.removesuffix(".tkms").partition("@")[0] for name in room.opened()}
        there |= {name.replace(sealed.ASIDE, "") for name in room.left()}
        assert there == texts.keys()
        if done.returncode == 0:
            break
        deaths += 1
        room.watch = room.start()
        room.look()
        room.look(SETTLE)
        assert room.left() == []
        found = room.opened()
        assert {name: found[f"{name}.tkms"] for name in texts} == texts
        assert len(found) == len(texts), "each was sealed once"
        for path in room.to.rglob("*.tkms"):
            path.unlink()
    assert deaths >= 20
    assert room.complaints == []


def _watching(room: Room, *args: str) -> subprocess.Popen[str]:
    words = ["watch", str(room.inbox), str(room.to), "--data-dir", str(room.path / "data"), "--context", "app=shop"]
    return subprocess.Popen(
        command(*words, "--settle", "1s", *args), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_once_seals_what_is_there_and_says_whether_all_was(room: Room) -> None:
    (room.inbox / "a").write_bytes(b"a")
    with _watching(room, "--once") as watching:
        out, err = watching.communicate(timeout=60)
    assert (watching.returncode, err) == (0, "")
    assert out == f"{room.inbox}/a -> {room.to}/a.tkms\n"
    (room.inbox / "link").symlink_to("a")
    with _watching(room, "--once", "--json") as watching:
        out, err = watching.communicate(timeout=60)
    assert (watching.returncode, out) == (1, "")
    assert "link: is a link" in err
    assert room.opened() == {"a.tkms": b"a"}


def _wait(until: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_it_survives_being_killed_and_stops_when_it_is_told(room: Room) -> None:
    size = 100_000_000
    (room.inbox / "big").write_bytes(b"b" * size)
    with _watching(room) as first:
        _wait(lambda: list(room.to.iterdir()))
        first.kill()
    assert first.returncode == -signal.SIGKILL
    with _watching(room) as second:
        (room.inbox / "small").write_bytes(b"small")
        _wait(lambda: not room.left())
        with _watching(room) as third:
            _, err = third.communicate(timeout=60)
        assert (third.returncode, err) == (1, f"tkms: another tkms watch is at work in {room.inbox}\n")
        second.terminate()
        _, err = second.communicate(timeout=60)
    assert (second.returncode, err) == (0, "")
    assert {name: len(text) for name, text in room.opened().items()} == {"big.tkms": size, "small.tkms": 5}
    assert sorted(path.name for path in room.to.iterdir()) == ["big.tkms", "small.tkms"]


def test_it_goes_on_where_nobody_reads_its_lines(room: Room) -> None:
    for name in ("a", "b", "c"):
        (room.inbox / name).write_bytes(name.encode())
    (room.inbox / "link").symlink_to("a")
    reading, writing = os.pipe()
    os.close(reading)
    words = ["watch", str(room.inbox), str(room.to), "--data-dir", str(room.path / "data"), "--context", "app=shop"]
    with subprocess.Popen(command(*words, "--settle", "1s"), stdout=writing, stderr=writing) as watching:
        os.close(writing)
        _wait(lambda: [path.name for path in room.inbox.iterdir()] == ["link"])
        assert watching.poll() is None
        watching.terminate()
    assert watching.returncode == 0
    assert len(room.opened()) == 3


@pytest.mark.parametrize(
    ("inbox", "to", "status"), [("a", "a", 2), ("a", "a/b", 2), ("a/b", "a", 2), ("a", "none", 1), ("none", "a", 1)]
)
def test_two_directories_are_needed(tmp_path: Path, inbox: str, to: str, status: int) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    done = run_tkms("watch", str(tmp_path / inbox), str(tmp_path / to), check=False)
    assert (done.returncode, done.stdout) == (status, "")
    assert "directory" in done.stderr or "directories" in done.stderr
