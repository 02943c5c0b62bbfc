"""README's way to a first deployment and the drills of docs/operations.md, typed as they stand there.

One deployment, in the order of this file: the last drills leave little of it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from cdk.listed import PROJECT, VARIABLE
from cdk.tenants import ROOT
from kit.drills import Recorded, Steps, environment, pattern, typed
from kit.emulator import ACCOUNT, Emulator, emulating
from tkms.drill.drills import DRILLS
from tkms.drill.page import checkout, sections, unrun

REGION = "eu-central-1"
STACK = "tkms-acme"
PAGE, README = sections(), sections("README.md")
PLACES = {
    "<account>": ACCOUNT,
    "<region>": REGION,
    "<name>": "unbelieved",
    "tkms reseal": """python -c "import sys; from tkms.cli import main; from tkms.reseal.stack import OnStack
OnStack.__init__.__defaults__ = (1.0,); sys.exit(main(sys.argv[1:]))" reseal""",
}
"""What the page has -> what is run. `tkms reseal` waits for a second, not for 75."""
ELSEWHERE = {
    "tkms events": "tests/e2e/test_events.py",
    "tkms drill": "tests/tkms/test_drill.py",
    "tkms reseal --end-sessions": "tests/tkms/test_pages.py",
}
"""Commands of the page's text that another file runs."""
EMULATOR = {"keys table", "access table", "alarms", "service"}
"""Checks of the doctor that find something on an emulator whatever is done, as README says."""
FAILED = "A first deployment that failed"
DRILLED: set[str] = {"Drills", FAILED, *(drill.section for drill in DRILLS.values())}


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with emulating(tmp_path_factory.mktemp("drills")) as found:
        yield found


@pytest.fixture(scope="module")
def shell(emulator: Emulator) -> Recorded:
    """In a checkout, with the emulator's settings."""
    return Recorded(checkout(emulator.folder / "checkout"), environment(emulator.environment, REGION), [])


@pytest.fixture(scope="module")
def deployed(shell: Recorded) -> Recorded:
    """After README's commands, line by line."""
    for line in README["Deploy"][0].splitlines():
        shell(line)
    list_tenants(shell, json.loads(PROJECT.read_text())["context"]["tenants"][0])
    after = Recorded(shell.folder, {**shell.environment, VARIABLE: "tenants.json"}, shell.scripts)
    for block in (path(), PAGE["Drills"][-1], PAGE["Stop and start a tenant"][0]):
        after(block)
    return after


def path() -> str:
    """README's line that puts `tkms` on it."""
    return next(line for line in README["Deploy"][0].splitlines() if line.startswith("export PATH="))


def list_tenants(shell: Recorded, entry: dict[str, Any]) -> None:
    (shell.folder / "tenants.json").write_text(json.dumps([entry]))


def drill(section: str) -> Callable[[Callable[[Steps, Recorded], None]], Callable[[Recorded], None]]:
    """A test of all blocks of a section."""
    DRILLED.add(section)

    def wrap(run: Callable[[Steps, Recorded], None]) -> Callable[[Recorded], None]:
        def test(deployed: Recorded) -> None:
            steps = Steps(PAGE[section], deployed, PLACES)
            run(steps, deployed)
            steps.end()

        return test

    return wrap


def doctor(shell: Recorded, stack: str = STACK) -> dict[str, list[str]]:
    """What it finds to be wrong, by check, but for what an emulator always has."""
    found: dict[str, list[str]] = {}
    for row in json.loads(shell(f"tkms doctor --stack {stack} --json")):
        if row["status"] != "ok" and row["check"] not in EMULATOR:
            found.setdefault(row["check"], []).append(row["found"])
    return found


def stopped(*folders: str) -> dict[str, list[str]]:
    if not folders:
        return {}
    return {"stopped": [f"{STACK}-{name} is stopped: its reserved concurrency is 0" for name in sorted(folders)]}


def answer(shell: Recorded) -> int:
    """The status of the endpoint's health, asked for as its name would be."""
    ask = 'curl -s -o /dev/null -m 30 -w "%{http_code}" -H "Host: ${URL#http://}" "http://127.0.0.1:${URL##*:}/healthz"'
    return int(shell(f"URL=$(output Url); {ask}"))


def test_readme_s_commands_deploy_without_a_terminal(deployed: Recorded) -> None:
    assert doctor(deployed) == {}
    assert answer(deployed) == 200
    program = (deployed.folder / "try.py").read_text()
    assert "execute-api" in program
    compile(program, "try.py", "exec")
    assert not (ROOT / "try.py").is_symlink()


WAYS = {
    "deploy": 'export TKMS_TENANTS={}; make cdk ARGS="deploy tkms-unasked"',
    "diff": 'make cdk ARGS="-c tenants={} diff tkms-unasked"',
}
"""Both ways to name the list of tenants."""


