"""Sealed files: MB per second of CPU beside raw AES-GCM and Tink, memory of 1 GB, files rewrapped per minute.

Raw is one AES-256-GCM over all of it, its tag at the end, in buffers that stay: what no format can be faster than. All
read from and write to memory, in turns, in one process; the best of the rounds counts. "files" is from file to file.
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from kit import tink_peer
from kit.support import new_directory
from tenantkms.crypto.streaming import SEGMENT, open_stream, seal_stream
from tkms.files import sealed
from tkms.places import OneMachine
from tkms.rewrap import files as rewrap_files
from tkms.rewrap.work import Rewrap

_KEY, _CONTEXT = bytes(range(32)), b"\0\0"
_CHILD = """
import re, sys
from pathlib import Path
from tkms.cli import main
status = main(sys.argv[1:])
print(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
sys.exit(status)
"""


class _Memory(io.RawIOBase):
    """The same megabyte again and again; what is written is counted."""

    def __init__(self, size: int) -> None:
        self._block = os.urandom(SEGMENT)
        self._left = size
        self.written = 0

    def read(self, size: int = -1, /) -> bytes:
        size = min(size, self._left)
        self._left -= size
        return self._block if size == SEGMENT else self._block[:size]

    def writable(self) -> bool:
        return True

    def write(self, data: Any, /) -> int:
        self.written += len(data)
        return len(data)


def _raw(source: Any, sink: Any, *, seal: bool) -> None:
    cipher = Cipher(algorithms.AES(_KEY), modes.GCM(bytes(12)))
    context = cipher.encryptor() if seal else cipher.decryptor()
    out = bytearray(SEGMENT + 15)
    view = memoryview(out)
    while piece := source.read(SEGMENT - 16):
        sink.write(view[: context.update_into(piece, out)])


def _ours(source: Any, sink: Any, *, seal: bool) -> None:
    for piece in (seal_stream if seal else open_stream)(_KEY, _CONTEXT, source):
        sink.write(piece)


def _tink(source: Any, sink: Any, *, seal: bool) -> None:
    primitive = tink_peer.primitive(_KEY)
    if seal:
        with primitive.new_encrypting_stream(sink, _CONTEXT) as stream:
            while piece := source.read(SEGMENT):
                stream.write(piece)
    else:
        with primitive.new_decrypting_stream(source, _CONTEXT) as stream:
            while piece := stream.read(SEGMENT):
                sink.write(piece)


def _speeds(turns: dict[str, Callable[[], None]], size: int, rounds: int) -> dict[str, float]:
    best: dict[str, float] = {}
    for _ in range(rounds):
        for name, work in turns.items():
            start = time.process_time()
            work()
            best[name] = max(best.get(name, 0), size / 1e6 / (time.process_time() - start))
    return best


def _speed_rows(megabytes: int, rounds: int, directory: Path) -> dict[str, float]:
    size = megabytes << 20
    kept = io.BytesIO()
    _ours(_Memory(size), kept, seal=True)
    stream = kept.getvalue()
    ways = {"raw AES-GCM": _raw, "ours": _ours, "tink": _tink}
    rows = _speeds(
        {f"seal, {n}": lambda w=w: w(_Memory(size), _Memory(0), seal=True) for n, w in ways.items()}, size, rounds
    )  # type: ignore[misc]
    rows |= _speeds(
        {f"open, {n}": lambda w=w: w(io.BytesIO(stream), _Memory(0), seal=False) for n, w in ways.items()}, size, rounds
    )  # type: ignore[misc]
    plain, there, back = (directory / name for name in ("plain", "sealed", "back"))
    plain.write_bytes(os.urandom(size))
    there.write_bytes(stream)

    def between(work: Callable[..., None], source: Path, *, seal: bool) -> Callable[[], None]:
        def run() -> None:
            with source.open("rb", buffering=0) as file, back.open("wb") as out:
                work(file, out, seal=seal)

        return run

    for seal, source in ((True, plain), (False, there)):
        verb = "seal" if seal else "open"
        turns = {f"{verb} files, {n}": between(w, source, seal=seal) for n, w in list(ways.items())[:2]}
        rows |= _speeds(turns, size, rounds)
    for verb in ("seal", "open", "seal files", "open files"):
        rows[f"{verb}, times raw"] = rows[f"{verb}, ours"] / rows[f"{verb}, raw AES-GCM"]
    for verb in ("seal", "open"):
        rows[f"{verb}, times tink"] = rows[f"{verb}, ours"] / rows[f"{verb}, tink"]
    for path in (plain, there, back):
        path.unlink()
    return rows


def _most_mb(*args: str) -> float:
    """The most memory that a command had (VmHWM)."""
    done = subprocess.run([sys.executable, "-c", _CHILD, *args], capture_output=True, text=True, check=True)
    found = re.search(r"(\d+)\n$", done.stdout)
    assert found
    return int(found[1]) / 1024


def _memory_rows(megabytes: int, directory: Path) -> dict[str, float]:
    big = directory / "big"
    with big.open("wb") as file:
        for _ in range(megabytes):
            file.write(os.urandom(1 << 20))
    data = ("--data-dir", str(directory / "data"))
    rows = {f"MB of memory, sealing {megabytes} MB and removing it": _most_mb("seal", "--remove", str(big), *data)}
    rows[f"MB of memory, opening {megabytes} MB"] = _most_mb("unseal", f"{big}.tkms", *data)
    for path in (big, directory / "big.tkms"):
        path.unlink()
    return rows


def _rewrap_rows(count: int, directory: Path) -> dict[str, float]:
    place = OneMachine(new_directory(directory / "data"))
    plain, inside = directory / "plain", directory / "many"
    plain.write_bytes(b"x" * 1000)
    inside.mkdir()
    sealed.seal(place, plain, inside / "0.tkms", "alias/default", {})
    one = (inside / "0.tkms").read_bytes()
    for number in range(1, count):
        (inside / f"{number}.tkms").write_bytes(one)
    described: Any = place.call("DescribeKey", {"key_ids": ["alias/default"]})
    place.call("CreateKeyVersion", {"key_id": described["keys"][0]["id"]})
    start = time.perf_counter()
    report = Rewrap(place, "", dry_run=False).run(rewrap_files.items([inside], {}))
    assert (report.rewrapped, report.old, report.failed) == (count, 0, [])
    return {"files rewrapped per minute": count / (time.perf_counter() - start) * 60}


def rows(*, small: bool) -> dict[str, float]:
    """`small`: whether it works, not how fast it is."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        found = _speed_rows(16 if small else 256, 1 if small else 7, directory)
        found |= _memory_rows(64 if small else 1024, directory)
        found |= _rewrap_rows(100 if small else 10_000, directory)
    for what, value in found.items():
        print(f"  {what:<50}{value:>12,.2f}", flush=True)
    return found
