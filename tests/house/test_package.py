"""What `pip install` puts on a user's path: three packages of ours, and a command that works from anywhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import zipfile
from email import message_from_string
from pathlib import Path

import pytest
import uv

from tenantkms import __version__

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked as an installer does it."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [uv.find_uv_bin(), "build", "--wheel", "--offline", "--no-build-isolation", "--quiet", "-o", str(folder)]
    subprocess.run([*command, "--python", sys.executable, str(ROOT)], check=True)
    (wheel,) = folder.glob("*.whl")
    site = folder / "site"
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(site)
    return site


def _members(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as packed:
        return {name: packed.read(name) for name in packed.namelist() if not name.endswith("/RECORD")}


def test_the_sources_make_the_same_wheel(tmp_path: Path) -> None:
    """uv builds a wheel from the sources that it has packed, unless it is told to build it from the folder."""
    command = [uv.find_uv_bin(), "build", "--offline", "--no-build-isolation", "--quiet", "--python", sys.executable]
    for folder, only in (("from-sources", []), ("from-folder", ["--wheel"])):
        subprocess.run([*command, *only, "-o", str(tmp_path / folder), str(ROOT)], check=True)
    (from_sources,), (from_folder,) = (
        [*(tmp_path / folder).glob("*.whl")] for folder in ("from-sources", "from-folder")
    )
    assert _members(from_sources) == _members(from_folder)
    (sources,) = (tmp_path / "from-sources").glob("*.tar.gz")
    with tarfile.open(sources) as packed:
        tops = {Path(name).parts[1] for name in packed.getnames()}
    assert tops == {
        *("functions", "layers", "tkms", "pyproject.toml", "PKG-INFO", ".gitignore"),
        *("README.md", "CHANGELOG.md", "LICENSE", "SECURITY.md"),
    }


def test_who_installs_it_is_told_what_it_is(installed: Path) -> None:
    told = message_from_string((installed / f"tenant_kms-{__version__}.dist-info/METADATA").read_text("utf-8"))
    assert (told["Name"], told["Requires-Python"]) == ("tenant-kms", ">=3.11")
    assert "Operating System :: POSIX" in told.get_all("Classifier", [])
    assert "Project-URL" not in told, "there is no address yet"
    needs = told.get_all("Requires-Dist", [])
    bare = {re.split("[^a-z0-9-]", need)[0] for need in needs if "extra ==" not in need}
    assert bare == {"cryptography", "httptools", "msgspec", "prometheus-client", "shtab", "uvicorn", "uvloop"}
    assert set(told.get_all("Provides-Extra", [])) == {"age", "aws", "alibaba", "tencent"}


def python(installed: Path, folder: Path, *args: str, stdin: str = "") -> str:
    """What a Python prints that finds the wheel before this checkout."""
    environment = {**os.environ, "PYTHONPATH": str(installed), "TKMS_DATA_DIR": str(folder / "data")}
    done = subprocess.run(
        [sys.executable, *args], env=environment, cwd=folder, input=stdin, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_no_name_is_taken_that_is_not_ours(installed: Path) -> None:
    assert {path.name for path in installed.iterdir()} == {
        "tenantkms",
        "tenantkms_events",
        "tkms",
        f"tenant_kms-{__version__}.dist-info",
    }


def test_nothing_of_the_actions_is_left_out(installed: Path) -> None:
    here, there = (
        {path.relative_to(root).as_posix() for path in root.rglob("*") if path.suffix not in ("", ".pyc")}
        for root in (ROOT / "functions", installed / "tkms/bundled/functions")
    )
    assert here == there
    assert {"endpoint/door.html", "endpoint/explorer/words.json", "endpoint/explorer/static/main.js"} <= here


def test_the_command_works_beside_another_package_of_that_name(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions/__init__.py").write_text("raise ImportError('somebody else')")
    python(installed, tmp_path, "-m", "tkms", "init")
    blob = python(installed, tmp_path, "-m", "tkms", "encrypt", stdin="secret")
    assert python(installed, tmp_path, "-m", "tkms", "decrypt", stdin=blob) == "secret"
    assert "package main" in python(installed, tmp_path, "-m", "tkms", "snippet", "aws-go")
    where = "import tkms, tenantkms; print(tkms.__file__, tenantkms.__file__, sep='\\n')"
    assert all(Path(line).is_relative_to(installed) for line in python(installed, tmp_path, "-c", where).splitlines())


def test_who_imports_it_keeps_a_package_functions_of_his_own(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions/__init__.py").touch()
    (tmp_path / "functions/mine.py").write_text("answer = 42")
    program = "import tkms, tenantkms.crypto.envelope, functions.mine; print(functions.mine.answer)"
    assert python(installed, tmp_path, "-c", program) == "42"


def test_the_version_stands_in_one_place(installed: Path, tmp_path: Path) -> None:
    assert python(installed, tmp_path, "-m", "tkms", "--version") == f"tkms {__version__}"
    metadata = (installed / f"tenant_kms-{__version__}.dist-info/METADATA").read_text("utf-8")
    assert f"\nVersion: {__version__}\n" in metadata
    assert "\nLicense-Expression: Apache-2.0\n" in metadata
    assert f'"{__version__}"' not in (ROOT / "pyproject.toml").read_text("utf-8")
