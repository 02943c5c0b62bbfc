"""Random inputs for the parsers, led by what they reach: `make fuzz`, the table of docs/verification.md.

Each target of `kit.fuzz.targets` gets as many of the inputs, in a process of its own, from its kept corpus
(tests/fuzz/corpus) and the project's vectors. What is found, and each log, is in build/fuzz/<target>; an input that
breaks a promise is build/fuzz/<target>/fault-*. With `--keep` the kept corpora become the smallest sets of inputs that
reach as much.
"""

from __future__ import annotations

import argparse
import hashlib
import math
import os
import re
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

BUILD = Path("build") / "fuzz"
KEPT_BYTES = 64_000
"""Of each target's kept corpus."""
_EXECUTED = re.compile(r"stat::number_of_executed_units: (\d+)")
_REACHED = re.compile(r" cov: (\d+)")
"""Jumps in our code that were taken."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=1_000_000, help="of all targets together (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=int(time.time()), help="of the random inputs")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="targets at a time (default: %(default)s)")
    parser.add_argument("--target", action="append", help="only this one; may be given more than once")
    parser.add_argument("--keep", action="store_true", help="renew the kept corpora afterwards")
    parser.add_argument("--run", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.run:
        _run(*args.run)

    from kit.fuzz.targets import TARGETS  # a run imports them for itself, to see what they reach

    names = args.target or list(TARGETS)
    print(f"seed {args.seed}\n\n| target | inputs | seconds | places reached |\n|---|---:|---:|---:|")
    each = math.ceil(args.inputs / len(names))
    with ThreadPoolExecutor(args.jobs) as jobs:
        kept = list(jobs.map(lambda name: _campaign(name, each, args.seed), names))
        if args.keep:
            list(jobs.map(_keep, names))
    faults = [name for name, all_ in zip(names, kept, strict=True) if not all_]
    if faults:
        raise SystemExit(f"promises were broken: see {', '.join(str(BUILD / name / 'log') for name in faults)}")


def _run(name: str, *options: str) -> None:
    """One target in this process, until libFuzzer ends it."""
    import atheris

    with atheris.instrument_imports(include=["tenantkms", "tenantkms_events", "functions"]):
        from kit.fuzz.targets import TARGETS
    again = BUILD / name / "again"  # by which libFuzzer starts this anew, where it looks for smaller corpora
    again.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m tools.fuzz --run {name} "$@"\n', "utf-8")
    again.chmod(0o755)
    atheris.Setup([str(again), *options], TARGETS[name].run)
    atheris.Fuzz()


def _child(name: str, *options: str | Path) -> tuple[int, str]:
    """(exit code, log) of a process for one target."""
    command = [sys.executable, "-m", "tools.fuzz", "--run", name, *map(str, options)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False
    )
    return done.returncode, done.stdout


def _campaign(name: str, inputs: int, seed: int) -> bool:
    """Run a target and print its row. Whether it kept all promises."""
    from kit.fuzz.targets import TARGETS, kept

    target, folder = TARGETS[name], BUILD / name
    shutil.rmtree(folder, ignore_errors=True)
    for part in ("seeds", "found"):
        (folder / part).mkdir(parents=True)
    given = {seed[: target.longest] for seed in target.seeds()} | {path.read_bytes() for path in kept(name)}
    for content in given:
        (folder / "seeds" / hashlib.sha1(content).hexdigest()).write_bytes(content)
    words = ('"' + "".join(f"\\x{byte:02x}" for byte in word) + '"' for word in target.words if 0 < len(word) < 64)
    (folder / "words").write_text("\n".join(words) + "\n", "ascii")
    start = time.perf_counter()
    code, log = _child(
        name,
        folder / "found",
        folder / "seeds",
        f"-dict={folder / 'words'}",
        f"-artifact_prefix={folder}/fault-",
        f"-max_len={target.longest}",
        f"-runs={inputs}",
        f"-seed={seed & 0x7FFFFFFF}",
        "-timeout=10",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
    )
    took = time.perf_counter() - start
    (folder / "log").write_text(log, "utf-8")
    done, reached = (int(found[-1]) if (found := pattern.findall(log)) else 0 for pattern in (_EXECUTED, _REACHED))
    print(f"| {name} | {done:,} | {took:.0f} | {reached:,} |", flush=True)
    return code == 0 and done >= inputs


def _keep(name: str) -> None:
    """The smallest inputs that reach what all do become the kept corpus, as far as it may grow."""
    from kit.fuzz.targets import CORPORA

    folder, chosen = BUILD / name, BUILD / name / "chosen"
    shutil.rmtree(chosen, ignore_errors=True)
    chosen.mkdir()
    code, log = _child(name, "-set_cover_merge=1", chosen, folder / "seeds", folder / "found")
    if code:
        raise SystemExit(f"{name}: the corpus could not be made smaller: {log[-2000:]}")
    shutil.rmtree(CORPORA / name, ignore_errors=True)
    (CORPORA / name).mkdir(parents=True)
    size = 0
    for path in sorted(chosen.iterdir(), key=lambda path: (path.stat().st_size, path.name)):
        size += path.stat().st_size
        if size <= KEPT_BYTES:
            shutil.copyfile(path, CORPORA / name / path.name[:16])


if __name__ == "__main__":
    main()
