"""`tkms backup`, `tkms backup verify`, `tkms restore` and `tkms resume`."""

from __future__ import annotations

import argparse
import hashlib
import sys
import tempfile
import time
from collections.abc import Callable
from itertools import groupby
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from tenantkms.errors import KmsError
from tenantkms.keys.maintenance import JOBS
from tenantkms.model.profiles import DAY
from tenantkms.model.watch import Watch
from tenantkms.runtime.assemble import Settings, SettingsError
from tkms.backup.announced import announced
from tkms.backup.asking import Progress, check_name, chosen_closing, opening_secrets
from tkms.backup.compare import WORDS, Difference
from tkms.backup.container import Plain
from tkms.backup.contents import PARENT, About, unpack
from tkms.backup.parents import candidates, rows_of
from tkms.backup.restore import Plan, prepared, put
from tkms.backup.rows import Report, past_their_date
from tkms.backup.write import back_up
from tkms.machine.directory import Directory
from tkms.machine.site_file import read_site, write_site
from tkms.note import note, noted
from tkms.output import clear, confirm, counted, date, path_text, print_json, printable, say
from tkms.places import reason
from tkms.process import end_orderly

_SHOWN = 20
"""Differences of one sort that are told by name."""


class _Made(Struct, frozen=True, kw_only=True):
    file: str
    bytes: int
    closed: str
    about: About


def backup(args: argparse.Namespace) -> int:
    end_orderly()
    directory, file = Directory(args.data_dir), Path(args.file)
    directory.open()  # or say what is wrong: nothing is backed up that its parent key does not open
    check_name(file, args.data_dir)
    closing = chosen_closing(args)
    with noted(directory.open, "Backup", path_text(file.absolute())) as say:
        with Progress(args, "backup") as tell:
            about = back_up(directory, file, closing, with_parent=args.with_parent, tell=tell)
        say(_as_noted(file, about.keys))
    made = _Made(file=path_text(file), bytes=file.stat().st_size, closed=closing.words, about=about)
    if args.json:
        print_json(made)
        return 0
    print(f"{printable(made.file)}: {_counts(about)}; {counted(made.bytes, 'byte')}, {made.closed}")
    parent = args.data_dir / PARENT
    if not args.with_parent:
        print(f"The parent key is not in it, and nothing opens without that: keep a copy of {parent} apart from it.")
    elif isinstance(closing, Plain):
        print(
            "tkms: whoever reads this file has all keys: the parent key is in it, and it is not encrypted",
            file=sys.stderr,
        )
    return 0


def _as_noted(file: Path, keys: int) -> str:
    """What the audit log has of a backup: which file, and how many keys went with it."""
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return f"{path_text(file.absolute())}: {counted(keys, 'key')}, SHA-256 {digest}"


def _counts(about: About | Report) -> str:
    if isinstance(about, Report):
        versions = counted(about.versions, "version")
    else:
        versions = counted(about.older_versions, "older version")
    aliases = counted(about.aliases, "alias", "aliases")
    return f"{counted(about.keys, 'key')} with {versions}, {aliases}, {counted(about.credentials, 'access key')}"


# -- verify -----------------------------------------------------------------------------------------------


class _Verified(Struct, frozen=True, kw_only=True):
    """`parent`: where the parent key is that opens it, in words."""

    file: str
    tenant: str
    parent: str
    about: About
    found: Report


def verify(args: argparse.Namespace) -> int:
    end_orderly()
    file = Path(args.file)
    name = path_text(file)
    with tempfile.TemporaryDirectory(prefix="tkms-") as folder:
        with file.open("rb") as source, Progress(args, "reading") as tell:
            unpacked = unpack(opening_secrets(args).opened(source, name), name, Path(folder), tell)
        wanted = unpacked.about.parent_fingerprint
        rows, parent = rows_of(unpacked, candidates(args.parent, unpacked.parent, args.data_dir, name, wanted), name)
        with Progress(args, "opening", " keys", 0) as tell:
            report = rows.check(every=args.all, tell=tell)
        del rows
    for what in ("keys", "aliases", "credentials"):
        if getattr(report, what) != getattr(unpacked.about, what):
            report.problem(f"there are {getattr(report, what)} {what}, and it says {getattr(unpacked.about, what)}")
    if args.json:
        tenant, about = unpacked.site.tenant, unpacked.about
        print_json(_Verified(file=name, tenant=tenant, parent=parent.words, about=about, found=report))
    else:
        print(f"{printable(name)}: tenant {unpacked.site.tenant}, {date(unpacked.about.created)}, {_counts(report)}")
        looked = counted(report.rows, "row was", "rows were")
        print(f"{counted(report.opened, 'version')} and all access keys were opened; {looked} looked at")
        print(f"It opens with {printable(parent.words)}")
        _tell_problems(report)
    return 1 if report.bad else 0


def _tell_problems(report: Report) -> None:
    for text in report.problems:
        print(f"tkms: {printable(text)}", file=sys.stderr)
    if report.bad > len(report.problems):
        print(f"tkms: and {report.bad - len(report.problems)} more", file=sys.stderr)


# -- restore ----------------------------------------------------------------------------------------------


