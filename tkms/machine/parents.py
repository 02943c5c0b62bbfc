"""Files of parent keys in a data directory: the one that is used, and those from before, which a reseal leaves."""

from __future__ import annotations

import hmac
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from tenantkms.parent.file import arn_in
from tenantkms.runtime.assemble import PARENT_FILE

FORMER = "parent-until-*.key"
"""Files of parent keys from before."""
_BEFORE_STAMP, _STAMP = "parent-until-", "%Y%m%dT%H%M%S"
_LABEL = b"tenant-kms parent key"


def former_name(mark: str) -> str:
    """What one is called that is used until now; `mark` tells several of one second apart."""
    return FORMER.replace("*", f"{time.strftime(f'{_STAMP}Z', time.gmtime())}-{mark}")


def former_files(data_dir: Path) -> list[Path]:
    return sorted(data_dir.glob(FORMER))


def others(data_dir: Path) -> list[Path]:
    """Those of them that are not the parent key again, as they are after a restore of a backup from before."""
    now = (data_dir / PARENT_FILE).read_bytes()
    return [file for file in former_files(data_dir) if file.read_bytes() != now]


def changed(data_dir: Path) -> float:
    """When a reseal last began to make it another one, in Unix seconds; 0: no file of one from before is kept here."""
    times = []
    for file in former_files(data_dir):
        with suppress(ValueError):  # named by somebody else
            times.append(datetime.strptime(file.name[: len(_BEFORE_STAMP) + 16], f"{_BEFORE_STAMP}{_STAMP}%z"))
    return max((moment.timestamp() for moment in times), default=0)


def fingerprint(spec: bytes) -> str:
    """Of what a parent key's file says, 16 hex digits that tell one from another, and nothing of the key."""
    return hmac.digest(arn_in(spec).encode() or spec, _LABEL, "sha256")[:8].hex()


def file_of(data_dir: Path, wanted: str) -> Path | None:
    """The file from before whose parent key has the fingerprint `wanted`."""
    return next((file for file in former_files(data_dir) if fingerprint(file.read_bytes()) == wanted), None)
