"""What somebody writes into the store is believed by no request: each is answered as one that the store failed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kit.moto_aws import Tables, WiredSession, kms_client
from kit.raw_rows import Row, raw_rows
from kit.support import Kms, Signer
from tenantkms.access.policy import ALLOW_ALL
from tenantkms.audit import metrics
from tenantkms.model.states import KeyState
from tenantkms.names import DIALECTS
from tenantkms.runtime.assemble import Settings, on_aws
from tenantkms.store.dynamodb import DynamoAccessStore
from tkms.anchor import anchor
from tkms.machine.directory import Directory, call

DENY_ALL = '{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}'
RETRYABLE = {
    "alibaba": "ServiceUnavailableTemporary",
    "tencent": "ServiceUnavailable",
    "tencent-v2": 6000,
    "aws": "DependencyTimeoutException",
}


def codes(kms: Kms, action: str, **params: str) -> dict[str, Any]:
    lower = {name[:1].lower() + name[1:]: value for name, value in params.items()}
    return {
        "alibaba": kms.alibaba(action, **params).get("Code"),
        "tencent": kms.tencent(action, **params).get("Error", {}).get("Code"),
        "tencent-v2": kms.tencent_v2("ListKey" if action == "ListKeys" else action, **lower)["code"],
        "aws": kms.aws(action, **params).get("__type"),
    }


def change(store: Any, word: str, old: str, new: str) -> None:
    """In all rows that have `word` in them."""
    raw = raw_rows(store)
    for row in raw.rows():
        if word in str(row):
            raw.put(_replaced(row, old, new))


def _replaced(row: Row, old: str, new: str) -> Row:
    return {
        name: value.replace(old.encode(), new.encode())
        if isinstance(value, bytes)
        else value.replace(old, new)
        if isinstance(value, str)
        else _replaced(value, old, new)
        if isinstance(value, dict)
        else value
        for name, value in row.items()
    }


class Place:
    """One machine; `process` is a fresh one, with nothing in its caches."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.store = self.settings().deps.keyring.store

    def settings(self) -> Settings:
        return Directory(self._path).make()

    def process(self, policy: str = ALLOW_ALL) -> Kms:
        settings = self.settings()
        credential, secret = settings.access.create("it", DIALECTS, policy, 1)
        return Kms(self.settings(), Signer(credential.access_key_id, secret))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "data")


def test_one_update_makes_no_denial_an_allowance(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    kms = place.process(DENY_ALL)
    assert set(codes(kms, "ListKeys").values()) == {
        "Forbidden.NoPermission",
        "UnauthorizedOperation",
        4103,
        "AccessDeniedException",
    }
    kms = Kms(place.settings(), kms.signer)
    change(place.store, kms.signer.access_key_id, "Deny", "Allow")
    assert codes(kms, "ListKeys") == RETRYABLE
    (line, *_) = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert line["row"] == f"credentials {kms.signer.access_key_id} is not what its MAC says"
    assert line["fault"] == ["IntegrityFault"]


def test_a_key_that_somebody_enables_is_of_no_use(place: Place) -> None:
    kms = place.process()
    blob = kms.alibaba("Encrypt", KeyId="alias/default", Plaintext="aGVsbG8=")["CiphertextBlob"]
    (key,) = call(place.settings(), "ListKeys", {})["keys"]  # type: ignore[misc]
    call(place.settings(), "DisableKey", {"key_ids": [key["id"]]})
    kms = Kms(place.settings(), kms.signer)
    change(place.store, key["id"], KeyState.DISABLED, KeyState.ENABLED)
    assert codes(kms, "Decrypt", CiphertextBlob=blob) == RETRYABLE
    assert codes(kms, "Encrypt", KeyId=key["id"], Plaintext="aGVsbG8=") == RETRYABLE
    assert codes(kms, "ListKeys") == RETRYABLE


def test_an_alias_that_somebody_moves_is_not_followed(place: Place) -> None:
    kms = place.process()
    other = kms.alibaba("CreateKey")["KeyMetadata"]["KeyId"]
    (first,) = (key for key in kms.alibaba("ListKeys")["Keys"]["Key"] if key["KeyId"] != other)
    raw = raw_rows(place.store)
    for row in raw.rows():
        if row[""] == "aliases":
            assert row["key_id"] == first["KeyId"]
            raw.put({**row, "key_id": other})
    kms = Kms(place.settings(), kms.signer)
    assert kms.alibaba("Encrypt", KeyId="alias/default", Plaintext="aGVsbG8=")["Code"] == RETRYABLE["alibaba"]
    assert kms.alibaba("ListAliases")["Code"] == RETRYABLE["alibaba"]


def test_on_aws_it_rings(capsys: pytest.CaptureFixture[str]) -> None:
    tables = Tables.fresh()
    environment = {
        "TENANT": "acme",
        "REGION": "eu-central-1",
        "ACCOUNT": "123456789012",
        "KEYS_TABLE": tables.keys,
        "ACCESS_TABLE": tables.access,
        "PARENT_KEY_ARN": kms_client(tables.wire).create_key()["KeyMetadata"]["Arn"],
    }
    operator = on_aws(environment, WiredSession(tables.wire))
    anchor(operator)
    credential, secret = operator.access.create("it", DIALECTS, DENY_ALL, 1)
    change(operator.access.store, credential.access_key_id, "Deny", "Allow")
    assert isinstance(operator.access.store, DynamoAccessStore)
    settings = on_aws(environment, WiredSession(tables.wire), metered=True)
    # What the metrics are written to is chosen when they are made: here, the captured standard output.
    kms = Kms(settings, Signer(credential.access_key_id, secret))
    assert codes(kms, "ListKeys") == RETRYABLE
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    rung = [line for line in printed if line.get(metrics.INTEGRITY_FAULTS) == 1]
    assert len(rung) == len(DIALECTS)
    assert rung[0]["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "TenantKms/acme"
    assert {line["outcome"] for line in printed if "outcome" in line} == {"IntegrityFault"}
