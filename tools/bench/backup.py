"""`make bench ARGS=backup`: a backup of a tenant with 100,000 keys, beside what SQLite's own command takes for a copy.

Each way takes its turn in each round, so that all have the same minutes; what is printed is the median, and of ratios
that of the rounds. `sqlite3 .backup` is run as a process, as are the commands of `tkms`, whose start is in their time.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

from tools.bench.commands import Used, tkms, used
from tools.bench.full_tenant import Load, fill

ROUNDS = 5


def rows(keys: int) -> dict[str, float]:
    """Seconds, ratios, MB."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data, passphrase = folder / "data", folder / "passphrase"
        passphrase.write_text("a passphrase of the benchmark\n")
        fill(data, Load(keys=keys, versioned=keys // 1000, versions=50, credentials=10, due=0))
        of = ["--data-dir", str(data)]
        closed = ["--passphrase-file", str(passphrase)]
        made = folder / "made"
        ways: dict[str, list[str]] = {
            "sqlite3 .backup": ["sqlite3", str(data / "kms.sqlite3"), f".backup {made}"],
            "tkms backup --plain": tkms("backup", str(made), "--plain", *of),
            "tkms backup, under a passphrase": tkms("backup", str(made), *closed, *of),
        }
        took: dict[str, list[Used]] = {way: [] for way in ways}
        for _ in range(ROUNDS):
            for way, command in ways.items():
                took[way].append(used(command))
                size = made.stat().st_size
                made.unlink()
        seconds = {way: [each.seconds for each in all_] for way, all_ in took.items()}
        base = seconds["sqlite3 .backup"]
        found = {f"s, {way}": statistics.median(taken) for way, taken in seconds.items()}
        for way, taken in list(seconds.items())[1:]:
            found[f"times sqlite3, {way}"] = statistics.median(a / b for a, b in zip(taken, base, strict=True))
        found["MB of the file"] = size / 1e6
        used(ways["tkms backup, under a passphrase"])
        new = ["--data-dir", str(folder / "new"), "--parent", str(data / "parent.key")]
        once = {
            "tkms backup verify": tkms("backup", "verify", str(made), *closed, *of),
            "tkms backup verify --all": tkms("backup", "verify", "--all", str(made), *closed, *of),
            "tkms restore": tkms("restore", str(made), *closed, *new),
        }
        for way, command in once.items():
            took[way] = [used(command)]
            found[f"s, {way}"] = took[way][0].seconds
        found |= {f"MB of memory at most, {way}": max(each.mb for each in all_) for way, all_ in took.items()}
    for what, value in found.items():
        print(f"  {what:<50}{value:>12,.2f}", flush=True)
    return found
