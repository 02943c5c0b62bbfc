"""`tkms policy`, and the policies that a credential is created with."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kit.samples import FACTS
from kit.support import run_tkms
from tenantkms.access.conditions import NO_TAGS
from tenantkms.access.policy import decide, flaws
from tenantkms.names import ACTIONS
from tkms.machine.directory import Directory
from tkms.policies import READY

Tkms = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def tkms(data: Path) -> Tkms:
    return lambda *args: run_tkms(*args, "--data-dir", str(data), check=False)


MAY: dict[str, tuple[str, str]] = {
    "administrator": ("Encrypt Decrypt CreateKey SetKeyPolicy ScheduleKeyDeletion", ""),
    "crypto-user": (
        "Encrypt Decrypt ReEncrypt GenerateMac VerifyMac AsymmetricSign GenerateRandom",
        "CreateKey ListKeys",
    ),
    "encrypt-only": ("Encrypt GenerateDataKey AsymmetricEncrypt", "Decrypt ReEncrypt ExportDataKey AsymmetricDecrypt"),
    "decrypt-only": ("Decrypt AsymmetricDecrypt", "Encrypt GenerateDataKey ReEncrypt AsymmetricSign"),
    "auditor": ("DescribeKey ListKeys GetKeyPolicy", "Encrypt Decrypt SetKeyPolicy GetParametersForImport"),
}


@pytest.mark.parametrize("name", READY)
def test_a_ready_made_policy(name: str, tkms: Tkms) -> None:
    assert not list(flaws(READY[name].text))
    allowed = {action for action in ACTIONS if decide(READY[name].text, action, ("*",), FACTS, NO_TAGS) > 0}
    yes, no = (set(words.split()) for words in MAY[name])
    assert yes <= allowed
    assert not no & allowed
    shown = json.loads(run_tkms("policy", "show", name).stdout)
    made = json.loads(tkms("credential", "create", "--policy", name, "--json").stdout)
    assert made["policy"] == shown == json.loads(READY[name].text)
    assert name in run_tkms("policy", "list").stdout
    assert name in json.loads(run_tkms("policy", "list", "--json").stdout)


STATEMENTS = [
    {"Effect": "Allow", "Action": "*Alias", "Resource": "alias/app-*"},
    {"Effect": "Allow", "Action": ["Encrypt", "ListKeys"], "Resource": "*"},
    {"Effect": "Deny", "Action": "Encrypt", "Resource": "alias/prod-*"},
]
CHECKS: dict[str, tuple[tuple[str, ...], list[int], bool]] = {
    # the command; the statement of each decision; whether it is allowed
    "an alias of the key": (("UpdateAlias", "--key", "alias/app-1"), [1, 1], True),
    "and one that may not be": (("UpdateAlias", "--key", "alias/app-1", "--alias", "alias/x"), [1, 0, 1], False),
    "no statement": (("Decrypt", "--key", "alias/app-1"), [0, 1], False),
    "a denial": (("Encrypt", "--key", "alias/prod-1"), [3, 1], False),
    "no key": (("ListKeys",), [2], True),
    "the key's policy": (("Encrypt", "--key", "alias/closed"), [2, 2], False),
}


@pytest.mark.parametrize(("args", "statements", "allowed"), CHECKS.values(), ids=CHECKS)
def test_a_check_tells_which_statement_decides(
    args: tuple[str, ...], statements: list[int], allowed: bool, tkms: Tkms, data: Path, tmp_path: Path
) -> None:
    file = tmp_path / "policy.json"
    file.write_text(json.dumps({"Statement": STATEMENTS}))
    made = json.loads(tkms("credential", "create", "--name", "app", "--policy", str(file), "--json").stdout)
    for alias in ("app-1", "prod-1"):
        tkms("key", "create", "--alias", alias)
    settings = Directory(data).open()
    mine = {"RAM": f"acs:ram::*:user/{made['access_key_id']}"}
    closed = [
        {"Effect": "Allow", "Principal": "*", "Action": "kms:*"},
        {"Effect": "Deny", "Principal": mine, "Action": "kms:Encrypt"},
    ]
    _create(settings, "closed", json.dumps({"Statement": closed}))
    for who in ("app", made["access_key_id"]):
        done = tkms("policy", "check", "--credential", who, "--action", *args, "--json")
        assert (done.returncode, done.stderr) == (0 if allowed else 1, "")
        said = json.loads(done.stdout)
        assert said["allowed"] is allowed
        assert [decision["statement"] for decision in said["decisions"]] == statements
        text = tkms("policy", "check", "--credential", who, "--action", *args).stdout
        assert text.startswith("allowed" if allowed else "denied")


def _create(settings: Any, alias: str, policy: str) -> None:
    from tkms.machine.directory import call

    call(settings, "CreateKey", {"alias": alias, "policy": policy})


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("--credential", "nobody", "--action", "Encrypt"), "There is no credential nobody"),
        (("--credential", "x", "--action", "RotateKey"), "the Action is CreateKeyVersion"),
    ],
)
def test_what_cannot_be_checked(args: tuple[str, ...], text: str, tkms: Tkms) -> None:
    done = tkms("policy", "check", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert text in done.stderr


def test_a_stored_policy_that_denies_nothing_is_told_of(data: Path, tkms: Tkms) -> None:
    """It stays as it is, since nobody may be locked out by an upgrade."""
    deny = {"Effect": "Deny", "Action": "SignByAsymmetricKey", "Resource": "*"}
    old = json.dumps({"Statement": [{"Effect": "Allow", "Action": "*"}, deny]})
    credential, _ = Directory(data).open().access.create("old", ("alibaba",), old, 0)
    listed = tkms("credential", "list")
    assert listed.returncode == 0
    assert credential.access_key_id in listed.stdout
    for word in (credential.access_key_id, "no Resource", "the Action is AsymmetricSign"):
        assert word in listed.stderr
    json.loads(tkms("credential", "list", "--json").stdout)
