"""What commands share: how they are called, what is wrong with a command line, and how results are printed."""

from __future__ import annotations

import argparse
import codecs
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from getpass import getpass
from itertools import islice
from pathlib import Path
from time import monotonic, time
from typing import NoReturn, TextIO, TypeVar
from unicodedata import combining, east_asian_width

import msgspec

from tenantkms.model.watch import HELD

T = TypeVar("T")
Tell = Callable[[int], None]
"""Is told how far long work is."""
Run = Callable[[argparse.Namespace], int]


class UsageError(Exception):
    """The command line cannot be right, whatever there is: status 2."""


class Failed(Exception):
    """What was asked for is refused by what there is, or by what came in: status 1."""


class NotDone(Exception):
    """One of many things is left as it is, and the others are gone on with; the message says why."""


def again(error: Exception) -> NoReturn:
    """Raise an error that was caught before. It has this frame then, which does not keep it."""
    try:
        raise error
    finally:
        del error


def say(text: str, stream: TextIO | None = None) -> None:
    """Print a line at once. A server goes on where nobody reads its lines any more."""
    stream = stream or sys.stdout
    try:
        print(text, file=stream, flush=True)
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def called(file: str) -> str:
    return "The standard input" if file == "-" else path_text(file)


def read_bytes(file: str) -> bytes:
    """Of a file; `-` is standard input. Raises `Failed`."""
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as e:
        raise Failed(f"{called(file)} cannot be read: {e.strerror}.") from e


def decode(data: bytes) -> str:
    """Text as editors and shells save it: UTF-8, or UTF-16 with the mark that PowerShell begins it with.

    Raises `UnicodeDecodeError`.
    """
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if utf16 else "utf-8-sig")


def read_text(file: str) -> str:
    """Of a file; `-` is standard input. Raises `Failed`."""
    try:
        return decode(read_bytes(file))
    except UnicodeDecodeError:
        raise Failed(f"{called(file)} cannot be read: it is not text in UTF-8.") from None


def print_json(value: object) -> None:
    print(msgspec.json.format(msgspec.json.encode(value), indent=2).decode())


def print_json_rows(rows: Iterable[object]) -> None:
    """`print_json` of a list, of which some rows at a time are in memory."""
    between = ""
    print("[", end="")
    for row in rows:
        text = msgspec.json.format(msgspec.json.encode(row), indent=2).decode()
        print(between + "\n  " + text.replace("\n", "\n  "), end="")
        between = ","
    print("\n]" if between else "]")


def path_text(path: str | os.PathLike[str]) -> str:
    """A path as text that can be written anywhere: a byte of its name that is no UTF-8 is `\\xe9`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def printable(text: str) -> str:
    """On one line, and with nothing that a terminal obeys: names come from others."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


_BOLD, _RED, _GREEN, _YELLOW = "1", "31", "32", "33"
_COLOURS = {
    **dict.fromkeys(("ok", "Enabled", "enabled", "allowed"), _GREEN),
    **dict.fromkeys((" !", "Disabled", "disabled", "expired", "PendingImport", "Archived"), _YELLOW),
    **dict.fromkeys(("!!", "PendingDeletion", "denied"), _RED),
}
"""Words that say how something is -> how a terminal writes them (ECMA-48)."""


def _coloured() -> bool:
    """Whether standard output is a terminal, of somebody who wants colours (no-color.org)."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _as(colour: str, text: str) -> str:
    return f"\033[{colour}m{text}\033[0m" if colour and _coloured() else text


def painted(word: str) -> str:
    """`word` in the colour of what it says, on a terminal."""
    return _as(_COLOURS.get(word.rstrip(), ""), word)


def _columns(text: str) -> int:
    """How wide a terminal shows it: Chinese is two columns for each character, and an accent of its own is none."""
    return sum((east_asian_width(c) in "WF") + 1 - bool(combining(c)) for c in text)


_PAGE = 1000
"""Rows of a table that are measured, and in memory, at a time."""


def table(rows: Iterable[Sequence[str]]) -> None:
    """The first row is of headings. The column STATE says how something is."""
    rest, shown = iter(rows), 0
    widths, states = list[int](), list[bool]()
    while cells := [[printable(cell) for cell in row] for row in islice(rest, _PAGE)]:
        widths = [max(widths[i : i + 1] + [_columns(row[i]) for row in cells]) for i in range(len(cells[0]))]
        states = states or [heading == "STATE" for heading in cells[0]]
        for row in cells:
            padded = [cell + " " * (width - _columns(cell)) for cell, width in zip(row, widths, strict=True)]
            if shown:
                padded = [painted(cell) if state else cell for cell, state in zip(padded, states, strict=True)]
            line = "  ".join(padded).rstrip()
            print(line if shown else _as(_BOLD, line))
            shown += 1


def time_text(seconds: float) -> str:
    """Unix seconds in UTC; 0 is never. What is in no calendar, as only others write it, stays a number."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if seconds else "never"
    except (OverflowError, ValueError, OSError):
        return f"second {seconds:.0f}"


