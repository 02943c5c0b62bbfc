"""`make release`: the same bytes from the same commit, wherever and whenever, and only from one that is a release."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tenantkms import __version__
from tools.release import NotReady, make

ROOT = Path(__file__).parent.parent.parent


def git(root: Path, *args: str) -> None:
    who = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.com")
    subprocess.run(["git", "-C", str(root), *who, *args], check=True, capture_output=True)


def released(text: str) -> str:
    """The changelog with its newest part dated."""
    head, _, rest = text.partition("\n## ")
    return f"{head}\n## {__version__} (2026-01-02)\n{rest.partition(chr(10))[2]}"


@pytest.fixture(scope="module")
def commit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with this tree, committed on a certain day, as a release."""
    root = tmp_path_factory.mktemp("commit")
    listed = subprocess.run(["git", "-C", str(ROOT), "ls-files", "-z"], check=True, capture_output=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).exists():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    log = root / "CHANGELOG.md"
    log.write_text(released(log.read_text("utf-8")), "utf-8")
    git(root, "init", "--quiet")
    git(root, "add", "--all", "--force")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GIT_COMMITTER_DATE", "2026-01-02T03:04:05Z")
        git(root, "commit", "--quiet", "-m", "release")
    return root


def test_a_commit_makes_the_same_files_anywhere(commit: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = {path.name: path.read_bytes() for path in make(commit, tmp_path / "first")}
    clone = tmp_path / "elsewhere/clone"
    git(tmp_path, "clone", "--quiet", str(commit), str(clone))
    before = os.umask(0o077)
    monkeypatch.setenv("TZ", "Asia/Shanghai")
    try:
        second = {path.name: path.read_bytes() for path in make(clone, tmp_path / "second")}
    finally:
        os.umask(before)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
    assert sorted(first) == [
        "SHA256SUMS",
        f"tenant-kms-{__version__}-requirements.txt",
        f"tenant-kms-{__version__}.cdx.json",
        f"tenant_kms-{__version__}-py3-none-any.whl",
        f"tenant_kms-{__version__}.tar.gz",
    ]
    told = dict(reversed(line.split("  ")) for line in first["SHA256SUMS"].decode().splitlines())
    assert told == {name: hashlib.sha256(first[name]).hexdigest() for name in first if name != "SHA256SUMS"}
    bill = json.loads(first[f"tenant-kms-{__version__}.cdx.json"])
    assert bill["metadata"]["timestamp"] == "2026-01-02T03:04:05Z"
    assert bill["metadata"]["component"]["version"] == __version__
    names = {component["name"] for component in bill["components"]}
    assert {"cryptography", "msgspec", "uvloop", "boto3", "alibabacloud-kms20160120"} <= names
    assert not {"pytest", "moto", "aws-cdk-lib"} & names
    pins = first[f"tenant-kms-{__version__}-requirements.txt"].decode()
    assert "cryptography==" in pins
    assert str(tmp_path) not in pins
    assert pins.count("--hash=sha256:") > 20
    assert {line.split("==")[0] for line in pins.splitlines() if "==" in line} <= names
    with zipfile.ZipFile(tmp_path / "first" / f"tenant_kms-{__version__}-py3-none-any.whl") as wheel:
        assert {member.date_time[:3] for member in wheel.infolist()} == {(2026, 1, 2)}


def test_what_is_no_release_is_refused(commit: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", str(commit), str(clone))
    (clone / "README.md").write_text("something else")
    with pytest.raises(NotReady, match=r"not committed:\n M README\.md"):
        list(make(clone, tmp_path / "out"))
    git(clone, "checkout", "--quiet", "README.md")
    log = clone / "CHANGELOG.md"
    log.write_text(log.read_text("utf-8").replace("(2026-01-02)", "(unreleased)"), "utf-8")
    git(clone, "commit", "--quiet", "--all", "-m", "not yet")
    command = [sys.executable, "-m", "tools.release", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, cwd=clone, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"make release: The newest part of CHANGELOG.md is '## {__version__} (unreleased)'")
    assert not (tmp_path / "out").exists()
