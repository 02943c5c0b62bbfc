"""`make bench ARGS=reseal`: a tenant on SQLite goes from one parent key in a file to another, `--keys` of them.

The passes are timed, of which the second opens everything once more; what `tkms reseal` waits for processes that serve
is not. It is done in a process of its own, whose memory is told. A thousandth of the keys have 50 versions.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tkms.machine.directory import Directory
from tkms.reseal.machine import OnMachine
from tkms.reseal.work import carry_out
from tools.bench.full_tenant import Load, fill


def rows(keys: int) -> dict[str, float]:
    """Seconds, keys a second, MB."""
    with tempfile.TemporaryDirectory() as name:
        data, new = Path(name) / "data", Path(name) / "new.key"
        fill(data, Load(keys=keys, versioned=keys // 1000, versions=50, credentials=10, due=0))
        new.write_bytes(os.urandom(32))
        new.chmod(0o600)
        first, again = (_process(data, new) for _ in range(2))
    found = {
        "rows": first["rows"],
        "s, reseal": first["s"],
        "keys/s, reseal": keys / first["s"],
        "keys/s, to look again whether all is under it": keys / again["s"],
        "MB of memory at most": first["MB"],
    }
    for what, value in found.items():
        print(f"  {what:<50}{value:>12,.2f}", flush=True)
    return found


def _process(data: Path, new: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "tools.bench.reseal", str(data), str(new)]
    done = subprocess.run(command, check=True, capture_output=True)
    answer: dict[str, float] = json.loads(done.stdout)
    return answer


def _main(data: Path, new: Path) -> None:
    target = OnMachine(Directory(data), 0)
    start = time.perf_counter()
    target.prepare(str(new), end_sessions=False)
    report = carry_out(target, None)
    taken = time.perf_counter() - start
    # What getrusage(2) says is as much as the process had that this one was forked from.
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(json.dumps({"s": taken, "rows": report.rows, "MB": int(status["VmHWM"].split()[0]) / 1024}))


if __name__ == "__main__":
    _main(*map(Path, sys.argv[1:]))
