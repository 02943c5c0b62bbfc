"""A shell that runs one script after the other, as somebody types them who goes on in the same one."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

_PRELUDE = """
tkms() { local s=0; command tkms "$@" || s=$?; [ "$1" = doctor ] && [ $s = 1 ] && s=0; return $s; }
"""
"""What the doctor finds is no failure of the command."""
_ASSIGNED = re.compile(r"(?:^|[\s;(])([A-Z][A-Z0-9_]*)=", re.MULTILINE)
_SECRETS = re.compile(r"""((?:\w*secret\w*|session_?token)(?:["']?\s*[:=|]\s*["']?|\s{2,}))[^\s"',]+""", re.IGNORECASE)
_SECRET_SETTINGS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
_SHOWN = 3000
"""Characters of what a failed script has said."""
_SECONDS = 10


class StepFailed(Exception):
    """A script did not succeed. `said` is the end of what it printed."""

    def __init__(self, reason: str, said: str = "") -> None:
        super().__init__(f"{reason}\n{said}" if said else reason)
        self.reason, self.said = reason, said


class Shell:
    """Bash in `folder`, without a terminal. What a script names with capitals, or as a function, later ones know.

    A script takes `seconds` at most.
    """

    def __init__(self, folder: Path, environment: Mapping[str, str], seconds: int = 420) -> None:
        self.folder, self.environment = folder, environment
        self._seconds, self._known, self._names = seconds, "", set[str]()

    def __call__(self, script: str, **more: str) -> str:
        """What the script prints; every command of it has to succeed, but for a doctor that finds something.

        Raises `StepFailed`.
        """
        names = self._names | set(_ASSIGNED.findall(script))
        with tempfile.NamedTemporaryFile("r", prefix="tkms-drill-", encoding="utf-8") as kept:
            variables = f"declare -p {' '.join(sorted(names))} 2> /dev/null || true" if names else ""
            keep = f"{{ declare -f\n{variables}\n}} > '{kept.name}'"
            status, out, said = self._run(f"{_PRELUDE}\n{self._known}\n{script}\n{keep}", more)
            if status:
                raise StepFailed(f"it ended with status {status}", self._without_secrets(out, said))
            self._known, self._names = kept.read(), names
        return out

    def _run(self, text: str, more: Mapping[str, str]) -> tuple[int, str, str]:
        """Nothing that was started is left running when this is interrupted."""
        with subprocess.Popen(  # noqa: S603
            ["bash", "-euo", "pipefail", "-c", text],  # noqa: S607 - of whoever gives the command
            cwd=self.folder,
            env={**self.environment, **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            process_group=0,
        ) as process:
            try:
                out, said = process.communicate(timeout=self._seconds)
            except subprocess.TimeoutExpired:
                _end(process)
                raise StepFailed(f"it did not end within {self._seconds} seconds") from None
            except BaseException:
                _end(process)
                raise
        return process.returncode, out, said

    def _without_secrets(self, *parts: str) -> str:
        text = "\n".join(filter(None, (part.strip() for part in parts)))
        for name in _SECRET_SETTINGS:
            if len(value := self.environment.get(name, "")) > len("test"):
                text = text.replace(value, "***")
        return _SECRETS.sub(r"\1***", text)[-_SHOWN:]


def _end(process: subprocess.Popen[str]) -> None:
    """With what it has started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(_SECONDS)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
