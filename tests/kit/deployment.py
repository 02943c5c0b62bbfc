"""A deployed stack on an emulator, with its first credential."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kit import loaded
from kit.emulator import ACCOUNT, REGION, Emulator
from kit.loopback import relay
from kit.sdk_clients import Login, make_certificate

TENANT = {"name": "acme", "account": ACCOUNT, "region": REGION}
STACK, STANDBY = "tkms-acme", "eu-west-1"


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
    done = loaded.run([*args, "--stack", stack], stdin=stdin, env=emulator.environment, timeout=120)
    assert done.returncode == status, done.stdout + done.stderr
    return done


def fleet(emulator: Emulator, verb: str, *args: str, others: Sequence[str] = ()) -> Any:
    """What `tkms fleet` prints of the tenant and of `others`, as JSON."""
    tenants = emulator.folder / "tenants.json"
    tenants.write_text(json.dumps([TENANT, *(TENANT | {"name": name} for name in others)]))
    done = subprocess.run(
        [sys.executable, "-m", "tkms.cli", "fleet", verb, "--tenants", str(tenants), "--json", *args],
        env=emulator.synthesizing,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    rows = json.loads(done.stdout)
    assert done.returncode == any(row["reason"] for row in rows)
    return rows


@contextmanager
def deployed(emulator: Emulator, outputs: dict[str, str]) -> Iterator[Deployment]:
    """With its first credential, made as docs/operations.md says."""
    made = json.loads(tkms(emulator, "credential", "create", "--name", "first", "--json").stdout)
    name = outputs["Url"].removeprefix("http://").rpartition(":")[0]
    certificate, key = make_certificate(emulator.folder, [name])
    with relay(emulator.port, (certificate, key)) as over_tls:
        who = (made["access_key_id"], made["access_key_secret"])
        plain = Login(f"{name}:{emulator.port}", *who)
        yield Deployment(emulator, outputs, plain, Login(f"{name}:{over_tls.port}", *who, str(certificate)))


@contextmanager
def without(emulator: Emulator, folder: str, action: str, stack: str = STACK) -> Iterator[None]:
    """The role of one function has lost one right."""
    iam, function = emulator.client("iam"), emulator.client("lambda")
    arn = function.get_function_configuration(FunctionName=f"{stack}-{folder}")["Role"]
    role = arn.rpartition("/")[2]
    (name,) = iam.list_role_policies(RoleName=role)["PolicyNames"]
    document: Any = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
    left = []
    for row in document["Statement"]:
        actions = [row["Action"]] if isinstance(row["Action"], str) else row["Action"]
        if kept := [one for one in actions if one != action]:
            left.append({**row, "Action": kept})
    assert left != document["Statement"]
    put = {"RoleName": role, "PolicyName": name}
    iam.put_role_policy(**put, PolicyDocument=json.dumps({**document, "Statement": left}))
    try:
        yield
    finally:
        iam.put_role_policy(**put, PolicyDocument=json.dumps(document))
