"""`tkms seal`, `tkms unseal` and `tkms watch`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from tenantkms.errors import KmsError
from tkms.commands import context
from tkms.files import sealed
from tkms.files.sealed import SUFFIX
from tkms.files.watch import Watch, held, run
from tkms.output import Bar, Failed, NotDone, UsageError, clear, path_text, print_json, printable, say, shown
from tkms.places import find, reason
from tkms.process import end_orderly


def told(file: Path, error: Exception) -> str:
    """Why a file was left as it is."""
    if not isinstance(error, OSError):
        return reason(error)
    other = error.filename and Path(error.filename) != file
    return f"{path_text(error.filename) if other else ''} {error.strerror or error}".strip()


def _each(args: argparse.Namespace, work: Callable[[Path], dict[str, object]]) -> int:
    """One file after the other, whatever becomes of one."""
    end_orderly()
    done: list[dict[str, object]] = []
    for file in args.files:
        try:
            done.append(work(file))
            line, out = "{source} -> {target}".format_map(done[-1]), sys.stdout
        except (NotDone, OSError, KmsError) as e:
            line, out = f"tkms: {path_text(file)}: {told(file, e)}", sys.stderr
        if shown(args):
            clear()
        if out is sys.stderr or not args.json:
            print(printable(line), file=out, flush=True)
    if args.json:
        print_json(done)
    return 0 if len(done) == len(args.files) else 1


def _bar(args: argparse.Namespace, file: Path) -> Callable[[int], None] | None:
    if not shown(args):
        return None
    bar = Bar(printable(path_text(file.name)), file.lstat().st_size >> 20, " MB")
    return lambda size: bar(size >> 20)


def seal(args: argparse.Namespace) -> int:
    pairs, place = context(args), find(args)

    def work(source: Path) -> dict[str, object]:
        before = sealed.identity(source.lstat())
        target = (args.to or source.parent) / (sealed.own_name(source) + SUFFIX)
        done: dict[str, object] = {"source": path_text(source), "target": path_text(target), "bytes": before.size}
        if not (args.remove and sealed.holds(place, target, source, pairs)):
            made = sealed.seal(place, source, target, args.key, pairs, _bar(args, source))
            done |= made._asdict()
        if args.remove:
            sealed.remove_sealed(place, source, target, pairs, before)
        return done

    return _each(args, work)


def unseal(args: argparse.Namespace) -> int:
    pairs, place = context(args), find(args)

    def work(source: Path) -> dict[str, object]:
        if source.suffix != SUFFIX:
            raise NotDone(f"its name does not end in {SUFFIX}")
        target = (args.to or source.parent) / source.stem
        size = sealed.unseal(place, source, target, pairs, _bar(args, source))
        return {"source": path_text(source), "target": path_text(target), "bytes": size}

    return _each(args, work)


def watch(args: argparse.Namespace) -> int:
    """Until it is ended; with `--once` until all that is there was tried."""
    pairs = context(args)
    inbox, to = args.inbox.resolve(), args.sealed.resolve()
    for directory, other in ((inbox, to), (to, inbox)):
        if not directory.is_dir():
            raise Failed(f"{directory} is no directory")
        if directory == other or directory in other.parents:
            raise UsageError("INBOX and SEALED are two directories, and neither is in the other")

    def tell(source: Path, target: Path, size: int) -> None:
        said = {"source": path_text(source), "target": path_text(target), "bytes": size}
        line = msgspec.json.encode(said).decode() if args.json else printable("{source} -> {target}".format_map(said))
        say(line)

    def complain(path: Path, error: Exception) -> None:
        say(printable(f"tkms: {path_text(path)}: {told(path, error)}"), sys.stderr)

    end_orderly(0)
    with held(inbox), held(to):
        return run(Watch(find(args), inbox, to, args.key, pairs, args.settle, tell, complain), once=args.once)
