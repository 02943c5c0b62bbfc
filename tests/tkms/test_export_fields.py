"""Exports that nobody can have made: each field of each row as something else. It is refused with nothing written, or
what is there then is told of by every dialect, and worked on."""

from __future__ import annotations

import io
import json
import tarfile
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from kit.action_samples import SAMPLES
from kit.campaign.tenant import Process
from kit.campaign.world import DAY, World, make_world
from kit.exports import empty_world, exported, imported, looked_at
from tenantkms.access.policy import ALLOW_ALL
from tenantkms.keys import maintenance
from tenantkms.keys.destruction import without_material
from tenantkms.model.key import KeyFilter
from tenantkms.names import DIALECTS
from tenantkms.runtime.assemble import Settings
from tkms.backup.contents import SUMS, tarred
from tkms.output import Failed

OTHERS: list[Any] = [
    None, True, 0, 1, -1, 1.5, 2**31, 2**37, 2**63, 2**70, "", "x", "AAAA", "x" * 70_000, "\n", "é",
    [], ["x"], [None], ["x"] * 200, {}, {"x": "y"}, {"x": 1}, {"": ""}, {"x": "y" * 400},
]  # fmt: skip
MISSING = object()
_OF_THE_OTHERS = ("imported", "material_expires", "origin", "primary", "spec", "spent", "state")
"""Fields of a key that mean something else where it has imported material, or a private key."""
Row = dict[str, Any]


