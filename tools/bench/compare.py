"""`make bench ARGS=compare`: the build before, this one and other servers in turns, in one run of a few minutes.

An Encrypt of 64 bytes on keep-alive at 1, 8 and 64 connections, by wrk (Debian: apt-get install wrk). Ours verify a
signature (TC3) and write an audit line for each; the others verify nothing. A server has its turn at each number of
connections in each round, and what is printed are medians of the rounds. CPU is that of all of a server's processes,
user and system, by request: other work on the machine changes it less than times. Least changes how many instructions
one request takes (Debian: apt-get install valgrind): of one process from the bytes of a request to those of its answer
(`tools.bench.in_process`), and of the worker of a whole server, with its event loop and what workers share.

`--before COMMIT`: the other build, made in a temporary folder from this repository. `--python PROGRAM`: this build on
another interpreter as well. MiniStack takes part where it is installed (`make .venv-ministack/ready`),
nsmithuk/local-kms by `--local-kms PROGRAM`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cdk.tenants import ROOT
from kit.connections import Wire, request_bytes
from kit.emulator import PROGRAM
from kit.memory import children
from kit.support import HOST, Signer
from tools.bench import load

BEFORE = "65a057b"
"""The build before `serve --workers`."""
CONNECTIONS = (1, 8, 64)
ROUNDS = 3
_WARM, _COUNTED = 30, 200
_ONE, _OTHER = "now, one worker", "now, other Python"
_TICKS = os.sysconf("SC_CLK_TCK")
_ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONHASHSEED": "0"}
"""Of all that is measured: without a path to modules of another build, and with sets laid out alike each time."""


@dataclass(frozen=True)
class Build:
    """A checkout with an interpreter of its own."""

    root: Path
    python: Path

    def tkms(self, *args: str) -> list[str]:
        return [str(self.python), "-m", "tkms.cli", *args]

    def alone(self) -> tuple[str, ...]:
        """What makes its `serve` one worker: builds before workers have no such option, and are one."""
        command = self.tkms("serve", "--help")
        told = subprocess.run(command, cwd=self.root, env=_ENVIRONMENT, stdout=subprocess.PIPE, text=True, check=True)
        return ("--workers", "1") if "--workers" in told.stdout else ()


@dataclass
class Turn:
    """A server, and what makes the requests of a run, each as `load.raw` writes it."""

    url: str
    process: int
    requests: Callable[[], list[str]]

    def workers(self) -> list[int]:
        """The processes that answer: the server's children, or itself if it has none."""
        return children(self.process) or [self.process]


# -- builds ------------------------------------------------------------------------------------------------


@contextmanager
def checked_out(commit: str, folder: Path) -> Iterator[Build]:
    """The build of `commit`, a worktree of this repository with what its lock file says, until the block ends."""
    root = folder / "before"
    git = ["git", "-C", str(ROOT), "worktree"]
    if subprocess.run([*git, "add", "--quiet", "--detach", str(root), commit], check=False).returncode:
        raise SystemExit(f"there is no build of {commit} (--before COMMIT)")
    try:
        yield installed(root, root / ".venv", sys.executable)
    finally:
        subprocess.run([*git, "remove", "--force", str(root)], check=True)


def installed(root: Path, environment: Path, python: str) -> Build:
    """The build of `root` in a new virtual environment of `python`, with what its lock file says."""
    uv = shutil.which("uv") or str(ROOT / ".uv/bin/uv")
    command = [uv, "sync", "--locked", "--quiet", "--project", str(root), "--python", python]
    here = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    subprocess.run(command, check=True, env={**here, "UV_PROJECT_ENVIRONMENT": str(environment)})
    return Build(root, environment / "bin/python")


@contextmanager
def serving(build: Build, folder: Path, *args: str, under: Sequence[str] = ()) -> Iterator[Turn]:
    """A server of `build` without limits. `under`: the program that runs it, with its arguments."""
    command = [*under, *build.tkms("serve", "--port", "0", "--limit", "off", "--data-dir", str(folder), *args)]
    with subprocess.Popen(command, cwd=build.root, stdout=subprocess.PIPE, text=True, env=_ENVIRONMENT) as process:
        try:
            assert process.stdout is not None
            ready = next((line for line in process.stdout if line.startswith("tkms: ready on ")), "")
            if not ready:
                raise SystemExit(f"the build in {build.root} does not serve")

            def told(*words: str) -> Any:
                command = build.tkms(*words, "--json", "--data-dir", str(folder))
                out = subprocess.run(command, cwd=build.root, stdout=subprocess.PIPE, check=True, env=_ENVIRONMENT)
                return json.loads(out.stdout)

            made, key = told("credential", "create"), told("key", "list")[0]["id"]
            signer = Signer(made["access_key_id"], made["access_key_secret"])
            url = ready.removeprefix("tkms: ready on ").strip()
            yield Turn(url, process.pid, lambda: [load.raw(_encrypt(signer, key), HOST)])
        finally:
            process.terminate()
            process.wait(60)


