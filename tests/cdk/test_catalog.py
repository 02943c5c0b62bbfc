"""Rows of the catalog against what functions really ask of DynamoDB and AWS KMS: nothing is missing, nothing unused.

Each Action runs against moto with a wire that remembers every call; a call is then looked up in the function's row.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cdk.catalog import CATALOG, EVERY, Row, rows_of
from cdk.tenants import actions
from kit.action_samples import SAMPLES, ListAudit, Params, Tenant, new_key, watch
from kit.moto_aws import Tables, WiredSession, kms_client
from kit.support import Kms, Signer
from tenantkms.access.credentials import LAST_USE
from tenantkms.access.policy import ALLOW_ALL
from tenantkms.keys import maintenance
from tenantkms.model.states import KeyState
from tenantkms.names import ALIBABA, DIALECTS
from tenantkms.runtime.assemble import Settings, on_aws
from tenantkms.store import dynamodb_segments
from tenantkms.store.dynamodb_fence import FenceRows
from tenantkms.store.dynamodb_layout import watch_pk
from tenantkms.store.fence import Active
from tkms.anchor import anchor

FOLDER = {action: folder for folder, action in actions().items()}
ENVIRONMENT = {"TENANT": "acme", "REGION": "eu-central-1", "ACCOUNT": "123456789012", "STATE_CACHE_SECONDS": "0"}

Ask = tuple[str, ...]
"""(action, table and index, partition key), of an update with an attribute after it, or (action, kind of secret)."""

_NO_ATTRIBUTES = {"SET", "REMOVE", "ADD", "AND", "OR", "attribute_exists", "attribute_not_exists"}


def named(update: Mapping[str, Any]) -> set[str]:
    """All attributes that an update names, as IAM sees them."""
    words = re.findall(r"[#:]?\w+", f"{update['UpdateExpression']} {update.get('ConditionExpression', '')}")
    names = update.get("ExpressionAttributeNames", {})
    return {names.get(word, word) for word in words if word not in _NO_ATTRIBUTES and word[0] != ":"} | set(
        update["Key"]
    )


AFTER_FAULTS: Mapping[str, set[Ask]] = {
    "endpoint": {("dynamodb:GetItem", "access", "NONCE#*"), ("dynamodb:GetItem", "access", "USE#*")},
}
"""Rights that are used only to read back a write whose answer was lost."""


class Deployment(Tenant):
    """A tenant on moto's DynamoDB and KMS; `asked` since the last look."""

    def __init__(self) -> None:
        self._tables = Tables.fresh()
        self._environment = {
            **ENVIRONMENT,
            "KEYS_TABLE": self._tables.keys,
            "ACCESS_TABLE": self._tables.access,
            "PARENT_KEY_ARN": kms_client(self._tables.wire).create_key()["KeyMetadata"]["Arn"],
        }
        self.audit = ListAudit()
        anchor(self.settings())
        self.settings().access.create("first", DIALECTS, ALLOW_ALL, 1)
        self.restart()

    def settings(self) -> Settings:
        return on_aws(self._environment, WiredSession(self._tables.wire))

    def take_over(self) -> None:
        """From now on it is the second of two regions, and keys are changed in it."""
        rows = FenceRows(self._tables.client, self._tables.keys, "eu-central-1")
        rows.write(Active(region="eu-west-1", epoch=1))
        self._environment |= {"HERE": "eu-west-1", "FIRST": "eu-central-1"}
        self.restart()

    def restart(self) -> None:
        """A process that has nothing in its caches."""
        self.deps = msgspec.structs.replace(self.settings().deps, audit=self.audit)
        self._tables.wire.sent.clear()

    def asked(self) -> set[Ask]:
        return {ask for operation, body in self._tables.wire.sent for ask in self._asks(operation, body)}

    def _asks(self, operation: str, body: dict[str, Any]) -> Iterator[Ask]:
        if operation in ("Encrypt", "Decrypt"):
            assert body["EncryptionContext"]["tenant"] == "acme"
            yield f"kms:{operation}", body["EncryptionContext"]["kind"]
        elif operation == "TransactWriteItems":
            for item in body["TransactItems"]:
                for part, inner in item.items():
                    yield from self._asks(f"{part}Item", inner)
        elif "RequestItems" in body:
            for table, asked in body["RequestItems"].items():
                yield from (
                    ask for key in asked["Keys"] for ask in self._asks(operation, {"TableName": table, "Key": key})
                )
        else:
            name = {self._tables.keys: "keys", self._tables.access: "access"}[body["TableName"]]
            index = f"/{body['IndexName']}" if "IndexName" in body else ""
            if operation == "Query":
                leading = body["ExpressionAttributeValues"][":value"]
            else:
                leading = (body.get("Key") or body["Item"])["pk"]
            ask = f"dynamodb:{operation}", name + index, leading["S"]
            yield from [(*ask, attribute) for attribute in named(body)] if operation == "UpdateItem" else [ask]


