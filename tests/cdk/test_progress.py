"""Long work shows that it lives: on standard error, and to people."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys

import pytest

from cdk.tenants import ROOT

PROGRAM = """
import sys, time
from cdk import progress
progress._PATIENCE = 0.5
with progress.step("short"): time.sleep(0.05)
with progress.step("long"): time.sleep(2)
print("{}")
"""


def test_to_a_machine_only_what_takes_long_is_told_and_not_on_its_output() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("{}\n", "long ...\n")


def test_on_a_terminal_each_step_is_told_at_once() -> None:
    ours, theirs = pty.openpty()
    try:
        subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, stderr=theirs, stdout=subprocess.PIPE, check=True)
        assert os.read(ours, 1000).decode().splitlines() == ["short ...", "long ..."]
    finally:
        os.close(ours)
        os.close(theirs)


def test_what_fails_is_not_told_about_later() -> None:
    program = PROGRAM.replace("time.sleep(0.05)", "1 / 0")
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert "ZeroDivisionError" in done.stderr
    assert "..." not in done.stderr


RECIPES = re.findall(
    r"^([^\s:#]\S*):[^=\n]*\n((?:(?:\t.*|ifneq.*|endif.*)\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE
)
INSTALLING = {target: body for target, body in RECIPES if re.search(r"\$\(SYNC\)|pip install|\$\(NPM_CI\)", body)}


def test_recipes_that_install_are_known() -> None:
    assert {".venv/ready", ".venv-ministack/ready", ".cdk/ready", ".clients/ready", ".uv/bin/uv"} <= INSTALLING.keys()


@pytest.mark.parametrize("target", INSTALLING)
def test_make_says_what_it_installs_before_it_does(target: str) -> None:
    told, installed = (
        (m.start() if (m := re.search(p, INSTALLING[target])) else -1)
        for p in (r'@?echo ".*>&2', r"\$\(SYNC\)|pip install|\$\(NPM_CI\)")
    )
    assert 0 <= told < installed
