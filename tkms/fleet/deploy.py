"""`tkms fleet deploy`: one synthesis, then the CDK's command line for each stack."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tkms import checkout
from tkms.fleet.tenants import Tenant
from tkms.fleet.work import FAILED, Row, row
from tkms.output import Failed

ROOT = checkout.ROOT
_LINES = 3
"""Of what the command line said last, for a row."""
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def program() -> list[str]:
    """The CDK's command line. Raises `Failed` where this is not a checkout with it."""
    checkout.require("Stacks are deployed", "cdk/app.py", root=ROOT)
    if not (ROOT / ".cdk/ready").exists():
        raise Failed(f"The CDK's command line is not installed yet: make .cdk/ready in {ROOT}")
    return [sys.executable, "-m", "cdk.node", "cdk"]


def synthesized(file: str, folder: Path) -> Path:
    """The assembly of the file's tenants. Raises `Failed` with what the CDK app said."""
    out = folder / "cdk.out"
    environment = {**os.environ, "CDK_OUTDIR": str(out), "TKMS_TENANTS": str(Path(file).expanduser().absolute())}
    command = [sys.executable, "-m", "cdk.app"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise Failed(f"The templates cannot be written:\n{done.stderr.rstrip()}")
    return out


def deployer(assembly: Path, logs: Path) -> Callable[[Tenant], Row]:
    """What deploys one tenant's stack, and keeps what was said of it in `logs`."""
    cdk = program()

    def deploy(tenant: Tenant) -> Row:
        log = logs / f"{tenant.stack}.log"
        how = ["--exclusively", "--require-approval", "never", "--progress", "events", "--no-color", "--no-notices"]
        command = [*cdk, "--app", str(assembly), "deploy", tenant.stack, *how]
        environment = {**os.environ, "AWS_REGION": tenant.region, "AWS_DEFAULT_REGION": tenant.region}
        with log.open("wb") as out:
            done = subprocess.run(  # noqa: S603
                command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=out, stderr=out, check=False
            )
        if not done.returncode:
            return Row(**row(tenant, "deployed"))
        said = [_COLOURS.sub("", line).strip() for line in log.read_text("utf-8", "replace").splitlines()]
        last = " ".join([line for line in said if line][-_LINES:])
        return Row(**row(tenant, FAILED, f"{last} ({log})"))

    return deploy