def _paths(row: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Of everything in `row`."""
    if at:
        yield at
    for name in row if isinstance(row, dict) else range(len(row)) if isinstance(row, list) else ():
        yield from _paths(row[name], (*at, name))


def _changed(row: Row, path: tuple[Any, ...], value: Any) -> Row:
    made = deepcopy(row)
    inner: Any = made
    for name in path[:-1]:
        inner = inner[name]
    if value is MISSING:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return made


class Given:
    """An export in parts, of a tenant whose rows have something in every field."""

    def __init__(self, path: Path) -> None:
        self.world = make_world("sqlite", path)
        process = Process(self.world)
        rich, _ = process.versioned(count=2, aliases=1)
        policy = process.result("GetKeyPolicy", {"key_id": rich})["policy"]
        process.put(rich, policy=policy, description="d")
        for action in ("TagResources", "SetDeletionProtection", "UpdateRotationPolicy"):
            process.result(action, SAMPLES[action](process, rich))
        more = {"retiring": "TKMSb", "name": "n", "equals": {"a": "b"}, "subset": {"a": "b"}}
        process.result("CreateGrant", {"key_id": rich, "grantee": "TKMSa", "operations": ["Decrypt"], **more})
        process.imported(expires=int(self.world.clock()) + 30 * DAY)
        process.create(spec="EC_P256")
        gone = process.imported()
        changed = without_material(process.stored(gone), "")
        process.put(gone, primary=None, spent=changed.spent, state=changed.state)
        settings = self.world.settings()
        now = int(self.world.clock())
        settings.access.create("second", ("aws",), ALLOW_ALL, now, expires=now + DAY)
        settings.access.store.note_use(self.world.credential[0], now)
        with tarfile.open(fileobj=io.BytesIO(exported(settings)[0])) as tar:
            files = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
        self.about = json.loads(files["export.json"])
        self.rows = [json.loads(line) for line in files["rows/000001.jsonl"].splitlines()]

    def file(self, rows: list[Row], about: Row | None = None) -> bytes:
        """Of these rows, with the counts that they would have."""
        keys = [row["key"] for row in rows if row.get("row") == "key" and isinstance(row.get("key"), dict)]
        newest = [key.get("primary") or key.get("spent") for key in keys]
        counts = {
            "keys": len(keys),
            "versions": sum(_whole(version.get("number")) for version in newest if isinstance(version, dict)),
            "aliases": sum(len(aliases) for key in keys if isinstance(aliases := key.get("aliases", []), list)),
            "credentials": sum(row.get("row") == "credential" for row in rows),
        }
        lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
        parts = {"export.json": json.dumps(about or self.about).encode(), "rows/000001.jsonl": lines}
        parts["counts.json"] = json.dumps(counts).encode()
        assert SUMS not in parts
        return b"".join(tarred(((name, io.BytesIO(data)) for name, data in parts.items()), 1))


def _whole(number: Any) -> int:
    return number if isinstance(number, int) else 0


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Given:
    return Given(tmp_path_factory.mktemp("given"))


def _mutants(given: Given) -> Iterator[tuple[str, Any, list[Row]]]:
    """What was changed, to what, and rows that go together: a key with its versions, or an access key."""
    together: list[list[Row]] = []
    for row in given.rows:
        if row["row"] == "versions":
            together[-1].append(row)
        else:
            together.append([row])
    for place, rows in enumerate(together):
        for number, row in enumerate(rows):
            for path in _paths(row):
                if place and row["row"] == "key" and path[1:2] and path[1] not in _OF_THE_OTHERS:
                    continue
                for value in [*OTHERS, MISSING]:
                    changed = _changed(row, path, value)
                    if changed != row or repr(changed) != repr(row):
                        yield f"{path}", value, [*rows[:number], changed, *rows[number + 1 :]]


def _told(world: World) -> None:
    """By every dialect, to an access key that is here, of all that is here; and scheduled work has no trouble."""
    made, secret = world.settings().access.create("operator", DIALECTS, ALLOW_ALL, 1)
    world.credential = made.access_key_id, secret
    kms = world.process()
    _, keys = world.keys.list_keys(KeyFilter(), now=0, offset=0, limit=100)
    assert "Keys" in kms.alibaba("ListKeys")
    for key in keys:
        for operation in ("DescribeKey", "ListKeyVersions", "ListAliasesByKeyId", "ListResourceTags"):
            assert "Code" not in (answer := kms.alibaba(operation, KeyId=key.id)), answer
        assert "KeyMetadata" in (answer := kms.tencent("DescribeKey", KeyId=key.id)), answer
        assert (answer := kms.tencent_v2("GetKeyAttributes", keyId=key.id))["code"] == 0, answer
        for operation in ("DescribeKey", "GetKeyPolicy", "ListGrants", "ListKeyRotations", "ListResourceTags"):
            answer = kms.aws(operation, KeyId=key.id)
            refusal = {"UnsupportedOperationException"} if operation == "ListKeyRotations" else set()
            assert answer.get("__type", "").rpartition("#")[2] in {"", *refusal}, (operation, answer)
    for job in maintenance.JOBS.values():
        report = maintenance.run(job, kms.settings.deps, "r", dry_run=False, trust_clock=True)
        assert report.failed == 0
    for credential in world.access.list_credentials():
        assert kms.settings.access.find(credential.access_key_id)[1]


def test_each_field_of_each_row_is_refused_or_told_of(given: Given, tmp_path: Path) -> None:
    nothing = empty_world("sqlite", tmp_path / "nothing", given.world)
    settings, seen, alike = nothing.settings(), Counter[str](), set[tuple[str, Any]]()
    for number, (path, value, rows) in enumerate(_mutants(given)):
        data = given.file(rows)
        if refusal := _refusal(settings, data):
            assert len(refusal) < 2_000, (path, value)
            seen[refusal.partition(" ")[0]] += 1
            continue
        seen["taken"] += 1
        if (kind := (path, type(value))) in alike:
            continue
        alike.add(kind)
        world = empty_world("sqlite", tmp_path / f"{number}", given.world)
        try:
            imported(world.settings(), data)
            _told(world)
        except Exception as e:
            raise AssertionError(f"{path} = {str(value)[:80]}") from e
    assert nothing.keys.count_keys() == 0
    assert not nothing.access.list_credentials()
    assert min(seen[each] for each in ("damaged", "refused", "taken")) > 50, seen


def _refusal(settings: Settings, data: bytes) -> str:
    """Why it is not taken; empty: it is. Nothing else may come of it."""
    try:
        found = looked_at(settings, data)
    except Failed as e:
        return f"damaged {e}"
    return f"refused {found.problems[0]}" if found.bad else ""


def test_of_whom_it_is_cannot_be_anything(given: Given, tmp_path: Path) -> None:
    settings = empty_world("sqlite", tmp_path / "nothing", given.world).settings()
    for name in given.about:
        for value in [*OTHERS, MISSING]:
            about = _changed(given.about, (name,), value)
            if refusal := _refusal(settings, given.file([], about)):
                assert "is damaged or not whole" in refusal or "newer release" in refusal
                assert len(refusal) < 1_000
                continue
            assert (name, value) in {
                *((("created", at)) for at in (0, 1, 2**31)),
                *(("release", text) for text in ("", "x", "AAAA", "é", "\n")),
                ("tenant", "x"),
                ("region", "x"),
                ("whole", True),
                ("format", 1),
            }, (name, value)
