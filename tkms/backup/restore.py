"""A backup becomes a data directory, or takes the place of what one has.

All that is new is put together in `.restoring`, on the same file system, and proven before anything is touched. Then
files change their names, one by one: `site.json` goes first and comes last, and without it no command uses a directory.
So whoever is killed leaves what was there, or what is there now, or a directory of which every command says that the
restore is to be run again. What was there is never removed: it is in `before-<time>`.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from tenantkms.runtime.assemble import AUDIT_FILE, SettingsError
from tkms.backup.compare import Difference, differences, existing
from tkms.backup.container import Secrets
from tkms.backup.contents import PARENT, STORE, Told, Unpacked, unpack
from tkms.backup.parents import candidates, rows_of
from tkms.backup.rows import Report, past_their_date
from tkms.machine.directory import HARMLESS, RESTORING, Directory
from tkms.machine.lock import locked
from tkms.machine.site_file import NAME, SiteFile, read_site
from tkms.output import Failed, path_text
from tkms.whole import WRITING, sync_directory, write_whole

_FILES = (NAME, STORE, f"{STORE}-wal", f"{STORE}-shm")
"""What a backup stands for; the parent key is looked at by itself. The audit log, used nonces and certificates stay."""
_LOG = (f"{Path(AUDIT_FILE).stem}.head", AUDIT_FILE)
"""What is put where there is no audit log yet: without lines its head says nothing, so that comes first."""


class Plan(Struct, frozen=True, kw_only=True):
    """What is ready in `staged`. `parent`: where the parent key is that opens it, in words. `differences` is None where
    there is nothing to compare with, and says `why`. `other_parent`: another parent key is in use there.
    """

    path: Path
    staged: Path
    parent: str
    unpacked: Unpacked
    report: Report
    due: list[str]
    replaces: bool
    differences: list[Difference] | None
    why: str = ""
    other_parent: bool = False


@contextmanager
def prepared(
    directory: Directory,
    file: Path,
    secrets: Secrets,
    parent: str,
    *,
    replacing: bool,
    tell: Told | None,
    dry_run: bool = False,
) -> Iterator[Plan]:
    """All that can be done without touching what is there; it is taken away again unless `put` follows.

    `parent` is the file of the parent key, if it is named. `replacing`: there may be a data directory. `dry_run`: a
    server may go on in it, and `put` is not to follow. Raises `Failed` and `SettingsError`, and `OSError`.
    """
    path = directory.path
    _check_owner(path)
    with ExitStack() as stack:
        if dry_run:
            there = path.exists() and _what_is_there(path, replacing=replacing)
            staged = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tkms-")))
        else:
            there = _taken(stack, path, replacing=replacing)
            staged = path / RESTORING
            stack.callback(_discard, staged)
            shutil.rmtree(staged, ignore_errors=True)
            staged.mkdir(mode=0o700)
        name = path_text(file)
        with file.open("rb") as source:
            unpacked = unpack(secrets.opened(source, name), name, staged, tell)
        _check_tenant(path, unpacked.site, name)
        wanted = unpacked.about.parent_fingerprint
        rows, key = rows_of(unpacked, candidates(parent, unpacked.parent, path, name, wanted), name)
        report, due = rows.check(every=False), past_their_date(rows.store, int(time.time()))
        del rows  # and with it what it had open of the store
        if not dry_run:
            write_whole(staged / PARENT, key.spec)
        found, why = _compared(path, unpacked) if there else (None, "")
        current = path / PARENT
        yield Plan(
            path=path,
            staged=staged,
            parent=key.words,
            unpacked=unpacked,
            report=report,
            due=due,
            replaces=there,
            differences=found,
            why=why,
            other_parent=there and current.exists() and current.read_bytes() != key.spec,
        )


def _discard(staged: Path) -> None:
    """Unless `put` has begun and was stopped: then it has what is neither in its old place nor in its new one."""
    if not (staged / NAME).exists():
        shutil.rmtree(staged, ignore_errors=True)


def _taken(stack: ExitStack, path: Path, *, replacing: bool) -> bool:
    """Nobody else changes the directory until the `stack` ends; whether there is something to be replaced."""
    made = not path.exists()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if made:
        stack.callback(_remove_empty, path)
    stack.enter_context(locked(path / "setup.lock", held=""))
    there = _what_is_there(path, replacing=replacing)
    if there:
        stack.enter_context(locked(path / "server.lock", held=f"A server runs on {path}: stop it."))
    return there


def _remove_empty(path: Path) -> None:
    """What was made for a restore that did not come about."""
    if not (path / NAME).exists() and not (path / RESTORING).exists():
        with suppress(OSError):
            (path / "setup.lock").unlink(missing_ok=True)
            path.rmdir()


def _check_owner(path: Path) -> None:
    """Raises `Failed`: what is restored belongs to who restores it, and only its owner can use it."""
    if not path.exists():
        return
    owner = path.stat().st_uid
    if owner != os.geteuid():
        raise Failed(f"The directory {path} belongs to user {owner}, and this is user {os.geteuid()}: run it as that.")


def _what_is_there(path: Path, *, replacing: bool) -> bool:
    """Whether there is a data directory, which may be replaced. Raises `Failed` for what is to stay as it is."""
    names = {each.name for each in path.iterdir()}
    there = NAME in names
    if not there and RESTORING not in names:
        foreign = {name for name in names - HARMLESS if not name.startswith(WRITING)}
        if foreign and STORE not in names:
            raise Failed(f"{path} is not a data directory and not empty: choose another one with --data-dir.")
        there = STORE in names
    if there and not replacing:
        raise Failed(
            f"There is a data directory at {path}. Choose another one with --data-dir; or see what a restore would undo"
            " with --replace --dry-run, and do it with --replace, which keeps what is there aside."
        )
    return there


def _check_tenant(path: Path, site: SiteFile, name: str) -> None:
    """Raises `Failed` if what is there is of another tenant, or of another KMS of that name."""
    try:
        here = read_site(path)
    except (OSError, SettingsError):  # not there, or damaged: then that is what is to be mended
        return
    for what in ("tenant", "account", "region"):
        if getattr(here, what) != getattr(site, what):
            raise Failed(
                f"{name} is of {what} {getattr(site, what)!r}, and {path} of {getattr(here, what)!r}:"
                " choose another --data-dir."
            )


def _compared(path: Path, unpacked: Unpacked) -> tuple[list[Difference] | None, str]:
    try:
        return list(differences(path / STORE, unpacked.store)), ""
    except sqlite3.Error as e:
        return None, f"{path / STORE} cannot be read ({e})"


def put(plan: Plan, clock: float) -> Path | None:
    """Do it; answers where what was there is now, if anything was. Raises `Failed` and `OSError`."""
    path, staged = plan.path, plan.staged
    if plan.replaces:
        _check_alone(path)
    new = [name for name in (*_LOG, PARENT, *reversed(_FILES)) if name == NAME or (staged / name).exists()]
    if (path / PARENT).exists() and (path / PARENT).read_bytes() == (staged / PARENT).read_bytes():
        new.remove(PARENT)
    for name in new[:-1]:
        _sync(staged / name)
    old = [name for name in (*_FILES, *({PARENT} & {*new})) if (path / name).exists()]
    aside = _new_aside(path, clock) if old else None
    # A request in the second that runs may have been served, too.
    site = replace(plan.unpacked.site, restored=int(clock) + 1, paused=True)
    write_whole(staged / NAME, msgspec.json.encode(site))  # from here on it is to come to its end, now or by the next
    if aside:
        for name in old:
            (path / name).rename(aside / name)
            sync_directory(path)
    path.chmod(0o700)
    for name in new:  # site.json is the last
        (staged / name).rename(path / name)
        sync_directory(path)
    return aside


def _new_aside(path: Path, clock: float) -> Path:
    stamp = time.strftime("before-%Y%m%dT%H%M%SZ", time.gmtime(clock))
    number = 1
    while True:
        aside = path / (stamp if number == 1 else f"{stamp}-{number}")
        try:
            aside.mkdir(mode=0o700)
        except FileExistsError:
            number += 1
        else:
            return aside


def _check_alone(path: Path) -> None:
    """Raises `Failed` while another process has the store open: it would go on with what is aside.

    A store leaves WAL mode only for who is alone. It is then one file, too.
    """
    try:
        with closing(existing(path / STORE)) as db:
            db.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.OperationalError as e:
        if e.sqlite_errorcode == sqlite3.SQLITE_BUSY:
            raise Failed(f"A process works with {path}, such as tkms watch: end it.") from None
    except sqlite3.Error:  # damaged, which is why it is restored
        pass


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
