"""`tkms doctor` of one machine: looks at a data directory and says what is not in order and what to do about it."""

from __future__ import annotations

import os
import secrets
import sqlite3
import stat
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from msgspec import MsgspecError, Struct

from tenantkms.audit.file_audit import disk_trouble
from tenantkms.audit.files import last_time
from tenantkms.errors import KmsError
from tenantkms.keys import maintenance
from tenantkms.model.key import Key, KeyFilter
from tenantkms.model.watch import SKEW
from tenantkms.runtime.assemble import AUDIT_FILE, Settings, SettingsError
from tenantkms.store.integrity import IntegrityFault
from tenantkms.store.sqlite import SqliteStore
from tkms.backup.contents import PARENT, STORE
from tkms.backup.rows import Report, Rows, check_file
from tkms.backup.write import last_backup
from tkms.findings import (
    ARNS,
    CREDENTIALS,
    IMPORTED,
    OK,
    PROBLEM,
    ROWS,
    WARNING,
    Finding,
    Found,
    either,
    examine_arns,
    examine_credentials,
    examine_imported,
    examine_rows,
    shortened,
)
from tkms.machine.directory import Directory
from tkms.machine.parents import file_of
from tkms.machine.server_file import read_server, server_since
from tkms.machine.site_file import NAME, read_site
from tkms.output import Failed, Tell, counted, held_text, seen, time_from_now, time_text
from tkms.places import reason
from tkms.reseal.found import PARENT as PARENT_KEY
from tkms.reseal.found import examine_machine
from tkms.tls.authority import RENEW, Authority
from tkms.tls.pem import check_dates, check_pair, is_encrypted, read_certificates

_SAMPLE = 1000
"""Keys whose versions are all opened, where not every key's are."""
_LATE = 600
"""Seconds after which a server is late with a sweep, which it does each minute."""
_BACKUP = 7 * 86_400
"""Seconds after which a backup is an old one."""
_MIB = 1024**2
_DAMAGED = "Restore it from a backup (tkms restore, docs/one-machine.md)."
_DUE = "tkms maintain does it now, and says what fails."
_BACK_UP = "tkms backup FILE, from a timer too (docs/backup.md)."


class Here(Struct, frozen=True):
    """A directory that opens. `every`: no version is left out. `tell` is told how far long work is."""

    directory: Directory
    settings: Settings
    every: bool
    tell: Tell | None

    @property
    def store(self) -> Path:
        return self.directory.path / STORE


def examine(directory: Directory, *, every: bool, tell: Tell | None) -> Iterator[Finding]:
    """Every check's findings, as they come. Raises `SettingsError` where there is no data directory."""
    if not (directory.path / NAME).exists():
        directory.open()  # says what to do
    for found in shortened(_files(directory.path)):  # before it is opened, which closes files that were open to others
        yield Finding("files", *found)
    try:
        here = Here(directory, directory.open(), every, tell)
    except (SettingsError, KmsError) as e:
        yield Finding("directory", PROBLEM, reason(e), "Nothing else was looked at.")
        return
    for name, check in CHECKS.items():
        try:
            for found in check(here):
                yield Finding(name, *found)
        except (IntegrityFault, MsgspecError):  # what is opened in spite of its MAC may be no document either
            yield Finding(name, PROBLEM, "a row of it is not believed", f"Mend what {ROWS} says, and look again.")
        except (SettingsError, KmsError, Failed, OSError, sqlite3.Error) as e:
            yield Finding(name, PROBLEM, f"it cannot be looked at: {_why(e)}", "Mend that first, and look again.")


def _why(error: Exception) -> str:
    return reason(error) if isinstance(error, KmsError) else str(error)


