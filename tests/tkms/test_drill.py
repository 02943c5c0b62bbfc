"""`tkms drill` as a command, with programs in AWS's place. tests/e2e runs every drill on an emulator."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

import pytest

from tkms import checkout, cli

ROOT = Path(__file__).parent.parent.parent
AWS = """#!/bin/sh
echo "$*" >> "$CALLS"
case "$*" in
--version) echo "aws-cli/${AWS_VERSION:-2.31.0} Python/3.13" ;;
"sts get-caller-identity"*) echo 123456789012 ;;
"cloudformation describe-stacks"*)
    if [ -z "$STACKS" ]; then echo "An error: Stack with id x does not exist"; exit 254; fi; echo "$STACKS" ;;
"ssm get-parameter"*) exit "${UNBOOTSTRAPPED:-0}" ;;
esac
"""
MAKE = """#!/bin/sh
case "$*" in
synth) echo "the secret_access_key: kept-to-itself"; exec "${MAKES:-false}" 5 ;;
esac
"""
MADE_BY_A_DRILL = json.dumps({"Stacks": [{"Tags": [{"Key": "tkms:drill", "Value": "sandbox"}]}]})
OF_SOMEBODY = json.dumps({"Stacks": [{"Tags": [{"Key": "tkms:tenant", "Value": "drill-x"}]}]})


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What AWS's command line was asked, a call a line."""
    programs, calls = tmp_path / "bin", tmp_path / "calls"
    programs.mkdir()
    calls.touch()
    for name, text in {"aws": AWS, "make": MAKE, "jq": "#!/bin/sh\n"}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "TKMS_EMULATOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"PATH": f"{programs}:/usr/bin:/bin", "CALLS": calls, "AWS_REGION": "eu-west-1"}.items():
        monkeypatch.setenv(name, str(value))
    ends = signal.getsignal(signal.SIGTERM)
    yield calls
    signal.signal(signal.SIGTERM, ends)


def line(*args: str) -> Sequence[str]:
    return ["drill", *args, "--sandbox", "--release", "none"]


