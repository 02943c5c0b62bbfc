"""What `tkms doctor` finds of a second region."""

from __future__ import annotations

from tenantkms.store.dynamodb_fence import FenceRows
from tkms.findings import PROBLEM, WARNING, Found, either
from tkms.stack.stack import Stack


def examine_regions(stack: Stack) -> Found:
    """Of a stack that has two: whether copies are made, and in which of them keys are changed."""
    peer, name = stack.outputs.get("Peer"), stack.outputs["KeysTable"]
    if not peer:
        return
    client, again = stack.client("dynamodb"), f"tkms standby --stack {stack.name}"
    for table in (name, stack.outputs["AccessTable"]):
        replicas = client.describe_table(TableName=table)["Table"].get("Replicas", [])
        state = {row["RegionName"]: row.get("ReplicaStatus", "ACTIVE") for row in replicas}.get(peer, "missing")
        yield either(state == "ACTIVE", f"{table} in {peer}", WARNING, f"{table} in {peer} is {state}", again)
    said = FenceRows(client, name, stack.outputs["First"]).all()
    active = max(said, key=lambda active: active.epoch)
    over = f"tkms failover --stack {stack.name} --to {active.to or active.region}"
    where = f"keys are changed in {active.region}" if active.region else f"no key is changed, on the way to {active.to}"
    yield either(active.region and len(said) == 1, where, PROBLEM, where, f"Wait a moment, or: {over}")
