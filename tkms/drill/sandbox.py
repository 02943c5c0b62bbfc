"""The stack that a drill makes for itself, what is in it, and what takes it away again."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import string
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from msgspec import Struct

from tkms.drill.acts import Act, Drill, Where, own, page
from tkms.drill.shell import Shell, StepFailed
from tkms.output import Failed, UsageError

EMULATOR = "TKMS_EMULATOR"
"""Set in a shell whose AWS is an emulator, as `make emulator` says it."""
NONE = "none"
_MARK = "tkms:drill"
"""A tag of the stack, by which it is known as one that may go."""
_BEGINS = "drill-"
_NAME = re.compile(rf"{_BEGINS}([a-z0-9-]{{0,15}}[a-z0-9])")
_PROGRAMS = ("bash", "make", "aws", "jq")
_ALWAYS = ("keys table", "access table", "service")
"""Checks of the doctor that find something on an emulator whatever is done, as README says."""

BLOCKS = (("Drills", -1), ("Stop and start a tenant", 0))
"""The page's blocks that name what all drills use."""
SETUP: tuple[Act, ...] = (
    own(
        "deploy a sandbox of its own",
        """
make synth
make cdk ARGS="deploy $STACK --app cdk.out --require-approval never"
""",
    ),
    page("name what there is", NAME="$TENANT"),
    page("how it is stopped and started"),
    own(
        "an access key, a key of two versions with an alias, and ciphertexts of both",
        """
tkms credential create --name app --stack $STACK > /dev/null
tkms key create --alias default --stack $STACK > /dev/null
FIRST=$(echo first | tkms encrypt --key alias/default --stack $STACK)
tkms key rotate alias/default --stack $STACK > /dev/null
SECOND=$(echo second | tkms encrypt --key alias/default --stack $STACK)
""",
    ),
    own(
        "how promises are looked at",
        """
opens() { test "$(echo "$1" | tkms decrypt --stack $STACK)" = "$2"; }
all_open() { opens "$FIRST" first && opens "$SECOND" second; }
again() { for i in 1 2 3 4 5 6 7 8 9; do if "$@"; then return; fi; sleep 5; done; "$@"; }
refused() { local why=$1 said; shift; if said=$("$@" 2>&1); then return 1; fi; grep -Eq "$why" <<< "$said"; }
problems() { tkms doctor --stack $STACK --json |
  jq -r --argjson always "$ALWAYS" '[.[] | select(.status == "problem") | .check] - $always | join(" ")'; }
entry() { jq -c ".[0] += $1" "$TKMS_TENANTS" > "$TKMS_TENANTS.new"; mv "$TKMS_TENANTS.new" "$TKMS_TENANTS"; }
""",
    ),
    own(
        "recovery, which an emulator leaves out of tables",
        """
on="--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"
for table in $KEYS $ACCESS; do aws dynamodb update-continuous-backups --table-name $table $on > /dev/null; done
""",
        only=lambda where: where.emulator,
    ),
)
_STACK = own(
    "delete the stack",
    """
aws cloudformation delete-stack --stack-name $STACK
aws cloudformation wait stack-delete-complete --stack-name $STACK
""",
)


class Sandbox(Struct, frozen=True, kw_only=True):
    """Where it is. Nothing of it is secret."""

    tenant: str
    account: str
    region: str
    where: Where

    @property
    def stack(self) -> str:
        return f"tkms-{self.tenant}"

    @property
    def entry(self) -> dict[str, Any]:
        """Of the list of tenants."""
        whose = {"name": self.tenant, "account": self.account, "region": self.region}
        return {**whose, "sandbox": True, "tags": {_MARK: "sandbox"}}


def away(drills: Mapping[str, Drill]) -> tuple[Act, ...]:
    """What takes the stack away, and what these drills have made outside of it."""
    return (_STACK, *(act for drill in drills.values() for act in drill.away))


def tenant(name: str) -> str:
    """The name of a sandbox, one that nobody has unless `name` says it. Raises `UsageError`.

    What does not begin as a drill's name could be somebody's, whose tables would be taken away.
    """
    if not name:
        return _BEGINS + "".join(secrets.choice(string.ascii_lowercase + string.digits) for _ in range(6))
    if not _NAME.fullmatch(name):
        raise UsageError(f"a sandbox's name begins with {_BEGINS}, and has up to 22 lower-case letters, digits and '-'")
    return name


