"""A process that is killed while it makes and rotates keys: what it acknowledged is there, the rest is whole or not."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path

import pytest

from kit.action_samples import Tenant
from kit.campaign.worker import PLAINTEXT, workers
from tenantkms.model.key import KeyFilter


def churned(directory: Path, seconds: float) -> list[list[str]]:
    """What a process acknowledged until it was killed: key id, alias, ciphertext."""
    with workers(directory, 1) as (worker,):
        worker.tell("churn")
        lines = [worker.answer()]
        time.sleep(seconds)
        worker.process.kill()
        lines += [json.loads(line) for line in worker.output if line.endswith("\n")]
    return lines


@pytest.mark.parametrize("attempt", range(6))
def test_a_killed_process_loses_nothing(attempt: int, tmp_path: Path) -> None:
    """Twice on the same file, by a second process that finds what the first one left."""
    shaky = random.Random(attempt)
    told = [row for _ in range(2) for row in churned(tmp_path / "data", shaky.uniform(0.01, 0.3))]
    tenant = Tenant(tmp_path / "data")
    store = tenant.deps.keyring.store
    for key_id, alias, blob in told:
        assert tenant.result("Decrypt", {"ciphertext": blob})["plaintext"] == PLAINTEXT
        assert tenant.result("DescribeKey", {"key_ids": [f"alias/{alias}"]})["keys"][0]["id"] == key_id
    _, keys = store.list_keys(KeyFilter(), now=0, offset=0, limit=100_000)
    _, aliases = store.list_aliases(offset=0, limit=100_000)
    assert {(alias.name, alias.key_id) for alias in aliases} == {(name, key.id) for key in keys for name in key.aliases}
    for key in keys:
        assert key.primary is not None
        older = [version.number for version in store.list_versions(key.id, 1, 1000)]
        assert older == list(range(1, key.primary.number))
        tenant.result("Encrypt", {"key_id": key.id, "plaintext": PLAINTEXT})
