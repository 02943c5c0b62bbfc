"""Shell blocks of a Markdown page, as they stand there: what is run and what is read cannot say different things."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Mapping
from pathlib import Path

from tkms.checkout import ROOT
from tkms.output import Failed

PAGE = "docs/operations.md"
UNRUN = ("# only on AWS: ", "# not in a drill: ")
"""What a block begins with that is left to a person, or is not of a stack; the rest of the line says why."""
_FENCE = re.compile(r"^( *)```sh\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_MADE_BY_COMMANDS = ("alias.json", "cdk.out", "try.py", "policy.json", "tkms-data", "tenants.json")


def sections(page: str = PAGE, root: Path = ROOT) -> dict[str, list[str]]:
    """Headings -> the shell blocks beneath each; those before the first heading beneath none.

    Raises `Failed` for one that has no end.
    """
    text, found = (root / page).read_text("utf-8"), {}
    for part in re.split(r"^##+ ", f"## \n{text}", flags=re.MULTILINE)[1:]:  # with one `#` begin comments of the shell
        heading, _, body = part.partition("\n")
        if blocks := [textwrap.dedent(block) for _, block in _FENCE.findall(body)]:
            found[heading] = blocks
    if sum(map(len, found.values())) != text.count("```sh\n"):
        raise Failed(f"{page} cannot be read: a block of shell commands has no end.")
    return found


def prose(text: str) -> str:
    """A page without its blocks."""
    return _FENCE.sub("", text)


def unrun(block: str) -> str:
    """Why a block is left to a person; empty for one that is not."""
    first = block.partition("\n")[0]
    return next((first.removeprefix(mark) for mark in UNRUN if first.startswith(mark)), "")


def filled(block: str, values: Mapping[str, str]) -> str:
    """The block with `values` in place of those that it assigns. Raises `Failed` where it does not do so once."""
    for name, value in values.items():
        to = f"{name}={value}".replace("\\", r"\\")
        block, count = re.subn(rf"\b{name}=\S+", to, block)
        if count != 1:
            raise Failed(f"{name} is not assigned once in:\n{block}")
    return block


def checkout(folder: Path, root: Path = ROOT) -> Path:
    """A checkout as a folder of links, so that what commands write into theirs is not written into it."""
    (root / "build").mkdir(exist_ok=True)
    folder.mkdir()
    for path in root.iterdir():
        if path.name not in _MADE_BY_COMMANDS:
            (folder / path.name).symlink_to(path)
    return folder
