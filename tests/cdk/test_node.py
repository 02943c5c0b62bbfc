"""The CDK's library runs on the Node that comes along, whatever the machine has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cdk import node

ROOT = Path(__file__).parent.parent.parent


def test_the_library_needs_no_node_of_the_machine() -> None:
    program = "from cdk import node; node.use(); import aws_cdk; print(aws_cdk.App().node.path == '')"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": "", "HOME": str(Path.home())},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "True"), done.stderr


def test_npm_is_there() -> None:
    done = subprocess.run(node.command("npm", "--version"), capture_output=True, text=True, check=True)
    assert done.stdout.strip()
