"""`make bench ARGS=pages`: what clients pay for the pages of one machine, the explorer and the console.

The instructions of an Encrypt, TC3, from the bytes of its request to those of its answer (`tools.bench.in_process`),
as callgrind counts them (Debian: apt-get install valgrind): of this build as it serves, and of the same without its
pages, which asks of no request whether it is for one and counts no latencies for the console. Both are counted in
turns, and the ratio is that of the medians: times on a machine where others work differ by more than what is judged.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
from pathlib import Path

from cdk.tenants import ROOT
from tools.bench.compare import Build, instructions

MOST = 1.02
"""Times the instructions of the same without pages."""
_TURNS = 3


def rows() -> dict[str, float]:
    """By what it is of: instructions, and their ratio. A ratio above `MOST` ends the program."""
    if shutil.which("valgrind") is None:
        print("  valgrind is not installed, so no instructions are counted: apt-get install valgrind", flush=True)
        return {}
    build, found = Build(ROOT, Path(sys.executable)), dict[str, list[float]](bare=[], pages=[])
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(_TURNS):
            for how, counts in found.items():
                counts.append(instructions(build, Path(folder) / f"{how}-{turn}", how))
    bare, pages = (statistics.median(counts) for counts in found.values())
    result = {"without pages": bare, "with pages": pages, "with pages, times": pages / bare}
    for how, counts in found.items():
        print(f"  {how}, each turn: {', '.join(f'{count:,.0f}' for count in counts)}", flush=True)
    for name, value in result.items():
        print(f"  {name:<34}{value:>12,.{3 if value < 10 else 0}f}", flush=True)
    if pages / bare > MOST:
        raise SystemExit(f"the pages take more than {MOST} times the instructions of a request")
    return result
