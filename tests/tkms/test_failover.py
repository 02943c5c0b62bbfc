"""`tkms standby` and `tkms failover`: what they do in which region, and what they say of one that does not answer."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import pytest
from botocore.exceptions import EndpointConnectionError

from kit.moto_aws import Fault, Wire, kms_client
from kit.samples import ROW_MACS
from kit.two_regions import FIRST, SECOND, TwoRegions
from tenantkms.keys.maintenance import DESTROY
from tenantkms.runtime.assemble import SettingsError
from tenantkms.store.fence import Active
from tenantkms.store.sqlite import SqliteStore
from tkms.findings import OK, PROBLEM, WARNING
from tkms.output import Failed
from tkms.stack.stack import Stack
from tkms.standby import commands, copies
from tkms.standby.found import examine_regions

STACK = "tkms-acme"


@pytest.fixture
def world(tmp_path: Path) -> TwoRegions:
    return TwoRegions(SqliteStore(tmp_path / "access.sqlite3", ROW_MACS))


class Functions:
    """AWS Lambda, which answers or does not."""

    def __init__(self, *, answers: bool) -> None:
        self.answers, self.stopped = answers, list[str]()

    def put_function_concurrency(self, *, FunctionName: str, ReservedConcurrentExecutions: int) -> None:  # noqa: N803
        if not self.answers:
            raise EndpointConnectionError(endpoint_url="x")
        assert ReservedConcurrentExecutions == 0
        self.stopped.append(FunctionName)


class Deployed:
    """The stack as its region's outputs say it."""

    name = STACK

    def __init__(self, world: TwoRegions, here: str = SECOND, *, functions_answer: bool = True) -> None:
        self.world, self.lambdas = world, Functions(answers=functions_answer)
        peer = {FIRST: SECOND, SECOND: FIRST}[here]
        tables = world.first.tables
        self.outputs = {"Here": here, "Peer": peer, "First": FIRST, "KeysTable": tables.keys, "FunctionPrefix": "t-"}
        self.outputs |= {"AccessTable": tables.access, "Tenant": "acme", "Sandbox": "false"}

    def client(self, service: str, *, region: str | None = None, **_: Any) -> Any:
        of = {FIRST: self.world.first, SECOND: self.world.second}[region or self.outputs["Here"]]
        return {"dynamodb": of.tables.client, "lambda": self.lambdas}[service]


def failover(stack: Deployed, **options: Any) -> int:
    told = {"json": True, "yes": True, "to": "", "lost": False, "dry_run": False, "settle": 1, "line": "tkms failover"}
    return commands.change_over(cast("Stack", stack), Namespace(**told | options))


def said(capsys: pytest.CaptureFixture[str]) -> Any:
    return json.loads(capsys.readouterr().out)


def cut_off(world: TwoRegions) -> None:
    world.first.tables.wire.faults = [
        Fault(operation, EndpointConnectionError(endpoint_url="x"), times=1_000)
        for operation in ("GetItem", "BatchGetItem", "TransactWriteItems")
    ]


def test_a_region_that_does_not_answer_is_not_waited_for_if_it_is_lost(
    world: TwoRegions, capsys: pytest.CaptureFixture[str]
) -> None:
    cut_off(world)
    stack = Deployed(world)
    assert failover(stack, dry_run=True) == 1
    assert said(capsys) == {FIRST: [], SECOND: [{"region": FIRST, "to": "", "epoch": 0, "since": 0}]}
    with pytest.raises(Failed, match=f"in {FIRST} does not answer. If .* --lost"):
        failover(stack)
    assert failover(stack, lost=True) == 0
    assert said(capsys)["fenced"] == "functions"
    assert stack.lambdas.stopped == ["t-endpoint", "t-rotate_due_keys", "t-delete_due_keys"]
    assert failover(Deployed(world, functions_answer=False), lost=True) == 1
    again = capsys.readouterr()
    assert json.loads(again.out) == {"region": SECOND, "epoch": 1, "since": world.second.rows.read().since} | {
        "fenced": "nothing"
    }
    assert "takes changes from whoever reaches it" in again.err
    watch = world.second.store.get_watch(DESTROY.name)
    assert watch is not None
    assert watch.seen == 1  # held
    world.first.tables.wire.faults.clear()
    assert failover(stack, lost=True) == 0  # it answers again, and is told
    assert said(capsys)["fenced"] == "store"
    assert failover(stack, dry_run=True) == 0
    assert {tuple(rows) for rows in (map(str, rows) for rows in said(capsys).values())} == {
        (str({"region": SECOND, "to": "", "epoch": 1, "since": world.second.rows.read().since}),)
    }


def test_back_and_forth(world: TwoRegions, capsys: pytest.CaptureFixture[str]) -> None:
    """The regions are one table here: what is written in one is in the other."""
    world.second.rows._table, world.second.rows._client = world.first.rows._table, world.first.rows._client
    both = Deployed(world)
    both.client = lambda *_, **__: world.first.tables.client  # type: ignore[method-assign]
    for region, epoch in ((SECOND, 2), (SECOND, 2), (FIRST, 4)):
        assert failover(both, to=region) == 0
        found = said(capsys)
        assert (found["region"], found["epoch"], found["fenced"]) == (region, epoch, "store")
    with pytest.raises(Failed, match="none of the stack's regions"):
        failover(both, to="us-east-1")


def test_a_stack_of_one_region_has_none_to_change_over_to(world: TwoRegions) -> None:
    stack = Deployed(world)
    stack.outputs.pop("Peer")
    with pytest.raises(SettingsError, match="has one region only"):
        commands._of_two_regions(cast("Stack", stack))


