"""Imported material that has expired is gone for everybody at once: the sweeper changes no answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from kit.action_samples import SAMPLES
from kit.campaign.tenant import Process
from kit.campaign.world import DAY, STORES, make_world
from tenantkms.keys import maintenance

SEEN = {"Enabled": "EnableKey", "Disabled": "DisableKey", "Archived": "ArchiveKey"}
"""State -> the Action that leads to it."""


class Expiring:
    """A key whose material expires in an hour, and how each dialect tells of it."""

    def __init__(self, store: str, state: str, path: Path) -> None:
        self.world = make_world(store, path)
        self.process = Process(self.world)
        self.id = self.process.imported(expires=int(self.world.clock()) + 3600)
        self.process.result(SEEN[state], {"key_ids": [self.id]})
        self.kms = self.world.process()

    def told(self) -> dict[str, Any]:
        """The state of the key in everything that tells it, in one vendor's words."""
        kms, key = self.kms, self.id
        native = self.process.result("ListKeys", {})["keys"]
        described = self.process.result("DescribeKey", {"key_ids": [key]})["keys"]
        return {
            "DescribeKey": [row["state"] for row in described],
            "ListKeys": [row["state"] for row in native],  # `tkms key list`
            "alibaba DescribeKey": [kms.alibaba("DescribeKey", KeyId=key)["KeyMetadata"]["KeyState"]],
            "tencent DescribeKey": [kms.tencent("DescribeKey", KeyId=key)["KeyMetadata"]["KeyState"]],
            "tencent DescribeKeys": [
                row["KeyState"] for row in kms.tencent("DescribeKeys", KeyIds=[key])["KeyMetadatas"]
            ],
            "tencent-v2 GetKeyAttributes": [
                kms.tencent_v2("GetKeyAttributes", keyId=key)["keyMetadata"]["keyState"],
            ],
            "aws DescribeKey": [kms.aws("DescribeKey", KeyId=key)["KeyMetadata"]["KeyState"]],
        }

    def found(self) -> dict[str, list[str]]:
        """By which states the filters of each dialect find it."""
        kms, states = self.kms, ("Enabled", "Disabled", "PendingDeletion", "PendingImport", "Archived")
        found: dict[str, list[str]] = {"alibaba": [], "tencent": [], "native": []}
        for number, state in enumerate(states, 1):
            rows = json.dumps([{"Key": "KeyState", "Values": [state]}])
            if state != "Archived" and kms.alibaba("ListKeys", Filters=rows)["TotalCount"]:  # no word of that dialect
                found["alibaba"].append(state)
            if kms.tencent("ListKeyDetail", KeyState=number, KeyUsage="ALL")["TotalCount"]:
                found["tencent"].append(state)
            if self.process.result("ListKeys", {"where": {"states": [state]}})["total"]:
                found["native"].append(state)
        return found


@pytest.mark.parametrize("state", SEEN)
@pytest.mark.parametrize("store", STORES)
def test_everything_tells_it_from_its_second_on(store: str, state: str, tmp_path: Path) -> None:
    key = Expiring(store, state, tmp_path)
    key.world.clock.now += 3599
    before, found = key.told(), key.found()
    assert before["ListKeys"] == [state]
    assert found["tencent"] == found["native"] == [state]
    key.world.clock.now += 1
    assert key.told() == {what: ["PendingImport"] for what in before}
    assert key.found() == {what: ["PendingImport"] for what in found}
    assert key.kms.tencent("ListKeys")["TotalCount"] == 1  # which shows none that is archived
    metadata = key.kms.aws("DescribeKey", KeyId=key.id)["KeyMetadata"]
    assert (metadata["Enabled"], metadata.get("ValidTo"), metadata.get("ExpirationModel")) == (False, None, None)
    metadata = key.kms.alibaba("DescribeKey", KeyId=key.id)["KeyMetadata"]
    assert (metadata["PrimaryKeyVersion"], metadata["MaterialExpireTime"]) == ("", "")
    assert key.kms.tencent("DescribeKey", KeyId=key.id)["KeyMetadata"]["ValidTo"] == 0
    swept = key.told(), key.found(), key.process.result("ListKeys", {})
    key.world.watch(0)
    report = maintenance.run(maintenance.JOBS["destroy"], key.process.deps, "sweep")
    assert (report.due, report.done) == (1, 1)
    assert swept == (key.told(), key.found(), Process(key.world).result("ListKeys", {}))


@pytest.mark.parametrize("state", SEEN)
@pytest.mark.parametrize("store", STORES)
def test_what_changes_a_key_goes_by_it_too(store: str, state: str, tmp_path: Path) -> None:
    """As if the sweeper had been there: material may come, and make the key work; nothing is there to be deleted."""
    key = Expiring(store, state, tmp_path)
    key.world.clock.now += 3600
    rest = key.process.stored(key.id)
    about = {"KeyId": key.id, "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}
    assert key.kms.tencent("GetParametersForImport", **about)["KeyId"] == key.id
    key.process.result("DeleteKeyMaterial", {"key_id": key.id})
    assert key.process.stored(key.id) == rest
    for switch in SEEN.values():
        refused = "KeyPendingImport" if switch == "ArchiveKey" else "StateConflict"
        assert key.process.act(switch, {"key_ids": [key.id]}) == refused
    params = SAMPLES["ImportKeyMaterial"](key.process, key.id)
    assert key.process.run("ImportKeyMaterial", params, profile="tencent")["result"]["key_id"] == key.id
    assert key.told()["ListKeys"] == ["Enabled"]


@pytest.mark.parametrize("store", STORES)
def test_its_deletion_is_scheduled_at_once_and_called_off(store: str, tmp_path: Path) -> None:
    """Tencent wants a key disabled first, unless there is nothing to disable."""
    key = Expiring(store, "Enabled", tmp_path)
    key.world.clock.now += 3600
    answer = key.kms.tencent("ScheduleKeyDeletion", KeyId=key.id, PendingWindowInDays=7)
    assert answer["DeletionDate"] == int(key.world.clock()) + 7 * DAY
    assert key.told()["ListKeys"] == ["PendingDeletion"]
    metadata = key.kms.alibaba("DescribeKey", KeyId=key.id)["KeyMetadata"]
    assert (metadata["PrimaryKeyVersion"], metadata["MaterialExpireTime"]) == ("", "")
    key.kms.tencent("CancelKeyDeletion", KeyId=key.id)
    assert key.told()["ListKeys"] == ["PendingImport"]
