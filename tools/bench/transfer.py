"""`make bench ARGS=export`: a tenant of 100,000 keys and a million versions is exported, and imported into an empty
directory: keys and versions per second, the processor's seconds of a thousand keys, and the most memory.

Both are run as processes, whose start is in their time. What is measured is not encrypted: scrypt takes 128 MiB and a
third of a second by itself, whatever there is, and the cipher 1 ms for each megabyte.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.bench.full_tenant import Load, fill

_VERSIONS = 500


_WATCHED = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""
"""A small process that starts the one that is measured, whose memory counts from what its parent's was."""


def _ran(*args: str | Path) -> tuple[float, float, float]:
    """Seconds, those of a processor, and MB at most."""
    command = [sys.executable, "-c", _WATCHED, sys.executable, "-m", "tkms", *map(str, args)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, busy, memory = json.loads(done.stdout)
    return seconds, busy, memory


def rows(keys: int) -> dict[str, float]:
    """Keys per second, versions per second, MB. Nine in ten versions are older ones of one key in 55."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        versioned = keys * 9 // (_VERSIONS - 1)
        loads = {
            "1 version each": Load(keys=keys, versioned=0, versions=1, credentials=10, due=0),
            "10 versions each": Load(keys=keys, versioned=versioned, versions=_VERSIONS, credentials=10, due=0),
        }
        for number, (what, load) in enumerate(loads.items()):
            data, file, new = (folder / f"{part}{number}" for part in ("data", "file", "new"))
            fill(data, load)
            versions = keys + load.versioned * (load.versions - 1)
            ways: dict[str, tuple[str | Path, ...]] = {
                "export": ("export", file, "--plain", "--data-dir", data),
                "import": ("import", file, "--data-dir", new),
                "import, all there": ("import", file, "--data-dir", new),
            }
            for way, words in ways.items():
                seconds, busy, memory = _ran(*words)
                about = f"{way}, {what}"
                found[f"keys/s, {about}"] = keys / seconds
                found[f"versions/s, {about}"] = versions / seconds
                found[f"ms of a processor for 1,000 keys, {about}"] = busy * 1e6 / keys
                found[f"MB of memory, {about}"] = memory
            found[f"MB of the file, {what}"] = file.stat().st_size / 1e6
    for what, value in found.items():
        print(f"  {what:<70}{value:>12,.0f}", flush=True)
    return found
