"""A new Action is its folder, one row of the catalog and one sample; `make coverage` writes it into the documents."""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PARTS = ("layers", "functions", "tkms", "tools", "cdk", "docs", "tests", "pyproject.toml", "cdk.json")
HANDLER = '''"""WinkAtKey: looks at a key, and says which."""

from __future__ import annotations

from tenantkms.action.action import action
from tenantkms.action.call import Params, Result
from tenantkms.action.scope import Scope
from tenantkms.model.specs import MACS
from tenantkms.model.states import OPEN
from tenantkms.runtime.lambda_entry import entry


class WinkAtKey(Params, frozen=True, kw_only=True):
    key_id: str


class Winked(Result, frozen=True, kw_only=True):
    key_id: str


@action("WinkAtKey", refuses=OPEN, needs=MACS)
def wink_at_key(params: WinkAtKey, scope: Scope) -> Winked:
    return Winked(key_id=scope.use(params.key_id).id)


handler = entry(wink_at_key)
'''
CATALOG = ("cdk/catalog.py", '    "verify_mac": _USE,\n', '    "wink_at_key": _READ,\n')
SAMPLE = ("tests/kit/action_samples.py", '    "UpdateRotationPolicy": _with(', '    "WinkAtKey": _KEY,\n')
CHECKS = (
    "tests/house/test_architecture.py::test_the_house_keeps",
    "tests/house/test_states.py",
    "tests/action/test_action_rules.py::test_the_names_of_actions_are_those_of_the_handlers",
    "tests/action/test_action_rules.py::test_every_action_has_a_sample",
    "tests/action/test_action_rules.py::test_no_action_works_without_permission[WinkAtKey]",
    "tests/action/test_action_rules.py::test_each_state_refuses_what_the_table_says[WinkAtKey-Archived]",
    "tests/cdk/test_catalog.py::test_an_action_asks_for_what_its_row_says[WinkAtKey]",
)


def run(copy: Path, *args: str) -> subprocess.CompletedProcess[str]:
    """A Python that finds the copy's code before this checkout's."""
    paths = [copy / "layers/tenantkms/python", copy, copy / "tests"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}
    return subprocess.run(
        [sys.executable, *args], cwd=copy, env=environment, capture_output=True, text=True, timeout=300
    )


def checks(copy: Path, named: str = "") -> subprocess.CompletedProcess[str]:
    """All of them, or those with that in their name."""
    return run(copy, "-m", "pytest", "-q", "-p", "no:cacheprovider", *(check for check in CHECKS if named in check))


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in PARTS:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(ROOT / name, tmp_path / name)
    folder = tmp_path / "functions/wink_at_key"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "handler.py").write_text(HANDLER)
    return tmp_path


def add(copy: Path, file: str, before: str, row: str) -> None:
    text = (copy / file).read_text("utf-8")
    assert text.count(before) == 1
    (copy / file).write_text(text.replace(before, row + before), "utf-8")


def changed(one: filecmp.dircmp[str], at: str = "") -> set[str]:
    """Files of the second folder that are not as in the first."""
    found = {f"{at}{name}" for name in (*one.diff_files, *one.right_only)}
    return found.union(*(changed(sub, f"{at}{name}/") for name, sub in one.subdirs.items()))


def touched(copy: Path) -> set[str]:
    return {
        f"{part}/{name}"
        for part in PARTS
        if (ROOT / part).is_dir()
        for name in changed(filecmp.dircmp(ROOT / part, copy / part, ignore=["__pycache__"]))
    }


def test_it_is_a_folder_a_row_and_a_sample(copy: Path) -> None:
    add(copy, *CATALOG)
    add(copy, *SAMPLE)
    by_hand = {"functions/wink_at_key", "cdk/catalog.py", "tests/kit/action_samples.py"}
    assert touched(copy) == by_hand
    assert run(copy, "-m", "tools.states").returncode == 0  # a part of make coverage
    assert touched(copy) == by_hand | {"docs/keys.md", "layers/tenantkms/python/tenantkms/names.py"}
    done = checks(copy)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("row", "named"),
    [(CATALOG, "test_every_action_has_a_sample"), (SAMPLE, "test_an_action_asks_for_what_its_row_says")],
)
def test_what_is_forgotten_is_named(row: tuple[str, str, str], named: str, copy: Path) -> None:
    add(copy, *row)
    assert run(copy, "-m", "tools.states").returncode == 0
    done = checks(copy, named)
    assert done.returncode == 1
    assert f"FAILED tests/{'action' if 'sample' in named else 'cdk'}" in done.stdout
    assert named in done.stdout
