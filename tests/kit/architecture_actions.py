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

from kit.architecture import LAYER, STARTED, Rule, parsed

# Functions that a timer calls; they serve no caller.
SCHEDULED = ("rotate_due_keys", "delete_due_keys")


def folder(action: str) -> str:
    """As `tenantkms.names.folder`, which a test compares with this."""
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
        if name in (*SCHEDULED, *STARTED):
            if actions or not any(isinstance(node, ast.FunctionDef) and node.name == "handler" for node in tree.body):
                yield f"functions/{name} serves no caller: a function `handler` and no Action"
            continue
        if [(function, folder(action)) for function, action in actions] != [(name, name)]:
            yield f"functions/{name} has the Actions {actions}"
        lines = [ast.unparse(node) for node in tree.body if isinstance(node, ast.Assign)]
        if f"handler = entry({name})" not in lines:
            yield f"functions/{name} has no `handler = entry({name})`"


@cache
def operations(root: Path) -> dict[str, dict[str, str]]:
    """Dialect -> operation -> Action, as a checkout's tables say, read in a process of its own."""
    program = (
        "import json; from tenantkms.wire.dialects import DIALECTS; print(json.dumps("
        "{d.name: {n: o.action for n, o in d.operations.items()} for d in DIALECTS.values()}))"
    )
    path = os.pathsep.join([str(root / LAYER).removesuffix("/tenantkms"), str(root)])
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, dict[str, str]] = json.loads(done.stdout)
    return found


def _says(tree: ast.Module) -> dict[str, str]:
    """What the `@action` line says, by its names."""
    marks = [mark for node in tree.body for mark in getattr(node, "decorator_list", []) if isinstance(mark, ast.Call)]
    return {str(word.arg): ast.unparse(word.value) for mark in marks for word in mark.keywords}


def _uses_keys(tree: ast.Module) -> bool:
    """Whether a handler asks for keys by its own rule."""
    here = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called, arguments = ast.unparse(node.func), [ast.unparse(argument) for argument in node.args]
            if called in ("scope.use", "scope.admit") and len(arguments) == 1:
                return True
            if called in ("scope.switch", "scope.update") and arguments[0] != "[]":
                return True
            if "scope" in arguments and called not in here:
                return True  # a helper of the layer does it
    return False


def actions_say_whether_they_use_keys(root: Path) -> Iterator[str]:
    """`NO_KEY` stands twice, and where the Action asks for no key by its own rule."""
    for name, tree in handlers(root):
        for _, action in actions_of(tree):
            said = _says(tree)
            without = {word: value == "NO_KEY" for word, value in said.items()}
            if without.get("refuses") != without.get("needs"):
                yield f"functions/{name}: {action} refuses {said.get('refuses')}, needs {said.get('needs')}"
            elif without.get("refuses") and _uses_keys(tree):
                yield f"functions/{name} uses a key, but {action} says NO_KEY"


def handlers_ask_the_scope(root: Path) -> Iterator[str]:
    """What an Action works with comes from the scope itself, not from what the scope is made of."""
    for name, tree in handlers(root):
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                text = ast.unparse(node)
                if text == "scope.deps" or text.endswith(".keyring.store"):
                    yield f"functions/{name}/handler.py:{node.lineno} reaches for {text}"


_SETS = ("model", "store", "keys/destruction.py")
"""Where the state that was last set is kept, and moved on."""


def keys_tell_their_state_now(root: Path) -> Iterator[str]:
    """What is answered of a key's state is of now, `Key.state_at`, not what was last set."""
    layer = root / LAYER
    rooms = (path for path in layer.rglob("*.py") if not path.relative_to(layer).as_posix().startswith(_SETS))
    for path in sorted((*rooms, *(root / "functions").rglob("*.py"))):
        for node in ast.walk(parsed(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr == "state":
                yield f"{path.relative_to(root)}:{node.lineno} reads {ast.unparse(node)}: a key's is state_at(now)"


def dialects_name_actions_that_exist(root: Path) -> Iterator[str]:
    actions = {action for _, tree in handlers(root) for _, action in actions_of(tree)}
    for dialect, rows in operations(root).items():
        for name, action in rows.items():
            if action not in actions:
                yield f"{dialect} {name} is served by {action}, which is no Action"


RULES: tuple[Rule, ...] = (
    functions_have_one_shape,
    actions_say_whether_they_use_keys,
    handlers_ask_the_scope,
    keys_tell_their_state_now,
    dialects_name_actions_that_exist,
)
