"""`tkms fleet`: every tenant is worked on, whatever becomes of another one. tests/e2e asks a deployed stack."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tenantkms.errors import Unavailable
from tenantkms.runtime.assemble import SettingsError
from tkms import cli
from tkms.findings import OK, PROBLEM, WARNING, Finding
from tkms.fleet import deploy as deploying
from tkms.fleet import work

ACCOUNT = "123456789012"
NAMES = ("good", "late", "gone", "other", "busy")


@pytest.fixture
def tenants(tmp_path: Path) -> Path:
    """With what an entry may say besides, and what nobody checks here."""
    rows = [{"name": name, "account": ACCOUNT, "region": "eu-west-1", "//": "x", "rate": 1} for name in NAMES]
    file = tmp_path / "tenants.json"
    file.write_text(json.dumps(rows))
    return file


class Stack:
    """As AWS answers for the stack of each name. Five are asked at once, or none goes on."""

    together = threading.Barrier(len(NAMES), timeout=20)

    def __init__(self, name: str, region: str, role: str) -> None:
        assert region == "eu-west-1"
        assert role in ("", f"arn:aws:iam::{ACCOUNT}:role/auditor")
        self.name = name.removeprefix("tkms-")
        self.outputs = {"Version": "0.1.0"}
        self.url = f"https://{self.name}.example.com"
        self.together.wait()
        if self.name == "gone":
            raise SettingsError("The stack tkms-gone cannot be read: Stack with id tkms-gone does not exist")

    def describe(self) -> Mapping[str, Any]:
        if self.name == "busy":
            raise Unavailable
        return {
            "StackId": f"arn:aws:cloudformation:eu-west-1:{'9' * 12 if self.name == 'other' else ACCOUNT}:stack/x/y",
            "StackStatus": "UPDATE_ROLLBACK_COMPLETE" if self.name == "late" else "CREATE_COMPLETE",
            "CreationTime": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        }


def examine(stack: Stack) -> list[Finding]:
    late = [Finding("stack", PROBLEM, "UPDATE_ROLLBACK_COMPLETE", "Deploy again.")]
    return [
        Finding("rows", OK, "9 rows"),
        Finding("alarms", WARNING, "1 rings"),
        *(late if stack.name == "late" else []),
    ]


def fleet(capsys: pytest.CaptureFixture[str], *args: object) -> tuple[int, str, str]:
    status = cli.main(["fleet", *map(str, args)])
    told = capsys.readouterr()
    return status, told.out, told.err


@pytest.fixture
def _on_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "Stack", Stack)
    monkeypatch.setattr(work, "examine", examine)


@pytest.mark.usefixtures("_on_aws")
def test_each_tenant_has_its_row(tenants: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = fleet(capsys, "status", "--tenants", tenants, "--parallel", 5, "--json")
    rows = {row["tenant"]: row for row in json.loads(out)}
    assert (status, tuple(rows)) == (1, NAMES)
    assert {name: row["state"] for name, row in rows.items()} == {
        "good": "CREATE_COMPLETE",
        "late": "UPDATE_ROLLBACK_COMPLETE",
        "gone": "failed",
        "other": "failed",
        "busy": "failed",
    }
    assert (rows["good"]["version"], rows["good"]["reason"]) == ("0.1.0", "")
    assert "does not exist" in rows["gone"]["reason"]
    assert rows["other"]["reason"].endswith(f"of account {'9' * 12}, not of {ACCOUNT}.")
    assert {line.split()[0] for line in err.splitlines()} == {f"{number}/5" for number in range(1, 6)}

    line = ("doctor", "--tenants", tenants, "--parallel", 5, "--role", "auditor")
    status, out, _ = fleet(capsys, *line)
    assert (status, out.splitlines()[-1]) == (1, "5 tenants, 4 of them with a problem")
    assert "late: stack: UPDATE_ROLLBACK_COMPLETE" in out
    status, out, _ = fleet(capsys, *line, "--json")
    good = json.loads(out)[0]
    assert (good["state"], good["problems"], good["warnings"], len(good["findings"])) == (WARNING, 0, 1, 2)


@pytest.mark.usefixtures("_on_aws")
def test_only_those_that_are_named(
    tenants: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Stack, "together", threading.Barrier(1))
    status, out, _ = fleet(capsys, "status", "--tenants", tenants, "--only", "good")
    assert (status, len(out.splitlines())) == (0, 3)
    assert fleet(capsys, "status", "--tenants", tenants, "--only", "good", "nobody")[::2] == (
        2,
        f"tkms: {tenants} has no tenant nobody\n",
    )


WRONG = {
    "no JSON": ("[{]", "is no list of tenants: JSON is malformed"),
    "no name": ('[{"account": "1", "region": "r"}]', "missing required field `name`"),
    "twice": ('[{"name": "a", "account": "1", "region": "r"}, {"name": "a", "account": "2", "region": "r"}]', "twice"),
}


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
def test_what_is_no_list_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, said: str) -> None:
    file = tmp_path / "tenants.json"
    file.write_text(text)
    status, out, err = fleet(capsys, "status", "--tenants", file)
    assert (status, out) == (1, "")
    assert said in err


CLI = """
import os, sys
stack = sys.argv[sys.argv.index("deploy") + 1]
assert sys.argv[1:3] == ["cdk", "--app"] and open(sys.argv[3] + "/manifest").read() == "made once"
assert sys.argv[6:] == "--exclusively --require-approval never --progress events --no-color --no-notices".split()
assert os.environ["AWS_REGION"] == "eu-west-1"
print("\\x1b[31mreason\\x1b[0m of", stack, file=sys.stderr)
sys.exit(stack == "tkms-late")
"""
APP = """
import os, pathlib, sys
if "no such" in open(os.environ["TKMS_TENANTS"]).read():
    sys.exit("no such region")
out = pathlib.Path(os.environ["CDK_OUTDIR"])
out.mkdir(exist_ok=True)
(out / "manifest").write_text("made once")
"""


def test_a_stack_that_is_not_deployed_stops_no_other(
    tmp_path: Path, tenants: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deploying, "ROOT", tmp_path)
    line = ("deploy", "--tenants", tenants, "--yes")
    assert "from a checkout" in fleet(capsys, *line)[2]
    for name, text in {"cdk/__init__.py": "", "cdk/app.py": APP, "cdk/node.py": CLI, ".cdk/ready": ""}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        assert fleet(capsys, *line)[0] == 1
        (tmp_path / name).write_text(text)
    assert fleet(capsys, *line[:-1])[0] == 2, "nobody could be asked"

    status, out, err = fleet(capsys, *line, "--json")
    rows = {row["tenant"]: row for row in json.loads(out)}
    assert status == 1, err
    assert {name for name, row in rows.items() if row["state"] == "deployed"} == {*NAMES} - {"late"}
    log = tmp_path / "build/fleet/tkms-late.log"
    assert rows["late"]["reason"] == f"reason of tkms-late ({log})"
    assert fleet(capsys, *line, "--only", "good", "busy")[0] == 0

    tenants.write_text(tenants.read_text().replace("eu-west-1", "no such"))
    assert fleet(capsys, *line)[::2] == (
        1,
        "writing the templates ...\ntkms: The templates cannot be written:\nno such region\n",
    )
