"""`tkms audit verify` finds what was done to a log: each kind of attack, at each place of the files."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.audit_writers import MAC, file_log, key, record
from tenantkms.audit.file_log import FileLog
from tenantkms.audit.files import rotated
from tenantkms.crypto.hmacs import Hmac
from tkms.audit.verify import PROBLEM, parse_head, verify_lines, verify_log

Lines = list[bytes]
COUNT = 30


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """Lines in several files."""
    log = tmp_path / "audit.jsonl"
    audit = file_log(log, 2_000)
    for number in range(COUNT):
        audit.write(record("x", number))
    audit.settle()
    assert len(rotated(log)) >= 3
    return log


def files(log: Path) -> list[Path]:
    return [*rotated(log), log]


def problems(log: Path, **options: object) -> list[str]:
    report = verify_log(log, [MAC], **options)  # type: ignore[arg-type]
    return [finding.found for finding in report.findings if finding.status == PROBLEM]


def edit(file: Path, change: Callable[[Lines], object]) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    change(lines)
    file.write_bytes(b"".join(lines))


def altered(line: bytes) -> bytes:
    return line.replace(b'"principal":"x"', b'"principal":"y"').replace(b'"time":', b'"time":1')


def added(line: bytes) -> bytes:
    """Whoever reads JSON takes the last member of a name."""
    return line.removesuffix(b"}\n") + b',"principal":"y","outcome":"ok"}\n'


CHANGES: dict[str, Callable[[Lines, int], object]] = {
    "removed": lambda lines, at: lines.pop(at),
    "changed": lambda lines, at: lines.__setitem__(at, altered(lines[at])),
    "its mac changed": lambda lines, at: lines.__setitem__(at, lines[at][:-5] + b'00"}\n'),
    "its members given again behind its mac": lambda lines, at: lines.__setitem__(at, added(lines[at])),
    "no line any more": lambda lines, at: lines.__setitem__(at, b"gone\n"),
    "empty": lambda lines, at: lines.__setitem__(at, b"\n"),
    "twice": lambda lines, at: lines.insert(at, lines[at]),
    "added without a chain": lambda lines, at: lines.insert(at, b'{"v":1,"time":1.0,"outcome":"ok"}\n'),
    "added": lambda lines, at: lines.insert(at, altered(lines[at])),
}


@pytest.mark.parametrize("at", [0, 2, -2, -1])
@pytest.mark.parametrize("change", CHANGES)
def test_whatever_is_done_to_a_line_is_found(log: Path, change: str, at: int) -> None:
    assert problems(log) == []
    for file in files(log):
        kept = file.read_bytes()
        edit(file, lambda lines: CHANGES[change](lines, at))
        if file.read_bytes() != kept:
            assert problems(log), (file.name, change, at)
        file.write_bytes(kept)
    assert problems(log) == []


@pytest.mark.parametrize("at", [0, 2, -2])
def test_lines_that_change_places_are_found(log: Path, at: int) -> None:
    for file in files(log):
        kept = file.read_bytes()
        edit(file, lambda lines: lines.insert(at, lines.pop(at + 1)))
        assert problems(log)
        file.write_bytes(kept)


def test_lines_that_change_places_across_files_are_found(log: Path) -> None:
    first, second = files(log)[:2]
    a, b = first.read_bytes(), second.read_bytes()
    cut = a.rindex(b"\n", 0, -1) + 1
    first.write_bytes(a[:cut])
    second.write_bytes(b[: b.index(b"\n") + 1] + a[cut:] + b[b.index(b"\n") + 1 :])
    assert problems(log)
    # Lines that only stand in another file than they did are all there, in their order.
    second.write_bytes(a[cut:] + b)
    assert problems(log) == []


def test_a_file_that_is_removed_is_found_and_so_are_files_that_are_swapped(log: Path) -> None:
    for file in files(log):
        kept = file.read_bytes()
        file.unlink()
        assert problems(log), file.name
        file.write_bytes(kept)
    first, second = files(log)[:2]
    a, b = first.read_bytes(), second.read_bytes()
    first.write_bytes(b)
    second.write_bytes(a)
    assert problems(log)


@pytest.mark.parametrize("count", [1, 3, 8])
def test_what_is_cut_off_at_the_end_is_found(log: Path, count: int) -> None:
    edit(log, lambda lines: lines.__delitem__(slice(-count, None)))
    (said,) = problems(log)
    assert "missing at the end, says audit.head" in said
    # And when the next process has gone on, too, which says so in the log itself.
    file_log(log).write(record("y", 1))
    (said,) = problems(log)
    assert "as was noticed when it was written" in said
    for _ in range(3):
        file_log(log).write(record("y", 1))
    assert len(problems(log)) == 1


FORGED = b'{"v":1,"time":1.0,"principal":"y","outcome":"ok"}'


@pytest.mark.parametrize("text", [FORGED + b"\n", FORGED, b"cut\n" + FORGED + b"\ncut"])
def test_a_line_that_is_added_at_the_end_is_not_taken_for_one_that_was_cut(log: Path, text: bytes) -> None:
    with log.open("ab") as file:
        file.write(text)
    assert problems(log)
    file_log(log).write(record("x", COUNT))  # says what it has found, as it does of a line that was cut
    (said,) = problems(log)
    assert said.endswith("a line was added")


def test_a_line_that_was_changed_at_the_end_of_an_export_is_found(log: Path) -> None:
    lines = log.read_bytes().splitlines()
    exported = [("export", line) for line in [*lines[:-1], added(lines[-1] + b"\n").rstrip()]]
    (report,) = verify_lines(exported, [MAC])
    assert [finding.status for finding in report.findings if "behind line" in finding.found] == [PROBLEM]


def test_a_file_of_no_chain_is_told_of(log: Path) -> None:
    log.with_name(f"{log.name}.1").write_bytes(FORGED + b"\n")
    (finding,) = verify_log(log, [MAC]).findings
    assert finding.where == f"{log.name}.1"
    assert "no chain" in finding.found


def test_all_but_the_head_removed_is_found(log: Path) -> None:
    for file in files(log):
        file.unlink()
    assert problems(log)
    file_log(log).write(record("y", 1))
    assert problems(log)


def test_the_head_cannot_be_made_of_the_lines(log: Path) -> None:
    """A line shows half of its HMAC; the head has the other half."""
    head = log.with_suffix(".head")
    kept = head.read_bytes()
    lines = log.read_bytes().splitlines()
    last = json.loads(lines[-3])
    edit(log, lambda lines: lines.__delitem__(slice(-2, None)))
    forged = kept[:4] + last["seq"].to_bytes(8, "big") + bytes.fromhex(last["mac"])
    for hidden in (bytes(16), kept[-16:], bytes.fromhex(last["mac"])):
        head.write_bytes(forged + hidden)
        (said,) = problems(log)
        assert said == f"line {last['seq']} is not the one of audit.head"


@pytest.mark.parametrize("left", [b"", b"junk" * 20, b"TKA1" + b"\xff" * 8 + bytes(32)], ids=["none", "junk", "empty"])
def test_without_a_head_it_is_said_and_the_next_process_says_so_too(log: Path, left: bytes) -> None:
    log.with_suffix(".head").write_bytes(left)
    (said,) = problems(log)
    assert "cut off at the end cannot be told" in said
    file_log(log).write(record("y", 1))
    (said,) = problems(log)
    assert "the head was missing" in said


def test_a_whole_earlier_state_is_found_by_a_head_that_was_noted(log: Path) -> None:
    kept = {path: path.read_bytes() for path in log.parent.iterdir()}
    file_log(log).write(record("y", 1))
    noted = parse_head(verify_log(log, [MAC]).head)
    assert problems(log, noted=noted) == []
    for path, data in kept.items():
        path.write_bytes(data)
    assert problems(log) == []  # this is what the files themselves cannot tell
    assert problems(log, noted=noted)
    file_log(log).write(record("z", 1))
    assert problems(log, noted=noted)


def test_lines_that_were_written_since_the_head_are_no_problem(log: Path) -> None:
    """A process that is killed leaves a head that is up to a second old."""
    audit = file_log(log)
    audit.write(record("y", 1))
    head = log.with_suffix(".head").read_bytes()
    for number in range(2, 5):
        audit.write(record("y", number))
    audit.settle()
    log.with_suffix(".head").write_bytes(head)
    assert problems(log) == []
    file_log(log).write(record("y", 5))
    assert problems(log) == []


@pytest.mark.parametrize("text", ["", "5", "x:00", "5:00", f"5:{'g' * 32}", f"-1:{'0' * 32}"])
def test_a_head_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"head|hexadecimal"):
        parse_head(text)


# -- a reseal -----------------------------------------------------------------------------------------------


def test_lines_under_two_keys_are_one_chain_and_the_old_key_adds_none_at_its_end(log: Path) -> None:
    old, new, keys = bytes(32), os.urandom(32), [key()]
    audit = FileLog(log, lambda: keys[0])
    audit.write(record("x", 1))
    keys[0] = new
    audit._key_at = 0  # a second later
    audit.write(record("x", 2))
    macs = [Hmac(new), Hmac(old), MAC]
    file_log(log).write(record("x", 3))  # a process that has not heard of it yet
    assert [f.status for f in verify_log(log, macs).findings] == [PROBLEM]
    audit.note("resealed")
    assert verify_log(log, macs).findings == []
    assert [f.seq for f in verify_log(log, [Hmac(new)]).findings][:1] == [0]
    file_log(log).write(record("y", 4))  # whoever has the key from before
    (finding,) = verify_log(log, macs).findings
    assert "under a key from before a reseal" in finding.found
