"""A process that writes audit lines: python audit_writers.py FILE NAME COUNT MAX_BYTES KEEP"""

from __future__ import annotations

import sys
from pathlib import Path

from tenantkms.audit.line import FileAudit, Record


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


def main(path: str, name: str, count: str, max_bytes: str, keep: str) -> None:
    audit = FileAudit(Path(path), max_bytes=int(max_bytes), keep=int(keep))
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(int(count)):
        audit.write(record(name, number))


if __name__ == "__main__":
    main(*sys.argv[1:])
