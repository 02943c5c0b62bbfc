"""`tkms completion`: bash completes with its script, and no start of the command pays for it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from kit.support import run_tkms
from tkms.completion import SHELLS

BASH = """
source "$1"; shift
COMP_WORDS=("$@") COMP_CWORD=$(( $# - 1 )) COMPREPLY=()
$(complete -p tkms | sed 's/.*-F \\([^ ]*\\).*/\\1/') tkms "${@: -1}" "${@: -2:1}"
printf '%s\\n' "${COMPREPLY[@]}"
"""
COMPLETED = {
    "what the client signed": ("explain-signature --mine mat", ["material.bin"]),
    "a command": ("ke", ["key"]),
    "a verb": ("key sch", ["schedule-deletion"]),
    "a verb of a verb": ("key alias ", ["add", "move", "remove"]),
    "an option": ("key schedule-deletion k --d", ["--data-dir", "--days"]),
    "a choice": ("key create --spec EC_P2", ["EC_P256", "EC_P256K"]),
    "choices that are a table": ("policy show enc", ["encrypt-only"]),
    "a file": ("key import k mat", ["material.bin"]),
    "a directory": ("serve --data-dir d", ["data"]),
}


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("completion")
    (folder / "material.bin").touch()
    (folder / "data").mkdir()
    (folder / "tkms.bash").write_text(run_tkms("completion", "bash").stdout)
    return folder / "tkms.bash"


@pytest.mark.parametrize(("typed", "words"), COMPLETED.values(), ids=COMPLETED)
def test_bash_completes(script: Path, typed: str, words: list[str]) -> None:
    line = ["bash", "-c", BASH, "bash", str(script), "tkms", *typed.split(" ")]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, cwd=script.parent)
    assert (done.stdout.split(), done.stderr) == (words, "")


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_has_a_script_of_all_verbs(shell: str) -> None:
    text = run_tkms("completion", shell).stdout
    for word in ("schedule-deletion", "public-key", "take-over", "completion", "ML_DSA_44", "encrypt-only"):
        assert word in text


def test_a_shell_that_is_none() -> None:
    done = run_tkms("completion", "cmd", check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "'bash'" in done.stderr


def test_no_other_command_loads_what_makes_scripts() -> None:
    program = (
        "import sys\n"
        "from tkms import cli\n"
        "cli.main(['policy', 'list'])\n"
        "print(sorted({'shtab', 'tkms.keys.material', 'botocore'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]"