def test_the_doctor_says_where_keys_are_changed(world: TwoRegions) -> None:
    stack = cast("Stack", Deployed(world))

    def found() -> list[tuple[str, str, str]]:
        return list(examine_regions(stack))

    assert [status for status, _, _ in found()] == [WARNING, WARNING, OK]  # moto has no replicas
    assert found()[2][1] == f"keys are changed in {FIRST}"
    world.second.rows.write(Active(region="", to=SECOND, epoch=1))
    assert found()[2] == (
        PROBLEM,
        f"no key is changed, on the way to {SECOND}",
        f"Wait a moment, or: tkms failover --stack {STACK} --to {SECOND}",
    )


# -- copies ----------------------------------------------------------------------------------------------


class Copied(Deployed):
    """The same with tables that can be told to have a replica, and a parent key on moto."""

    def __init__(self, world: TwoRegions, *, multi_region: bool = True) -> None:
        super().__init__(world, FIRST)
        self.wire, self.asked = Wire(), list[tuple[str, str, dict[str, Any]]]()
        made = kms_client(self.wire).create_key(MultiRegion=multi_region)["KeyMetadata"]
        self.outputs["ParentKeyArn"] = made["Arn"]
        self.tables: dict[str, dict[str, Any]] = {}

    def client(self, service: str, *, region: str | None = None, **_: Any) -> Any:
        region = region or FIRST
        return kms_client(self.wire, region=region) if service == "kms" else _Tables(self, region)


class _Tables:
    def __init__(self, stack: Copied, region: str) -> None:
        self.stack, self.region = stack, region

    def describe_table(self, *, TableName: str) -> Any:  # noqa: N803
        return {"Table": {"TableStatus": "ACTIVE", **self.stack.tables.get(TableName, {})}}

    def update_table(self, *, TableName: str, **what: Any) -> None:  # noqa: N803
        self.stack.asked.append((self.region, "update_table", what))
        if "ReplicaUpdates" in what:
            (update,) = what["ReplicaUpdates"]
            what = {"Replicas": [{**update["Create"], "ReplicaStatus": "ACTIVE"}]}
        if "StreamSpecification" in what or "Replicas" in what or "DeletionProtectionEnabled" in what:
            self.stack.tables.setdefault(TableName, {}).update(what)

    def update_continuous_backups(self, **what: Any) -> None:
        self.stack.asked.append((self.region, "update_continuous_backups", what))


def test_copies_are_made_once_and_the_entry_says_them(world: TwoRegions, capsys: pytest.CaptureFixture[str]) -> None:
    stack = Copied(world)
    told = Namespace(json=True, yes=True, line="tkms standby")
    for times in (1, 2):
        assert commands.copy(cast("Stack", stack), told) == 0
        (entry,) = said(capsys).values()
        made = [what for _, _, what in stack.asked if "ReplicaUpdates" in what]
        assert made == [{"ReplicaUpdates": [{"Create": {"RegionName": SECOND}}]}] * 2, times
    assert entry == {
        "region": SECOND,
        "keys_table": stack.outputs["KeysTable"],
        "access_table": stack.outputs["AccessTable"],
        "parent_key": stack.outputs["ParentKeyArn"].rpartition("/")[2],
    }
    kms = kms_client(stack.wire, region=SECOND)
    assert kms.describe_key(KeyId=entry["parent_key"])["KeyMetadata"]["KeyState"] == "Enabled"
    protected = [region for region, _, what in stack.asked if what.get("DeletionProtectionEnabled")]
    assert protected == [SECOND, SECOND]


class Ended(BaseException):
    """Nothing of the command runs after that."""


class _Ending:
    """A client whose stack is ended beside the write with the number that is `left`."""

    def __init__(self, stack: EndedCopies, client: Any) -> None:
        self._stack, self._client = stack, client

    def __getattr__(self, name: str) -> Any:
        asked = getattr(self._client, name)
        return partial(self._write, asked) if name.startswith(("update_", "replicate_")) else asked

    def _write(self, asked: Callable[..., Any], **what: Any) -> Any:
        self._stack.left -= 1
        if self._stack.left == 0 and self._stack.when == "before":
            raise Ended
        answer = asked(**what)
        if self._stack.left == 0:
            raise Ended
        return answer


class EndedCopies(Copied):
    left, when = 0, ""

    def client(self, service: str, *, region: str | None = None, **_: Any) -> Any:
        return _Ending(self, super().client(service, region=region))


@pytest.mark.parametrize("when", ["before", "after"])
def test_copies_go_on_wherever_they_were_ended(when: str, world: TwoRegions) -> None:
    number, ended = 0, True
    while ended:
        number += 1
        stack = EndedCopies(world)
        stack.left, stack.when = number, when
        ended = False
        try:
            list(copies.make(cast("Stack", stack), lambda _: None))
        except Ended:
            ended = True
            list(copies.make(cast("Stack", stack), lambda _: None))
        for table in (stack.outputs["KeysTable"], stack.outputs["AccessTable"]):
            assert [row["RegionName"] for row in stack.tables[table]["Replicas"]] == [SECOND], number
            assert stack.tables[table]["DeletionProtectionEnabled"], number
        asked = [name for _, name, _ in stack.asked]
        assert asked.count("update_continuous_backups") >= 2, number
        assert len([what for _, _, what in stack.asked if "ReplicaUpdates" in what]) == 2, number
        key = stack.outputs["ParentKeyArn"].rpartition("/")[2]
        assert kms_client(stack.wire, region=SECOND).describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "Enabled"
    assert number == 10  # four of each table, and the parent key


def test_a_single_region_parent_key_cannot_be_copied(world: TwoRegions) -> None:
    stack = Copied(world, multi_region=False)
    with pytest.raises(SettingsError, match="is a single-Region key"):
        list(copies.make(cast("Stack", stack), lambda _: None))