def release(root: Path, wanted: str) -> str:
    """The tag to go back to: `wanted`, else the newest one before what is checked out; empty without one.

    Raises `UsageError` for one that is not there.
    """
    if wanted == NONE or not shutil.which("git"):
        return ""
    newest = ("describe", "--tags", "--abbrev=0", "--match", "v[0-9]*", "HEAD^")
    asked = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{wanted}^{{commit}}") if wanted else newest
    line = ["git", "-C", str(root), *asked]
    done = subprocess.run(line, capture_output=True, text=True, check=False)  # noqa: S603
    if wanted and done.returncode:
        raise UsageError(f"{wanted} is no tag of this checkout: git tag lists them, git fetch --tags gets them")
    return wanted or done.stdout.strip()


def settings(environment: Mapping[str, str]) -> dict[str, str]:
    """The shell's own, such that AWS's command line pages nothing, and `tkms` is this one.

    Raises `Failed` for a program that is missing.
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), environment.get("PATH", os.defpath)])
    if missing := [name for name in _PROGRAMS if not shutil.which(name, path=path)]:
        raise Failed(f"{missing[0]} is needed, and is not on the PATH.")
    return {**environment, "PATH": path, "AWS_PAGER": "", "AWS_DEFAULT_OUTPUT": "json"}


def found(shell: Shell, name: str, where: Where) -> Sandbox:
    """The sandbox of that name, which needs not be there yet. Raises `Failed`."""
    version = _asked(shell, "aws --version 2>&1", "AWS's command line cannot be run")
    if not version.startswith("aws-cli/2."):
        raise Failed(
            f"AWS CLI 2 is needed, and {version.split()[0]} is on the PATH: it writes binary values of a row back as"
            " other bytes. AWS's pages say how version 2 is installed; make .clients/ready puts one into"
            " .clients/aws-cli-2."
        )
    account = _asked(shell, "aws sts get-caller-identity --query Account --output text", "AWS cannot be asked")
    asked = "echo ${AWS_REGION:-${AWS_DEFAULT_REGION:-$(aws configure get region || true)}}"
    if not (region := _asked(shell, asked, "No AWS region is set")):
        raise Failed("No AWS region is set: AWS_REGION=... or a profile that names one (AWS_PROFILE).")
    return Sandbox(tenant=name, account=account, region=region, where=where)


def check_bootstrapped(shell: Shell, sandbox: Sandbox) -> None:
    """Raises `Failed`."""
    place = f"aws://{sandbox.account}/{sandbox.region}"
    why = f'The CDK cannot deploy to {place}. Once for each account and region: make cdk ARGS="bootstrap {place}"'
    _asked(shell, "aws ssm get-parameter --name /cdk-bootstrap/hnb659fds/version", why)


def is_there(shell: Shell, sandbox: Sandbox) -> bool:
    """Whether a drill's stack is. Raises `Failed` for a stack that no drill has made."""
    said = _asked(
        shell, f"aws cloudformation describe-stacks --stack-name {sandbox.stack} 2>&1 || true", "AWS cannot be asked"
    )
    if "does not exist" in said:
        return False
    try:
        (stack,) = json.loads(said)["Stacks"]
    except (ValueError, LookupError):
        raise Failed(f"{sandbox.stack} cannot be looked for: {said[-500:]}") from None
    if _MARK not in {tag["Key"] for tag in stack.get("Tags", [])}:
        raise Failed(f"{sandbox.stack} is there, and no drill has made it: nothing is changed. Another --tenant.")
    return True


def names(sandbox: Sandbox, tenants: Path) -> dict[str, str]:
    """What the scripts of drills find in their environment."""
    return {
        "AWS_REGION": sandbox.region,
        "AWS_DEFAULT_REGION": sandbox.region,
        "TKMS_TENANTS": str(tenants),
        "TENANT": sandbox.tenant,
        "STACK": sandbox.stack,
        "ACCOUNT": sandbox.account,
        "RELEASE": sandbox.where.release,
        "ALWAYS": json.dumps(_ALWAYS if sandbox.where.emulator else ()),
        "USER": os.environ.get("USER", "somebody"),
    }


def _asked(shell: Shell, script: str, why: str) -> str:
    try:
        return shell(script).strip()
    except StepFailed as e:
        raise Failed(f"{why}: {e.said or e.reason}") from None
