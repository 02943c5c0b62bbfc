"""Tenants are listed in a file of their own, or in cdk.json; one function reads them, and names the file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cdk.listed import PROJECT, VARIABLE, listed
from cdk.tenants import ROOT, TenantError

GOOD = {"name": "acme", "account": "123456789012", "region": "eu-central-1"}
OTHER = {**GOOD, "name": "other"}


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(VARIABLE, raising=False)


def names(context: object = None) -> list[str]:
    return [tenant.name for tenant in listed(context)]


def write(path: str, entries: object) -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(entries))
    return file


def test_without_a_file_they_are_those_of_the_project() -> None:
    assert names() == names(json.loads(PROJECT.read_text())["context"]["tenants"]) == ["acme"]


def test_a_file_stands_in_place_of_the_project_s_list(monkeypatch: pytest.MonkeyPatch) -> None:
    file = write("ours/tenants.json", [OTHER])
    assert names(str(file)) == names("./ours/tenants.json") == ["other"]
    for named in ("ours/tenants.json", str(file.absolute())):
        monkeypatch.setenv(VARIABLE, named)
        assert names() == names([GOOD]) == ["other"]


def test_the_command_line_s_file_goes_before_the_environment_s(monkeypatch: pytest.MonkeyPatch) -> None:
    write("one.json", [GOOD])
    write("two.json", [OTHER])
    monkeypatch.setenv(VARIABLE, "one.json")
    assert names("two.json") == ["other"]


def test_an_empty_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")
    assert names([OTHER]) == ["other"]


def test_a_home_directory_and_a_byte_order_mark_are_understood(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(Path.cwd()))
    Path("tenants.json").write_bytes(b"\xef\xbb\xbf" + json.dumps([OTHER]).encode())
    assert names("~/tenants.json") == ["other"]


WRONG: dict[str, tuple[bytes | None, str]] = {
    "no file": (None, "it cannot be read: No such file or directory"),
    "no JSON": (b'[\n {"name": "acme",}\n]', "it is not JSON: line 2, column "),
    "no text": (b"[\xff]", "it is not UTF-8 text"),
    "no list": (json.dumps({"tenants": [GOOD]}).encode(), "there is no list of tenants"),
    "nothing in it": (b"[]", "there is no list of tenants"),
    "one of two": (json.dumps([OTHER, {**GOOD, "rate": 0}]).encode(), "tenants[1] ('acme'): rate: 0 is not valid"),
    "deep inside": (
        json.dumps([{**GOOD, "events": {"messages": {"targets": [{"type": "sqs", "name": "a"}]}}}]).encode(),
        "tenants[0] ('acme'): events.messages.targets[0].type: ",
    ),
}


@pytest.mark.parametrize(("content", "said"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_names_the_file_and_the_place(content: bytes | None, said: str) -> None:
    file = Path("ours.json").absolute()
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(TenantError) as caught:
        listed("ours.json")
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{file}: {said}")


def test_a_directory_is_no_file() -> None:
    with pytest.raises(TenantError, match="it cannot be read: Is a directory"):
        listed(str(Path.cwd()))


def test_each_line_names_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = [{**GOOD, "rate": 0, "burst": 0}]
    with pytest.raises(TenantError) as of_project:
        listed(wrong)
    monkeypatch.setenv(VARIABLE, str(write("ours.json", wrong)))
    with pytest.raises(TenantError) as of_file:
        listed()
    for caught, file in ((of_project, PROJECT), (of_file, Path("ours.json").absolute())):
        assert [line.partition(": tenants[0] ")[0] for line in str(caught.value).splitlines()] == [str(file)] * 2


def app(out: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The app as the CDK's command line runs it."""
    return subprocess.run(
        [sys.executable, "-m", "cdk.app"],
        env={"PATH": "", "HOME": os.environ["HOME"], "CDK_OUTDIR": str(out), **environment},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )


def context(tenants: Any) -> dict[str, str]:
    return {"CDK_CONTEXT_JSON": json.dumps({"tenants": tenants})}


@pytest.mark.parametrize("named", ["by the context", "by the environment"])
def test_the_program_stops_with_that_text_and_writes_nothing(tmp_path: Path, named: str) -> None:
    file = write("ours.json", [{**GOOD, "rate": 0}]).absolute()
    how = context(str(file)) if named == "by the context" else {**context([GOOD]), VARIABLE: str(file)}
    done = app(tmp_path / "out", **how)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"{file}: tenants[0] ('acme'): rate: 0 is not valid" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list((tmp_path / "out").glob("*.json"))


def test_nobody_else_reads_the_list() -> None:
    rooms = (path for room in ("cdk", "tools", "tkms") for path in (ROOT / room).rglob("*.py"))
    assert [path.name for path in rooms if '"cdk.json"' in path.read_text("utf-8")] == ["listed.py"]