@pytest.mark.parametrize("command", WAYS)
def test_a_deployment_that_nobody_agrees_to_makes_nothing(deployed: Recorded, command: str) -> None:
    """And says so. A change set made a protected stack first, and failed to take it away."""
    tenants = deployed.folder.parent / "unasked.json"
    tenants.write_text(json.dumps([{"name": "unasked", "account": ACCOUNT, "region": REGION}]))
    another = Recorded(deployed.folder, deployed.environment, deployed.scripts)  # what is exported stays in a shell
    said = another(WAYS[command].format(tenants) + " 2>&1 || true")
    assert ("terminal (TTY) is not attached" in said) == (command == "deploy")
    assert "cannot be deleted" not in said
    listed = deployed("aws cloudformation describe-stacks --query 'Stacks[].StackName' --output text").split()
    assert STACK in listed
    assert "tkms-unasked" not in listed


@drill("Stop and start a tenant")
def test_stop_and_start(steps: Steps, shell: Recorded) -> None:
    steps.run()
    said = steps.run()
    assert all(f"{STACK}-{f} is stopped" in said for f in ("endpoint", "rotate_due_keys", "delete_due_keys"))
    assert (doctor(shell), answer(shell)) == ({}, 200)
    shell("stop")
    assert doctor(shell) == stopped("endpoint", "rotate_due_keys", "delete_due_keys")
    assert answer(shell) >= 429
    shell("start")
    assert answer(shell) == 200


@drill("Rotate an access key, or end one")
def test_rotate_and_end_an_access_key(steps: Steps, shell: Recorded) -> None:
    def rows() -> list[Any]:
        return list(json.loads(shell(f"tkms credential list --stack {STACK} --json")))

    (old,) = rows()
    said = steps.run()
    (new,) = (row for row in rows() if row["access_key_id"] != old["access_key_id"])
    assert new["access_key_id"] in said
    assert next(row for row in rows() if row["access_key_id"] == old["access_key_id"])["expires"]
    steps.run(ACCESS_KEY=old["access_key_id"])
    assert [row["access_key_id"] for row in rows()] == [new["access_key_id"]]


@drill("Rows that are not believed")
def test_take_a_row_away(steps: Steps, shell: Recorded) -> None:
    shell(
        "tkms key create --alias unbelieved --stack $STACK; aws dynamodb update-item --table-name $KEYS"
        """ --key '{"pk":{"S":"ALIAS#unbelieved"},"sk":{"S":"META"}}' --update-expression 'SET k = :k'"""
        """ --expression-attribute-values '{":k":{"S":"x"}}'"""
    )
    steps.run()
    left = shell("aws dynamodb scan --table-name $KEYS --query 'Items[].pk.S' --output text")
    assert "ALIAS#unbelieved" not in left
    assert "ALIAS#default" in left


@drill("Calls of IAM")
def test_send_calls_of_iam_to_the_tenant_s_region(steps: Steps, shell: Recorded) -> None:
    steps.run()
    asked = "aws events list-targets-by-rule --region us-east-1 --rule tkms-iam --query Targets[].Arn --output text"
    assert shell(asked).strip() == f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"


def test_what_an_upgrade_asks_for_finds_nothing_to_do(deployed: Recorded) -> None:
    """And the audit log, where the page has it looked at."""
    deployed("tkms take-over --stack $STACK")
    assert "0" in deployed("tkms maintain --stack $STACK")
    assert "CreateKey" in deployed("tkms audit --lines --stack $STACK")


@drill("A second region")
def test_a_second_region(steps: Steps, shell: Recorded) -> None:
    """What an emulator can do of it is in test_standby.py."""
    for _ in range(6):
        steps.say_why_not()


@drill("Many tenants")
def test_many_tenants(steps: Steps, shell: Recorded) -> None:
    """test_deploy.py deploys, looks at and examines by these commands."""
    steps.say_why_not()


@drill("Another parent key")
def test_another_parent_key(steps: Steps, shell: Recorded) -> None:
    """tests/tkms/test_pages.py runs those of one machine."""
    blob = shell("echo kept | tkms encrypt --key alias/default --stack $STACK").strip()
    old = shell("echo $PARENT").strip()
    new = shell("aws kms create-key --query KeyMetadata.Arn --output text").strip()
    shell(f"aws kms enable-key-rotation --key-id {new}")
    (entry,) = json.loads((shell.folder / "tenants.json").read_text())
    steps.say_why_not()
    list_tenants(shell, {**entry, "other_parent_key_arn": new})
    steps.run()
    assert f"{old} opens nothing of what rests here" in steps.run(TO=new)
    list_tenants(shell, {**entry, "parent_key_arn": new})
    steps.run()
    shell(PAGE["Drills"][-1])  # what there is has another name now
    assert shell("echo $PARENT").strip() == new
    assert shell(f"echo {blob} | tkms decrypt --stack $STACK") == "kept\n"