class _Restored(Struct, frozen=True, kw_only=True):
    """`done` is false of what would be done. `parent`: where the parent key is that opens it, in words. `aside` is the
    folder of what was there.
    """

    done: bool
    data_dir: str
    tenant: str
    parent: str
    about: About
    found: Report
    due: list[str]
    undone: list[Difference] | None
    aside: str = ""


def restore(args: argparse.Namespace) -> int:
    end_orderly()
    directory, file = Directory(args.data_dir), Path(args.file)
    secrets = opening_secrets(args)
    with (
        Progress(args, "reading") as tell,
        prepared(
            directory, file, secrets, args.parent, replacing=args.replace, tell=tell, dry_run=args.dry_run
        ) as plan,
    ):
        if tell:
            clear()
        if not args.json:
            _tell(plan)
        aside, behind = None, None
        if not args.dry_run:
            if plan.replaces:
                confirm(args, f"It takes the place of what is in {args.data_dir}.")
            with announced(plan, _as_noted(file, plan.report.keys)) as behind:
                aside = put(plan, time.time())
    lacks = _lacks(directory, behind) if behind else ""
    if args.json:
        done = _Restored(
            done=not args.dry_run,
            data_dir=path_text(args.data_dir),
            tenant=plan.unpacked.site.tenant,
            parent=plan.parent,
            about=plan.unpacked.about,
            found=plan.report,
            due=plan.due,
            undone=plan.differences,
            aside=path_text(aside) if aside else "",
        )
        print_json(done)
    elif args.dry_run:
        print("Nothing is changed.")
    else:
        _tell_done(args.data_dir, aside)
    if lacks:
        say(f"tkms: It is restored; only the audit log has no line that says so: {lacks}", sys.stderr)
    return 1 if lacks else 0


def _lacks(directory: Directory, behind: Callable[[Settings], None]) -> str:
    """Why the line `behind` it could not be written; empty if it was."""
    try:
        behind(directory.open())
    except (KmsError, SettingsError) as e:
        return reason(e)
    return ""


def _tell(plan: Plan) -> None:
    about, site = plan.unpacked.about, plan.unpacked.site
    print(f"The backup: tenant {site.tenant}, {date(about.created)}, {_counts(plan.report)}")
    print(f"It opens with {printable(plan.parent)}")
    _tell_problems(plan.report)
    if about.audit_head:
        print(f"The audit log's last line then: {about.audit_head} (tkms audit verify --head)")
    if plan.due:
        print(f"{_past(plan.due)} and would be destroyed")
    if plan.why:
        print(f"What it undoes cannot be told: {plan.why}.")
    elif plan.differences is not None:
        _tell_differences(plan.differences)
    if plan.other_parent:
        print("The parent key becomes that one again, and the one of now is kept aside with what is there.")


def _tell_differences(found: list[Difference]) -> None:
    print("What it undoes:" if found else "What is there is the same.")
    by_sort = {sort: list(some) for sort, some in groupby(sorted(found, key=lambda d: d.what), lambda d: d.what)}
    for sort, words in WORDS.items():
        if some := by_sort.get(sort):
            print(f"  {len(some)} {words}:")
            for each in some[:_SHOWN]:
                print(f"    {printable(each.name)}{f': {printable(each.text)}' if each.text else ''}")
            if len(some) > _SHOWN:
                print(f"    and {len(some) - _SHOWN} more (--json has all)")


def _past(due: list[str]) -> str:
    """Keys that are past the date at which they are destroyed."""
    of = counted(len(due), "key is past its date", "keys are past their date")
    return f"{of}{f' ({_some(due)})' if due else ''}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def _tell_done(data_dir: Path, aside: Path | None) -> None:
    print(f"{data_dir} is restored." + (f" What was there is in {aside}: remove it when nobody asks." if aside else ""))
    if aside and (aside / PARENT).exists():
        print(
            f"The parent key is another one now. The one of before is {aside / PARENT}:\n"
            "backups that were made under it open with it alone, so keep it as long as one of them.\n"
            "Lines of the audit log that were written under it are problems to tkms audit verify."
        )
    print(
        "Nothing is rotated or destroyed until you say so: tkms maintain --dry-run counts what is due,\n"
        "tkms key list shows it, tkms key cancel-deletion keeps a key; then tkms resume.\n"
        "Requests that were signed before now are refused."
    )


# -- resume -----------------------------------------------------------------------------------------------


def resume(args: argparse.Namespace) -> int:
    directory = Directory(args.data_dir)
    settings = directory.open()
    if not directory.paused:
        if args.json:
            print_json({"resumed": False, "due": []})
        else:
            print("Nothing waits for that.")
        return 0
    now, store = int(settings.deps.clock()), settings.deps.keyring.store
    due = past_their_date(store, now)
    if not args.json:
        print(_past(due))
    confirm(args, f"Keys are rotated again, and from {date(now + DAY)} on destroyed when their date is over.")
    for job in JOBS.values():  # nothing was watched meanwhile: what is due waits a day from now
        store.put_watch(job.name, Watch(since=now, seen=now))
    note(settings, "Resume", "ok")
    with directory.alone():
        site = read_site(args.data_dir)
        write_site(args.data_dir, replace(site, paused=False, restored=min(site.restored, now + 1)))
    if args.json:
        print_json({"resumed": True, "due": due})
    else:
        print("The scheduled work goes on.")
    return 0
