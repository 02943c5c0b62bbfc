"""A backup is made: a copy of the store as it is at one moment, which servers and commands may go on changing."""

from __future__ import annotations

import time
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from tenantkms import __version__
from tenantkms.audit.chain import link
from tenantkms.runtime.assemble import AUDIT_FILE
from tkms.backup.container import Closing, Pieces
from tkms.backup.contents import ABOUT, FORMAT, PARENT, SITE, About, Told, packed
from tkms.backup.snapshot import snapshot
from tkms.machine.directory import Directory
from tkms.machine.lock import locked
from tkms.machine.parents import changed, fingerprint
from tkms.machine.site_file import NAME as SITE_NAME
from tkms.output import Failed, path_text
from tkms.whole import write_whole, writing

_LOCK = "backup.lock"
_LAST = "backup.json"
_TAIL = 64 * 1024


def back_up(directory: Directory, target: Path, closing_: Closing, *, with_parent: bool, tell: Told | None) -> About:
    """Write the backup `target`, which is there whole or not at all; what is there is not replaced.

    Raises `SettingsError` while another one is made, `Failed` if the store cannot be read, and `OSError`.
    """
    parent = (directory.path / PARENT).read_bytes()
    with (
        locked(directory.path / _LOCK, f"A backup of {directory.path} is being made."),
        snapshot(directory.path) as store,
    ):
        about = About(
            format=FORMAT,
            release=__version__,
            created=int(time.time()),
            parent_key=with_parent,
            parent_fingerprint=fingerprint(parent),
            audit_head=_audit_head(directory.path),
            **store.counts,
        )
        if (directory.path / PARENT).read_bytes() != parent:  # it may be of the one or of the other
            raise Failed(f"{directory.path / PARENT} became another one while the backup began: make it again.")
        small = {ABOUT: msgspec.json.encode(about), SITE: (directory.path / SITE_NAME).read_bytes()}
        if with_parent:
            small[PARENT] = parent
        with writing(target, replace=False) as out:
            closing_.close(Pieces(packed(small, store.file, about.created, tell)), out)
            store.check()
        with suppress(OSError):  # the backup is made: at worst the doctor tells of an older one
            last = Last(created=about.created, file=_named(target), parent_fingerprint=about.parent_fingerprint)
            write_whole(directory.path / _LAST, msgspec.json.encode(last))
    return about


class Last(Struct, frozen=True, kw_only=True):
    """The last backup of a directory: when its store was copied, in Unix seconds, and the file as it was named.

    `parent_fingerprint` as `About` has it.
    """

    created: int
    file: str
    parent_fingerprint: str = ""

    def opens(self, data: Path) -> bool:
        """Whether the parent key of now opens it. One that an earlier release made says when that was, and no more."""
        if self.parent_fingerprint:
            return self.parent_fingerprint == fingerprint((data / PARENT).read_bytes())
        return self.created >= changed(data)


def last_backup(data: Path) -> Last | None:
    """None: no release that notes it has made one here."""
    try:
        return msgspec.json.decode((data / _LAST).read_bytes(), type=Last)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _named(target: Path) -> str:
    return path_text(target.absolute())


def _audit_head(data: Path) -> str:
    """The last line of the audit log as `tkms audit verify --head` takes it; empty if there is none."""
    with (data / AUDIT_FILE).open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL))
        for line in reversed(file.read().splitlines()):
            if at := link(line):
                return f"{at.seq}:{at.mac}"
    return ""