def _files(path: Path) -> Found:
    """What `Directory.open` does not refuse: it says so itself of the directory and of the parent key."""
    owner, good = path.stat().st_uid, True
    for folder, _, names in os.walk(path):
        for file in (Path(folder) / name for name in names):
            try:
                found = file.lstat()
            except FileNotFoundError:  # what others write meanwhile comes and goes
                continue
            if found.st_uid != owner:
                good = False
                yield PROBLEM, f"{file} belongs to user {found.st_uid}, the directory to {owner}", f"chown {owner} it."
            if stat.S_ISREG(found.st_mode) and found.st_mode & 0o077 and file.name != PARENT:
                good = False
                what = f"{file} is open to others (mode {stat.S_IMODE(found.st_mode):04o})"
                yield WARNING, what, "chmod 600 it. The directory is closed to them, as long as it stays so."
    if good:
        yield OK, f"all of {path} is its owner's alone", ""


def _server(here: Here) -> Found:
    running = here.directory.running()
    yield OK, f"it runs at {here.directory.server_url()}" if running else "none runs", ""


def _restored(here: Here) -> Found:
    site, now = read_site(here.directory.path), int(time.time())
    if site.restored > now + SKEW:
        refused = f"all requests are refused until {time_text(site.restored)}: the clock was ahead at that time"
        yield (
            PROBLEM,
            refused,
            f'If it is right now: tkms resume; without a restore, set "restored" in {NAME} to {now}.',
        )
    if site.paused:
        resume = "See what is due (tkms maintain --dry-run), then: tkms resume"
        yield WARNING, "nothing is rotated or destroyed since it was restored", resume


def _disk(here: Here) -> Found:
    if trouble := disk_trouble(here.store):
        yield PROBLEM, trouble, "Make room, or move the directory to a larger disk."
        return
    disk = os.statvfs(here.store)
    free, size = disk.f_bavail * disk.f_frsize, here.store.stat().st_size
    files = f", and room for {disk.f_favail:,} files" if disk.f_files else ""
    good = f"{free // _MIB:,} MiB are free{files}"
    less = f"{good}: too little for a backup, which may need as much as the store, {size // _MIB:,} MiB"
    yield either(free > 2 * size, good, WARNING, less, "Make room.")


def _clock(here: Here) -> Found:
    now, store = time.time(), here.settings.deps.keyring.store
    runs = [watch.seen for job in maintenance.JOBS.values() if (watch := store.get_watch(job.name))]
    last = max([last_time(here.directory.path / AUDIT_FILE), *runs])
    behind = f"it is at {time_text(now)}, and something was written at {time_text(last)}"
    advice = "Set it. Signed requests and all dates are judged by it: docs/one-machine.md."
    good = f"it is at {time_text(now)}, after all that was written ({time_text(last)})"
    yield either(now + SKEW > last, good, PROBLEM, behind, advice)


def _parent_key(here: Here) -> Found:
    here.settings.root.check()
    yield OK, "it opens the root secret", ""


def _file(here: Here) -> Found:
    troubles = check_file(here.store, thorough=here.every)
    for text in troubles:
        yield PROBLEM, f"{STORE}: {text}", _DAMAGED
    if not troubles:
        yield OK, f"SQLite finds {STORE} whole", ""


def _versions(here: Here) -> Found:
    """All versions of a sample of keys, or of all, and the secrets of all access keys."""
    parent = (here.directory.path / PARENT).read_bytes()
    rows = Rows(here.store, here.settings.site.tenant, parent, str(here.directory.path))
    count, report = rows.store.count_keys(), Report()
    for key in seen(rows.keys() if here.every or count <= _SAMPLE else _sample(rows.store, count), here.tell):
        report.keys += 1
        rows.check_key(key, report, every=True)
    rows.check_credentials(report, here.tell)
    for text in report.problems:
        yield PROBLEM, text, _DAMAGED
    if report.bad > len(report.problems):
        yield PROBLEM, f"and {report.bad - len(report.problems)} more", _DAMAGED
    if not report.bad:
        of_all = "" if report.keys >= count else f" of {count:,} (--all: of each)"
        versions = f"{counted(report.opened, 'version')} of {counted(report.keys, 'key')}{of_all}"
        yield OK, f"{versions} and {counted(report.credentials, 'access key')} open", ""


def _sample(store: SqliteStore, count: int) -> Iterator[Key]:
    """Keys by chance, of so many. No others are read."""
    for offset in sorted(secrets.SystemRandom().sample(range(count), _SAMPLE)):
        yield from store.list_keys(KeyFilter(), now=0, offset=offset, limit=1)[1]


