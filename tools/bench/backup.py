"""`make bench ARGS=backup`: a backup of a tenant with 100,000 keys, beside what SQLite's own command takes for a copy.

Each way takes its turn in each round, so that all have the same minutes; what is printed is the median, and of ratios
that of the rounds. `sqlite3 .backup` is run as a process, as are the commands of `tkms`, whose start is in their time.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tools.bench.full_tenant import Load, fill

ROUNDS = 5


def _timed(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def rows(keys: int) -> dict[str, float]:
    """Seconds, ratios, MB."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, passphrase = folder / "data", folder / "passphrase"
        passphrase.write_text("a passphrase of the benchmark\n")
        fill(data, Load(keys=keys, versioned=keys // 1000, versions=50, credentials=10, due=0))
        tkms = [sys.executable, "-m", "tkms"]
        of = ["--data-dir", str(data)]
        closed = ["--passphrase-file", str(passphrase)]
        made = folder / "made"
        ways: dict[str, list[str]] = {
            "sqlite3 .backup": ["sqlite3", str(data / "kms.sqlite3"), f".backup {made}"],
            "tkms backup --plain": [*tkms, "backup", str(made), "--plain", *of],
            "tkms backup, under a passphrase": [*tkms, "backup", str(made), *closed, *of],
        }
        seconds: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, command in ways.items():
                seconds[way].append(_timed(command))
                size = made.stat().st_size
                made.unlink()
        base = seconds["sqlite3 .backup"]
        found = {f"s, {way}": statistics.median(taken) for way, taken in seconds.items()}
        for way, taken in list(seconds.items())[1:]:
            found[f"times sqlite3, {way}"] = statistics.median(a / b for a, b in zip(taken, base, strict=True))
        found["MB of the file"] = size / 1e6
        _timed(ways["tkms backup, under a passphrase"])
        found["s, tkms backup verify"] = _timed([*tkms, "backup", "verify", str(made), *closed, *of])
        found["s, tkms backup verify --all"] = _timed([*tkms, "backup", "verify", "--all", str(made), *closed, *of])
        new = ["--data-dir", str(folder / "new"), "--parent", str(data / "parent.key")]
        found["s, tkms restore"] = _timed([*tkms, "restore", str(made), *closed, *new])
        found["MB of memory at most, any of them"] = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    for what, value in found.items():
        print(f"  {what:<50}{value:>12,.2f}", flush=True)
    return found
