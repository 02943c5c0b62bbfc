"""README's way to a first deployment and the drills of docs/operations.md, typed as they stand there.

One deployment, in the order of this file: the last drills leave little of it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from cdk.listed import PROJECT, VARIABLE
from cdk.tenants import ROOT
from kit.drills import Shell, Steps, checkout, environment, pattern, sections, typed
from kit.emulator import ACCOUNT, Emulator, emulating
from kit.sdk_clients import Login, Tea, refused

REGION = "eu-central-1"
STACK = "tkms-acme"
PAGE, README = sections("docs/operations.md"), sections("README.md")
PLACES = {
    "<account>": ACCOUNT,
    "<old account>": ACCOUNT,
    "<region>": REGION,
    "<bucket>": "moving",
    "<export id>": "none",
    "<MFA device>": f"arn:aws:iam::{ACCOUNT}:mfa/somebody",
    "<code>": "123456",
    "<name>": "unbelieved",
    "tkms reseal": """python -c "import sys; from tkms.cli import main; from tkms.reseal.stack import OnStack
OnStack.__init__.__defaults__ = (1.0,); sys.exit(main(sys.argv[1:]))" reseal""",
}
"""What the page has -> what is run. `tkms reseal` waits for a second, not for 75."""
ELSEWHERE = {
    "tkms events": "tests/e2e/test_events.py",
    "tkms reseal --end-sessions": "tests/tkms/test_pages.py",
}
"""Commands of the page's text that another file runs."""
EMULATOR = {"keys table", "access table", "alarms", "service"}
"""Checks of the doctor that find something on an emulator whatever is done, as README says."""
FAILED = "A first deployment that failed"
DRILLED: set[str] = {"Drills", FAILED}


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with emulating(tmp_path_factory.mktemp("drills")) as found:
        yield found


@pytest.fixture(scope="module")
def shell(emulator: Emulator) -> Shell:
    """In a checkout, with the emulator's settings."""
    return Shell(checkout(emulator.folder / "checkout"), environment(emulator.environment, REGION))


@pytest.fixture(scope="module")
def deployed(shell: Shell) -> Shell:
    """After README's commands, line by line."""
    (block,) = README["Deploy"]
    path = next(line for line in block.splitlines() if line.startswith("export PATH="))
    for line in block.splitlines():
        shell(line if line.startswith("make") else f"{path}\n{line}")
    list_tenants(shell, json.loads(PROJECT.read_text())["context"]["tenants"][0])
    before = "\n".join([path, PAGE["Drills"][0], PAGE["Stop and start a tenant"][0]])
    return replace(shell, environment={**shell.environment, VARIABLE: "tenants.json"}, before=before)


def list_tenants(shell: Shell, entry: dict[str, Any]) -> None:
    (shell.folder / "tenants.json").write_text(json.dumps([entry]))


def drill(section: str) -> Callable[[Callable[[Steps, Shell], None]], Callable[[Shell], None]]:
    """A test of all blocks of a section."""
    DRILLED.add(section)

    def wrap(run: Callable[[Steps, Shell], None]) -> Callable[[Shell], None]:
        def test(deployed: Shell) -> None:
            steps = Steps(PAGE[section], deployed, PLACES)
            run(steps, deployed)
            steps.end()

        return test

    return wrap


def doctor(shell: Shell, stack: str = STACK) -> dict[str, list[str]]:
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


def answer(shell: Shell) -> int:
    """The status of the endpoint's health, asked for as its name would be."""
    ask = 'curl -s -o /dev/null -m 30 -w "%{http_code}" -H "Host: ${URL#http://}" "http://127.0.0.1:${URL##*:}/healthz"'
    return int(shell(f"URL=$(output Url); {ask}"))


def test_readme_s_commands_deploy_without_a_terminal(deployed: Shell) -> None:
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
"""Command -> how it is told of a list of tenants."""


@pytest.mark.parametrize("command", WAYS)
def test_a_deployment_that_nobody_agrees_to_makes_nothing(deployed: Shell, command: str) -> None:
    """And says so. A change set made a protected stack first, and failed to take it away."""
    tenants = deployed.folder.parent / "unasked.json"
    tenants.write_text(json.dumps([{"name": "unasked", "account": ACCOUNT, "region": REGION}]))
    said = deployed(WAYS[command].format(tenants) + " 2>&1 || true")
    assert ("terminal (TTY) is not attached" in said) == (command == "deploy")
    assert "cannot be deleted" not in said
    listed = deployed("aws cloudformation describe-stacks --query 'Stacks[].StackName' --output text").split()
    assert STACK in listed
    assert "tkms-unasked" not in listed


@drill("Stop and start a tenant")
def test_stop_and_start(steps: Steps, shell: Shell) -> None:
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
def test_rotate_and_end_an_access_key(steps: Steps, shell: Shell) -> None:
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
def test_take_a_row_away(steps: Steps, shell: Shell) -> None:
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
def test_send_calls_of_iam_to_the_tenant_s_region(steps: Steps, shell: Shell) -> None:
    steps.run()
    asked = "aws events list-targets-by-rule --region us-east-1 --rule tkms-iam --query Targets[].Arn --output text"
    assert shell(asked).strip() == f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus/default"


def test_what_an_upgrade_asks_for_finds_nothing_to_do(deployed: Shell) -> None:
    """And the audit log, where the page has it looked at."""
    deployed("tkms take-over --stack $STACK")
    assert "0" in deployed("tkms maintain --stack $STACK")
    assert "CreateKey" in deployed("tkms audit --lines --stack $STACK")


