"""`make bench ARGS=export`: a tenant of 100,000 keys and a million versions is exported, and imported into an empty
directory: keys and versions per second, the processor's seconds of a thousand keys, and the most memory.

Both are run as processes, whose start is in their time. What is measured is not encrypted: scrypt takes 128 MiB and a
third of a second by itself, whatever there is, and the cipher 1 ms for each megabyte.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from tools.bench.commands import tkms, used
from tools.bench.full_tenant import Load, fill

_VERSIONS = 500


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
                took = used(tkms(*map(str, words)))
                about = f"{way}, {what}"
                found[f"keys/s, {about}"] = keys / took.seconds
                found[f"versions/s, {about}"] = versions / took.seconds
                found[f"ms of a processor for 1,000 keys, {about}"] = took.busy * 1e6 / keys
                found[f"MB of memory, {about}"] = took.mb
            found[f"MB of the file, {what}"] = file.stat().st_size / 1e6
    for what, value in found.items():
        print(f"  {what:<70}{value:>12,.0f}", flush=True)
    return found
