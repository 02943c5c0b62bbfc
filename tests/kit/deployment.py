"""A deployed stack on an emulator, with its first credential."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kit.emulator import ACCOUNT, REGION, Emulator
from kit.loopback import tls
from kit.sdk_clients import Login, make_certificate

TENANT = {"name": "acme", "account": ACCOUNT, "region": REGION}
STACK = "tkms-acme"


@dataclass(frozen=True)
class Deployment:
    """A deployed stack, and a credential of it: over HTTP, and over TLS for the SDK that speaks nothing else."""

    emulator: Emulator
    outputs: dict[str, str]
    plain: Login
    secure: Login

    def tkms(self, *args: str, stdin: str = "") -> Any:
        """What the command prints as JSON."""
        return json.loads(tkms(self.emulator, *args, "--json", stdin=stdin).stdout)


def tkms(
    emulator: Emulator, *args: str, stdin: str = "", status: int = 0, stack: str = STACK
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "tkms.cli", *args, "--stack", stack],
        env=emulator.environment,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == status, done.stdout + done.stderr
    return done


@contextmanager
def deployed(emulator: Emulator, outputs: dict[str, str]) -> Iterator[Deployment]:
    """With its first credential, made as docs/operations.md says."""
    made = json.loads(tkms(emulator, "credential", "create", "--name", "first", "--json").stdout)
    name = outputs["Url"].removeprefix("http://").rpartition(":")[0]
    certificate, key = make_certificate(emulator.folder, [name])
    with tls(emulator.port, certificate, key) as port:
        who = (made["access_key_id"], made["access_key_secret"])
        plain = Login(f"{name}:{emulator.port}", *who)
        yield Deployment(emulator, outputs, plain, Login(f"{name}:{port}", *who, str(certificate)))