@drill("Restore from point-in-time recovery")
def test_restore(steps: Steps, shell: Shell) -> None:
    def create(alias: str) -> str:
        return str(json.loads(shell(f"tkms key create --alias {alias} --stack $STACK --json"))["id"])

    def keys() -> set[str]:
        return {row["id"] for row in json.loads(shell("tkms key list --stack $STACK --json"))}

    blob = shell("echo before | tkms encrypt --key alias/default --stack $STACK").strip()
    old, waiting = shell("echo $KEYS").strip(), create("waiting")
    made = json.loads(shell("tkms credential create --name sdk --stack $STACK --json"))
    login = Login(shell("output Url").strip().removeprefix("http://"), made["access_key_id"], made["access_key_secret"])
    user = Tea(login, read_timeout=30_000)
    user.ask("ScheduleKeyDeletion", KeyId=waiting, PendingWindowInDays=7)
    on = "--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true"
    shell(f"aws dynamodb update-continuous-backups --table-name $KEYS {on}; stop")
    steps.run(WHEN=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}")
    later = create("later")
    assert f"KEY#{waiting}" in steps.run()
    entry = json.loads(PROJECT.read_text())["context"]["tenants"][0]
    list_tenants(shell, {**entry, "keys_table": f"{STACK}-keys-restored"})
    steps.run()
    assert shell("echo $KEYS").strip() == f"{STACK}-keys-restored"
    assert later not in keys()
    steps.run()
    assert doctor(shell) == stopped("rotate_due_keys", "delete_due_keys")
    assert shell(f"echo {blob} | tkms decrypt --stack $STACK") == "before\n"
    assert user.ask("Decrypt", CiphertextBlob=blob)["Plaintext"] == base64.b64encode(b"before\n").decode()
    with refused(user, "Forbidden.AliasNotFound", 404):
        user.ask("DescribeKey", KeyId="alias/later")
    steps.run(ID=waiting)
    assert user.ask("DescribeKey", KeyId=waiting)["KeyMetadata"]["KeyState"] == "Enabled"
    steps.run()
    assert doctor(shell) == {}
    steps.say_why_not()
    steps.name("NEW", old)
    steps.run(ID=later)
    assert later in keys()
    steps.run(ALIAS="later")
    assert json.loads(shell("tkms key describe alias/later --stack $STACK --json"))["id"] == later
    assert "rows" not in doctor(shell)


@drill("A second region")
def test_a_second_region(steps: Steps, shell: Shell) -> None:
    """What an emulator can do of it is in test_standby.py."""
    for _ in range(6):
        steps.say_why_not()


@drill("Many tenants")
def test_many_tenants(steps: Steps, shell: Shell) -> None:
    """test_deploy.py deploys, looks at and examines by these commands."""
    steps.say_why_not()


@drill("Another parent key")
def test_another_parent_key(steps: Steps, shell: Shell) -> None:
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
    assert shell("echo $PARENT").strip() == new
    assert shell(f"echo {blob} | tkms decrypt --stack $STACK") == "kept\n"


@drill("Move a tenant to another account or region")
def test_move(steps: Steps, shell: Shell) -> None:
    """The emulator takes the commands and moves no row; tests/cdk/test_drills.py has the shape of the table."""
    shell("aws s3api create-bucket --bucket moving --create-bucket-configuration LocationConstraint=$AWS_REGION")
    assert "export/" in steps.run()
    assert "tkms-acme-keys" in steps.run()


@drill("Break-glass")
def test_break_glass(steps: Steps, shell: Shell) -> None:
    def state() -> str:
        return shell("aws kms describe-key --key-id $PARENT --query KeyMetadata.KeyState --output text").strip()

    steps.run()
    asked = "aws kms get-key-policy --key-id $PARENT --policy-name default --query Policy --output text"
    before = json.loads(shell(asked))
    steps.run()
    assert json.loads(shell(asked)) == before
    steps.run()
    assert state() == "PendingDeletion"
    assert doctor(shell)["parent key"] == ["PendingDeletion: every call is answered 503"]
    steps.run()
    assert (state(), doctor(shell)) == ("Enabled", {})


def test_begin_again(deployed: Shell) -> None:
    """After a deployment whose last resource could not be made."""
    section = FAILED
    (deployed.folder.parent / "failed.json").write_text(
        json.dumps([{"name": "failed", "account": ACCOUNT, "region": REGION}])
    )
    environment = {**deployed.environment, VARIABLE: str(deployed.folder.parent / "failed.json")}
    shell = replace(deployed, environment=environment, before=deployed.before.replace("NAME=acme", "NAME=failed"))
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


def test_every_command_of_the_page_is_run(deployed: Shell) -> None:
    """By the tests above, or by those that `ELSEWHERE` names: blocks, and what stands in the text to be typed."""
    assert PAGE.keys() == DRILLED
    ran = "\n".join(deployed.scripts).replace("$STACK", STACK)
    if "create-role" not in ran:
        pytest.skip("the drills before this one were not run")
    asked = [command for command in typed("docs/operations.md") if not pattern(command).search(ran)]
    found = {command: next((start for start in ELSEWHERE if command.startswith(start)), "") for command in asked}
    assert [command for command, start in found.items() if not start] == []
    for command, start in found.items():
        words = [word for word in command.partition(" --stack")[0].split()[1:] if not word.startswith("<")]
        text = (ROOT / ELSEWHERE[start]).read_text("utf-8")
        assert all(word in text for word in words), command
