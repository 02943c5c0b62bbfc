"""Whether the lines of an audit log are as they were written: none removed, changed, added or moved.

What is promised, and what cannot be: docs/audit.md.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path

import msgspec
from msgspec import Struct, field

from tenantkms.audit.chain import LAST, MAC, SHOWN, START, Head, Link, link
from tenantkms.audit.files import Event, number, read_head, rotated
from tenantkms.crypto.hmacs import Hmac
from tkms.output import counted

PROBLEM, NOTE = "problem", "note"


class Finding(Struct, frozen=True):
    """`seq` is the number of the line that shows it."""

    status: str
    where: str
    found: str
    seq: int


class Report(Struct, kw_only=True):
    """Of one chain. `head` is its last line, as SEQ:MAC, to be kept elsewhere."""

    chain: str = ""
    first: int = -1
    last: int = -1
    lines: int = 0
    head: str = ""
    findings: list[Finding] = field(default_factory=list)


class _Line(Struct, frozen=True):
    """`body` is what its HMAC is of, besides the line before."""

    at: Link
    event: Event
    body: bytes


_NONE = Event(time=0, event="")
_END = LAST.rstrip()


def _line(raw: bytes) -> _Line | None:
    text = raw.rstrip(b"\r\n")
    at, cut = link(text), text.rfind(MAC)
    if at is None or text[cut:] != MAC + at.mac.encode() + _END:  # no HMAC is of what follows it
        return None
    event = _NONE
    with suppress(msgspec.ValidationError):
        event = msgspec.json.decode(text, type=Event)
    return _Line(at, event, text[:cut])


def _readable(data: bytes) -> bool:
    """Whether a whole line is in it, which a reader takes for one: of what was cut off none is JSON."""
    for text in data.split(b"\n"):
        with suppress(msgspec.DecodeError, UnicodeDecodeError):
            msgspec.json.decode(text)
            return True
    return False


def _lines(first: int, last: int) -> str:
    return f"line {first} is" if first == last else f"lines {first} to {last} are"


class Checker:
    """Is shown the lines of one chain in their order. `wanted`: lines whose whole HMAC will be asked for.

    `macs`: of now, and of before each reseal. A line may be under any of them, as processes hear of a reseal one after
    the other; whoever has an old one can add lines at the end alone, since a line binds what is before it.
    """

    def __init__(self, macs: Sequence[Hmac], wanted: Iterable[int] = ()) -> None:
        self.report = Report()
        self._macs = macs
        self._newest = True
        self._digests = dict.fromkeys(wanted, b"")
        self._shown: bytes | None = START
        self._first: _Line | None = None
        self._dropped: dict[int, str] = {}
        self._stray: list[bytes] = []
        self._stray_at = ""

    def tell(self, status: str, where: str, found: str, seq: int) -> None:
        self.report.findings.append(Finding(status, where, found, seq))

    def see(self, raw: bytes, where: str) -> None:
        """The next line, with its end if it has one."""
        line, report = _line(raw), self.report
        if line is None:
            self._stray_at = self._stray_at or where
            self._stray.append(raw)
            return
        self._check_stray(line)
        self._check(line, where)
        report.lines += 1
        self._shown = line.at.shown
        if report.first < 0:
            report.first = line.at.seq
        if line.at.seq > report.last:
            report.last, report.head = line.at.seq, f"{line.at.seq}:{line.at.mac}"

    def _check(self, line: _Line, where: str) -> None:
        seq, report = line.at.seq, self.report
        if report.chain and report.chain != line.at.chain:
            self.tell(PROBLEM, where, f"line {seq} is of another chain, {line.at.chain}", seq)
        report.chain = line.at.chain
        if seq <= report.last:
            self.tell(PROBLEM, where, f"line {seq} stands behind line {report.last}", seq)
            return
        if seq > report.last + 1:
            noticed = line.event.event == "lost" and line.event.last == report.last
            if report.first < 0 and not noticed:
                self._first, self._shown = line, None  # a later line may say what stood before
            else:
                said = ", as was noticed when it was written: cut off, or lost in a power cut" if noticed else ""
                self.tell(PROBLEM, where, f"{_lines(report.last + 1, seq - 1)} missing before line {seq}{said}", seq)
            if not noticed:
                return  # what it is bound to is not there
        if self._shown is None:
            return
        digest = self._digest(self._shown, line)
        if digest[:SHOWN] != line.at.shown:
            self.tell(PROBLEM, where, f"line {seq} is not what was written, or the one before it is not", seq)
        elif line.event.event == "unmarked":
            self.tell(PROBLEM, where, f"before line {seq} the head was missing, and perhaps lines at the end", seq)
        elif line.event.event == "dropped":
            self._dropped[line.event.last] = line.event.shown
        if seq in self._digests:
            self._digests[seq] = digest

    def _digest(self, shown: bytes, line: _Line) -> bytes:
        """The line's whole HMAC, under the key that it is under, if it is under one."""
        digest = b""
        for age, mac in enumerate(self._macs):
            digest = mac(shown + line.body)
            if digest[:SHOWN] == line.at.shown:
                self._newest = age == 0
                break
        return digest

    def _check_stray(self, line: _Line) -> None:
        """What stands between two lines of the chain must be what the second one says."""
        event, data, where = line.event, b"".join(self._stray), self._stray_at
        self._stray, self._stray_at = [], ""
        if not data and not event.bytes:
            return
        same = hashlib.sha256(data[: event.bytes]).hexdigest() == event.sha256
        if not event.bytes or not same or data[event.bytes :] not in (b"", b"\n"):
            self.tell(PROBLEM, where, f"before line {line.at.seq} something was added or changed", line.at.seq)
        elif event.event == "began":
            self.tell(
                NOTE, where, f"{counted(event.bytes, 'byte')} from before the chain, as they were then", line.at.seq
            )
        elif _readable(data):
            self.tell(PROBLEM, where, f"before line {line.at.seq} a line was added", line.at.seq)
        else:
            cut = "bytes of a line that could not be written whole: nobody was answered for it"
            self.tell(NOTE, where, f"{event.bytes} {cut}", line.at.seq)

    def end(self, *, whole: bool) -> Report:
        """No more lines. `whole`: the chain was shown from its beginning, or from where a line says."""
        report, first = self.report, self._first
        if whole and report.lines and not self._newest:
            found = f"line {report.last} is under a key from before a reseal, which ended with a line under the new one"
            self.tell(PROBLEM, "", found, report.last)
        if self._stray:
            (data, *more) = self._stray
            torn = not (more or data.endswith(b"\n") or _readable(data))
            status, found = (NOTE, "a line is not whole yet") if torn else (PROBLEM, "something was added or changed")
            self.tell(status, self._stray_at, f"behind line {report.last} {found}", report.last)
        if first is not None:
            before = first.at.seq - 1
            shown = self._dropped.get(before, "")
            status = PROBLEM if whole else NOTE
            if shown:
                if self._digest(bytes.fromhex(shown), first)[:SHOWN] != first.at.shown:
                    self.tell(PROBLEM, "", f"line {first.at.seq} is not what was written", first.at.seq)
            elif any(before < last for last in self._dropped):
                self.tell(status, "", f"{_lines(0, before)} missing, where no file was removed", first.at.seq)
            else:
                self.tell(status, "", f"{_lines(0, before)} missing, and no line says why", first.at.seq)
        return report

    def meets(self, head: Head, name: str) -> None:
        """Whether the chain, which has ended, has that line. `hidden` may be empty."""
        report, digest = self.report, self._digests.get(head.seq)
        if head.seq > report.last:
            missing = f"{_lines(report.last + 1, head.seq)} missing at the end, says {name}"
            self.tell(PROBLEM, "", missing, head.seq)
        elif digest and not (digest.startswith(head.shown) and digest.endswith(head.hidden)):
            self.tell(PROBLEM, "", f"line {head.seq} is not the one of {name}", head.seq)


