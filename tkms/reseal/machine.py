"""A data directory whose parent key becomes another one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tenantkms.audit.line import INTENT
from tenantkms.errors import Unavailable
from tenantkms.parent.file import arn_in, parent_of, read_private
from tenantkms.parent.port import ParentKey
from tenantkms.parent.root import parts
from tenantkms.runtime.assemble import PARENT_FILE, aws_parent
from tkms.machine.directory import Directory
from tkms.machine.lock import is_held, locked
from tkms.machine.parents import former_files, former_name
from tkms.note import note
from tkms.output import Failed, path_text
from tkms.reseal.work import ACTION, start
from tkms.whole import write_whole

_LOCK = "reseal.lock"
SETTLE = 3.0
"""Seconds: a state is remembered for one, and the audit log's key is looked at every second."""


def under_way(data_dir: Path) -> bool:
    """Whether a process is at it now."""
    return is_held(data_dir / _LOCK)


def spec_of(to: str) -> bytes:
    """The parent key that `to` names: an ARN, or a file that has it. Raises `Unavailable` and `Failed`."""
    if arn_in(to.encode()):
        return f"{to}\n".encode()
    if to.startswith("arn:"):
        raise Failed(f"{to} is not the ARN of a key of AWS KMS: arn:aws:kms:<region>:<account>:key/<id>.")
    spec = read_private(Path(to))
    _parent(spec, path_text(to))
    return spec


def _parent(spec: bytes, name: str) -> ParentKey:
    """What the file `name` says. Raises `Failed`."""
    try:
        return parent_of(spec, aws_parent)
    except Unavailable as e:
        raise Failed(f"{name}: {e}") from None


class OnMachine:
    """`Target`."""

    def __init__(self, directory: Directory, settle: float = SETTLE) -> None:
        self._directory, self.settings, self.settle = directory, directory.open(), settle
        self.file = directory.path / PARENT_FILE
        self._new, self._request_id = self.file.read_bytes(), secrets.token_hex(16)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Raises `SettingsError` while another one is under way here."""
        with locked(self._directory.path / _LOCK, f"A reseal of {self._directory.path} is under way."):
            yield

    def prepare(self, to: str, *, end_sessions: bool) -> None:
        """Begin with it, unless it has begun. Raises `Failed` and `Unavailable`, before anything is changed."""
        root, old = self.settings.root, self.file.read_bytes()
        stored = root.opened().stored
        self._new = spec_of(to) if to else self._begun(stored, old)
        if self._new == old:
            if root.opened().before:
                self.note(INTENT)
            return
        if root.opened().before:
            raise Failed("An earlier reseal has not come to its end: tkms reseal, without --to, ends it first.")
        new = parent_of(self._new, aws_parent)
        self.note(INTENT)
        if not (len(parts(stored)) > 1 and self._opens(new, parts(stored)[0])):
            write = self.settings.deps.keyring.store.replace_root
            start(root, new, old.strip() if arn_in(old) else old, write, end_sessions=end_sessions)

    def _begun(self, stored: bytes, old: bytes) -> bytes:
        """Without a name of the new one: it is there already, or nothing can be gone on with."""
        if len(parts(stored)) > 1 and not self.settings.root.opened().before:
            raise Failed("An earlier reseal has only just begun: name its parent key once more, with --to.")
        return old

    def _opens(self, parent: ParentKey, sealed: bytes) -> bool:
        try:
            parent.unseal(sealed, self.settings.root.binding)
        except Unavailable:
            return False
        return True

    def older(self) -> Sequence[ParentKey]:
        specs = ((file, file.read_bytes()) for file in former_files(self._directory.path))
        return [_parent(spec, path_text(file)) for file, spec in specs if spec != self._new]

    def named(self) -> None:
        old = self.file.read_bytes()
        if old == self._new:
            return
        owner = self.file.stat()
        if not arn_in(old):
            aside = self._aside(old)
            write_whole(aside, old)
            self._give(aside, owner)
        write_whole(self.file, self._new)
        self._give(self.file, owner)

    def _aside(self, old: bytes) -> Path:
        for file in former_files(self._directory.path):
            if file.read_bytes() == old:
                return file
        return self._directory.path / former_name(os.urandom(2).hex())

    @staticmethod
    def _give(file: Path, owner: os.stat_result) -> None:
        if os.geteuid() != owner.st_uid:  # root's, of a directory of another user
            os.chown(file, owner.st_uid, owner.st_gid)

    def end(self) -> None:
        if self.settings.log:
            self.settings.log.note_resealed()

    def note(self, outcome: str) -> None:
        note(self.settings, ACTION, outcome, request_id=self._request_id)
