"""Runs npm, or the CDK's command line, with the Node that comes along: `python -m cdk.node cdk deploy`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from cdk.tenants import ROOT

_NODE = Path(os.environ["JSII_NODE"])
_PROGRAMS = {
    "npm": _NODE.parent.parent / "lib/node_modules/npm/bin/npm-cli.js",
    "cdk": ROOT / ".cdk/node_modules/aws-cdk/bin/cdk",
}


def command(program: str, *args: str) -> list[str]:
    """The command line of `npm` or `cdk`."""
    return [str(_NODE), str(_PROGRAMS[program]), *args]


if __name__ == "__main__":
    # What they start in turn finds the same Node.
    os.environ["PATH"] = os.pathsep.join([str(_NODE.parent), os.environ.get("PATH", os.defpath)])
    line = command(*sys.argv[1:])
    os.execv(line[0], line)  # noqa: S606 - no shell
