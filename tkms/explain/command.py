"""`tkms explain-signature`: why the running server has refused a client's signature."""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Iterator
from typing import Any

import msgspec

from tkms.explain.lines import Difference, Line, first_difference, lines_of
from tkms.explain.refusal import SEARCHING, Refusal
from tkms.explain.search import TWO_SECONDS, Named
from tkms.explain.texts import DIFFERENCES, FAULTS, MISTAKES, WAY_OUT
from tkms.machine.desk import ask
from tkms.machine.directory import Directory
from tkms.machine.refusals import MOST, SECONDS
from tkms.output import (
    Failed,
    UsageError,
    called,
    counted,
    painted,
    print_json,
    printable,
    read_text,
    table,
    time_from_now,
    time_text,
)

_PLACES = {
    "host": ("host",),
    "path": ("path",),
    "method": ("method",),
    "order": ("parameter",),
    "escape": ("parameter",),
    "again": ("parameter",),
    "pairs": ("parameter",),
    "query": ("query",),
    "headers": ("header", "host"),
    "body": ("body",),
    "time": ("time",),
    "scope": ("scope",),
}
"""Where a mistake stands -> the lines that it is about. Those of keys and of whole texts are about none."""
_LOGGED = re.compile(
    r"^.*botocore\.auth.*CanonicalRequest:\n((?:.*\n)*?).*botocore\.auth.*StringToSign:\n(.*\n.*\n.*\n.*)$",
    re.MULTILINE,
)
"""What `boto3.set_stream_logger("botocore.auth")` and `aws --debug` print of a request."""
_MARK = "->"
_ASK_SECONDS = 0.5


def _none() -> str:
    return (
        f"the server keeps the newest {MOST} refused signatures of {SECONDS // 60} minutes, of access keys that exist"
    )


def _refusals(directory: Directory) -> list[Refusal]:
    """The oldest one first. Raises `Failed` that says what to do, and `SettingsError` as the directory does."""
    with directory.alone():
        pass  # it is one, and of this user
    try:
        told = ask(directory.path)
    except (FileNotFoundError, ConnectionRefusedError):
        why = "was started by an older release: start it anew" if directory.running() else "does not run: tkms serve"
        raise Failed(f"The server of {directory.path} {why}. What it refuses is in its memory only.") from None
    except OSError as error:
        raise Failed(f"The server of {directory.path} does not answer: {error.strerror or error}.") from error
    try:
        found = msgspec.msgpack.decode(told, type=list[Refusal])
    except msgspec.DecodeError:
        raise Failed(f"The server of {directory.path} is of another release than this command.") from None
    return sorted(found, key=lambda refusal: refusal.time)


def _wanted(directory: Directory, request_id: str) -> Refusal:
    """The one of that request, or the newest. Raises `Failed` if there is none."""
    until = time.monotonic() + 3 * TWO_SECONDS
    while True:
        found = [refusal for refusal in _refusals(directory) if request_id.lower() in ("", refusal.request_id)]
        if not found:
            what = f"of the request {printable(request_id)}" if request_id else "of any request"
            raise Failed(f"Nothing is kept {what}: {_none()}, and only some of a flood.")
        if found[-1].verdict != SEARCHING or time.monotonic() > until:
            return found[-1]
        time.sleep(_ASK_SECONDS)


def _texts(text: str) -> list[str]:
    """The canonical request and the string to sign of the last request in botocore's log; or `text`, which is one."""
    logged = _LOGGED.findall(text)
    return [part.removesuffix("\n") for part in (logged[-1] if logged else (text,))]


def _compared(refusal: Refusal, file: str) -> Difference | None:
    """With the client's own text, or texts. Raises `Failed` for an empty one."""
    texts = _texts(read_text(file))
    if not texts[0].strip():
        raise Failed(f"{called(file)} is empty: no string to sign.")
    for text in texts:
        mine = lines_of(refusal.way, text)
        of_text = not refusal.lines or mine[0].part == "algorithm"
        if difference := first_difference(refusal.text if of_text else refusal.lines, mine):
            return difference
    return None


def _json(refusal: Refusal, mine: str) -> dict[str, Any]:
    told: dict[str, Any] = msgspec.to_builtins(refusal)
    for name, texts in (("faults", FAULTS), ("mistakes", MISTAKES)):
        told[name] = [{**row, "text": texts[row["id"]]} for row in told[name]]
    if mine:
        told["difference"] = msgspec.to_builtins(_compared(refusal, mine))
    return told


