"""The app, deployed unmodified with the CDK's command line, and used: by each vendor's SDK, by `tkms`, by an update."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
import urllib3
from aws_cryptographic_material_providers.mpl.models import CreateAwsKmsKeyringInput

from kit import browser as kit
from kit import support
from kit.aws_clients import SECRET
from kit.aws_encryption_sdk import MPL, open_, seal
from kit.backups import create, decrypt, encrypt
from kit.deployment import STACK, TENANT, Deployment, fleet, tkms
from kit.emulator import ACCOUNT, REGION, Emulator
from kit.raw_rows import raw_rows
from kit.sdk_aws import Boto
from kit.sdk_clients import Classic, Login, Qcloud, Tea, Tencent, refused
from kit.support import new_directory, run_tkms
from tenantkms import __version__
from tenantkms.store.dynamodb import DynamoAccessStore
from tenantkms.store.dynamodb_layout import TTL
from tenantkms.store.integrity import UNCHECKED
from tkms.findings import OK, PROBLEM, WARNING, Finding
from tkms.machine.directory import Directory
from tkms.stack.doctor import examine
from tkms.stack.stack import Stack

HELLO = base64.b64encode(b"hello").decode()
CONTEXT = {"purpose": "e2e"}
TEXT = json.dumps(CONTEXT)
SETTLED = 1.1
"""Seconds: `state_cache_seconds`, after which every function sees a change, and a little more."""


def doctor(emulator: Emulator) -> list[Finding]:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in emulator.environment.items():
            patch.setenv(name, value)
        return list(examine(Stack(STACK)))


def bad(findings: list[Finding]) -> set[str]:
    return {finding.check for finding in findings if finding.status == PROBLEM}


# -- right after the first deployment --------------------------------------------------------------------


def test_the_doctor_misses_the_first_credential(open_house: Emulator, fresh: dict[str, str]) -> None:
    assert fresh["Sandbox"] == "false"
    found = doctor(open_house)
    missing = {finding.check: (finding.status, finding.advice) for finding in found}
    early = Login(fresh["Url"].removeprefix("http://"), "TKMSearly", "secret")
    with refused_as_unavailable(Tea(early, read_timeout=30_000)):
        Tea(early, read_timeout=30_000).ask("ListKeys")
    advised = (PROBLEM, f"tkms credential create --stack {STACK}")
    assert missing["credentials"] == missing["service"] == advised
    assert {f.check for f in found if f.status == OK} >= {"stack", "parent key", "functions", "schedules"}


def test_nothing_that_the_deployment_said_is_a_secret(deployment: Deployment) -> None:
    said = json.dumps([deployment.emulator.client("cloudformation").describe_stacks(StackName=STACK)], default=str)
    template = deployment.emulator.client("cloudformation").get_template(StackName=STACK)
    for text in (said, json.dumps(template, default=str)):
        assert deployment.plain.secret not in text
        assert deployment.plain.access_key_id not in text


def test_the_doctors_advice_helps(deployment: Deployment) -> None:
    """The emulator leaves out of a table what the doctor then finds; what it advises, done, is all there was."""
    dynamodb = deployment.emulator.client("dynamodb")
    found = doctor(deployment.emulator)
    assert bad(found) == {"keys table", "access table"}
    assert {f.check for f in found if f.status == WARNING} == {"access table", "alarms"}
    advice = "\n".join(finding.advice for finding in found)
    for table in ("KeysTable", "AccessTable"):
        name = deployment.outputs[table]
        assert f"update-continuous-backups --table-name {name} " in advice
        dynamodb.update_continuous_backups(
            TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )
    assert f"update-time-to-live --table-name {name} " in advice
    dynamodb.update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": TTL})
    assert not bad(doctor(deployment.emulator))


# -- the SDKs ------------------------------------------------------------------------------------------------


class Vendor(NamedTuple):
    """One SDK's calls, each with what its answer holds that matters. `disable` answers what Encrypt then says."""

    create: Callable[[str], str]
    encrypt: Callable[[str], str]
    decrypt: Callable[[str], str]
    rotate: Callable[[str], Any] | None
    disable: Callable[[str], Any]
    refused: Callable[[str], Any]


