"""What processes hold in their memory and have open, and which they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def children(process: int) -> list[int]:
    """The processes that its main thread has started: a server's workers."""
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def open_files(process: int) -> set[str]:
    """What its descriptors stand for, as proc_pid_fd(5) has it; one that is closed meanwhile may be left out."""
    found = set()
    for file in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):
            found.add(str(file.readlink()))
    return found


def memories(process: int) -> Iterator[bytes]:
    """What a process and its children hold, as far as it can be read."""
    for line in Path(f"/proc/{process}/maps").read_text().splitlines():
        start, end = (int(number, 16) for number in line.split()[0].split("-"))
        if "r" not in line.split()[1] or end > 1 << 63:
            continue
        with Path(f"/proc/{process}/mem").open("rb", 0) as file:
            file.seek(start)
            try:
                yield file.read(end - start)
            except OSError:  # [vvar] and the like
                continue
    for child in children(process):
        yield from memories(child)