def _marked(refusal: Refusal, line: Line) -> bool:
    for named in refusal.mistakes:
        if line.part in _PLACES.get(named.place, ()):
            names = {other.name for other in (*refusal.lines, *refusal.text)}
            if named.about not in names or named.about == line.name:
                return True
    return False


def _print_lines(refusal: Refusal, heading: str, lines: tuple[Line, ...]) -> None:
    print(f"\n{heading}")
    for line in lines:
        mark = _MARK if _marked(refusal, line) else ""
        print(f"{mark:>2} {line.part:<15} {printable(line.text)}".rstrip())


def _named(rows: tuple[Named, ...], texts: dict[str, str]) -> Iterator[str]:
    for row in rows:
        about = f" ({printable(row.about)})" if row.about not in ("", "-") else ""
        yield f"   {texts[row.id]}{about} [{row.id}]"


def _print(refusal: Refusal, mine: str) -> None:
    ago, size = time_from_now(refusal.time, time.time()), counted(refusal.body_bytes, "byte")
    facts = {
        "request": f"{refusal.request_id}, {time_text(refusal.time)} ({ago}), from {refusal.source_ip}",
        "client": f"{refusal.dialect}, {refusal.algorithm}, access key {refusal.access_key_id}",
        "sent": f"{refusal.method} {refusal.path}, {size} of body, SHA-256 {refusal.body_sha256}",
        "refused": f"{refusal.reason} ({refusal.error})",
    }
    for name, fact in facts.items():
        print(f"{name:<8} {printable(fact)}")
    print(f"\n{painted('!!')} Why")
    for text in (*_named(refusal.faults, FAULTS), *_named(refusal.mistakes, MISTAKES)):
        print(text)
    if refusal.verdict in WAY_OUT:
        print(f"   {WAY_OUT[refusal.verdict]}")
    if refusal.lines:
        _print_lines(refusal, "The server's canonical request", refusal.lines)
    _print_lines(refusal, "The server's string to sign", refusal.text)
    if mine:
        _print_difference(_compared(refusal, mine))


def _print_difference(difference: Difference | None) -> None:
    print()
    if difference is None:
        print("The client's text is the server's: its signature was made with another secret, or otherwise.")
        return
    print(f"The first line that differs is {difference.number}. {DIFFERENCES[difference.why]}")
    for whose, line in (("server", difference.ours), ("client", difference.mine)):
        print(f"   {whose} {printable(line.text) if line else '(none)'}")


def _print_all(found: list[Refusal]) -> None:
    rows = [
        (r.request_id, time_text(r.time), r.source_ip, r.access_key_id, r.algorithm, r.error, *_ids(r)) for r in found
    ]
    table([("REQUEST ID", "TIME", "FROM", "ACCESS KEY ID", "ALGORITHM", "REFUSED", "WHY"), *rows])


def _ids(refusal: Refusal) -> tuple[str]:
    return (" ".join(row.id for row in (*refusal.faults, *refusal.mistakes)) or refusal.verdict,)


def _follow(args: argparse.Namespace, directory: Directory) -> int:
    """Tell each that is refused from now on, until the command is ended."""
    seen = {refusal.request_id for refusal in _refusals(directory)}
    while True:
        for refusal in _refusals(directory):
            if refusal.request_id not in seen and refusal.verdict != SEARCHING:
                seen.add(refusal.request_id)
                if args.json:
                    print(msgspec.json.encode(_json(refusal, "")).decode(), flush=True)
                else:
                    _print(refusal, "")
                    print("\n", flush=True)
        time.sleep(_ASK_SECONDS)


def explain(args: argparse.Namespace) -> int:
    directory = Directory(args.data_dir)
    if args.file and (args.all or args.follow):
        raise UsageError("--mine is compared with one request: without --all and --follow")
    if args.follow:
        return _follow(args, directory)
    if args.all:
        found = _refusals(directory)
        if args.json:
            print_json([_json(refusal, "") for refusal in found])
        elif found:
            _print_all(found)
        else:
            print(f"No request was refused for its signature: {_none()}.")
        return 0
    refusal = _wanted(directory, args.request_id)
    if args.json:
        print_json(_json(refusal, args.file))
    else:
        _print(refusal, args.file)
    return 0