def drill(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    status = cli.main(line(*args))
    told = capsys.readouterr()
    return status, told.out, told.err


def test_a_step_that_fails_ends_the_drill_and_the_stack_goes(aws: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = drill(capsys, "restore", "--json")
    report = json.loads(out)
    (failed,) = (row for row in report["rows"] if row["state"] == "failed")
    assert (status, report["state"], failed["step"], failed["title"]) == (1, "failed", 1, "deploy a sandbox of its own")
    assert failed["said"] == "the secret_access_key: ***"
    of_it = [row for row in report["rows"] if row["drill"] == "restore"]
    assert {row["state"] for row in of_it} == {"not run", "by hand"}
    assert {row["reason"] for row in of_it if row["state"] == "not run"} == {"sandbox failed"}
    assert {row["state"] for row in report["rows"] if row["drill"] == "away"} == {"ok"}
    assert f"cloudformation wait stack-delete-complete --stack-name {report['stack']}" in aws.read_text()
    assert "kept-to-itself" not in out + err

    status, out, _ = drill(capsys, "restore")
    assert status == 1
    assert "sandbox 1/5  drill: deploy a sandbox of its own\n    make synth\n" in out
    assert "    -> failed" in out
    assert "    !! the secret_access_key: ***\n" in out
    assert ", by hand: make the table the stack's own again: it needs a terminal" in out
    assert {row.split()[0]: row.split()[1] for row in out.split("DRILL ")[1].splitlines()[1:4]} == {
        "sandbox": "failed",
        "restore": "failed",
        "away": "ok",
    }


def test_who_keeps_it_is_told_how_it_goes(aws: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = drill(capsys, "rollback", "--keep", "--tenant", "drill-mine")
    assert status == 1
    assert err.endswith("tkms-drill-mine is there. Take it away: tkms drill away --sandbox --tenant drill-mine\n")
    asked = aws.read_text().split("get-parameter")[1]
    assert asked.count("delete-stack --stack-name tkms-drill-mine") == 1, "what was there before, and no more"
    status, out, err = drill(capsys, "away", "--tenant", "drill-mine")
    assert (status, err) == (0, "")
    assert "delete the role" in out


def test_a_stack_that_no_drill_has_made_is_left_alone(
    aws: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STACKS", OF_SOMEBODY)
    for name in ("restore", "away"):
        status, out, err = drill(capsys, name, "--tenant", "drill-x")
        said = "tkms: tkms-drill-x is there, and no drill has made it: nothing is changed. Another --tenant.\n"
        assert (status, out, err) == (1, "", said)
    assert "delete" not in aws.read_text()
    monkeypatch.setenv("STACKS", MADE_BY_A_DRILL)
    status, out, _ = drill(capsys, "restore", "--tenant", "drill-x")
    assert out.startswith("away 1/"), "what an earlier drill left is taken away first"
    monkeypatch.setenv("STACKS", "An error occurred (AccessDenied)")
    status, out, err = drill(capsys, "restore")
    assert (status, out) == (1, "")
    assert "cannot be looked for: An error occurred (AccessDenied)" in err


REFUSED = {
    "another AWS CLI": ({"AWS_VERSION": "1.44.0"}, "AWS CLI 2 is needed, and aws-cli/1.44.0 is on the PATH"),
    "no region": ({"AWS_REGION": ""}, "No AWS region is set"),
    "no bootstrap": ({"UNBOOTSTRAPPED": "254"}, 'make cdk ARGS="bootstrap aws://123456789012/eu-west-1"'),
    "no program": ({"PATH": "/nowhere"}, "bash is needed, and is not on the PATH."),
}


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(("settings", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_missing_is_told_before_anything_is_made(
    settings: dict[str, str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    status, out, err = drill(capsys, "restore")
    assert (status, out) == (1, "")
    assert said in err


def test_without_a_checkout_it_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkout, "ROOT", tmp_path)
    said = "tkms: Drills are run from a checkout: there is none around this command.\n"
    assert drill(capsys, "restore") == (1, "", said)


def test_away_wants_to_be_told_which(capsys: pytest.CaptureFixture[str]) -> None:
    assert drill(capsys, "away") == (2, "", "tkms: away takes the sandbox away that --tenant names\n")


@pytest.mark.parametrize("name", ["acme", "drill-", "drill-" + "x" * 17, "drill-X", "drill-x-"])
def test_a_name_that_could_be_somebody_s_is_refused(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = drill(capsys, "restore", "--tenant", name)
    assert status == 2
    assert "begins with drill-" in err


def test_what_would_be_done_is_printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without AWS, whose programs are not even there."""
    monkeypatch.setenv("PATH", "/nowhere")
    status, out, _ = drill(capsys, "all", "--dry-run")
    assert status == 0
    assert "aws dynamodb restore-table-to-point-in-time" in out
    assert "WHEN=$MOMENT NEW=$STACK-keys-restored" in out
    _, out, _ = drill(capsys, "all", "--dry-run", "--json")
    rows = json.loads(out)
    assert {row["drill"] for row in rows} == {"sandbox", "restore", "move", "break-glass", "rollback", "away"}
    assert {row["state"] for row in rows} == {"", "by hand"}


@pytest.mark.parametrize(
    ("args", "parts"),
    [
        (("away", "--tenant", "drill-x"), ["away"]),
        (("restore", "--tenant", "drill-x"), ["away", "sandbox", "restore", "away"]),
        (("restore", "--keep"), ["sandbox", "restore"]),
    ],
)
def test_no_more_is_printed_than_would_be_done(
    args: tuple[str, ...], parts: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    _, out, _ = drill(capsys, *args, "--dry-run", "--json")
    assert [name for name, _ in groupby(json.loads(out), lambda row: row["drill"])] == parts


@pytest.mark.usefixtures("aws")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_who_interrupts_it_is_told_what_is_there(tmp_path: Path, number: int, status: int) -> None:
    """And nothing that was started goes on here: the deployment has one end of a pipe until it ends."""
    held, script = tmp_path / "held", tmp_path / "bin/deploying"
    os.mkfifo(held)
    script.write_text(f"#!/bin/sh\nexec 3> {held}\necho begun >&3\nexec sleep 600\n")
    script.chmod(0o755)
    more = ["--json"] if number == signal.SIGINT else []
    command = [sys.executable, "-m", "tkms.cli", *line("restore", "--tenant", "drill-mine", *more)]
    settings = {**os.environ, "MAKES": str(script)}
    with subprocess.Popen(
        command, cwd=ROOT, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        with held.open() as end:
            assert end.readline() == "begun\n"
            another = subprocess.run(
                [*command[:3], *line("away", "--tenant", "drill-mine")],
                cwd=ROOT,
                env=settings,
                capture_output=True,
                text=True,
            )
            assert (another.returncode, another.stderr) == (
                1,
                "tkms: A drill of tkms-drill-mine runs from here: let it end.\n",
            )
            process.send_signal(number)
            assert end.read() == ""
        out, err = process.communicate(timeout=60)
    assert process.returncode == status
    begun, *_, interrupted = err.splitlines()
    if more:
        report = json.loads(out)
        assert (report["state"], report["kept"]) == ("interrupted", True)
        assert {(row["drill"], row["state"]) for row in report["rows"]} == {("away", "ok")}
    place = "tkms-drill-mine in 123456789012, eu-west-1"
    assert begun == f"tkms: the sandbox is {place}. If this is killed: {interrupted.split('Take it away: ')[1]}"
    assert interrupted.startswith(f"tkms: interrupted. The stack {place} may be there")
    assert err.endswith("Take it away: tkms drill away --sandbox --tenant drill-mine\n")
