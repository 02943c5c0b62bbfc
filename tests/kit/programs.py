"""Programs as `tkms snippet` prints them: run with unmodified clients, or parsed where there is nothing to run them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping

import tree_sitter_c_sharp
import tree_sitter_go
import tree_sitter_java
import tree_sitter_php
from tree_sitter import Language, Parser

from cdk.node import NODE
from kit.sdk_programs import CLIENTS, installed

SHELL = shutil.which("dash") or "sh"
"""Where `sh` is a larger shell, it takes what others do not."""
LINES: Mapping[str, list[str]] = {
    "python": [sys.executable, "-W", "ignore", "-"],
    "js": [str(NODE), "-"],
    "sh": [SHELL, "-"],
}
"""Languages whose programs run here -> what runs them."""
_CHECKS = {"js": [str(NODE), "--check", "-"], "sh": [SHELL, "-n"]}
_GRAMMARS = {
    "java": Language(tree_sitter_java.language()),
    "go": Language(tree_sitter_go.language()),
    "php": Language(tree_sitter_php.language_php()),
    "csharp": Language(tree_sitter_c_sharp.language()),
}


def run(language: str, program: str, **environ: str) -> str:
    """What it prints. The clients for Node and the command lines are those of `make .clients/ready`."""
    installed(NODE)
    clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    path = f"{CLIENTS / 'bin'}:{os.environ.get('PATH', os.defpath)}"
    clients = {"PATH": path, "HOME": str(CLIENTS), "NODE_PATH": str(CLIENTS / "node_modules")}
    done = subprocess.run(
        LINES[language],
        input=program,
        env={**clean, **clients, **environ},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def parses(language: str, program: str) -> bool:
    """Whether its compiler or interpreter could begin."""
    if language == "python":
        try:
            compile(program, "program", "exec")
        except SyntaxError:
            return False
        return True
    if language in _CHECKS:
        return not subprocess.run(_CHECKS[language], input=program, capture_output=True, text=True).returncode
    return not Parser(_GRAMMARS[language]).parse(program.encode()).root_node.has_error
