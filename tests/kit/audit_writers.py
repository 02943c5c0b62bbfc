"""A process that writes audit lines: python audit_writers.py FILE NAME COUNT MAX_BYTES"""

from __future__ import annotations

import sys
from pathlib import Path

from tenantkms.audit.file_log import FileLog
from tenantkms.audit.line import Record
from tenantkms.crypto.hmacs import Hmac

KEY = bytes(range(32))


def key() -> bytes:
    return KEY


MAC = Hmac(KEY)


def record(name: str, number: int) -> Record:
    return Record(
        time=float(number),
        request_id=f"{name}-{number}",
        tenant="test",
        action="Encrypt",
        profile="native",
        principal=name,
        outcome="ok",
    )


def file_log(path: Path, max_bytes: int = 1_000_000) -> FileLog:
    return FileLog(path, key, max_bytes=max_bytes)


def main(path: str, name: str, count: str, max_bytes: str) -> None:
    audit = file_log(Path(path), int(max_bytes))
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(int(count)):
        audit.write(record(name, number))


if __name__ == "__main__":
    main(*sys.argv[1:])
