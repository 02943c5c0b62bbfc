"""Importing a module of ours does nothing but import: no environment variable is set, nothing is printed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cdk.node import NODE

ROOT = Path(__file__).parent.parent.parent
ROOMS = {
    "layers/tenantkms/python": "tenantkms",
    "layers/events/python": "tenantkms_events",
    ".": "functions tkms cdk tools",
}
# The CDK's library sets a variable of its own when it is imported, for the program that it starts.
OTHERS = {"JSII_AGENT"}
# What `make` runs with packages that the project does not have.
APART = {"tools.mutants"}

PROGRAM = """
import os, sys
from importlib import import_module
before = dict(os.environ)
for name in sys.argv[1:]:
    import_module(name)
print(*sorted(name for name in before.keys() | os.environ.keys() if before.get(name) != os.environ.get(name)))
"""


def modules(package: str) -> list[str]:
    (root,) = (ROOT / folder for folder, names in ROOMS.items() if package in names.split())
    paths = [path.relative_to(root).with_suffix("") for path in sorted((root / package).rglob("*.py"))]
    return [name for path in paths if (name := ".".join(path.parts).removesuffix(".__init__")) not in APART]


APART = {"tools.mutants"}
"""What they import comes with their own target of the Makefile only."""


@pytest.mark.parametrize("package", "tenantkms tenantkms_events functions tkms cdk tools".split())
def test_an_import_sets_no_variable(package: str) -> None:
    found = [name for name in modules(package) if name not in APART]
    assert len(found) > 4
    # The CDK's library says so on standard error where it finds an older Node than the one that comes along.
    environment = {name: value for name, value in os.environ.items() if name != "JSII_NODE"}
    environment["PATH"] = f"{NODE.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, *found],
        cwd=ROOT / "tests",
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert set(done.stdout.split()) <= OTHERS
    assert not done.stderr