def alibaba(user: Tea | Classic) -> Vendor:
    def create(alias: str) -> str:
        key = str(user.ask("CreateKey")["KeyMetadata"]["KeyId"])
        user.ask("CreateAlias", KeyId=key, AliasName=f"alias/{alias}")
        return f"alias/{alias}"

    def decrypt(blob: str) -> str:
        """Its own texts come back as they are, others' bytes in base64."""
        opened = str(user.ask("Decrypt", CiphertextBlob=blob, EncryptionContext=CONTEXT)["Plaintext"])
        return HELLO if opened == "hello" else opened

    def is_refused(key: str) -> None:
        with refused(user, "Rejected.Disabled", 409):
            user.ask("Encrypt", KeyId=key, Plaintext=HELLO)

    def key_id(alias: str) -> str:
        return str(user.ask("DescribeKey", KeyId=alias)["KeyMetadata"]["KeyId"])

    return Vendor(
        create,
        lambda key: str(user.ask("Encrypt", KeyId=key, Plaintext="hello", EncryptionContext=CONTEXT)["CiphertextBlob"]),
        decrypt,
        lambda key: user.ask("CreateKeyVersion", KeyId=key_id(key)),
        lambda key: user.ask("DisableKey", KeyId=key_id(key)),
        is_refused,
    )


def tencent(user: Tencent) -> Vendor:
    def is_refused(key: str) -> None:
        with refused(user, "ResourceUnavailable.CmkDisabled"):
            user.call("Encrypt", KeyId=key, Plaintext=HELLO)

    return Vendor(
        lambda alias: str(user.call("CreateKey", Alias=alias).KeyId),
        lambda key: str(user.call("Encrypt", KeyId=key, Plaintext=HELLO, EncryptionContext=TEXT).CiphertextBlob),
        lambda blob: str(user.call("Decrypt", CiphertextBlob=blob, EncryptionContext=TEXT).Plaintext),
        lambda key: user.call("RotateKey", KeyId=key),
        lambda key: user.call("DisableKey", KeyId=key),
        is_refused,
    )


def tencent_v2(user: Qcloud) -> Vendor:
    def ask(action: str, **fields: Any) -> Any:
        answer = user.call(action, **fields)
        assert answer["code"] == 0, answer
        return answer

    def is_refused(key: str) -> None:
        assert user.call("Encrypt", keyId=key, plaintext=HELLO)["code"] == 5100

    return Vendor(
        lambda alias: str(ask("CreateKey", alias=alias)["keyMetadata"]["keyId"]),
        lambda key: str(ask("Encrypt", keyId=key, plaintext=HELLO, encryptionContext=TEXT)["ciphertextBlob"]),
        lambda blob: str(ask("Decrypt", ciphertextBlob=blob, encryptionContext=TEXT)["plaintext"]),
        None,
        lambda key: ask("DisableKey", keyId=key),
        is_refused,
    )


def aws(user: Boto) -> Vendor:
    def create(alias: str) -> str:
        key = str(user.ask("CreateKey")["KeyMetadata"]["Arn"])
        user.ask("CreateAlias", TargetKeyId=key, AliasName=f"alias/{alias}")
        return key

    def encrypt(key: str) -> str:
        answer = user.ask("Encrypt", KeyId=key, Plaintext=base64.b64decode(HELLO), EncryptionContext=CONTEXT)
        assert answer["KeyId"] == key
        return base64.b64encode(answer["CiphertextBlob"]).decode()

    def decrypt(blob: str) -> str:
        answer = user.ask("Decrypt", CiphertextBlob=base64.b64decode(blob), EncryptionContext=CONTEXT)
        return base64.b64encode(answer["Plaintext"]).decode()

    def is_refused(key: str) -> None:
        with pytest.raises(user.client.exceptions.DisabledException):
            encrypt(key)

    return Vendor(
        create,
        encrypt,
        decrypt,
        lambda key: user.ask("RotateKeyOnDemand", KeyId=key),
        lambda key: user.ask("DisableKey", KeyId=key),
        is_refused,
    )


