"""Commands of a Markdown page, run by a shell as they stand there: text and test cannot say different things."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cdk.tenants import ROOT
from kit.sdk_programs import AWS_CLI, installed

UNRUN = "# not on an emulator: "
"""What a block begins with that no test runs; the rest of the line says why."""
ON_AWS = "only on AWS"
"""What stands in brackets behind a command in the text that no test runs, with the reason."""
_FENCE = re.compile(r"^( *)```sh\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_FINDINGS_ARE_NO_FAULT = """
tkms() { local s=0; command tkms "$@" || s=$?; [ "$1" = doctor ] && [ $s = 1 ] && s=0; return $s; }
"""
_MADE_BY_COMMANDS = ("cdk.out", "try.py", "policy.json", "tkms-data", "tenants.json")


def sections(page: str) -> dict[str, list[str]]:
    """Headings -> the shell blocks beneath each; those before the first heading beneath none."""
    text, found = (ROOT / page).read_text("utf-8"), {}
    for part in re.split(r"^##+ ", f"## \n{text}", flags=re.MULTILINE)[1:]:  # with one `#` begin comments of the shell
        heading, _, body = part.partition("\n")
        if blocks := [textwrap.dedent(block) for _, block in _FENCE.findall(body)]:
            found[heading] = blocks
    assert sum(map(len, found.values())) == text.count("```sh\n"), "a block is not read"
    return found


_TYPED = re.compile(r"`((?:export|git|make|tkms|aws) [^`]*(?:--|[<=$])[^`]*)`(?! \(" + ON_AWS + ")")


def typed(page: str) -> list[str]:
    """Commands that stand in the text, outside of blocks, with what a reader types behind their name.

    Those that only name a command, such as `tkms doctor`, are none.
    """
    text = _FENCE.sub("", (ROOT / page).read_text("utf-8"))
    return [" ".join(command.split()) for command in _TYPED.findall(text)]


def pattern(command: str) -> re.Pattern[str]:
    """Finds a command of the text in scripts: `<name>` is any word, `...` anything."""
    parts = (re.escape(part).replace(r"\.\.\.", ".*") for part in re.split(r"<[^>]*>", command))
    return re.compile(r"[^\s\"]+".join(parts))


def checkout(folder: Path) -> Path:
    """This checkout as a folder of links, so that what commands write into theirs is not written into it."""
    (ROOT / "build").mkdir(exist_ok=True)
    folder.mkdir()
    for path in ROOT.iterdir():
        if path.name not in _MADE_BY_COMMANDS:
            (folder / path.name).symlink_to(path)
    return folder


_ASKED = re.compile(r"(\w+)=\$\([^()]*\) ?")


def _needed(before: str, script: str) -> str:
    """`before` without what only asks for values that the script does not use: each asking takes seconds."""
    return _ASKED.sub(lambda asked: asked[0] if f"${asked[1]}" in script else "", before)


@dataclass(frozen=True)
class Shell:
    """A shell in `folder`, without a terminal. `before` is run before each script."""

    folder: Path
    environment: Mapping[str, str]
    before: str = ""
    scripts: list[str] = field(default_factory=list)
    """All that were run, by those that were made of this one, too."""

    def __call__(self, script: str, **more: str) -> str:
        """What the script prints; every command of it has to succeed, but for a doctor that finds something."""
        self.scripts.append(script)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", f"{_FINDINGS_ARE_NO_FAULT}\n{_needed(self.before, script)}\n{script}"],
            cwd=self.folder,
            env={**self.environment, **more},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=420,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        return done.stdout


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


_NAMES = re.compile(r"^(?:\w+=\S+(?: \w+=\S+)*|\w+\(\) .*|ARN=.*)$", re.MULTILINE)
"""Lines of a block that only name something, for the blocks after it as for a reader who goes on in the same shell."""


class Steps:
    """The blocks of one section, in their order. `places` are what the page has in angle brackets."""

    def __init__(self, blocks: list[str], shell: Shell, places: Mapping[str, str]) -> None:
        self._left, self._shell, self._places = list(blocks), shell, places
        self._named: list[str] = []

    def run(self, **assignments: str) -> str:
        """Run the next block, with these values in place of those that the page assigns. What it prints."""
        script = self._left.pop(0)
        assert not script.startswith(UNRUN), script
        for name, value in assignments.items():
            script, count = re.subn(rf"\b{name}=\S+", lambda _, to=f"{name}={value}": to, script)
            assert count == 1, f"{name} is not assigned once in:\n{script}"
        for place, value in self._places.items():
            script = script.replace(place, value)
        said = self._shell("\n".join([*self._named, script]))
        self._named += _NAMES.findall(script)
        return said

    def name(self, name: str, value: str) -> None:
        """As if the reader had."""
        self._named.append(f"{name}={value}")

    def say_why_not(self) -> None:
        """The next block cannot be run here, and says so."""
        script = self._left.pop(0)
        assert script.startswith(UNRUN), script
        subprocess.run(["bash", "-n", "-c", script], check=True)

    def end(self) -> None:
        assert not self._left, f"not run: {self._left}"