def _encrypt(signer: Signer, key: str) -> load.Event:
    return signer.tencent("Encrypt", {"KeyId": key, "Plaintext": load.PLAINTEXT})


# -- instructions --------------------------------------------------------------------------------------------


def instructions(build: Build, folder: Path, *how: str) -> float:
    """Of one request in one process, the same within a percent each time. `how`: see `tools.bench.in_process`."""
    folder.mkdir()
    program = [str(build.python), str(ROOT / "tools/bench/in_process.py"), str(folder), *how]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen([*_callgrind(folder), *program], cwd=build.root, env=_ENVIRONMENT, **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        told = process.stdout.readline()
        if not told:
            raise SystemExit(f"the build in {build.root} does not start under valgrind")
        access_key_id, secret, key = json.loads(told)
        request = request_bytes(_encrypt(Signer(access_key_id, secret), key)).hex()

        def serve(times: int) -> None:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{times} {request}\n")
            process.stdin.flush()
            if process.stdout.readline() != "True\n":
                raise SystemExit(f"the build in {build.root} refused a request")

        count = _counted(process.pid, folder, serve)
        process.stdin.close()
        process.wait(60)
    return count


def server_instructions(build: Build, folder: Path) -> float:
    """Of one request in the only worker of a server, on one of two connections: an only one would keep the event loop
    awake. What is done by the clock is among them, and comes oftener beside requests that callgrind makes slow.
    """
    folder.mkdir()
    under = [*_callgrind(folder), "--trace-children=yes"]
    with serving(build, folder / "data", *build.alone(), under=under) as turn:
        (worker,), port = turn.workers(), int(turn.url.rpartition(":")[2])
        with Wire(port) as wire, Wire(port):

            def serve(times: int) -> None:
                request = turn.requests()[0].replace("\\n", "\r\n").encode()
                for _ in range(times):
                    wire.send(request)
                    if b'"CiphertextBlob"' not in wire.answer("POST")[2]:
                        raise SystemExit(f"the build in {build.root} refused a request")

            return _counted(worker, folder, serve)


def _callgrind(folder: Path) -> list[str]:
    """What counts nothing before it is told to, and writes into `folder`."""
    return ["valgrind", "--tool=callgrind", "--instr-atstart=no", "--quiet", f"--callgrind-out-file={folder}/out.%p"]


def _counted(process: int, folder: Path, serve: Callable[[int], None]) -> float:
    """Instructions of one request of those that `serve` makes so many of, in a process under `_callgrind(folder)`: the
    least of the rounds, since other work on the machine only adds to what is done by the clock.
    """

    def control(*words: str) -> None:
        command = ["callgrind_control", *words, str(process)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    serve(_WARM)
    control("--instr=on")
    serve(_WARM)
    control("--zero")
    for _ in range(ROUNDS):
        serve(_COUNTED)
        control("--dump")  # which begins anew at zero
    dumps = [file.read_text() for file in folder.glob(f"out.{process}.*")]
    found = [re.search(r"^(?:totals|summary): (\d+)", dump, re.MULTILINE) for dump in dumps]
    return min(int(each[1]) for each in found if each) / _COUNTED


COUNTS: dict[str, Callable[[Build, Path], float]] = {"one process": instructions, "a server": server_instructions}
"""What is counted, and how."""


# -- speed -----------------------------------------------------------------------------------------------------


def _cpu(process: int) -> float:
    """Seconds of user and system time that a server's processes have taken."""
    stat = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, stat[11:13])) / _TICKS + sum(map(_cpu, children(process)))


