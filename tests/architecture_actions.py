"""What an Action is made of, read from the source. Rules as in `architecture`."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from architecture import LAYER, Rule, parsed

# Functions that a timer calls; they serve no caller.
SCHEDULED = ("rotate_due_keys", "delete_due_keys")


def folder(action: str) -> str:
    """As `functions.endpoint.dispatch.folder`, which a test compares with this."""
    return "_".join(re.findall("[A-Z][a-z0-9]*", action)).lower()


def handlers(root: Path) -> Iterator[tuple[str, ast.Module]]:
    for path in sorted((root / "functions").glob("*/handler.py")):
        if path.parent.name != "endpoint":
            yield path.parent.name, parsed(path.read_text("utf-8"))


def actions_of(tree: ast.Module) -> Iterator[tuple[str, str]]:
    """(function, Action) of each decorated function."""
    for node in tree.body:
        for mark in getattr(node, "decorator_list", []):
            if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "action":
                yield getattr(node, "name", ""), ast.literal_eval(mark.args[0])


def functions_have_one_shape(root: Path) -> Iterator[str]:
    """functions/<name>/: __init__.py and handler.py, with one Action of that name and its `handler = entry(...)`."""
    for path in sorted(p for p in (root / "functions").iterdir() if p.is_dir()):
        names = {p.name for p in path.iterdir()} - {"__pycache__"}
        if path.name not in ("endpoint", "__pycache__") and names != {"__init__.py", "handler.py"}:
            yield f"functions/{path.name} has {', '.join(sorted(names)) or 'nothing'}"
    for name, tree in handlers(root):
        actions = list(actions_of(tree))
        if name in SCHEDULED:
            if actions or not any(isinstance(node, ast.FunctionDef) and node.name == "handler" for node in tree.body):
                yield f"functions/{name} is scheduled: a function `handler` and no Action"
            continue
        if [(function, folder(action)) for function, action in actions] != [(name, name)]:
            yield f"functions/{name} has the Actions {actions}"
        lines = [ast.unparse(node) for node in tree.body if isinstance(node, ast.Assign)]
        if f"handler = entry({name})" not in lines:
            yield f"functions/{name} has no `handler = entry({name})`"


@cache
def facts(root: Path) -> dict[str, Any]:
    """What the tables of a checkout say, read in a process of its own."""
    program = (
        "import json; from tenantkms.rules import NEEDS, REFUSALS; from tenantkms.wire.dialects import DIALECTS;"
        "print(json.dumps({'refusals': list(REFUSALS), 'needs': list(NEEDS), 'operations':"
        " {d.name: {n: o.action for n, o in d.operations.items()} for d in DIALECTS.values()}}))"
    )
    path = os.pathsep.join([str(root / LAYER).removesuffix("/tenantkms"), str(root)])
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _admits_as(name: str, tree: ast.Module) -> Iterator[str]:
    """The Actions that a handler asks keys for: its own, unless it says another."""
    here = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called, arguments = ast.unparse(node.func), [ast.unparse(argument) for argument in node.args]
        if called in ("scope.use", "scope.admit") and len(arguments) > 1:
            yield str(ast.literal_eval(node.args[1]))
        elif called == "scope.open":
            yield "Decrypt"
        elif called in ("scope.use", "scope.admit", "scope.switch", "scope.update"):
            if arguments[0] != "[]":
                yield name
        elif "scope" in arguments and called not in here:
            yield name  # a helper of the layer does it


def key_actions_have_a_row(root: Path) -> Iterator[str]:
    """Each Action that uses a key says in rules.REFUSALS what each state refuses."""
    rows = facts(root)["refusals"]
    for folder_name, tree in handlers(root):
        for _, action in actions_of(tree):
            for name in sorted(set(_admits_as(action, tree)) - set(rows)):
                yield f"functions/{folder_name} uses a key as {name}, which has no row in REFUSALS"
    actions = {action for _, tree in handlers(root) for _, action in actions_of(tree)}
    for name in (*rows, *facts(root)["needs"]):
        if name not in actions:
            yield f"model.py has a row for {name}, which is no Action"


def dialects_name_actions_that_exist(root: Path) -> Iterator[str]:
    actions = {action for _, tree in handlers(root) for _, action in actions_of(tree)}
    for dialect, operations in facts(root)["operations"].items():
        for name, action in operations.items():
            if action not in actions:
                yield f"{dialect} {name} is served by {action}, which is no Action"


RULES: tuple[Rule, ...] = (functions_have_one_shape, key_actions_have_a_row, dialects_name_actions_that_exist)
