"""Commands that change a stack, killed beside the calls of AWS that write: nothing is lost, and the same goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping

import pytest

from kit.moto_stack import STACK, Aws, moto_stack, with_create_key
from kit.resealing import Things, opens
from kit.two_regions import FIRST, SECOND
from tenantkms.keys.maintenance import JOBS
from tenantkms.model.watch import HELD, Watch
from tenantkms.store.dynamodb_fence import FenceRows
from tenantkms.store.fence import Active
from tkms.machine.directory import call
from tkms.stack.stack import Stack

KILLED = -9
PROGRAM = """
import os, signal, sys
from botocore.client import BaseClient
from tkms.cli import main
from tkms.reseal.stack import OnStack
from tkms.stack.stack import Stack

left, when, ask, client = int(sys.argv[1]), sys.argv[2], BaseClient._make_api_call, Stack.client

def asked(self, operation, params):
    global left
    writes = operation.startswith(("Put", "Update", "Delete", "TransactWrite"))
    left -= writes
    if writes and not left and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    answer = ask(self, operation, params)
    if writes and not left:
        os.kill(os.getpid(), signal.SIGKILL)
    return answer

BaseClient._make_api_call = asked
OnStack.__init__.__defaults__ = (0.0,)  # nobody else has anything in memory
Stack.client = lambda self, service, region=None, **config: client(self, service, **config)  # both regions are one
sys.exit(main(sys.argv[3:]))
"""
"""The command of the arguments, which is killed before or after its call with that number of those that write."""


def status_of(aws: Aws, number: int, when: str, *args: str) -> int:
    line = [sys.executable, "-c", PROGRAM, str(number), when, *args, "--stack", STACK]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, env=aws.environment, check=False)
    assert done.returncode in (KILLED, 0), done.stderr
    return done.returncode


def as_operator_of(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def two_parents(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    with moto_stack(parents=2) as made:
        as_operator_of(made, monkeypatch)
        with_create_key(made.client)
        yield made


@pytest.fixture
def two_regions(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    with moto_stack(Here=FIRST, Peer=SECOND, First=FIRST) as made:
        as_operator_of(made, monkeypatch)
        yield made


def _outcomes(aws: Aws) -> Mapping[str, list[str]]:
    """By request id, of the reseals in the log."""
    found = dict[str, list[str]]()
    for event in aws.client("logs").filter_log_events(logGroupName=aws.changes)["events"]:
        line = json.loads(event["message"])
        assert line["action"] == "Reseal"
        found.setdefault(line["request_id"], []).append(line["outcome"])
    return found


def test_a_reseal_goes_on_wherever_it_was_killed(two_parents: Aws) -> None:
    running = Stack(STACK)
    running.anchor()
    call(running.settings, "CreateKey", {"alias": "default"})
    things, new = Things(running.settings), running.outputs["OtherParentKeyArn"]
    number, status = 0, KILLED
    while status == KILLED:
        number += 1
        status = status_of(two_parents, number, ("after", "before")[number % 2], "reseal", "--to", new)
        fresh = Stack(STACK).settings
        for settings in (running.settings, fresh):
            assert all(opens(settings, blob) for blob in things.blobs), number
    assert number > 4
    for settings in (running.settings, fresh):
        things.work(settings)
    opened = fresh.root.opened()
    assert (opened.by is opened.parents[1], opened.before) == (True, ())
    assert {tuple(outcomes) for outcomes in _outcomes(two_parents).values()} == {("intent",), ("intent", "ok")}


def test_a_failover_goes_on_wherever_it_was_killed(two_regions: Aws) -> None:
    rows, to, epoch = FenceRows(two_regions.client("dynamodb"), "keys", FIRST), SECOND, 0
    for number, when in ((1, "after"), (2, "before"), (2, "after")):
        line = ("failover", "--to", to, "--yes", "--settle", "1s")
        assert status_of(two_regions, number, when, *line) == KILLED
        (left,) = rows.all()  # all of its rows say the same
        over = (number, when) == (2, "after")
        expected = (to, "", epoch + 2) if over else ("", to, epoch + 1)
        assert (left.region, left.to, left.epoch) == expected
        assert status_of(two_regions, 0, "", *line) == 0
        (now,) = rows.all()
        assert now == Active(region=to, epoch=epoch + 2, since=now.since)
        assert now.since >= left.since
        to, epoch = (FIRST if to == SECOND else SECOND), epoch + 2


def test_a_take_over_of_a_lost_region_goes_on_wherever_it_was_killed(two_regions: Aws) -> None:
    rows, to, number, status = FenceRows(two_regions.client("dynamodb"), "keys", FIRST), SECOND, 0, KILLED
    while status == KILLED:
        number += 1
        line, (before,) = ("failover", "--to", to, "--lost", "--yes"), rows.all()
        status = status_of(two_regions, number, "after", *line)
        (left,) = rows.all()  # all of its rows say the same
        assert (left.region, left.epoch - before.epoch) in ((to, 1), (before.region, 0))
        store = Stack(STACK).settings.deps.keyring.store
        if left.region == to:  # nothing is swept there before that is said
            assert [store.get_watch(job.name) for job in JOBS.values()] == [Watch(since=HELD, seen=HELD)] * 2
        assert status_of(two_regions, 0, "", *line) == 0
        (now,) = rows.all()
        assert now == Active(region=to, epoch=before.epoch + 1, since=now.since)
        to = FIRST if to == SECOND else SECOND
    assert number > 3
