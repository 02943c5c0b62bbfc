"""What a command takes, as a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass

_WATCHED = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]))
"""
"""A small process that starts the one that is measured, whose memory counts from what its parent's was."""


@dataclass(frozen=True)
class Used:
    """Seconds from start to end, seconds of a processor, and the most memory in MB."""

    seconds: float
    busy: float
    mb: float


def used(command: Sequence[str]) -> Used:
    """Of a command, whose errors are shown. Raises `subprocess.CalledProcessError` if its status is not 0."""
    line = [sys.executable, "-c", _WATCHED, *command]
    return Used(*json.loads(subprocess.run(line, check=True, stdout=subprocess.PIPE, text=True).stdout))


def tkms(*words: str) -> list[str]:
    return [sys.executable, "-m", "tkms", *words]
