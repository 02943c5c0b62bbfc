"""What is done with errors that are caught, so that none keeps what it has seen."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from kit.architecture import OURS, Rule, sources

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def errors_are_let_go_of(root: Path) -> Iterator[str]:
    """An error has the frames that it came through, with all that is in them: files that are open, and secrets. Where
    one of these has the error in turn, they stay until somebody looks for garbage.

    So what is raised has no name, but that of `except`, which Python takes away, or one that a `finally` deletes; and
    another name is given to an error without its frames only: `fault = e.with_traceback(None)`.
    """
    for file, tree in sources(root, *OURS):
        for function in ast.walk(tree):
            if isinstance(function, _Function):
                for line in {*_raised(function), *_renamed(function)}:
                    yield f"{file}:{line} keeps an error in the frame that it has"


def _names(node: ast.expr | None) -> frozenset[str]:
    """The variables whose value that of `node` may be."""
    match node:
        case ast.Name():
            return frozenset({node.id})
        case ast.BoolOp():
            return frozenset[str]().union(*map(_names, node.values))
        case ast.IfExp():
            return _names(node.body) | _names(node.orelse)
        case _:
            return frozenset()


def _raised(function: _Function) -> Iterator[int]:
    """Lines that raise what a variable of the function has."""
    arguments = function.args
    own = {each.arg for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs)}
    own |= {node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    for node in ast.walk(function):
        if isinstance(node, ast.Raise):
            deleted = {
                each.id
                for outer in ast.walk(function)
                if isinstance(outer, ast.Try) and node in ast.walk(outer)
                for last in outer.finalbody
                for each in ast.walk(last)
                if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Del)
            }
            if _names(node.exc) & own - deleted:
                yield node.lineno


def _renamed(function: _Function) -> Iterator[int]:
    """Lines that give an error another name than that of `except`."""
    for handler in ast.walk(function):
        if isinstance(handler, ast.ExceptHandler) and handler.name:
            for node in ast.walk(handler):
                if isinstance(node, ast.Assign | ast.AnnAssign) and handler.name in _names(node.value):
                    yield node.lineno


RULES: tuple[Rule, ...] = (errors_are_let_go_of,)
