"""`tkms policy`, and the policies that a credential is created with."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kit.samples import FACTS
from kit.support import new_directory, run_tkms
from tenantkms.access.conditions import NO_TAGS, WITH_CONTEXT
from tenantkms.access.policy import decide, flaws
from tenantkms.names import ACTIONS
from tkms.machine.directory import Directory
from tkms.policies import READY

Tkms = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return new_directory(tmp_path / "data").path


@pytest.fixture
def tkms(data: Path) -> Tkms:
    return lambda *args: run_tkms(*args, "--data-dir", str(data), check=False)


MAY: dict[str, tuple[str, str]] = {
    "administrator": ("Encrypt Decrypt CreateKey SetKeyPolicy ScheduleKeyDeletion", ""),
    "crypto-user": (
        "Encrypt Decrypt ReEncrypt GenerateMac VerifyMac AsymmetricSign GenerateRandom",
        "CreateKey ListKeys",
    ),
    "context-user": ("AsymmetricSign GenerateMac DescribeKey", "Encrypt Decrypt ReEncrypt GenerateDataKey CreateKey"),
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


def test_a_context_user_may_with_a_context() -> None:
    bound = FACTS.__class__(FACTS.dialect, FACTS.source_ip, FACTS.now, {"app": "shop"})
    for action in WITH_CONTEXT:
        assert decide(READY["context-user"].text, action, ("key/1",), bound, NO_TAGS) == 1
        assert decide(READY["context-user"].text, action, ("key/1",), FACTS, NO_TAGS) == -2


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


WHEN = {
    "StringEquals": {"kms:EncryptionContext:app": "shop", "kms:ResourceTag/env": "prod"},
    "IpAddress": {"kms:SourceIp": "10.0.0.0/8"},
    "DateLessThan": {"kms:CurrentTime": "2027-01-01T00:00:00Z"},
}
FULL = ("--context", "app=shop", "--source-ip", "10.0.0.1", "--at", "2026-06-01T00:00:00Z", "--dialect", "tencent")


def _but(*options: str) -> tuple[str, ...]:
    return (*FULL, *options)


SUPPOSED: dict[str, tuple[tuple[str, ...], bool, str]] = {
    # options; whether it is allowed; what is said
    "all that it asks": (FULL, True, "statement 1 of the access key's policy allows it"),
    "another context": (
        ("--context", "app=bank", *FULL[2:]),
        False,
        "statement 1: StringEquals of kms:EncryptionContext:app does not hold",
    ),
    "no context": (FULL[2:], False, "statement 1: StringEquals of kms:EncryptionContext:app does not hold"),
    "another source": (_but("--source-ip", "192.0.2.1"), False, "statement 1: IpAddress of kms:SourceIp does not hold"),
    "no source": (
        _but("--source-ip", ""),
        False,
        "statement 1: IpAddress of kms:SourceIp cannot be told, so it does not allow",
    ),
    "too late": (
        _but("--at", "2027-06-01T00:00:00Z"),
        False,
        "statement 1: DateLessThan of kms:CurrentTime does not hold",
    ),
    "what its dialect is denied": (
        _but("--dialect", "alibaba"),
        False,
        "statement 2 of the access key's policy denies it",
    ),
    "a dialect that it has not": (
        _but("--dialect", "tencent-v2"),
        False,
        "the access key may not be used in the dialect tencent-v2",
    ),
    "a key without the tag": (
        _but("--key", "alias/default"),
        False,
        "statement 1: StringEquals of kms:ResourceTag/env does not hold",
    ),
}


@pytest.mark.parametrize(("options", "allowed", "said"), SUPPOSED.values(), ids=SUPPOSED)
def test_a_check_tells_which_condition_decides(
    options: tuple[str, ...], allowed: bool, said: str, tkms: Tkms, data: Path, tmp_path: Path
) -> None:
    file = tmp_path / "policy.json"
    denied = {"StringEquals": {"kms:Dialect": "alibaba"}}
    rows = [
        {"Effect": "Allow", "Action": "Encrypt", "Resource": "*", "Condition": WHEN},
        {"Effect": "Deny", "Action": "*", "Resource": "*", "Condition": denied},
    ]
    file.write_text(json.dumps({"Statement": rows}))
    dialects = ("--dialect", "tencent", "--dialect", "alibaba")
    tkms("credential", "create", "--name", "app", "--policy", str(file), *dialects)
    settings = Directory(data).open()
    _create(settings, "prod", "", tags={"env": "prod"})
    asked = ("policy", "check", "--credential", "app", "--action", "Encrypt", "--key", "alias/prod", *options)
    done = tkms(*asked)
    assert (done.returncode, done.stderr) == (0 if allowed else 1, "")
    assert said in done.stdout
    told = json.loads(tkms(*asked, "--json").stdout)
    assert told["allowed"] is allowed
    if allowed:
        assert told["supposed"]["context"] == {"app": "shop"}
        assert {c["asks"]: c["met"] for c in told["decisions"][0]["conditions"] if c["statement"] == 1} == {
            asks: True for asked in WHEN.values() for asks in asked
        }


def test_a_check_tells_which_condition_of_the_key_s_policy_decides(tkms: Tkms, data: Path) -> None:
    tkms("credential", "create", "--name", "app")
    lan = {"IpAddress": {"kms:SourceIp": ["10.0.0.0/8"]}}
    row = {"Effect": "Allow", "Principal": "*", "Action": "kms:*", "Condition": lan}
    _create(Directory(data).open(), "lan", json.dumps({"Statement": [row]}))
    asked = ("policy", "check", "--credential", "app", "--action", "Encrypt", "--key", "alias/lan")
    assert tkms(*asked, "--source-ip", "10.0.0.1").returncode == 0
    done = tkms(*asked, "--source-ip", "192.0.2.1")
    assert done.returncode == 1
    assert "the key's policy is silent" in done.stdout
    assert "statement 1: IpAddress of kms:SourceIp does not hold" in done.stdout


# -- the policies of keys --------------------------------------------------------------------------------

LOCKING = '{"Statement":[{"Effect":"Allow","Principal":{"RAM":"acs:ram::*:user/nobody"},"Action":["kms:Encrypt"]}]}'


def test_the_operator_s_door_to_a_key_s_policy(tkms: Tkms, data: Path, tmp_path: Path) -> None:
    """Even where nobody who calls could change it any more; by a file and by standard input."""
    first = json.loads(tkms("key", "policy", "show", "alias/default").stdout)
    assert first["Statement"][0]["Principal"] == {"RAM": ["*"]}
    file = tmp_path / "policy.json"
    file.write_text(LOCKING)
    done = tkms("key", "policy", "set", "alias/default", str(file))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    shown = json.loads(tkms("key", "policy", "show", "alias/default", "--json").stdout)
    assert shown["policy"] == json.loads(LOCKING)
    assert shown["key_id"] == json.loads(tkms("key", "describe", "alias/default", "--json").stdout)["id"]
    back = run_tkms(
        *("key", "policy", "set", "alias/default", "-", "--json", "--data-dir", str(data)), stdin=json.dumps(first)
    )
    assert json.loads(back.stdout)["policy"] == first
    assert json.loads(tkms("key", "policy", "show", "alias/default").stdout) == first


@pytest.mark.parametrize(
    ("key", "text", "status", "said"),
    [
        ("alias/default", LOCKING.replace("Encrypt", "Encrpyt"), 1, "did you mean Encrypt"),
        ("alias/default", "", 1, "The key policy is not valid"),
        ("alias/default", b"\xff", 1, "cannot be read"),
        ("alias/default", None, 1, "cannot be read"),
        ("alias/none", LOCKING, 1, "The alias does not exist"),
        ("nonsense", LOCKING, 1, "A key is named by its id, alias/NAME or ARN"),
    ],
)
def test_what_cannot_be_set(key: str, text: Any, status: int, said: str, tkms: Tkms, tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    if text is not None:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    before = tkms("key", "policy", "show", "alias/default").stdout
    done = tkms("key", "policy", "set", key, str(file))
    assert (done.returncode, done.stdout) == (status, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert tkms("key", "policy", "show", "alias/default").stdout == before


def _create(settings: Any, alias: str, policy: str, **more: Any) -> None:
    from tkms.machine.directory import call

    call(settings, "CreateKey", {"alias": alias, "policy": policy, **more})


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("--credential", "x", "--action", "RotateKey"), "the Action is CreateKeyVersion"),
        (("--credential", "first", "--action", "ListKeys", "--context", "a=b"), "ListKeys takes no encryption context"),
        (("--credential", "first", "--action", "Encrypt", "--context", "a"), "--context takes NAME=VALUE"),
        (("--credential", "first", "--action", "Encrypt", "--source-ip", "ten"), "'ten' does not appear to be an IPv4"),
        (("--credential", "first", "--action", "Encrypt", "--at", "today"), "'today' is no time, such as 2026-12-31T"),
    ],
)
def test_what_cannot_be_checked(args: tuple[str, ...], text: str, tkms: Tkms) -> None:
    done = tkms("policy", "check", *args)
    assert (done.returncode, done.stdout) == (2, "")
    assert text in done.stderr


def test_of_nobody_nothing_is_checked(tkms: Tkms) -> None:
    done = tkms("policy", "check", "--credential", "nobody", "--action", "Encrypt")
    assert (done.returncode, done.stdout) == (1, "")
    assert "There is no credential nobody" in done.stderr


def test_of_access_keys_with_one_name_the_active_one_is_checked(tkms: Tkms, tmp_path: Path) -> None:
    def create(action: str) -> str:
        file = tmp_path / "policy.json"
        file.write_text(json.dumps({"Statement": [{"Effect": "Allow", "Action": action, "Resource": "*"}]}))
        made = json.loads(tkms("credential", "create", "--name", "app", "--policy", str(file), "--json").stdout)
        return str(made["access_key_id"])

    def check() -> subprocess.CompletedProcess[str]:
        return tkms("policy", "check", "--credential", "app", "--action", "ListKeys")

    old, new = create("Encrypt"), create("ListKeys")
    done = check()
    assert (done.returncode, done.stdout) == (1, "")
    assert "2 credentials are called app: name one by its id" in done.stderr
    assert old in done.stderr
    tkms("credential", "disable", old)
    assert check().returncode == 0
    tkms("credential", "disable", new)
    assert check().returncode == 1
    tkms("credential", "delete", "--yes", new)
    assert "the access key is disabled" in check().stdout


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


def test_a_check_tells_of_a_grant(tkms: Tkms, data: Path, tmp_path: Path) -> None:
    file = tmp_path / "policy.json"
    file.write_text('{"Statement":[{"Effect":"Allow","Action":"ListKeys","Resource":"*"}]}')
    told = json.loads(tkms("credential", "create", "--name", "guest", "--policy", str(file), "--json").stdout)
    from tkms.machine.directory import call

    settings = Directory(data).open()
    key = call(settings, "CreateKey", {"alias": "granted"})["key"]["id"]
    asked = ("policy", "check", "--credential", "guest", "--action", "Decrypt", "--key", "alias/granted")
    assert tkms(*asked).stdout.startswith("denied")
    grant = {"key_id": key, "grantee": told["access_key_id"], "operations": ["Decrypt"], "subset": {"app": "shop"}}
    made = call(settings, "CreateGrant", grant)
    shown = tkms(*asked, "--context", "app=shop").stdout
    assert shown.startswith("allowed")
    assert f"the grant {made['grant_id']} allows it" in shown
    assert tkms(*asked, "--context", "app=bank").stdout.startswith("denied")
    assert json.loads(tkms(*asked, "--context", "app=shop", "--json").stdout)["decisions"][-1]["allowed"]
    file.write_text('{"Statement":[{"Effect":"Deny","Action":"Decrypt","Resource":"*"}]}')
    tkms("credential", "create", "--name", "denied", "--policy", str(file))
    denied = [text.replace("guest", "denied") for text in asked]
    assert tkms(*denied, "--context", "app=shop").stdout.startswith("denied")