def granted(row: Row) -> set[Ask]:
    """A row as asks, with patterns as partition keys."""
    found: set[Ask] = set()
    for on in row.tables:
        place = f"{on.table}/{on.index}" if on.index else on.table
        ends = [(attribute,) for attribute in on.attributes] or [()]
        found |= {(action, place, rows, *end) for action in on.actions for rows in on.rows for end in ends}
    found |= {("kms:Encrypt", str(kind)) for kind in row.seals}
    return found | {("kms:Decrypt", str(kind)) for kind in row.unseals}


def covers(right: Ask, ask: Ask) -> bool:
    """A right that names no attribute is one to all of them."""
    return len(right) <= len(ask) and all(fnmatchcase(said, pattern) for said, pattern in zip(ask, right, strict=False))


def check(folder: str, asked: set[Ask], *, replicated: bool = False) -> None:
    (_, own, *more) = rows_of(folder, replicated=replicated)
    rights = granted(own).union(*map(granted, more))
    refused = {ask for ask in asked - granted(EVERY) if not any(covers(right, ask) for right in rights)}
    assert not refused, "these calls are not in the row"
    unused = {right for right in rights if not any(covers(right, ask) for ask in asked)}
    assert unused == AFTER_FAULTS.get(folder, set()), "these rights are in the row and not used"
    assert not CATALOG[folder].tables or granted(EVERY) <= asked, "who reads a row needs the root secret"


MORE: Mapping[str, list[Params]] = {
    "CreateKey": [{"alias": "made-with-it"}, {"client_token": "once"}],
    "DescribeService": [{"count": True}],
    "ListAliases": [{}],
    "ListKeys": [{"where": {"aliases": ["default"]}}],
    "ListTagResources": [{"key_ids": []}],
}
"""Other ways to call an Action, which touch other rows."""


def _prepare(tenant: Tenant, action: str, key: str, *, again: bool) -> None:
    """Bring a key to where the Action has something to do; `again`: where it has been called before."""
    match action:
        case "CancelKeyDeletion":
            tenant.put(key, state=KeyState.PENDING_DELETION, deletion_date=int(tenant.deps.clock()) + 86_400)
        case "DeleteKeyMaterial":
            tenant.result("ImportKeyMaterial", SAMPLES["ImportKeyMaterial"](tenant, key))
        case "CancelKeyArchive":
            tenant.put(key, state=KeyState.ARCHIVED)
        case "EnableKey":
            tenant.put(key, state=KeyState.DISABLED)
        case "UntagResources":
            tenant.put(key, tags={"name": "value"})
        case "SetKeyAlias":  # the alias that it has is replaced
            tenant.alias(key)
        case "ListKeyVersions":
            tenant.result("CreateKeyVersion", {"key_id": key})
        case "ImportKeyMaterial" if again:  # what is imported is compared with what was imported before
            tenant.result(action, SAMPLES[action](tenant, key))
            tenant.result("DeleteKeyMaterial", {"key_id": key})


