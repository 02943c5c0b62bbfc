"""The copies that a second region needs: replicas of both tables, and of the parent key.

CloudFormation cannot make them of what is there already, and must not be asked to replace that
(docs/decisions/0056-standby.md). Each step looks first whether it is done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from tenantkms.runtime.assemble import SettingsError
from tkms.output import Failed
from tkms.stack.stack import Stack, aws_errors

PAUSE, LONGEST = 5, 3600
"""Seconds between two looks, and of all of them together."""
Client = Callable[[str, str], Any]
"""(service, region) -> botocore's client."""


def make(stack: Stack, sleep: Callable[[float], None] = time.sleep) -> Iterator[str]:
    """Make what is missing, and say of each what is there now. Raises `SettingsError`, and `Failed` if it lasts."""
    peer, guarded = stack.outputs["Peer"], stack.outputs.get("Sandbox") != "true"
    with aws_errors("The copies cannot be made"):
        for output in ("KeysTable", "AccessTable"):
            name = stack.outputs[output]
            _table(stack, name, peer, guarded, sleep)
            yield f"{name}: replicated in {peer}, with point-in-time recovery"
        _parent_key(stack, peer, guarded, sleep)
        yield f"{_key_id(stack)}: replicated in {peer}, under the same policy"


def entry(stack: Stack) -> dict[str, str]:
    """The tenant's `standby`, as far as the copies say it."""
    return {
        "region": stack.outputs["Peer"],
        "keys_table": stack.outputs["KeysTable"],
        "access_table": stack.outputs["AccessTable"],
        "parent_key": _key_id(stack),
    }


def _key_id(stack: Stack) -> str:
    return stack.outputs["ParentKeyArn"].rpartition("/")[2]


def _until(done: Callable[[], bool], what: str, sleep: Callable[[float], None]) -> None:
    for _ in range(LONGEST // PAUSE):
        if done():
            return
        sleep(PAUSE)
    raise Failed(f"{what} is not ready after an hour: the same command again goes on.")


def _table(stack: Stack, name: str, peer: str, guarded: bool, sleep: Callable[[float], None]) -> None:
    here, there = stack.client("dynamodb"), stack.client("dynamodb", region=peer)

    def described() -> Any:
        return here.describe_table(TableName=name)["Table"]

    def active() -> bool:
        return bool(described()["TableStatus"] == "ACTIVE")

    if not described().get("StreamSpecification", {}).get("StreamEnabled"):
        stream = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"}
        here.update_table(TableName=name, StreamSpecification=stream)
        _until(active, name, sleep)
    if peer not in _replicas(described()):
        here.update_table(TableName=name, ReplicaUpdates=[{"Create": {"RegionName": peer}}])
    _until(lambda: _replicas(described()).get(peer) == "ACTIVE", f"{name} in {peer}", sleep)
    there.update_continuous_backups(
        TableName=name, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
    )
    if guarded and not there.describe_table(TableName=name)["Table"].get("DeletionProtectionEnabled"):
        there.update_table(TableName=name, DeletionProtectionEnabled=True)


def _replicas(table: Any) -> dict[str, str]:
    return {row["RegionName"]: row.get("ReplicaStatus", "ACTIVE") for row in table.get("Replicas", [])}


def _parent_key(stack: Stack, peer: str, guarded: bool, sleep: Callable[[float], None]) -> None:
    here, there = stack.client("kms"), stack.client("kms", region=peer)
    arn = stack.outputs["ParentKeyArn"]
    found = here.describe_key(KeyId=arn)["KeyMetadata"]
    if not found.get("MultiRegion"):
        raise SettingsError(
            f"{arn} is a single-Region key, and AWS KMS does not change that: a second region needs a tenant whose"
            " parent key was made as a multi-Region key."
        )
    replicas = {row["Region"] for row in found.get("MultiRegionConfiguration", {}).get("ReplicaKeys", [])}
    if peer not in replicas:
        # Whoever makes a replica says what its policy is: the same, or it would be a way round the first one's.
        here.replicate_key(
            KeyId=_key_id(stack),
            ReplicaRegion=peer,
            Policy=here.get_key_policy(KeyId=arn, PolicyName="default")["Policy"],
            BypassPolicyLockoutSafetyCheck=guarded,
            Description=found.get("Description", ""),
            Tags=[{"TagKey": "tkms:tenant", "TagValue": stack.outputs["Tenant"]}],
        )
    id_ = _key_id(stack)
    _until(lambda: there.describe_key(KeyId=id_)["KeyMetadata"]["KeyState"] == "Enabled", id_, sleep)