def counted(count: int, one: str, several: str = "") -> str:
    """`1 key`, `2,000 keys`: how many there are of what one is called, and `several`, if not by an s."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"), (1, "second"))


def time_from_now(seconds: float, now: float) -> str:
    """`in 7 days`, `3 hours ago`: in the largest unit of which there is one, rounded."""
    far = round(abs(seconds - now))
    for size, unit in _UNITS:
        if far >= size:
            count = round(far / size)
            words = counted(count, unit)
            return f"in {words}" if seconds > now else f"{words} ago"
    return "now"


def date(seconds: float) -> str:
    """`time_text`, and on a terminal how far off that is: what others read is the same tomorrow."""
    if not seconds or not sys.stdout.isatty():
        return time_text(seconds)
    return f"{time_text(seconds)} ({time_from_now(seconds, time())})"


_DURATION = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
LONGEST = 3650 * 86_400
"""Seconds: what is to last longer is to last for ever."""


def duration(text: str) -> int:
    """Seconds of `90d`, `12h`, `15m` or `30s`. For argparse."""
    match = _DURATION.fullmatch(text)
    seconds = int(match[1]) * _SECONDS[match[2]] if match else 0
    if not 0 < seconds <= LONGEST:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration such as 90d, 12h, 15m or 30s, of 3650d at most")
    return seconds


def yes_option() -> argparse.ArgumentParser:
    """What `confirm` reads, as a parent of a command's parser."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--yes", action="store_true", help="do not ask; without a terminal nobody can be asked")
    return parser


def confirm(args: argparse.Namespace, question: str, answer: str = "yes") -> None:
    """Ask before what takes something away, unless `--yes` says so.

    Raises `UsageError` without a terminal to ask on, and `Failed` for another answer than `answer`.
    """
    if args.yes:
        return
    if not sys.stdin.isatty():
        raise UsageError(f"{args.line} asks before it begins: run it on a terminal, or with --yes")
    print(f"{question} Type {answer} to go on: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip() != answer:
        raise Failed("Nothing is changed.")


def typed(prompt: str) -> bytes:
    """What is typed at the terminal, which does not show it; nothing of it where the input ends (Ctrl-D)."""
    try:
        return getpass(prompt).encode()
    except EOFError:
        print(file=sys.stderr)
        return b""


def up_to(most: int) -> Callable[[str], int]:
    """Reads a number from 1 to `most`, for an option."""

    def number(text: str) -> int:
        if not (text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= most):
            raise argparse.ArgumentTypeError(f"{text} is not from 1 to {most}")
        return int(text)

    return number


PAUSED = (
    "nothing is rotated or destroyed: this directory was restored, and nobody has said since that it may go on. See"
    " what is due (tkms maintain --dry-run), cancel the deletions that are wrong, then: tkms resume"
)


def held_text(last: int) -> str:
    """Why keys that are due are not destroyed, and what to do; `last` is the time of the last run."""
    if last == HELD:
        return (
            "nothing is rotated or destroyed: this region took over from one that was lost. When that is back, and what"
            " it had on its way has come, or when it is given up: tkms maintain --trust-clock"
        )
    return (
        f"nothing is destroyed: the last run was at {time_text(last)}, so the clock has jumped or nothing has"
        " run for an hour. If the clock is right: tkms maintain --trust-clock"
    )


def shown(args: argparse.Namespace) -> bool:
    """Whether somebody looks at a bar."""
    return not args.json and sys.stderr.isatty()


def clear() -> None:
    """Take a bar away."""
    print("\r\033[K", end="", file=sys.stderr, flush=True)


def seen(things: Iterable[T], tell: Tell | None) -> Iterator[T]:
    """These things. `tell` is told how many there were so far."""
    for count, thing in enumerate(things, 1):
        yield thing
        if tell:
            tell(count)


class Bar:
    """On standard error, how far long work is, and how fast. A `total` of 0 is not known."""

    _SECONDS = 0.1

    def __init__(self, name: str, total: int = 0, unit: str = "") -> None:
        self._name, self._total, self._unit = name, total, unit
        self._began = monotonic()
        self._told = self._began - self._SECONDS

    def __call__(self, count: int) -> None:
        now = monotonic()
        if now - self._told < self._SECONDS and count != self._total:
            return
        self._told = now
        line = f"{self._name} "
        if self._total:
            filled = 30 * count // max(count, self._total)
            line += f"[{'#' * filled}{'.' * (30 - filled)}] "
        line += f"{count:,}" + (f"/{self._total:,}" if self._total else "") + self._unit
        if now > self._began:
            line += f", {count / (now - self._began):,.0f}{self._unit}/s"
        print(f"\r{line}\033[K", end="", file=sys.stderr, flush=True)
