"""MiniStack, which unpacks a layer once: `python -P unpacked_once.py`, by the Python that has MiniStack alone.

For each process of a function it unpacks the whole layer anew, a thousand files. Here it unpacks the first into a
folder beside, and gives all others, whose layer has the same files, a link to it. No function writes there.
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
import threading
import zipfile
from pathlib import Path
from typing import Any

MANY = 100
"""Files of a layer, which the code of a function never has."""
_unpack = zipfile.ZipFile.extractall
_lock = threading.Lock()
_unpacked: dict[str, str] = {}


def _once(self: zipfile.ZipFile, path: Any = None, *more: Any) -> None:
    files = [(row.filename, row.file_size, row.CRC) for row in self.infolist()]
    folder = Path(path or ".")
    if len(files) < MANY or more or any(folder.iterdir()):
        _unpack(self, path, *more)
        return
    digest = hashlib.sha256(repr(files).encode()).hexdigest()
    with _lock:
        if digest not in _unpacked:
            _unpack(self, made := tempfile.mkdtemp(prefix="layer-", dir=Path.cwd()))
            _unpacked[digest] = made
    folder.rmdir()
    folder.symlink_to(_unpacked[digest])


if __name__ == "__main__":
    from ministack.app import main

    zipfile.ZipFile.extractall = _once  # type: ignore[assignment]
    sys.exit(main())