@pytest.fixture(scope="module")
def vendors(deployment: Deployment) -> Iterator[dict[str, Vendor]]:
    assert deployment.secure.ca
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", deployment.secure.ca)
        yield {
            "ACS3": alibaba(Tea(deployment.plain, read_timeout=30_000)),
            "RPC v1": alibaba(Classic(deployment.plain)),
            "TC3": tencent(Tencent(deployment.plain)),
            "v2": tencent_v2(Qcloud(deployment.secure)),
            "SigV4": aws(Boto(deployment.plain)),
        }


def test_a_session_works_in_every_sdk(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Issued by a function, taken by the endpoint: both derive its keys from the root secret."""
    assert deployment.secure.ca
    monkeypatch.setenv("SSL_CERT_FILE", deployment.secure.ca)
    made = deployment.tkms("credential", "session", "--name", "first", "--duration", "15m")
    changes = {
        "access_key_id": made["access_key_id"],
        "secret": made["access_key_secret"],
        "token": made["security_token"],
    }
    plain, secure = deployment.plain.but(**changes), deployment.secure.but(**changes)
    assert Tea(plain, read_timeout=30_000).ask("ListKeys")["TotalCount"] >= 0
    assert Classic(plain).ask("ListKeys")["TotalCount"] >= 0
    for sign in ("TC3-HMAC-SHA256", "HmacSHA256"):
        assert Tencent(plain, sign).call("ListKeys").TotalCount >= 0
    assert Qcloud(secure).call("ListKey")["code"] == 0
    assert "Keys" in Boto(plain).ask("ListKeys")
    with refused(Tencent(plain.but(token=changes["token"][:-6] + "AAAAAA")), "AuthFailure.TokenFailure"):
        Tencent(plain.but(token=changes["token"][:-6] + "AAAAAA")).call("ListKeys")
    with refused(Tencent(deployment.plain.but(token=changes["token"])), "AuthFailure.TokenFailure"):
        Tencent(deployment.plain.but(token=changes["token"])).call("ListKeys")


@pytest.mark.parametrize("name", ["ACS3", "RPC v1", "TC3", "v2", "SigV4"])
def test_a_key_from_creation_to_disabling(vendors: dict[str, Vendor], name: str) -> None:
    user = vendors[name]
    key = user.create(f"k{uuid4().hex[:24]}")
    blob = user.encrypt(key)
    if user.rotate:
        user.rotate(key)
        assert user.encrypt(key) != blob
    # What one SDK encrypted, all decrypt.
    assert {other: vendor.decrypt(blob) for other, vendor in vendors.items()} == dict.fromkeys(vendors, HELLO)
    user.disable(key)
    time.sleep(SETTLED)
    user.refused(key)


def test_the_encryption_sdk_seals_and_opens_a_message(deployment: Deployment, vendors: dict[str, Vendor]) -> None:
    """Its keyring compares the key's ARN with that of each answer; the data key opens through another vendor's SDK."""
    key = vendors["SigV4"].create(f"k{uuid4().hex[:24]}")
    keyring = MPL.create_aws_kms_keyring(
        CreateAwsKmsKeyringInput(kms_key_id=key, kms_client=Boto(deployment.plain).client)
    )
    message = seal(keyring, CONTEXT)
    assert open_(keyring, message, CONTEXT) == SECRET
    assert message.keys.keys() == {key.encode()}
    blob = base64.b64encode(message.keys[key.encode()]).decode()
    user = Tea(deployment.plain, read_timeout=30_000)
    opened = user.ask("Decrypt", CiphertextBlob=blob, EncryptionContext=message.context)
    assert len(base64.b64decode(opened["Plaintext"])) == 32


# -- tkms ------------------------------------------------------------------------------------------------


def test_tkms_uses_keys_through_the_stacks_functions(deployment: Deployment) -> None:
    key = deployment.tkms("key", "create", "--alias", "by-tkms")["id"]
    assert key in {row["id"] for row in deployment.tkms("key", "list")}
    assert deployment.tkms("key", "describe", "alias/by-tkms")["id"] == key
    of = ("--key", "alias/by-tkms", "--context", "a=b")
    blob = tkms(deployment.emulator, "encrypt", *of, stdin="a secret").stdout
    assert tkms(deployment.emulator, "decrypt", "--context", "a=b", stdin=blob).stdout == "a secret"
    wrong = tkms(deployment.emulator, "decrypt", "--context", "a=c", stdin=blob, status=1)
    assert wrong.stderr.startswith("tkms: ")
    locking = '{"Statement":[{"Effect":"Deny","Principal":"*","Action":"kms:*"}]}'
    for text in (locking, tkms(deployment.emulator, "key", "policy", "show", key).stdout):
        shown = deployment.tkms("key", "policy", "set", key, "-", stdin=text)
        time.sleep(SETTLED)  # another function reads it
        assert shown == {"key_id": key, "policy": json.loads(text)} == deployment.tkms("key", "policy", "show", key)
    logs = deployment.emulator.client("logs")
    (group,) = [
        row["logGroupName"]
        for row in logs.describe_log_groups()["logGroups"]
        if "FunctionsEncryptLogs" in row["logGroupName"]
    ]
    lines = [event["message"] for event in logs.filter_log_events(logGroupName=group)["events"]]
    assert any(f'"keys":["{key}"]' in line and '"principal":"tkms"' in line for line in lines)
    assert not any("a secret" in line for line in lines)


def test_tkms_leads_a_key_through_its_life(deployment: Deployment, tmp_path: Path) -> None:
    def state() -> str:
        time.sleep(SETTLED)  # another function reads it
        return str(deployment.tkms("key", "describe", key)["state"])

    key = deployment.tkms("key", "create", "--origin", "EXTERNAL")["id"]
    material = tmp_path / "material"
    material.write_bytes(bytes(range(32)))
    made = deployment.tkms("key", "import", key, str(material), "--expires", "30d")
    assert state() == "Enabled"
    assert deployment.tkms("key", "describe", key)["material_expires"] == made["expires"]
    for verb, then in (
        (["disable"], "Disabled"),
        (["schedule-deletion", "--yes"], "PendingDeletion"),
        (["cancel-deletion"], "Enabled"),
    ):
        deployment.tkms("key", *verb, key)
        assert state() == then
    rotated = deployment.tkms("key", "create", "--alias", "turned")["id"]
    deployment.tkms("key", "rotate", rotated)
    assert state() == "Enabled"
    assert len(deployment.tkms("key", "versions", "alias/turned")) == 2


def test_tkms_tells_who_used_a_key_and_that_no_line_is_missing(deployment: Deployment) -> None:
    key = deployment.tkms("key", "create", "--alias", "audited")["id"]
    for _ in range(2):
        tkms(deployment.emulator, "encrypt", "--key", "alias/audited", stdin="x")
    uses = deployment.tkms("audit", "--key", "alias/audited", "--since", "10m")
    used = {(use["key"], use["principal"], use["action"], use["outcome"]): use["count"] for use in uses}
    assert used[key, "tkms", "Encrypt", "ok"] == 2
    assert used[key, "tkms", "CreateKey", "ok"] == 1
    reports = deployment.tkms("audit", "verify")
    assert sum(report["lines"] for report in reports) > 3
    assert [finding for report in reports for finding in report["findings"]] == []


def test_a_key_of_one_machine_goes_on_in_the_stack_and_comes_back(deployment: Deployment, tmp_path: Path) -> None:
    here, there, file, back = new_directory(tmp_path / "here"), Directory(tmp_path / "there"), "file", "back"
    key = create(here, alias="moves")
    blob = encrypt(here, key)
    run_tkms("export", str(tmp_path / file), "--plain", "--keys", key, "--data-dir", str(here.path))
    made = deployment.tkms("import", str(tmp_path / file), "--from-tenant", "local")["made"]
    assert made == {"keys": 1, "versions": 1, "aliases": 1, "credentials": 0}
    assert tkms(deployment.emulator, "decrypt", stdin=blob).stdout == "secret"
    deployment.tkms("key", "rotate", key)
    later = tkms(deployment.emulator, "encrypt", "--key", "alias/moves", stdin="later").stdout
    deployment.tkms("export", str(tmp_path / back), "--plain", "--keys", key)
    run_tkms("import", str(tmp_path / back), "--data-dir", str(there.path))
    assert [decrypt(there, each) for each in (blob, later.strip())] == [b"secret", b"later"]


def test_tkms_prints_a_program_for_the_deployment(deployment: Deployment) -> None:
    tkms(deployment.emulator, "key", "create", "--alias", "default")
    program = tkms(deployment.emulator, "snippet", "tencent", "--credential", "first").stdout
    assert deployment.outputs["Url"].removeprefix("http://") in program
    assert deployment.plain.secret in program


def test_a_credential_that_is_disabled_is_refused(deployment: Deployment) -> None:
    made = deployment.tkms("credential", "create", "--name", "short", "--dialect", "tencent")
    user = Tencent(deployment.plain.but(access_key_id=made["access_key_id"], secret=made["access_key_secret"]))
    assert user.call("GetServiceStatus").ServiceEnabled
    tkms(deployment.emulator, "credential", "disable", made["access_key_id"])
    time.sleep(SETTLED)
    with refused(user, "AuthFailure.InvalidSecretId"):
        user.call("GetServiceStatus")
    rows = {row["access_key_id"]: row["enabled"] for row in deployment.tkms("credential", "list")}
    assert rows[made["access_key_id"]] is False
    tkms(deployment.emulator, "credential", "delete", "--yes", made["access_key_id"])


def test_what_is_not_there_is_said(open_house: Emulator, fresh: dict[str, str]) -> None:
    done = tkms(open_house, "key", "describe", "alias/nobody", status=1)
    assert done.stderr == "tkms: The alias does not exist.\n"
    done = tkms(open_house, "credential", "delete", "--yes", "TKMSnobody", status=1)
    assert "no credential" in done.stderr


def test_a_fleet_is_worked_through_whatever_becomes_of_one(deployment: Deployment) -> None:
    there, missing = fleet(deployment.emulator, "status", others=["nobody"])
    assert (there["state"], there["version"], there["reason"]) == ("CREATE_COMPLETE", __version__, "")
    assert there["url"].startswith("http")
    assert (missing["state"], missing["tenant"]) == ("failed", "nobody")
    assert "tkms-nobody cannot be read" in missing["reason"]
    (found,) = fleet(deployment.emulator, "doctor", "--only", "acme", others=["nobody"])
    assert {row["check"] for row in found["findings"]} >= {"stack", "functions", "rows", "service"}
    # What the emulator leaves out of tables, and the API's own name, which not every machine finds.
    bare = {"keys table", "access table", "service"}
    assert {row["check"] for row in found["findings"] if row["status"] == PROBLEM} <= bare


# -- updates and faults ----------------------------------------------------------------------------------


def test_a_second_deployment_keeps_every_key(deployment: Deployment, vendors: dict[str, Vendor]) -> None:
    blobs = {name: user.encrypt(user.create(f"u{uuid4().hex[:24]}")) for name, user in vendors.items()}
    keys = {row["id"] for row in deployment.tkms("key", "list")}
    assert urllib3.request("GET", f"{deployment.outputs['Url']}/explorer", retries=False).status == 400
    changed = {
        **TENANT,
        "rate": 500,
        "state_cache_seconds": 0,
        "inline_actions": ["Decrypt"],
        "tags": {"team": "x"},
        "explorer": True,
        "private": {
            "domain": "kms.corp.example.com",
            "certificate": f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/6f1e2d3c-1111-4222-8333-444455556666",
            "vpc": "vpc-01234567",
            "subnets": ["subnet-01234567", "subnet-01234568"],
            "clients": ["10.1.0.0/16"],
        },
    }
    outputs = deployment.emulator.deploy(deployment.emulator.synthesize("second", [changed]), STACK)
    assert outputs.pop("PrivateUrl") == "https://kms.corp.example.com"
    assert outputs.pop("PrivateTarget")
    assert outputs == deployment.outputs
    assert {row["id"] for row in deployment.tkms("key", "list")} == keys
    function = deployment.emulator.client("lambda").get_function_configuration(FunctionName=f"{STACK}-endpoint")
    assert function["Environment"]["Variables"]["INLINE_ACTIONS"] == "Decrypt"
    for blob in blobs.values():
        assert {user.decrypt(blob) for user in vendors.values()} == {HELLO}


def test_the_private_address_leads_to_the_same_endpoint(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the deployment that asked for it. The emulator takes no targets from a template, and decodes a query."""
    balancing, function = deployment.emulator.client("elbv2"), deployment.emulator.client("lambda")
    (group,), (balancer,) = (
        balancing.describe_target_groups()["TargetGroups"],
        balancing.describe_load_balancers()["LoadBalancers"],
    )
    endpoint = function.get_function_configuration(FunctionName=f"{STACK}-endpoint")["FunctionArn"]
    balancing.register_targets(TargetGroupArn=group["TargetGroupArn"], Targets=[{"Id": endpoint}])
    monkeypatch.setattr(support, "HOST", f"{balancer['LoadBalancerName'].lower()}.alb.localhost")
    for secret, said in ((deployment.plain.secret, "Keys"), ("not the secret", "Error")):
        request = support.Signer(deployment.plain.access_key_id, secret).tencent("ListKeys", {"Limit": 1})
        url = f"http://127.0.0.1:{deployment.emulator.port}/"
        body = base64.b64decode(request["body"]) if request["isBase64Encoded"] else request["body"]
        answer = urllib3.request("POST", url, headers=request["headers"], body=body, retries=False)
        assert said in json.loads(answer.data)["Response"], answer.data


def test_the_explorer_of_a_stack_calls_it(deployment: Deployment) -> None:
    """The page that the endpoint's function serves, in a browser, after the deployment that asked for it."""
    url = deployment.outputs["Url"]
    assert urllib3.request("GET", f"{url}/", retries=False).data.count(b'href="/explorer')
    with kit.started() as browser:
        shown = kit.Page(browser)
        shown.context.set_default_timeout(60_000)  # each file is an invocation of a function
        page = shown.page
        page.goto(f"{url}/explorer#call/tencent/ListKeys")
        page.fill("#access-key-id", deployment.plain.access_key_id)
        page.fill("#secret", deployment.plain.secret)
        page.click("#send")
        page.wait_for_selector(".result .status")
        answer = json.loads(page.inner_text(".result .answered pre"))["Response"]
        assert answer["TotalCount"], answer
        assert not shown.faults


def test_the_drill_of_restoring_the_keys_table(deployment: Deployment, vendors: dict[str, Vendor]) -> None:
    """docs/operations.md, step by step: what was there at the moment opens, what came later is gone."""
    user, dynamodb = vendors["ACS3"], deployment.emulator.client("dynamodb")
    blob = user.encrypt(user.create(f"r{uuid4().hex[:24]}"))
    source, target = deployment.outputs["KeysTable"], f"{STACK}-keys-restored"
    dynamodb.restore_table_to_point_in_time(
        SourceTableName=source, TargetTableName=target, UseLatestRestorableTime=True
    )
    dynamodb.get_waiter("table_exists").wait(TableName=target)
    dynamodb.update_continuous_backups(
        TableName=target, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    dynamodb.update_table(TableName=target, DeletionProtectionEnabled=True)
    later = user.create(f"r{uuid4().hex[:24]}")
    changed = {**TENANT, "state_cache_seconds": 0, "keys_table": target}
    outputs = deployment.emulator.deploy(deployment.emulator.synthesize("restored", [changed]), STACK)
    assert outputs == {**deployment.outputs, "KeysTable": target}
    assert not bad(doctor(deployment.emulator))
    assert {vendor.decrypt(blob) for vendor in vendors.values()} == {HELLO}
    with refused(Tea(deployment.plain), "Forbidden.AliasNotFound", 404):
        Tea(deployment.plain).ask("DescribeKey", KeyId=later)
    assert dynamodb.describe_table(TableName=source)["Table"]["TableStatus"] == "ACTIVE"


def test_a_row_that_somebody_writes_is_not_believed(deployment: Deployment) -> None:
    """One update makes no denial an allowance; the doctor names the row, and it can be deleted."""
    rows = raw_rows(
        DynamoAccessStore(deployment.emulator.client("dynamodb"), deployment.outputs["AccessTable"], UNCHECKED)
    )
    before = deployment.tkms("credential", "create", "--name", "narrow", "--policy", "auditor")
    user = Tea(
        deployment.plain.but(access_key_id=before["access_key_id"], secret=before["access_key_secret"]),
        read_timeout=30_000,
    )
    assert user.ask("ListKeys")["TotalCount"]
    (row,) = (row for row in rows.rows() if before["access_key_id"] in row["pk"]["S"])
    rows.put({**row, "doc": {"S": row["doc"]["S"].replace("narrow", "broad")}})
    time.sleep(SETTLED)
    with refused_as_unavailable(user):
        user.ask("ListKeys")
    (finding,) = [f for f in doctor(deployment.emulator) if f.check == "rows"]
    assert (finding.status, row["pk"]["S"] in finding.found) == (PROBLEM, True)
    tkms(deployment.emulator, "credential", "delete", "--yes", before["access_key_id"])
    assert "rows" not in bad(doctor(deployment.emulator))


def test_a_parent_key_that_is_disabled_is_a_503_and_everything_recovers(deployment: Deployment) -> None:
    user, kms = Tea(deployment.plain, read_timeout=30_000), deployment.emulator.client("kms")
    key = user.ask("CreateKey")["KeyMetadata"]["KeyId"]
    kms.disable_key(KeyId=deployment.outputs["ParentKeyArn"])
    try:
        with refused_as_unavailable(user):
            user.ask("CreateKey")
        with refused_as_unavailable(user):
            user.ask("Encrypt", KeyId=key, Plaintext=HELLO)
        (finding,) = [f for f in doctor(deployment.emulator) if f.check == "parent key"]
        assert (finding.status, finding.found) == (PROBLEM, "Disabled: every call is answered 503")
        assert finding.advice == f"aws kms enable-key --key-id {deployment.outputs['ParentKeyArn']}"
    finally:
        kms.enable_key(KeyId=deployment.outputs["ParentKeyArn"])
    blob = user.ask("Encrypt", KeyId=key, Plaintext=HELLO)["CiphertextBlob"]
    assert user.ask("Decrypt", CiphertextBlob=blob)["Plaintext"] == HELLO


def test_a_function_that_is_missing_is_a_503(deployment: Deployment) -> None:
    user = Tea(deployment.plain, read_timeout=30_000)
    deployment.emulator.client("lambda").delete_function(FunctionName=f"{STACK}-generate_random")
    with refused(Tencent(deployment.plain), "ServiceUnavailable"):
        Tencent(deployment.plain).call("GenerateRandom", NumberOfBytes=8)
    assert user.ask("ListKeys")["TotalCount"]
    found = [f for f in doctor(deployment.emulator) if f.status == PROBLEM]
    assert [f.check for f in found] == ["functions"]
    assert f"{STACK}-generate_random" in found[0].found


def refused_as_unavailable(user: Tea) -> Any:
    from alibabacloud_tea_openapi.exceptions import ServerException

    return pytest.raises(ServerException, match="ServiceUnavailableTemporary")
