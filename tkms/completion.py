"""`tkms completion`: a script for a shell, made once from the options that there are. Completing starts no process."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

SHELLS = ("bash", "zsh", "fish", "tcsh")
_FILE, _DIRECTORY = "file", "directory"
_OF = {
    **dict.fromkeys(("FILE", "PATH", "NAME|FILE"), _FILE),
    **dict.fromkeys(("DIR", "INBOX", "SEALED"), _DIRECTORY),
}
"""What options call their value -> what a shell completes it with."""


_Words = argparse._SubParsersAction  # noqa: SLF001 - argparse has no public name for it


def show(top: argparse.ArgumentParser, shell: str) -> int:
    import shtab  # nobody else has use for it

    for action in _actions(top):
        if action.choices is not None and not isinstance(action, _Words):
            action.choices = [*action.choices]  # a dictionary would be words to it
        if kind := _OF.get(str(action.metavar)):
            action.complete = shtab.CHOICE_FUNCTIONS[kind]  # type: ignore[attr-defined]  # where shtab looks for it
    print(shtab.complete(top, shell))
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to list them
        yield action
        if isinstance(action, _Words):
            for one in action.choices.values():
                yield from _actions(one)