def parse_head(text: str) -> Head:
    """SEQ:MAC. Raises ValueError."""
    seq, _, shown = text.partition(":")
    if not seq.isdecimal() or len(shown) != 2 * SHOWN:
        raise ValueError("a head is a number, a colon and 32 hexadecimal digits")
    return Head(int(seq), bytes.fromhex(shown), b"")


def verify_log(path: Path, macs: Sequence[Hmac], noted: Head | None = None) -> Report:
    """The log at `path` with all its files, as they are at this moment: it may be written to meanwhile."""
    with ExitStack() as stack:
        head, files = _snapshot(path, stack)
        wanted = [found.seq for found in (head, noted) if found]
        checker = Checker(macs, wanted)
        for name, file, size in files:
            for count, raw in enumerate(_read(file, size), 1):
                checker.see(raw, f"{name}:{count}")
    report = checker.end(whole=True)
    if report.last < 0 and not (head and head.seq >= 0):
        return report
    if head is None or (head.seq < 0 and report.last > 0):
        missing = f"{path.with_suffix('.head').name} says nothing: what was cut off at the end cannot be told"
        checker.tell(PROBLEM, "", missing, report.last)
    else:
        checker.meets(head, path.with_suffix(".head").name)
    if noted:
        checker.meets(noted, "the head that was noted")
    unchained = "a file of an earlier release, of no chain: nothing tells of changes"
    for older in rotated(path):
        if number(older) < 0:
            checker.tell(NOTE, older.name, unchained, report.last)
    return report


def _snapshot(path: Path, stack: ExitStack) -> tuple[Head | None, list[tuple[str, int, int]]]:
    """The head, and (name, open file, size) of each, while nobody writes."""

    def opened(file: Path) -> int:
        descriptor = os.open(file, os.O_RDONLY)
        stack.callback(os.close, descriptor)
        return descriptor

    files = []
    with ExitStack() as turn:
        head = None
        with suppress(FileNotFoundError):
            lock = opened(path.with_suffix(".head"))
            fcntl.flock(lock, fcntl.LOCK_SH)
            turn.callback(fcntl.flock, lock, fcntl.LOCK_UN)
            head = read_head(lock)
        for file in [*rotated(path), path]:
            if file == path or number(file) >= 0:
                with suppress(FileNotFoundError):
                    descriptor = opened(file)
                    files.append((file.name, descriptor, os.fstat(descriptor).st_size))
    return head, files


def _read(file: int, size: int) -> Iterator[bytes]:
    with open(file, "rb", closefd=False) as stream:
        while size > 0 and (raw := stream.readline(size)):
            size -= len(raw)
            yield raw


def verify_lines(lines: Iterable[tuple[str, bytes]], macs: Sequence[Hmac]) -> list[Report]:
    """Chains of lines that were exported, in whatever order: (where it is from, line)."""
    chains: dict[str, dict[bytes, tuple[int, str]]] = defaultdict(dict)
    for where, raw in lines:
        if (at := link(raw.rstrip(b"\r\n"))) is not None:
            chains[at.chain].setdefault(raw.rstrip(b"\r\n"), (at.seq, where))
    reports = []
    for seen in chains.values():
        checker = Checker(macs)
        for raw, (_, where) in sorted(seen.items(), key=lambda item: item[1][0]):
            checker.see(raw, where)
        reports.append(checker.end(whole=False))
    return reports
