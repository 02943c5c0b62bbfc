"""Files sealed with the keys of a deployment, and `tkms rewrap` of what lies in the account's services.

The emulator looks at no condition of a copy; tests/tkms/test_rewrap_remote.py has those.
"""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

from kit.deployment import STACK, Deployment, tkms
from tenantkms.crypto.sealed import pack_metadata, read_metadata

CONTEXT = {"bucket": "inbox", "key": "M\u00e4rz.csv", "version": "v1"}
PAIRS = [word for name, value in CONTEXT.items() for word in ("--context", f"{name}={value}")]


def _rotate(deployment: Deployment) -> None:
    """As the Action's function, which is invoked with IAM's permission alone."""
    key = deployment.tkms("key", "describe", "alias/sealed")
    call = {
        "v": 1,
        "request_id": "rotate",
        "action": "CreateKeyVersion",
        "principal": {"id": "test", "policy": '{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'},
        "profile": "native",
        "params": {"key_id": key["id"]},
    }
    function = deployment.outputs["FunctionPrefix"] + "create_key_version"
    answer = deployment.emulator.client("lambda").invoke(FunctionName=function, Payload=json.dumps(call))
    assert b'"result"' in answer["Payload"].read()


def test_a_file_is_sealed_opened_and_rewrapped_with_a_stack_s_key(deployment: Deployment, tmp_path: Path) -> None:
    deployment.tkms("key", "create", "--alias", "sealed")
    (tmp_path / "a").write_bytes(b"text " * 500_000)
    (made,) = deployment.tkms("seal", "--remove", "--key", "alias/sealed", *PAIRS, str(tmp_path / "a"))
    assert made["key_id"] == deployment.tkms("key", "describe", "alias/sealed")["id"]
    _rotate(deployment)
    done = tkms(deployment.emulator, "rewrap", "--check", *PAIRS, str(tmp_path), "--json", status=1)
    assert json.loads(done.stdout)["old"] == 1
    assert deployment.tkms("rewrap", *PAIRS, str(tmp_path))["rewrapped"] == 1
    assert deployment.tkms("rewrap", "--check", *PAIRS, str(tmp_path))["old"] == 0
    deployment.tkms("unseal", *PAIRS, str(tmp_path / "a.tkms"))
    assert (tmp_path / "a").read_bytes() == b"text " * 500_000


def _document(deployment: Deployment) -> str:
    made = deployment.tkms("encrypt", "--key", "alias/documents", *PAIRS, stdin="hunter2")
    return json.dumps({"v": 1, "id": "one", **made, "encryption_context": CONTEXT})


def _secret(deployment: Deployment, text: str) -> tuple[str, str]:
    """The version that a document says it is of, and what it opens to."""
    read = json.loads(text)
    opened = deployment.tkms("decrypt", *PAIRS, stdin=read["ciphertext"])
    assert opened["key_version_id"] == read["key_version_id"]
    return read["key_version_id"], base64.b64decode(opened["plaintext"]).decode()


def test_what_lies_in_the_account_s_services_moves_to_another_key(deployment: Deployment) -> None:
    client = deployment.emulator.client
    s3, secrets, ssm, dynamodb = (client(name) for name in ("s3", "secretsmanager", "ssm", "dynamodb"))
    deployment.tkms("key", "create", "--alias", "documents")
    new = deployment.tkms("key", "create", "--alias", "new")
    text = _document(deployment)
    blob = base64.b64decode(json.loads(text)["ciphertext"])
    s3.create_bucket(Bucket="sealed")
    s3.put_object(
        Bucket="sealed", Key="in/a", Body=b"stream", Metadata=pack_metadata(blob, CONTEXT), ContentType="text/csv"
    )
    secrets.create_secret(Name="files/db", SecretString=text)
    ssm.put_parameter(Name="/files/db", Value=text, Type="String")
    dynamodb.create_table(
        TableName="documents",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    dynamodb.put_item(TableName="documents", Item={"pk": {"S": "a"}, "sealed": {"S": text}})
    places = ("s3://sealed/in/", "secretsmanager:files/", "ssm:/files/", "table:documents")
    before = deployment.tkms("rewrap", "--dry-run", "--to", "alias/new", *places)
    assert (before["found"], before["old"], before["rewrapped"]) == (4, 4, 0)
    report = deployment.tkms("rewrap", "--to", "alias/new", *places)
    assert (report["found"], report["rewrapped"], report["old"], report["failed"]) == (4, 4, 0, [])
    assert deployment.tkms("rewrap", "--check", "--to", "alias/new", *places)["old"] == 0

    expected = (new["primary_version_id"], "hunter2")
    secret: Any = secrets.get_secret_value(SecretId="files/db", VersionStage="AWSCURRENT")
    assert _secret(deployment, secret["SecretString"]) == expected
    assert _secret(deployment, ssm.get_parameter(Name="/files/db")["Parameter"]["Value"]) == expected
    item = dynamodb.get_item(TableName="documents", Key={"pk": {"S": "a"}})["Item"]
    assert _secret(deployment, item["sealed"]["S"]) == expected
    found = s3.get_object(Bucket="sealed", Key="in/a")
    assert (found["Body"].read(), found["ContentType"]) == (b"stream", "text/csv")
    read = read_metadata(found["Metadata"])
    assert read is not None
    assert read[1] == CONTEXT
    opened = deployment.tkms("decrypt", *PAIRS, stdin=base64.b64encode(read[0]).decode())
    assert opened["key_version_id"] == new["primary_version_id"]


def test_a_bucket_that_is_not_there_is_said(deployment: Deployment) -> None:
    done = tkms(deployment.emulator, "rewrap", "s3://none", status=1)
    assert "tkms: stopped: s3://none cannot be listed" in done.stderr
    assert STACK not in done.stdout