BY_HAND = {
    ("restore", "make the table the stack's own again"): "it needs a terminal",
    ("move", "it serves in another account or region"): "a sandbox has one account and region",
    ("break-glass", "who names no tenant is refused the parent key"): "an emulator holds nobody",
    ("break-glass", "who is not break-glass is refused a deletion and a policy"): "a sandbox's parent key",
    ("rollback", "go back: the release before"): "there is no tag",
}


def test_the_drills_of_the_command(deployed: Recorded) -> None:
    """From start to end, on one sandbox: restore, move, break-glass, rollback. Its promises are the assertions."""
    line = [sys.executable, "-m", "tkms.cli", "drill", "all", "--sandbox", "--json", "--release", "none"]
    done = subprocess.run(line, env=deployed.environment, capture_output=True, text=True, timeout=900)
    report = json.loads(done.stdout)
    failed = [row for row in report["rows"] if row["state"] not in ("ok", "by hand")]
    assert (failed, report["state"], done.returncode) == ([], "ok", 0), done.stderr
    assert report["emulator"]
    assert not report["kept"]
    by_hand = {(row["drill"], row["title"]): row["reason"] for row in report["rows"] if row["state"] == "by hand"}
    assert by_hand.keys() == BY_HAND.keys()
    assert all(reason.startswith(BY_HAND[which]) for which, reason in by_hand.items())
    promised = {row["drill"] for row in report["rows"] if row["kind"] == "promise" and row["state"] == "ok"}
    assert promised == DRILLS.keys()
    assert len(done.stderr.splitlines()) == 1 + len(report["rows"])  # the first names the sandbox
    left = "aws dynamodb list-tables; aws s3api list-buckets; aws iam list-roles; aws cloudformation describe-stacks"
    said = deployed(left)
    assert report["stack"] not in said
    assert STACK in said


def test_begin_again(deployed: Recorded) -> None:
    """After a deployment whose last resource could not be made."""
    section = FAILED
    (deployed.folder.parent / "failed.json").write_text(
        json.dumps([{"name": "failed", "account": ACCOUNT, "region": REGION}])
    )
    environment = {**deployed.environment, VARIABLE: str(deployed.folder.parent / "failed.json")}
    shell = Recorded(deployed.folder, environment, deployed.scripts)
    shell(f"{path()}\nNAME=failed STACK=tkms-failed")
    assembly = shell.folder.parent / "failed"
    deployed("python -m cdk.app", CDK_OUTDIR=str(assembly), **{VARIABLE: environment[VARIABLE]})
    template = assembly / "tkms-failed.template.json"
    body = json.loads(template.read_text())
    body["Resources"]["Never"] = {
        "Type": "AWS::CloudFormation::WaitCondition",
        "Properties": {"Handle": "nobody's", "Timeout": "1", "Count": 1},
    }
    template.write_text(json.dumps(body))
    deploy = f"deploy tkms-failed --require-approval never --app {assembly}"
    said = deployed(f'make cdk ARGS="{deploy}" 2>&1 || true')
    assert "Never" in said
    assert "cannot be deleted" in deployed(f'make cdk ARGS="{deploy}" 2>&1 || true')
    told = deployed("tkms doctor --stack tkms-failed 2>&1 || true")
    assert f"it is ROLLBACK_COMPLETE. docs/operations.md, '{section}'" in told
    steps = Steps(PAGE[section], shell, PLACES)
    steps.run()
    steps.end()
    assert doctor(shell, "tkms-failed").keys() == {"credentials"}


def test_every_command_of_the_page_is_run(deployed: Recorded) -> None:
    """By the tests above, or by those that `ELSEWHERE` names: blocks, and what stands in the text to be typed."""
    assert PAGE.keys() == DRILLED
    drilled = [block for each in DRILLS.values() for block in PAGE[each.section] if not unrun(block)]
    ran = "\n".join([*deployed.scripts, *drilled]).replace("$STACK", STACK)
    assert "python -m cdk.app" in ran, "the tests before this one are a part of it"
    asked = [command for command in typed("docs/operations.md") if not pattern(command).search(ran)]
    found = {command: next((start for start in ELSEWHERE if command.startswith(start)), "") for command in asked}
    assert [command for command, start in found.items() if not start] == []
    for command, start in found.items():
        words = [word for word in command.partition(" --stack")[0].split()[1:] if not word.startswith("<")]
        text = (ROOT / ELSEWHERE[start]).read_text("utf-8")
        assert all(word in text for word in words), command
