"""`tkms seal` and `tkms unseal`: files into sealed ones and back, and nothing half done."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kit import tink_peer
from kit.connections import command
from kit.support import new_directory, run_tkms
from tenantkms.crypto.context import canonical
from tenantkms.crypto.sealed import read_head
from tenantkms.crypto.streaming import SEGMENT, sealed_size
from tenantkms.errors import InvalidCiphertext, KmsError
from tkms.files import sealed
from tkms.machine.directory import Directory
from tkms.output import NotDone
from tkms.places import OneMachine
from tkms.whole import WRITING, writing

Tkms = Callable[..., subprocess.CompletedProcess[str]]
CONTEXT = {"app": "shop"}
TEXT = b"PLAINTEXT-MARKER" * 200_000
"""3.2 MB: three segments and more."""


@pytest.fixture
def tkms(tmp_path: Path) -> Tkms:
    data = str(new_directory(tmp_path / "data").path)
    return lambda *args: run_tkms(*args, "--data-dir", data, check=False)


@pytest.fixture
def place(tmp_path: Path) -> OneMachine:
    return OneMachine(new_directory(tmp_path / "data"))


@pytest.fixture
def work(tmp_path: Path) -> Path:
    directory = tmp_path / "work"
    directory.mkdir()
    return directory


def contents(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


# -- the commands ----------------------------------------------------------------------------------------


def test_files_are_sealed_beside_themselves_and_opened_elsewhere(tkms: Tkms, work: Path) -> None:
    texts = {"empty": b"", "byte": b"x", "report.csv": TEXT, "with space": TEXT[:SEGMENT]}
    for name, text in texts.items():
        (work / name).write_bytes(text)
    files = [str(work / name) for name in texts]
    done = tkms("seal", *files, "--context", "app=shop")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"{file} -> {file}.tkms" for file in files]
    for name, text in texts.items():
        kept = (work / f"{name}.tkms").read_bytes()
        assert kept.startswith(b"TKO1\x00\x80")
        assert len(kept) == 134 + sealed_size(len(text))
        assert b"MARKER" not in kept
        assert (work / name).read_bytes() == text, "without --remove a file stays"
    opened = work / "opened"
    opened.mkdir()
    done = tkms("unseal", "--context", "app=shop", "--to", str(opened), *[f"{file}.tkms" for file in files])
    assert (done.returncode, done.stderr) == (0, "")
    assert contents(opened) == texts
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in opened.iterdir())


def test_json_says_what_each_was_sealed_with(tkms: Tkms, work: Path) -> None:
    (work / "a").write_bytes(TEXT)
    (made,) = json.loads(tkms("seal", str(work / "a"), "--json").stdout)
    key = json.loads(tkms("key", "describe", "alias/default", "--json").stdout)
    assert made == {
        "source": str(work / "a"),
        "target": str(work / "a.tkms"),
        "bytes": len(TEXT),
        "key_id": key["id"],
        "key_version_id": key["primary_version_id"],
    }
    (work / "a").unlink()
    (opened,) = json.loads(tkms("unseal", str(work / "a.tkms"), "--json").stdout)
    assert opened == {"source": str(work / "a.tkms"), "target": str(work / "a"), "bytes": len(TEXT)}


def test_tink_opens_a_sealed_file_with_the_data_key_of_its_head(place: OneMachine, work: Path) -> None:
    (work / "a").write_bytes(TEXT)
    sealed.seal(place, work / "a", work / "a.tkms", "alias/default", CONTEXT)
    file = io.BytesIO((work / "a.tkms").read_bytes())
    blob = read_head(file)
    data_key = place.settings.deps.keyring  # the blob opens with the keyring itself, beside the Action
    header, text = _open(data_key, blob)
    assert header == place.call("DescribeKey", {"key_ids": ["alias/default"]})["keys"][0]["id"]  # type: ignore[index]
    assert tink_peer.open_(text, canonical(CONTEXT), io.BytesIO(file.read())) == TEXT


def _open(keyring: object, blob: bytes) -> tuple[str, bytes]:
    from tenantkms.crypto.envelope import parse_header

    header = parse_header(blob)
    key = keyring.key(header.key_id)  # type: ignore[attr-defined]
    return header.key_id, keyring.decrypt(key, header, blob, CONTEXT)  # type: ignore[attr-defined]


def test_remove_takes_the_file_away_once_it_is_sealed(tkms: Tkms, work: Path) -> None:
    (work / "a").write_bytes(TEXT)
    (work / "a").chmod(0o640)
    assert tkms("seal", "--remove", str(work / "a")).returncode == 0
    assert list(contents(work)) == ["a.tkms"]
    assert stat.S_IMODE((work / "a.tkms").stat().st_mode) == 0o640
    assert tkms("unseal", str(work / "a.tkms")).returncode == 0
    assert (work / "a").read_bytes() == TEXT


def test_remove_goes_on_where_it_was_stopped(tkms: Tkms, work: Path) -> None:
    """Sealed, and not removed yet; or set aside, and not removed yet."""
    (work / "a").write_bytes(TEXT)
    assert tkms("seal", str(work / "a")).returncode == 0
    before = (work / "a.tkms").read_bytes()
    assert tkms("seal", "--remove", str(work / "a")).returncode == 0
    assert contents(work) == {"a.tkms": before}
    (work / f"{sealed.ASIDE}a").write_bytes(TEXT)
    assert tkms("seal", "--remove", str(work / f"{sealed.ASIDE}a")).returncode == 0
    assert contents(work) == {"a.tkms": before}


def test_what_is_there_is_never_replaced(tkms: Tkms, work: Path) -> None:
    (work / "a").write_bytes(b"new")
    (work / "a.tkms").write_bytes(b"another")
    for args in (["seal"], ["seal", "--remove"], ["unseal"]):
        name = "a.tkms" if args == ["unseal"] else "a"
        done = tkms(*args, str(work / name))
        assert done.returncode == 1
        assert contents(work) == {"a": b"new", "a.tkms": b"another"}
        assert ("there already" in done.stderr) or args == ["unseal"]
        assert "Traceback" not in done.stderr


def test_one_bad_file_does_not_stop_the_others(tkms: Tkms, work: Path) -> None:
    (work / "good").write_bytes(b"good")
    (work / "link").symlink_to("good")
    os.mkfifo(work / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(work / "socket"))
        done = tkms("seal", *(str(work / name) for name in ("gone", "link", "pipe", "socket", ".", "good")))
    assert done.returncode == 1
    assert (work / "good.tkms").exists()
    said = ("gone: No such file", "link: is a link", "pipe: is not a regular file", "socket: ", "work: Is a directory")
    for text in said:
        assert text in done.stderr
    assert len(done.stderr.splitlines()) == 5


# -- what does not open ----------------------------------------------------------------------------------


def refused(tkms: Tkms, work: Path, *args: str) -> str:
    """What `unseal` says of `a.tkms`, of which nothing is left."""
    before = contents(work)
    done = tkms("unseal", str(work / "a.tkms"), *args)
    assert (done.returncode, done.stdout) == (1, "")
    assert contents(work) == before, "nothing was written"
    assert "Traceback" not in done.stderr
    return done.stderr


def test_what_was_changed_or_is_of_another_context_opens_to_nothing(tkms: Tkms, work: Path) -> None:
    (work / "b").write_bytes(TEXT)
    assert tkms("seal", "--remove", str(work / "b"), "--context", "app=shop").returncode == 0
    good = (work / "b.tkms").read_bytes()
    (work / "a.tkms").write_bytes(good)
    for context in ((), ("--context", "app=other"), ("--context", "app=shop", "--context", "more=1")):
        assert "EncryptionContext" in refused(tkms, work, *context)
    cases = {
        "head": (b"TKO2" + good[4:], "no sealed file"),
        "blob": (good[:50] + bytes([good[50] ^ 1]) + good[51:], "CiphertextBlob"),
        "cut": (good[:-1], "damaged, not whole"),
        "a segment less": (good[: 134 + 2 * SEGMENT], "damaged, not whole"),
        "longer": (good + b"\0", "damaged, not whole"),
        "nothing": (b"", "no sealed file"),
        "text": (TEXT[:1000], "no sealed file"),
    }
    for changed, text in cases.values():
        (work / "a.tkms").write_bytes(changed)
        assert text in refused(tkms, work, "--context", "app=shop")


def test_a_blob_of_another_length_than_a_data_key_opens_nothing(tkms: Tkms, place: OneMachine, work: Path) -> None:
    """Whoever may Encrypt can put any blob before a stream."""
    import base64

    made = place.call("Encrypt", {"key_id": "alias/default", "plaintext": base64.b64encode(b"short").decode()})
    blob = base64.b64decode(str(made["ciphertext"]))
    (work / "a.tkms").write_bytes(b"TKO1" + len(blob).to_bytes(2, "big") + blob + b"\x28" + bytes(100))
    assert "damaged, not whole" in refused(tkms, work)


# -- nothing half done -----------------------------------------------------------------------------------


class Meddling:
    """A place where something happens to the files while the KMS is asked."""

    def __init__(self, place: OneMachine, during: str, do: Callable[[], object]) -> None:
        self._place, self._during, self._do = place, during, do
        self.settings, self.access, self.url = place.settings, place.access, place.url
        self.maintain = place.maintain

    def call(self, action: str, params: dict[str, object]) -> dict[str, object]:
        answer = self._place.call(action, params)
        if action == self._during:
            self._do()
        return answer


def test_a_file_that_grows_while_it_is_sealed_is_not(place: OneMachine, work: Path) -> None:
    source = work / "a"
    source.write_bytes(b"half")

    def grow() -> None:
        with source.open("ab") as file:
            file.write(b" of it")

    with pytest.raises(NotDone, match="is being written"):
        sealed.seal(Meddling(place, "GenerateDataKey", grow), source, work / "a.tkms", "alias/default", CONTEXT)
    assert contents(work) == {"a": b"half of it"}


def _sealed(place: OneMachine, work: Path) -> tuple[Path, Path, sealed.Identity]:
    source, target = work / "a", work / "a.tkms"
    source.write_bytes(b"first")
    before = sealed.identity(source.lstat())
    sealed.seal(place, source, target, "alias/default", CONTEXT)
    return source, target, before


def test_a_file_that_changes_before_it_is_removed_is_kept(place: OneMachine, work: Path) -> None:
    source, target, before = _sealed(place, work)
    source.write_bytes(b"other")
    with pytest.raises(NotDone, match="does not open to it"):
        sealed.remove_sealed(place, source, target, CONTEXT, before)
    assert source.read_bytes() == b"other"


def test_a_file_that_comes_in_its_place_is_kept(place: OneMachine, work: Path) -> None:
    """While the sealed one is read back another file is moved to the name."""
    source, target, before = _sealed(place, work)

    def come() -> None:
        (work / "new").write_bytes(b"second")
        (work / "new").replace(source)

    with pytest.raises(NotDone, match="changed meanwhile"):
        sealed.remove_sealed(Meddling(place, "Decrypt", come), source, target, CONTEXT, before)
    assert contents(work)["a"] == b"second"


def test_a_file_that_a_program_has_open_to_write_is_kept(place: OneMachine, work: Path) -> None:
    source, target, before = _sealed(place, work)
    with source.open("ab"), pytest.raises(NotDone, match="has it open to write"):
        sealed.remove_sealed(place, source, target, CONTEXT, before)
    assert source.exists()
    sealed.remove_sealed(place, source, target, CONTEXT, before)
    assert not source.exists()


@pytest.mark.parametrize("damage", [b"", b"TKO1", b"x" * 201])
def test_a_file_is_kept_unless_what_was_sealed_opens_to_it(place: OneMachine, work: Path, damage: bytes) -> None:
    source, target, before = _sealed(place, work)
    target.write_bytes(damage)
    with pytest.raises(NotDone, match="does not open to it"):
        sealed.remove_sealed(place, source, target, CONTEXT, before)
    assert source.read_bytes() == b"first"


def test_what_cannot_be_asked_now_is_no_answer(place: OneMachine, work: Path) -> None:
    from tenantkms.errors import Unavailable

    source, target, before = _sealed(place, work)

    def gone() -> None:
        raise Unavailable

    with pytest.raises(Unavailable):
        sealed.remove_sealed(Meddling(place, "Decrypt", gone), source, target, CONTEXT, before)
    assert source.exists()


def test_a_key_that_is_not_there_leaves_nothing(place: OneMachine, work: Path) -> None:
    (work / "a").write_bytes(b"text")
    with pytest.raises(KmsError):
        sealed.seal(place, work / "a", work / "a.tkms", "alias/none", CONTEXT)
    assert contents(work) == {"a": b"text"}


def test_who_is_told_to_end_leaves_nothing_half_done(place: OneMachine, work: Path, tmp_path: Path) -> None:
    with (work / "a").open("wb") as file:
        file.truncate(2 << 30)
    words = command("seal", str(work / "a"), "--data-dir", str(tmp_path / "data"))
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as sealing:
        deadline = time.monotonic() + 60
        while len(list(work.iterdir())) < 2 and time.monotonic() < deadline:
            time.sleep(0.005)
        sealing.terminate()
        out, err = sealing.communicate(timeout=60)
    assert (sealing.returncode, out, err) == (128 + signal.SIGTERM, b"", b"")
    assert [path.name for path in work.iterdir()] == ["a"]


@pytest.mark.parametrize("words", [("backup", "--plain"), ("export", "--plain"), ("tls", "--copy-ca")])
def test_a_file_in_no_directory_is_told_by_its_own_name(
    words: tuple[str, ...], directory: Directory, tmp_path: Path
) -> None:
    told = run_tkms(*words, str(file := tmp_path / "none" / "x"), "--data-dir", str(directory.path), check=False)
    assert told.returncode == 1
    assert f"tkms: {file}" in told.stderr
    assert "the directory does not exist" in told.stderr
    assert WRITING not in told.stderr


def test_what_is_written_appears_whole_or_not_at_all(work: Path) -> None:
    with writing(work / "a") as file:
        file.write(b"whole")
        assert [path.name.startswith(WRITING) for path in work.iterdir()] == [True]

    def fail() -> None:
        with writing(work / "b") as file:
            file.write(b"half")
            raise InvalidCiphertext

    def come_second() -> None:
        with writing(work / "c", replace=False) as file:
            (work / "c").write_bytes(b"another came first")
            file.write(b"late")

    with pytest.raises(InvalidCiphertext):
        fail()
    with pytest.raises(FileExistsError, match="there already"):
        come_second()
    with pytest.raises(FileExistsError, match="there already"), writing(work / "a", replace=False):
        pytest.fail("it began")
    assert contents(work) == {"a": b"whole", "c": b"another came first"}


def test_names_of_others_are_written_so_that_no_terminal_obeys_them(tkms: Tkms, work: Path) -> None:
    """Not UTF-8, on two lines, with an escape sequence."""
    names = [b"r\xe9port", b"two\nlines", b"\x1b[2J"]
    files = [os.fsdecode(os.fsencode(work) + b"/" + name) for name in names]
    for file in files:
        Path(file).write_bytes(b"text")
    done = tkms("seal", *files, "none\x1b")
    assert done.returncode == 1
    there = [f"{work}/{name}" for name in ("r\\xe9port", "two\\nlines", "\\x1b[2J")]
    assert done.stdout.splitlines() == [f"{name} -> {name}.tkms" for name in there]
    assert done.stderr == "tkms: none\\x1b: No such file or directory\n"
    done = tkms("unseal", "--json", "--to", str(work.parent), *(f"{file}.tkms" for file in files))
    told = [made["target"].removeprefix(f"{work.parent}/") for made in json.loads(done.stdout)]
    assert told == ["r\\xe9port", "two\nlines", "\x1b[2J"]
    assert {os.fsencode(path.name) for path in work.parent.iterdir()} > set(names)
    done = tkms("rewrap", "--json", *files)
    assert [failure["name"] for failure in json.loads(done.stdout)["failed"]] == [
        f"{work}/{name}" for name in ("r\\xe9port", "two\nlines", "\x1b[2J")
    ]


def test_a_context_that_is_not_utf8_is_said(tkms: Tkms, work: Path) -> None:
    (work / "a").write_bytes(b"text")
    done = tkms("seal", "--context", "a=\udcff", str(work / "a"))
    assert (done.returncode, done.stderr) == (2, "tkms: a=\\xff is not UTF-8\n")
