"""`tkms export` and `tkms import`."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import chain
from pathlib import Path
from typing import cast
from uuid import uuid4

from msgspec import Struct
from msgspec.structs import replace

from tenantkms.model.site import Site
from tenantkms.runtime.assemble import Settings
from tkms.backup.asking import Progress, check_name, chosen_closing, opening_secrets
from tkms.backup.container import Pieces, Plain
from tkms.machine.directory import Directory
from tkms.machine.site_file import NAME as SITE
from tkms.machine.site_file import read_site, write_site
from tkms.note import Log
from tkms.output import Failed, counted, date, path_text, print_json, printable, say
from tkms.places import OneMachine, Place, find, key_of, named_by
from tkms.process import end_orderly
from tkms.transfer.about import About
from tkms.transfer.check import SHOWN, Check, Chosen, Findings
from tkms.transfer.file import Counts, Export, packed
from tkms.transfer.inward import Arrival
from tkms.transfer.outward import Source, about
from tkms.transfer.work import EXPORT, IMPORT, Hands, distinct_names
from tkms.whole import writing

_ON_AWS = 8
"""Calls of AWS at a time."""


def _counts(counts: Counts) -> str:
    return (
        f"{counted(counts.keys, 'key')} with {counted(counts.versions, 'version')},"
        f" {counted(counts.aliases, 'alias', 'aliases')}, {counted(counts.credentials, 'access key')}"
    )


@contextmanager
def _stopped(so_far: Callable[[], str]) -> Iterator[None]:
    """Who stops the block is told what is there now."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit):
        say(f"tkms: Stopped. {so_far()}", sys.stderr)
        raise


def _hands(args: argparse.Namespace) -> Hands:
    return Hands(_ON_AWS if args.stack else 1)


def _log(place: Place, action: str) -> Log:
    """Of a stack in its own log: what a library writes to the standard output nobody finds."""
    request_id = uuid4().hex
    audit = place.settings.deps.audit
    if not isinstance(place, OneMachine):
        from tkms.stack.stack import Stack
        from tkms.transfer.cloud import audit_of

        audit = audit_of(cast("Stack", place), request_id)
    return Log(place.settings.site.tenant, audit.write, action, request_id)


# -- export -----------------------------------------------------------------------------------------------


class _Exported(Struct, frozen=True, kw_only=True):
    file: str
    bytes: int
    closed: str
    about: About
    counts: Counts
    passed_over: list[str]


def export(args: argparse.Namespace) -> int:
    end_orderly()
    place, file, counts = find(args), Path(args.file), Counts()
    check_name(file, args.data_dir)
    settings, closing = place.settings, chosen_closing(args)
    said = about(settings, whole=not args.keys)
    with ExitStack() as stack:
        names = stack.enter_context(distinct_names("What is there"))
        source = Source(settings, stack.enter_context(_hands(args)), _log(place, EXPORT), names)
        stack.enter_context(source.of_one_moment())
        ids = source.find([key_of(place, name) for name in args.keys]) if args.keys else None
        stack.enter_context(_stopped(lambda: _is_there(file)))
        with Progress(args, "export", " keys", 0) as tell, writing(file, replace=False) as out:
            rows = source.keys(ids, tell)
            if not args.keys and not args.without_credentials:
                rows = chain(rows, source.credentials())
            closing.close(Pieces(packed(said, rows, counts)), out)
    made = _Exported(
        file=path_text(file),
        bytes=file.stat().st_size,
        closed=closing.words,
        about=said,
        counts=counts,
        passed_over=source.passed_over,
    )
    if args.json:
        print_json(made)
        return 0
    print(f"{printable(made.file)}: {_counts(counts)}; {counted(made.bytes, 'byte')}, {made.closed}")
    if source.passed_over:
        print(f"{counted(len(source.passed_over), 'key is', 'keys are')} being destroyed, and not in it.")
    whose = "whoever reads this file has" if isinstance(closing, Plain) else "Whoever opens it has"
    print(
        f"{whose} all keys in it, with no parent key: remove it when it is imported.",
        file=sys.stderr if isinstance(closing, Plain) else sys.stdout,
    )
    return 0


def _is_there(file: Path) -> str:
    whole = "is whole" if file.exists() else "is not there, and nothing of it: run it again"
    return f"{printable(path_text(file))} {whole}."


# -- import -----------------------------------------------------------------------------------------------


class _Imported(Struct, frozen=True, kw_only=True):
    """`made` counts what is here now and was not, or nothing of what was only looked at."""

    file: str
    about: About
    found: Findings
    made: Counts


def import_(args: argparse.Namespace) -> int:
    end_orderly()
    name = path_text(args.file)
    secrets = opening_secrets(args)
    with ExitStack() as stack:
        source = stack.enter_context(Path(args.file).open("rb"))

        def opened() -> Export:
            source.seek(0)
            return Export(secrets.opened(source, name), name)

        first = opened()
        chosen = _chosen(args, first.about)
        to, made = _Target(args, first.about, name), Counts()
        stack.enter_context(_stopped(lambda: _made_so_far(made, to.where)))
        hands, names = stack.enter_context(_hands(args)), stack.enter_context(distinct_names(name))
        with to.looked_at() as settings, Progress(args, "checking", " keys", 0) as tell:
            check = Check(settings, first.about, chosen, hands, names, tell)
            first.tell(check)
            found = check.finish()
        _refuse(found, name, args)
        if not args.dry_run and (found.new.keys or found.file.credentials):
            settings, log = to.written_to()
            to.forget_requests(found.new)  # who is stopped has made them, and the next run does not make them again
            with Progress(args, "importing", " keys", 0) as tell:
                arrival = Arrival(settings, chosen, hands, names, log, made, tell)
                opened().tell(arrival)
                arrival.finish()
            to.forget_requests(made)
            if made != found.new:
                raise Failed(f"{_counts(made)} were made, and {_counts(found.new)} were to be: run it again.")
    if args.json:
        print_json(_Imported(file=name, about=first.about, found=found, made=made))
    else:
        _tell(args, to, first.about, found, made)
    return 0


