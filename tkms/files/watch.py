"""An inbox whose files are sealed into another directory, and then removed.

It looks once a second: that works on every file system, and after a restart there is nothing to catch up with. All that
it knows lies in the two directories.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from tenantkms.errors import KmsError
from tkms.files.sealed import (
    ASIDE,
    SUFFIX,
    Identity,
    check_closed,
    holds,
    identity,
    own_name,
    remove_sealed,
    seal,
)
from tkms.output import Failed, NotDone
from tkms.places import Place
from tkms.whole import WRITING, is_unfinished, make_directory

LOOK_SECONDS = 1
AGAIN_SECONDS = 60
"""When a file is tried again that could not be sealed, unless it changes before."""


@contextmanager
def held(directory: Path) -> Iterator[None]:
    """Nobody else watches `directory` meanwhile. Raises `Failed` if somebody does."""
    number = os.open(directory, os.O_RDONLY)
    try:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failed(f"another tkms watch is at work in {directory}") from None
        yield
    finally:
        os.close(number)


class Watch:
    """`tell(source, target, bytes)` says what is sealed, `complain(path, error)` what could not be."""

    def __init__(
        self,
        place: Place,
        inbox: Path,
        to: Path,
        key: str,
        context: Mapping[str, str],
        settle: float,
        tell: Callable[[Path, Path, int], None],
        complain: Callable[[Path, Exception], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._place, self._inbox, self._to, self._key, self._context = place, inbox, to, key, context
        self._settle, self._tell, self._complain, self._clock = settle, tell, complain, clock
        self._known: dict[Path, tuple[Identity, float]] = {}
        """What was seen of each file, and when it is to be sealed if that stays so."""
        self._unreadable: set[str] = set()
        self.failed: set[Path] = set()
        for left in to.rglob(WRITING + "*"):  # by a process that was killed
            if is_unfinished(left.name) and left.is_file():
                left.unlink()

    @property
    def waiting(self) -> bool:
        """Whether files wait that were not tried yet."""
        return bool(self._known.keys() - self.failed)

    def look(self) -> None:
        """Seal what has not changed for a while."""
        known, self._known = self._known, {}
        self.failed &= known.keys()
        for path in self._sources():
            try:
                found = identity(path.lstat())
            except FileNotFoundError:
                continue
            seen, ripe = known.get(path, (None, 0.0))
            if seen != found:
                ripe = self._clock() + self._settle
                self.failed.discard(path)
            if self._clock() < ripe:
                self._known[path] = found, ripe
                continue
            try:
                target = self._seal(path, found)
            except (NotDone, OSError, KmsError) as e:
                self._known[path] = found, self._clock() + AGAIN_SECONDS
                self.failed.add(path)
                self._complain(path, e)
            else:
                self.failed.discard(path)
                self._tell(path, target, found.size)

    def _sources(self) -> Iterator[Path]:
        """All files but hidden ones, which are those that others are about to rename; what was set aside first."""

        def unreadable(error: OSError) -> None:
            if error.filename not in self._unreadable:
                self._unreadable.add(error.filename)
                self._complain(Path(error.filename), error)

        for directory, names, files in os.walk(self._inbox, onerror=unreadable):
            names[:] = sorted(name for name in names if not name.startswith("."))
            aside = sorted(file for file in files if file.startswith(ASIDE))
            for file in aside + sorted(file for file in files if not file.startswith(".")):
                yield Path(directory, file)

    def _seal(self, source: Path, found: Identity) -> Path:
        check_closed(source)
        target = self._target(source)
        if not target.exists():
            make_directory(target.parent)
            seal(self._place, source, target, self._key, self._context)
        remove_sealed(self._place, source, target, self._context, found)
        return target

    def _target(self, source: Path) -> Path:
        """A name that is free, or that has this very file already, sealed before somebody stopped us."""
        directory, name = self._to / source.parent.relative_to(self._inbox), own_name(source)
        targets = (directory / (name + ("" if n == 1 else f"@{n}") + SUFFIX) for n in count(1))
        return next(
            target
            for target in targets
            if not os.path.lexists(target) or holds(self._place, target, source, self._context)
        )


def run(watch: Watch, *, once: bool) -> int:
    """For ever, or until all that is there was tried `once`: 1 if something could not be sealed."""
    watch.look()
    while watch.waiting or not once:
        time.sleep(LOOK_SECONDS)
        watch.look()
    return 1 if watch.failed else 0