def calls(tenant: Tenant, action: str) -> Iterator[Params]:
    """Parameters of calls that together touch all that the Action can touch: keys by id and by alias."""
    for by_alias in (False, True):
        key = new_key(tenant, action)
        alias = f"alias/{tenant.alias(key)}"
        _prepare(tenant, action, key, again=by_alias)
        params = SAMPLES[action](tenant, key)
        if by_alias:
            params = {**params, **({"key_id": alias} if "key_id" in params else {})}
            params = {**params, **({"key_ids": [alias]} if "key_ids" in params else {})}
            if action == "Decrypt":  # of that key, and of no other
                params["key_id"] = alias
            if action == "ReEncrypt":
                params["destination_key_id"] = alias
        yield params
    if action == "SetKeyAlias":  # a first one is counted
        yield {"key_id": new_key(tenant, action), "alias": "its-first"}
    yield from MORE.get(action, [])


@pytest.mark.parametrize("action", FOLDER)
def test_an_action_asks_for_what_its_row_says(action: str) -> None:
    tenant = Deployment()
    asked: set[Ask] = set()
    for params in calls(tenant, action):
        tenant.restart()
        tenant.result(action, params, profile=ALIBABA)  # the operator's own doors count no keys
        asked |= tenant.asked()
    check(FOLDER[action], asked)


def test_the_rotating_sweeper(tmp_path: Path) -> None:
    tenant = Deployment()
    key = tenant.create(rotate=True)
    tenant.put(key, last_rotation=1)
    tenant.restart()
    assert maintenance.run(maintenance.ROTATE, tenant.deps, "run").done == 1
    check("rotate_due_keys", tenant.asked())


def test_the_destroying_sweeper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamodb_segments, "SEGMENT", 1)
    tenant = Deployment()
    tenant.create()
    key = tenant.create(alias="goes-too")
    tenant.result("CreateKeyVersion", {"key_id": key})
    tenant.put(key, state=KeyState.PENDING_DELETION, deletion_date=1)
    watch(tenant.deps.keyring.store, int(tenant.deps.clock()))
    tenant.restart()
    assert maintenance.run(maintenance.DESTROY, tenant.deps, "run").done == 1
    tenant.deps.keyring.store.settle(int(tenant.deps.clock()) + 1_000, lambda: True)
    check("delete_due_keys", tenant.asked())


def test_in_a_region_that_has_taken_over() -> None:
    tenant = Deployment()
    key = tenant.create(rotate=True)
    tenant.put(key, last_rotation=1)
    tenant.take_over()
    assert maintenance.run(maintenance.ROTATE, tenant.deps, "run").done == 1
    watched = watch_pk(maintenance.ROTATE.name)
    before = {(action, "keys", watched) for action in ("dynamodb:GetItem", "dynamodb:PutItem")}
    check("rotate_due_keys", tenant.asked() | before, replicated=True)
    asked: set[Ask] = set()
    for params in calls(tenant, "DisableKey"):
        tenant.restart()
        tenant.result("DisableKey", params, profile=ALIBABA)
        asked |= tenant.asked()
    check("disable_key", asked, replicated=True)


def test_the_endpoint() -> None:
    tenant = Deployment()
    credential, secret = tenant.settings().access.create("second", DIALECTS, ALLOW_ALL, 1)
    kms = Kms(tenant.settings(), Signer(credential.access_key_id, secret))
    tenant.restart()
    kms.alibaba("NoSuchAction")
    stranger = Kms(tenant.settings(), Signer("TKMSstranger", secret))
    stranger.alibaba("NoSuchAction")
    for thread in threading.enumerate():
        if thread.name == LAST_USE:
            thread.join(10)
    check("endpoint", tenant.asked())


def test_a_missing_and_an_unused_right_are_found() -> None:
    asked: set[Ask] = {("dynamodb:GetItem", "keys", "KEY#1"), ("kms:Decrypt", "1"), *granted(EVERY)}
    check("export_data_key", asked)
    with pytest.raises(AssertionError, match="not in the row"):
        check("export_data_key", {*asked, ("dynamodb:GetItem", "keys", "ALIAS#a")})
    with pytest.raises(AssertionError, match="root secret"):
        check("export_data_key", asked - granted(EVERY))
    with pytest.raises(AssertionError, match="not used"):
        check("export_data_key", {("dynamodb:GetItem", "keys", "KEY#1")})
