#!/usr/bin/env bash
# CPython, whatever `python3` is, 3.11 or later; seen with 3.11.7, 3.12.1 and 3.13.0 on Linux, and not with 3.10.13
# Surprise: a sqlite3.Connection that nobody has any more is not freed, and its files stay open, until somebody looks for garbage: it has
# its cache of statements, and that, an lru_cache around the connection, has it.
# Why it matters: SQLite removes the -wal and -shm of a file when its last connection goes, and a process that makes little garbage has
# nobody look for hours. A `__del__` of a class of one's own comes as late: close it, or have an object beside it do so.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 - <<'E'
import gc
import os
import sqlite3
import sys

print("Python", sys.version.split()[0])


def files():
    links = (f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd"))
    return sum(os.path.realpath(link).startswith(os.path.realpath("a.db")) for link in links)


gc.disable()
for name, end in {"dropped": lambda db: None, "closed": lambda db: db.close()}.items():
    db = sqlite3.connect("a.db")
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("CREATE TABLE IF NOT EXISTS t (a)")
    end(db)
    del db
    print(f"{name}: {files()} files open, ", end="")
    left = files()
    gc.collect()
    print(f"{files()} once somebody looked for garbage")
    if (left > 0) != (name == "dropped") or files():
        sys.exit("changed")
print("still so")
E
