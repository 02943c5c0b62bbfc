"""Used nonces as the first releases left them: read as long as they count, never written.

Files `<half hour>.<number>` of buckets of 32 nonces, 16 bytes each, in the place that a nonce's own first bytes say; it
is in the first file whose bucket for it has room, and each file is four times as large as the one before.
"""

from __future__ import annotations

import re
from pathlib import Path

_ENTRY = 16
_BUCKET = 32 * _ENTRY
_FIRST = 1024 * 1024
_NAME = re.compile(r"(\d{1,9})\.(\d{1,2})")


class OldNonces:
    """Those in `directory`; once there are none any more, nothing of this is asked."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.half_hours: dict[int, dict[int, Path]] = {}

    def scan(self) -> None:
        self.half_hours = {}
        for path in self._directory.iterdir():
            if match := _NAME.fullmatch(path.name):
                self.half_hours.setdefault(int(match[1]), {})[int(match[2])] = path

    def has(self, nonce: bytes, first: int) -> bool:
        """Whether it is in the files of the half hour `first` or of a later one."""
        return any(number >= first and _in(nonce, files) for number, files in self.half_hours.items())

    def remove(self, first: int) -> int:
        """Remove all before the half hour `first`; the first half hour that is whole, 0 if all are."""
        whole = 0
        for number in [number for number in self.half_hours if number < first]:
            whole = max(whole, number + 1)
            for path in self.half_hours.pop(number).values():
                path.unlink(missing_ok=True)
        return whole


def _in(nonce: bytes, files: dict[int, Path]) -> bool:
    place = int.from_bytes(nonce[:8], "big")
    for level in sorted(files):
        try:
            with files[level].open("rb") as file:
                file.seek(place % (_FIRST * 4**level // _BUCKET) * _BUCKET)
                bucket = file.read(_BUCKET)
        except FileNotFoundError:
            continue
        if nonce in bucket:
            return True
        if len(bucket) == _BUCKET and bytes(_ENTRY) not in bucket:
            continue
        return False
    return False
