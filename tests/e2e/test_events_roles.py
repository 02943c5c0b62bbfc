"""The functions that events start under their own roles, where the policies are enforced: all of it works, and a right
less breaks exactly what it was for.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from kit.deployment import without
from kit.emulator import ACCOUNT, REGION, emulating
from kit.sealing import KINDS, MARKER, STACK, TENANT, Sealing, message


@pytest.fixture(scope="module")
def guarded_sealing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sealing]:
    with emulating(tmp_path_factory.mktemp("guarded-events"), auth=True) as emulator:
        emulator.cdk("bootstrap", f"aws://{ACCOUNT}/{REGION}")
        assembly = emulator.synthesize("own", [TENANT], "tests/kit/enforced.py")
        yield Sealing.prepared(emulator, emulator.deploy(assembly, STACK))


def test_every_target_and_every_object(guarded_sealing: Sealing) -> None:
    """The first rejection makes the quarantine CMK, too."""
    guarded_sealing.send(["{", *(message(f"r-{kind}", kind) for kind in KINDS)])
    for name in ("a", "b"):
        guarded_sealing.put(name, MARKER.encode())
    guarded_sealing.settle(lambda: guarded_sealing.empty() and not guarded_sealing.inbox())
    assert [row["reason"] for row in guarded_sealing.receive("EventsRejectedQueueUrl")] == ["InvalidMessage"]
    told = [row["detail"] for row in guarded_sealing.receive(guarded_sealing.told)]
    assert {row.get("id") or row["key"] for row in told} == {"a", "b", *(f"r-{kind}" for kind in KINDS)} - {
        "r-eventbridge"
    }
    assert {row["detail"]["id"] for row in guarded_sealing.receive(guarded_sealing.delivered)} == {"r-eventbridge"}
    assert guarded_sealing.swept() == 0


def test_an_object_that_may_not_be_read_is_rejected(guarded_sealing: Sealing) -> None:
    with without(guarded_sealing.emulator, "seal_objects", "s3:GetObjectVersion", STACK):
        guarded_sealing.put("c", MARKER.encode())
        guarded_sealing.settle(
            lambda: guarded_sealing.empty() and guarded_sealing.waiting("EventsRejectedQueueUrl") > 0
        )
    assert [row["reason"] for row in guarded_sealing.receive("EventsRejectedQueueUrl")] == ["ObjectUnreadable"]
    assert guarded_sealing.inbox() == ["c"]


@pytest.mark.parametrize("right", ["s3:PutObject", "s3:DeleteObjectVersion"])
def test_a_right_less_is_a_fault_and_the_object_waits(guarded_sealing: Sealing, right: str) -> None:
    name = right.partition(":")[2]
    with without(guarded_sealing.emulator, "seal_objects", right, STACK):
        guarded_sealing.put(name, MARKER.encode())
        time.sleep(5)  # it takes less than one, and comes again after 20
        assert guarded_sealing.waiting("ObjectsQueueUrl") == 1
        assert name in guarded_sealing.inbox()
    guarded_sealing.settle(lambda: guarded_sealing.empty() and name not in guarded_sealing.inbox())
    assert guarded_sealing.waiting("ObjectsDeadLetterQueueUrl") == 0
