"""A process of its own on a data directory, told on its standard input what to do: python worker.py DIRECTORY

Each line is a JSON list: ["act", Action, params], ["sweep", "ROTATE" or "DESTROY"], or ["churn"], which makes and
rotates keys until it is killed. An answer is a line of JSON too: what came out, or what was acknowledged.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

PLAINTEXT = "cGxhaW50ZXh0"


def main(directory: str) -> None:
    from kit.action_samples import Tenant
    from tenantkms.keys import maintenance

    tenant = Tenant(Path(directory))
    _say("ready")
    for line in sys.stdin:
        what, *rest = json.loads(line)
        if what == "act":
            _say(tenant.outcome(*rest))
        elif what == "sweep":
            maintenance.run(getattr(maintenance, rest[0]), tenant.deps, "sweep")
            _say("swept")
        else:
            _churn(tenant)


def _say(answer: object) -> None:
    print(json.dumps(answer), flush=True)


def _churn(tenant: Any) -> None:
    """Each acknowledged key with an alias, and each ciphertext, is told."""
    while True:
        alias = f"churn-{os.urandom(8).hex()}"
        key_id = tenant.create(alias=alias)
        for _ in range(4):
            blob = tenant.result("Encrypt", {"key_id": key_id, "plaintext": PLAINTEXT})["ciphertext"]
            _say([key_id, alias, blob])
            tenant.result("CreateKeyVersion", {"key_id": key_id})


class Worker:
    """The parent's side."""

    def __init__(self, directory: Path) -> None:
        paths = os.pathsep.join([str(Path(__file__).parent.parent.parent), *sys.path])
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(directory)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": paths},
            text=True,
        )

    @property
    def output(self) -> IO[str]:
        return cast("IO[str]", self.process.stdout)

    def tell(self, *what: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        line = self.output.readline()
        assert line, "the process has ended"
        return json.loads(line)

    def end(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=20)


@contextmanager
def workers(directory: Path, count: int) -> Iterator[list[Worker]]:
    """So many processes that are ready."""
    started = [Worker(directory) for _ in range(count)]
    try:
        assert [worker.answer() for worker in started] == ["ready"] * count
        yield started
    finally:
        for worker in started:
            worker.end()


if __name__ == "__main__":
    main(sys.argv[1])