def _sweeps(here: Here) -> Found:
    """Whether scheduled work is done. Nobody waits for it in a directory that was restored and not resumed."""
    if here.directory.paused:
        return
    deps, now, running = here.settings.deps, time.time(), here.directory.running()
    for name, job in maintenance.JOBS.items():
        report = maintenance.run(job, deps, secrets.token_hex(16), dry_run=True, progress=here.tell)
        watch = deps.keyring.store.get_watch(job.name)
        last = watch.seen if watch else 0
        since = f"the last run was at {time_text(last)}" if last else "it never ran yet"
        due = f"{name}: {counted(report.due, 'key is', 'keys are')} due"
        if report.held and report.due:
            yield PROBLEM, f"{due}, and {held_text(report.held)}", ""
        elif running and now - max(last, server_since(here.directory.path)) > _LATE:
            again = "Its standard error says why. Stop and start it."
            yield PROBLEM, f"{name}: {since}, and a server runs", again
        elif report.failed:
            yield PROBLEM, f"{name}: {counted(report.failed, 'key')} cannot be read", "They are among the rows above."
        else:
            good = f"{name}: nothing is due, {since}"
            yield either(not report.due, good, WARNING, f"{due}, {since}", _DUE)


def _certificate(here: Here) -> Found:
    """That of the last server, if its command line named one, and that of `tkms tls`."""
    server = read_server(here.directory.path)
    own = Authority(here.directory.tls, here.settings.site.tenant)
    if server.tls_cert:
        cert, key = Path(server.tls_cert), Path(server.tls_key)
        yield from _pair(cert, key, "Put a new one in its place: a server that runs takes it within a minute.")
    if own.server.exists():
        yield from _pair(own.server, own.server, "tkms tls --renew")
    if own.ca.exists():
        ca = read_certificates(own.ca)[0]
        anew = f"Remove {here.directory.tls} to begin anew (tkms tls), and have clients trust the new {own.ca.name}."
        yield _ends(ca.not_valid_after_utc, f"the authority in {own.ca}", anew)


def _pair(cert: Path, key: Path, advice: str) -> Found:
    try:
        if is_encrypted(key):  # nobody is asked for its password
            leaf = read_certificates(cert)[0]
            check_dates(leaf, cert)
        else:
            leaf = check_pair(cert, key, lambda: b"")
    except SettingsError as e:
        yield PROBLEM, str(e), advice
        return
    yield _ends(leaf.not_valid_after_utc, f"the certificate in {cert}", advice)


def _ends(end: datetime, what: str, advice: str) -> tuple[str, str, str]:
    text = f"{what} ends at {end:%Y-%m-%d}"
    return either(end - datetime.now(UTC) > RENEW, text, WARNING, text, advice)


def _backup(here: Here) -> Found:
    last, now = last_backup(here.directory.path), time.time()
    if last is None:
        yield WARNING, "tkms backup has made none here yet", _BACK_UP
    else:
        text = f"the last one was made {time_from_now(last.created, now)}: {last.file}"
        if not last.opens(here.directory.path):
            file = file_of(here.directory.path, last.parent_fingerprint)
            text += f", under another parent key than that of now, and opens with {file.name if file else 'that'} alone"
            yield WARNING, text, _BACK_UP
            return
        yield either(now - last.created < _BACKUP, text, WARNING, text, _BACK_UP)


CHECKS: dict[str, Callable[[Here], Found]] = {
    "server": _server,
    "restore": _restored,
    "disk": _disk,
    "clock": _clock,
    PARENT_KEY: lambda here: chain(_parent_key(here), examine_machine(here.directory.path, here.settings)),
    "store": _file,
    ARNS: lambda here: examine_arns(here.settings),
    ROWS: lambda here: examine_rows(here.settings, here.tell),
    "versions": _versions,
    "sweeps": _sweeps,
    CREDENTIALS: lambda here: examine_credentials(here.settings, WARNING, "", here.tell),
    IMPORTED: lambda here: examine_imported(here.settings, here.tell),
    "certificate": _certificate,
    "backup": _backup,
}
