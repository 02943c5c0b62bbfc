"""A failover of the deployed stack and back, as far as an emulator goes: it replicates nothing, so a test does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from msgspec.structs import asdict

from kit.deployment import STANDBY, Deployment, tkms
from kit.emulator import REGION
from kit.moto_aws import create_tables
from kit.sdk_aws import Boto
from kit.sdk_clients import refused
from tenantkms.keys.maintenance import Report
from tenantkms.store.dynamodb_fence import EPOCH, SHARDS, fence_pk


@contextmanager
def replicating(deployment: Deployment) -> Iterator[None]:
    """The rows that say where keys are changed come to the other region, which has tables of the same names."""
    clients = [deployment.emulator.client("dynamodb", region) for region in (REGION, STANDBY)]
    name, access = deployment.outputs["KeysTable"], deployment.outputs["AccessTable"]
    if name not in clients[1].list_tables()["TableNames"]:
        create_tables(clients[1], name, access)
    done = threading.Event()

    def newest(shard: str) -> list[Any]:
        key = {"pk": {"S": fence_pk(shard)}, "sk": {"S": "META"}}
        return [client.get_item(TableName=name, Key=key, ConsistentRead=True).get("Item") for client in clients]

    def copy() -> None:
        goes_on = True
        while goes_on:
            goes_on = not done.wait(0.2)  # and once more, so that in the end all is copied
            for shard in SHARDS:
                first, second = newest(shard)
                if first == second:
                    continue
                ahead = first and (not second or int(first[EPOCH]["N"]) > int(second[EPOCH]["N"]))
                clients[1 if ahead else 0].put_item(TableName=name, Item=first if ahead else second)

    copier = threading.Thread(target=copy)
    copier.start()
    try:
        yield
    finally:
        done.set()
        copier.join()


def test_changes_go_to_the_other_region_and_come_back(guarded: Deployment) -> None:
    user = Boto(guarded.plain, read_timeout=30)
    key = user.ask("CreateKey")["KeyMetadata"]["KeyId"]
    blob = user.ask("Encrypt", KeyId=key, Plaintext=b"hello")["CiphertextBlob"]
    over = ("failover", "--yes", "--settle", "1s", "--to")
    with replicating(guarded):
        assert guarded.tkms(*over, STANDBY)["region"] == STANDBY
        said = tkms(guarded.emulator, "key", "disable", key, status=1).stderr
        while "while another region takes over" in said:  # a function knows for a second what it has read
            said = tkms(guarded.emulator, "key", "disable", key, status=1).stderr
        assert f"Keys are changed in {STANDBY} only" in said
        with refused(user, "DependencyTimeoutException", 503):
            user.ask("DisableKey", KeyId=key)
        assert user.ask("Decrypt", CiphertextBlob=blob)["Plaintext"] == b"hello"
        assert guarded.tkms("maintain")["destroy"] == asdict(Report(due=0, done=0, failed=0))
        assert guarded.tkms(*over, REGION)["epoch"] == 4
    user.ask("DisableKey", KeyId=key)
    rows = guarded.tkms("failover", "--dry-run")
    assert rows[REGION] == rows[STANDBY]