def _chosen(args: argparse.Namespace, said: About) -> Chosen:
    """Its keys have the ARNs of where they come from. Raises `Failed`."""
    names = [named_by(name, said.region, said.account) for name in args.keys]
    return Chosen.of(names, credentials=not args.without_credentials, keep_changed=args.keep_changed)


def _made_so_far(made: Counts, where: str) -> str:
    if made == Counts():
        return f"No key and no access key of it was made in {where}: run it again."
    return f"{_counts(made)}, at least, were made in {where}, whole, and stay. Run it again: it goes on."


class _Target:
    """Where an export goes. Raises `Failed` if that is of another tenant, and nobody has said that it is meant."""

    def __init__(self, args: argparse.Namespace, about_: About, name: str) -> None:
        self._args, self._about = args, about_
        self._place: Place | None = None
        if args.from_tenant not in ("", about_.tenant):
            raise Failed(
                f"{name} is of tenant {about_.tenant!r}, and not of {args.from_tenant!r}: is it the right file?"
            )
        if args.stack or ((args.data_dir / SITE).exists() and read_site(args.data_dir).ready):
            self._place = find(args)
            here = self._place.settings.site
            # Most machines are `local`: they are told apart by the account, which `tkms init` made up.
            if (here.tenant, here.account) != (about_.tenant, about_.account) and not args.from_tenant:
                raise Failed(
                    f"{name} is of tenant {about_.tenant!r} of the account {about_.account}, and {self.where} of"
                    f" {here.tenant!r} of {here.account}: if that is meant, --from-tenant {about_.tenant}"
                )

    @property
    def where(self) -> str:
        return str(self._args.stack or self._args.data_dir)

    @contextmanager
    def looked_at(self) -> Iterator[Settings]:
        """What is there; of a directory that is yet to be made, one that is empty."""
        if self._place:
            yield self._place.settings
            return
        with tempfile.TemporaryDirectory(prefix="tkms-") as folder:
            settings = self._made(Path(folder) / "empty")
            yield settings
            if settings.log:
                settings.log.close()

    def written_to(self) -> tuple[Settings, Log]:
        if self._place is None:
            self._made(self._args.data_dir)
            self._place = find(self._args)
        _ = self._place.access  # a stack's first root secret is made where it is first needed
        return self._place.settings, _log(self._place, IMPORT)

    def forget_requests(self, made: Counts) -> None:
        """Of access keys that came just now nobody knows which requests were served where they come from.

        A server that runs reads this after an access key: who calls with one that is new, was written before it.
        """
        if made.credentials and not self._args.stack:
            path = self._args.data_dir
            with Directory(path).alone():
                write_site(path, replace(read_site(path), restored=int(time.time()) + 1))

    def _made(self, path: Path) -> Settings:
        said = self._about
        return Directory(path).make(said.tenant, said.region, said.account, empty=True)

    @property
    def site(self) -> Site:
        if self._place:
            return self._place.settings.site
        return Site(tenant=self._about.tenant, region=self._about.region, account=self._about.account)


def _refuse(found: Findings, name: str, args: argparse.Namespace) -> None:
    """Raises `Failed` unless all can be made."""
    for problem in found.problems:
        print(f"tkms: {printable(problem)}", file=sys.stderr)
    if found.bad:
        more = f", {found.bad - len(found.problems)} of which are not told" if found.bad > len(found.problems) else ""
        where, stand = args.stack or args.data_dir, counted(found.bad, "thing stands", "things stand")
        raise Failed(
            f"Nothing of {name} is imported: {stand} against it{more}. {where} is as it was."
            " What to do about each: docs/export.md."
        )


def _tell(args: argparse.Namespace, to: _Target, said: About, found: Findings, made: Counts) -> None:
    here = to.where
    print(f"{printable(path_text(args.file))}: tenant {said.tenant}, {date(said.created)}, {_counts(found.file)}")
    if args.dry_run:
        rest = "" if found.new == found.file else f"; what else is in it is in {here} already"
        print(f"New are {_counts(found.new)}{rest}. Nothing is changed.")
    elif made == Counts():
        print(f"Nothing of it is new: all was in {here} already.")
    else:
        rest = "" if made == found.file else "; what else is in it was there already"
        print(f"{_counts(made)} are made in {here}, read back and compared{rest}.")
    for ids, what in (
        (found.changed, "were changed here, and stay so"),
        (found.put_off, "are past the date of their deletion: it is put off to a day from now"),
        (
            found.policies,
            f"have policies that name the account {said.account}: to be set again they must name this one",
        ),
    ):
        if ids:
            print(f"{', '.join(ids)}{' and others' if len(ids) == SHOWN else ''} {what}.")
    site = to.site
    if (site.region, site.account) != (said.region, said.account):
        before = f"{said.region}:{said.account}"
        way = f"{before} is one of other_arns" if args.stack else f"it is served with --other-arns {before}"
        print(
            f"ARNs have {site.region}:{site.account} here. Those of before name keys once {way};"
            " what an AWS encryption SDK has written names its own ARN: docs/moving.md."
        )
