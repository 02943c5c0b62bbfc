"""Exactly once in effect, whatever dies and whoever overtakes: workers held at every call that they make.

First every single call of a worker, with everything that can happen there and with another worker amid; then a state
machine over several. At the end every message that is left is worked on in peace. Then nothing is lost, nothing has two
ciphertexts, and what is newest stands.
"""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from kit.event_world import VERDICTS, World

KINDS = ("secretsmanager", "ssm", "s3", "dynamodb", "eventbridge")
CALLS = range(30)
WRITES = (
    "put_secret_value create_secret update_secret_version_stage put_parameter put_object transact_write_items"
    " put_events put_item update_item send_message get_item"
).split()

kinds = pytest.mark.parametrize("kind", KINDS)
orders = pytest.mark.parametrize("ordered", [False, True], ids=["free", "ordered"])


@pytest.mark.parametrize("verdict", VERDICTS)
@orders
@kinds
def test_a_worker_at_each_call(kind: str, ordered: bool, verdict: str) -> None:
    """It is struck there, and so is the next one that receives the message."""
    for again in (0, 1):
        for call in CALLS:
            world = World(kind, ordered)
            message_id = world.send("a")
            for at in (call, call * again):
                worker = world.receive(message_id)
                struck = worker.go(at) and verdict
                worker.step(verdict) if struck else worker.finish()
                world.check()
                if worker.outcome is None:
                    worker.finish()
                world.reap()
                if message_id not in world.queue:
                    break
            world.settle()
            if not struck:
                break
        else:
            pytest.fail("it makes more calls than that")


AMID = {
    # (id, text) of those that are all done amid
    "the same message": [],
    "a duplicate": [("b", "")],
    "another message of that id": [("b", "of another")],
    "an older one": [("a", "")],
    "a newer one": [("c", "")],
    "a duplicate and a newer one": [("b", ""), ("c", "")],
}


@pytest.mark.parametrize("struck", [False, True], ids=["goes on", "dies"])
@pytest.mark.parametrize("before", [False, True], ids=["first", "after another one"])
@pytest.mark.parametrize("amid", AMID)
@orders
@kinds
def test_another_worker_amid_each_call(kind: str, ordered: bool, amid: str, before: bool, struck: bool) -> None:
    """One waits before a call, another one does all of its work, and the first one goes on, or dies a call later."""
    for call in CALLS:
        world = World(kind, ordered)
        if before:
            world.receive(world.send("a")).finish()
        first = world.send("b")
        others = [world.send(id_, text=text) for id_, text in AMID[amid]] or [first]
        worker = world.receive(first)
        if not worker.go(call):
            world.settle()
            break
        for other in others:
            world.receive(other).finish()
            world.check()
        if struck and amid != "the same message":  # nobody would come after it: docs/events.md, "Not promised"
            worker.step("die after")
        world.settle()
    else:
        pytest.fail("it makes more calls than that")


class Machine(RuleBasedStateMachine):
    kind: str
    ordered: bool

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.kind, self.ordered)

    @rule(id=st.sampled_from("aaabbbc"), other=st.sampled_from([False] * 9 + [True]), workers=st.integers(0, 2))
    def send(self, id: str, other: bool, workers: int) -> None:  # noqa: A002 - the message's name
        message_id = self.world.send(id, text="of another" if other else "")
        for _ in range(workers):
            self.world.receive(message_id)

    @precondition(lambda self: self.world.queue)
    @rule(which=st.integers(0, 9))
    def receive(self, which: int) -> None:
        self.world.receive(list(self.world.queue)[which % len(self.world.queue)])

    @precondition(lambda self: self.world.workers)
    @rule(which=st.integers(0, 9), operation=st.sampled_from(WRITES))
    def hold(self, which: int, operation: str) -> None:
        """At its next call of that kind."""
        self.world.workers[which % len(self.world.workers)].run_to((operation,))
        self.world.reap()

    @precondition(lambda self: self.world.workers)
    @rule(which=st.integers(0, 9), verdict=st.sampled_from(list(VERDICTS)))
    def step(self, which: int, verdict: str) -> None:
        worker = self.world.workers[which % len(self.world.workers)]
        # One message of the queue, delivered to two workers at once, of which one has deleted it: nobody comes after
        # the other one (docs/events.md, "Not promised").
        worker.step(verdict if worker.message_id in self.world.queue else "go")
        self.world.reap()

    @invariant()
    def holds(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        self.world.settle()


@orders
@kinds
def test_several_workers(kind: str, ordered: bool) -> None:
    machine = type("Machine", (Machine,), {"kind": kind, "ordered": ordered})
    run_state_machine_as_test(machine, settings=settings(max_examples=40, stateful_step_count=20, deadline=None))
