"""The CDK's library runs on the Node that comes along, whatever the machine has."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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


@pytest.mark.parametrize(
    "args",
    [
        ("deploy", "tkms-acme", "--no-execute"),
        ("deploy", "tkms-acme", "--method=change-set"),
        ("deploy", "tkms-acme", "-m", "prepare-change-set"),
        ("deploy", "tkms-acme", "--import-existing-resources"),
        ("diff", "tkms-acme"),
        ("import", "tkms-acme"),
    ],
)
def test_who_chooses_a_way_of_deploying_has_it(args: tuple[str, ...]) -> None:
    """Above all `--no-execute`, which a direct deployment would not heed."""
    assert tuple(node.command("cdk", *args)[2:]) == args


def test_a_deployment_is_direct_wherever_its_options_stand() -> None:
    for args in (("deploy", "tkms-acme"), ("-v", "deploy", "--all", "--require-approval", "never")):
        assert tuple(node.command("cdk", *args)[2:]) == (*args, "--method", "direct")
    assert node.command("npm", "deploy")[2:] == ["deploy"]