def _measure(turn: Turn, connections: int, seconds: int, folder: Path) -> dict[str, float]:
    before, start = _cpu(turn.process), time.perf_counter()
    run = load.run(turn.url, connections, seconds, turn.requests(), folder)
    served = run.per_second * (time.perf_counter() - start)
    return {**asdict(run), "cpu_us": (_cpu(turn.process) - before) / served * 1e6}


def _medians(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def interpreter(python: str) -> str:
    """What `python` is. Debian's says nothing of how it was built: with optimizations."""
    of_it = "platform.python_implementation(), platform.python_version(), sysconfig.get_config_var('CONFIG_ARGS')"
    command = [python, "-c", f"import json, platform, sysconfig; print(json.dumps([{of_it}]))"]
    name, version, how = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    built = "built with optimizations" if "--enable-optimizations" in (how or "") else "not said to be optimized"
    return f"{name} {version}, {built}"


def rows(before: str, seconds: int, local_kms: Path | None, python: str | None) -> dict[str, Any]:
    load.check_wrk()
    found: dict[str, Any] = {
        "interpreter": interpreter(sys.executable),
        "other_interpreter": python and interpreter(python),
        "before": before,
        "speed": {},
        "instructions": {},
    }
    print(
        f"{found['interpreter']}; {len(os.sched_getaffinity(0))} processors, load {os.getloadavg()[0]:.2f}", flush=True
    )
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        old = stack.enter_context(checked_out(before, folder))
        builds = {"before": old, "now": Build(ROOT, Path(sys.executable))}
        if python:
            print(f"  {_OTHER}: {found['other_interpreter']} ({python})", flush=True)
            builds[_OTHER] = installed(ROOT, folder / "other", python)
        _count(found, builds, folder)
        turns = {name: stack.enter_context(serving(build, folder / f"data, {name}")) for name, build in builds.items()}
        turns[_ONE] = stack.enter_context(serving(builds["now"], folder / f"data, {_ONE}", "--workers", "1"))
        peers = {"moto": load.moto()}
        if PROGRAM.exists():
            peers["MiniStack"] = load.ministack()
        if local_kms:
            (folder / "local").mkdir()
            peers["local-kms"] = load.local_kms(local_kms, folder / "local")
        for name, entered in peers.items():
            peer = stack.enter_context(entered)
            turns[name] = Turn(peer.url, peer.process, lambda peer=peer: [peer.request])
        _speed(found, turns, seconds, folder)
    return found


def _count(found: dict[str, Any], builds: dict[str, Build], folder: Path) -> None:
    if shutil.which("valgrind") is None:
        print("valgrind is not installed, so no instructions are counted: apt-get install valgrind", flush=True)
        return
    for what, counted in COUNTS.items():
        counts = {name: counted(build, folder / f"{what}, {name}") for name, build in builds.items()}
        found["instructions"][what] = {**counts, "times": counts["now"] / counts["before"]}
        for name, count in counts.items():
            ratio = count / counts["before"]
            print(f"  {name:<18}{what:<13}{count:>10,.0f} instructions of a request{ratio:>8.3f}", flush=True)


def _speed(found: dict[str, Any], turns: dict[str, Turn], seconds: int, folder: Path) -> None:
    runs: dict[tuple[int, str], list[dict[str, float]]] = {(n, name): [] for n in CONNECTIONS for name in turns}
    for _ in range(ROUNDS):
        for (connections, name), made in runs.items():
            made.append(_measure(turns[name], connections, seconds, folder))
    print(
        f"{'connections':>13}  {'':<18}{'requests/s':>12}{'p50 ms':>9}{'p99 ms':>9}{'CPU us':>9}"
        f"{'times':>8}{'p99 x':>8}{'CPU x':>8}",
        flush=True,
    )
    for (connections, name), made in runs.items():
        row, base = _medians(made), runs[connections, "before"]
        for what, ratio in (("per_second", "times"), ("p99_ms", "p99_times"), ("cpu_us", "cpu_times")):
            row[ratio] = statistics.median(mine[what] / theirs[what] for mine, theirs in zip(made, base, strict=True))
        found["speed"][f"{name} at {connections}"] = row
        print(
            f"{connections:>13}  {name:<18}{row['per_second']:>12,.0f}{row['p50_ms']:>9.2f}{row['p99_ms']:>9.2f}"
            f"{row['cpu_us']:>9.1f}{row['times']:>8.2f}{row['p99_times']:>8.2f}{row['cpu_times']:>8.2f}",
            flush=True,
        )
