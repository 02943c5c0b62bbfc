"""Blocks of a page in tests, by what `tkms drill` reads and runs them with."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from cdk.tenants import ROOT
from kit.sdk_programs import AWS_CLI, installed
from tkms.drill.page import filled, prose, unrun
from tkms.drill.shell import Shell

ON_AWS = "only on AWS"
"""What stands in brackets behind a command in the text that no test runs, with the reason."""
_TYPED = re.compile(r"`((?:export|git|make|tkms|aws) [^`]*(?:--|[<=$])[^`]*)`(?! \(" + ON_AWS + ")")


def typed(page: str) -> list[str]:
    """Commands that stand in the text, outside of blocks, with what a reader types behind their name.

    Those that only name a command, such as `tkms doctor`, are none.
    """
    text = prose((ROOT / page).read_text("utf-8"))
    return [" ".join(command.split()) for command in _TYPED.findall(text)]


def pattern(command: str) -> re.Pattern[str]:
    """Finds a command of the text in scripts: `<name>` is any word, `...` anything."""
    parts = (re.escape(part).replace(r"\.\.\.", ".*") for part in re.split(r"<[^>]*>", command))
    return re.compile(r"[^\s\"]+".join(parts))


class Recorded(Shell):
    """`scripts` are all that were run, by others that have the same list, too."""

    def __init__(self, folder: Path, environment: Mapping[str, str], scripts: list[str]) -> None:
        super().__init__(folder, environment)
        self.scripts = scripts

    def __call__(self, script: str, **more: str) -> str:
        self.scripts.append(script)
        return super().__call__(script, **more)


def environment(emulator: Mapping[str, str], region: str) -> dict[str, str]:
    """That of an emulator, for `region`; with AWS's command line, version 2 as the page asks for."""
    aws = installed(AWS_CLI["AWS CLI 2"])
    kept = {name: value for name, value in os.environ.items() if name.startswith(("UV_", "PIP_", "SSL_"))}
    bash, make = (Path(str(shutil.which(name))).parent for name in ("bash", "make"))
    return {
        **kept,
        **emulator,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "AWS_PAGER": "",
        "USER": "somebody",
        "PATH": os.pathsep.join(map(str, (aws.parent, bash, make, "/usr/bin", "/bin"))),
    }


class Steps:
    """The blocks of one section, in their order. `places` are what the page has in angle brackets."""

    def __init__(self, blocks: list[str], shell: Shell, places: Mapping[str, str]) -> None:
        self._left, self._shell, self._places = list(blocks), shell, places

    def run(self, **assignments: str) -> str:
        """Run the next block, with these values in place of those that the page assigns. What it prints."""
        script = filled(self._left.pop(0), assignments)
        assert not unrun(script), script
        for place, value in self._places.items():
            script = script.replace(place, value)
        return self._shell(script)

    def say_why_not(self) -> None:
        """The next block cannot be run here, and says so."""
        script = self._left.pop(0)
        assert unrun(script), script
        subprocess.run(["bash", "-n", "-c", script], check=True)

    def end(self) -> None:
        assert not self._left, f"not run: {self._left}"
