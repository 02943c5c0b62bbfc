"""What strangers tried is counted, and told in few lines; nothing of it stands in the way of other lines."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kit.audit_writers import MAC, key, record
from kit.fakes import Clock
from kit.support import Kms, Signer
from tenantkms.audit.file_audit import FileAudit
from tenantkms.audit.line import Record
from tenantkms.audit.refusals import Refusals
from tenantkms.errors import Unavailable
from tkms.audit.verify import verify_log


def refusal(time: float, source: str = "192.0.2.1", outcome: str = "SignatureMismatch") -> Record:
    made = record("x", 1)
    return msgspec.structs.replace(made, time=time, source_ip=source, outcome=outcome, action="", principal="TKM")


def test_the_first_of_a_kind_is_told_at_once_and_the_others_by_their_number() -> None:
    refusals = Refusals()
    assert refusals.add(refusal(100)) == [refusal(100)]
    assert [refusals.add(refusal(time)) for time in (101, 110, 159)] == [[], [], []]
    assert refusals.add(refusal(120, outcome="UnknownAccessKey")) == [refusal(120, outcome="UnknownAccessKey")]
    assert refusals.add(refusal(121, "192.0.2.2")) == [refusal(121, "192.0.2.2")]
    assert refusals.ended(159.9) == []
    assert refusals.ended(160) == [msgspec.structs.replace(refusal(159), count=3, since=101.0)]
    assert refusals.ended(1_000) == []
    assert refusals.add(refusal(1_000)) == [refusal(1_000)]


def test_a_call_after_the_slot_tells_what_was_counted_before_it() -> None:
    refusals = Refusals()
    for time in (100, 101, 102):
        refusals.add(refusal(time))
    counted, told = refusals.add(refusal(500))
    assert (counted.count, counted.since, counted.time) == (2, 101, 102)
    assert told == refusal(500)


def test_a_clock_that_is_put_back_ends_the_slot() -> None:
    refusals = Refusals()
    for time in (1_000, 1_001):
        refusals.add(refusal(time))
    assert [line.count for line in refusals.ended(5)] == [1]
    assert refusals.add(refusal(5)) == [refusal(5)]


def test_many_addresses_have_few_lines_and_none_is_uncounted() -> None:
    refusals = Refusals(most=4)
    told = [line for number in range(1_000) for line in refusals.add(refusal(100, f"192.0.2.{number}"))]
    (rest,) = refusals.all()
    assert len(told) == 4
    assert (rest.count, rest.source_ip, rest.principal) == (996, "", "")
    assert refusals.all() == []


class Machine:
    def __init__(self, folder: Path, max_bytes: int = 64 * 1024 * 1024) -> None:
        self.log, self.refused = folder / "audit.jsonl", folder / "refused.jsonl"
        self.clock = Clock()
        self.audit = FileAudit(self.log, self.refused, key, max_bytes=max_bytes, clock=self.clock)

    def said(self, path: Path) -> list[dict[str, Any]]:
        return [line for line in map(json.loads, path.read_text().splitlines()) if "event" not in line]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_million_refusals_push_no_line_out(machine: Machine) -> None:
    """One connection pushed ten files of other callers' lines out in 113 seconds."""
    machine.audit.write(record("x", 1))
    size = machine.log.stat().st_size
    for number in range(1_000_000 // 100):
        machine.clock.now = 1_000 + number / 100
        machine.audit.refuse(refusal(machine.clock.now))
    machine.clock.now += 60
    machine.audit.settle()
    assert machine.log.stat().st_size == size
    lines = machine.said(machine.refused)
    assert len(lines) == 4
    assert sum(line.get("count", 1) for line in lines) == 10_000
    assert [verify_log(path, [MAC]).findings for path in (machine.log, machine.refused)] == [[], []]


def test_what_was_counted_is_told_at_the_end(machine: Machine) -> None:
    for _ in range(3):
        machine.audit.refuse(refusal(1_000))
    machine.audit.close()
    assert [line.get("count", 1) for line in machine.said(machine.refused)] == [1, 2]


def test_refusals_have_a_size_of_their_own(machine: Machine) -> None:
    """Though each is from another address and of another minute."""
    machine.audit.REFUSED_BYTES = 100_000
    machine.audit._refused._max_bytes = 25_000
    for number in range(3_000):
        machine.clock.now += 61
        machine.audit.refuse(refusal(machine.clock.now, f"192.0.2.{number}"))
        if number % 50 == 0:
            machine.audit.retain(365, 1_000_000)
    machine.audit.retain(365, 1_000_000)
    assert sum(path.stat().st_size for path in machine.refused.parent.glob("refused*")) < 101_000
    assert verify_log(machine.refused, [MAC]).findings == []


def test_trouble_is_told_before_and_after_the_disk_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(tmp_path)
    assert machine.audit.trouble() == ""
    machine.log.unlink()
    machine.log.symlink_to("/dev/full")
    again = Machine(tmp_path)
    with pytest.raises(Unavailable):
        again.audit.write(record("x", 1))
    assert "could not be written: No space left on device" in again.audit.trouble()

    class Disk:
        f_frsize, f_blocks, f_bavail, f_files, f_favail = 4096, 10_000_000, 20_000, 1_000_000, 500_000

    monkeypatch.setattr("os.statvfs", lambda _path: Disk)
    assert "has 78 MiB left" in machine.audit.trouble()
    Disk.f_bavail, Disk.f_favail = 5_000_000, 10
    assert "room for 10 files" in machine.audit.trouble()


def test_through_the_endpoint_only_who_proved_to_be_somebody_writes_into_the_audit_log(
    kms: Kms, tmp_path: Path
) -> None:
    data = tmp_path / "data"

    def count(name: str) -> int:
        return sum("event" not in json.loads(line) for line in (data / name).read_text().splitlines())

    before = count("audit.jsonl")
    wrong, unknown = Kms(kms.settings, Signer(kms.signer.access_key_id, "wrong")), Kms(kms.settings, Signer("no", "no"))
    for _ in range(5):
        assert wrong.alibaba("ListKeys")["Code"] == "SignatureDoesNotMatch"
        assert unknown.tencent("ListKeys")["Error"]["Code"].startswith("AuthFailure")
    replayed = kms.signer.alibaba_rpc("ListKeys")
    assert kms.send(replayed)["statusCode"] == 200
    for _ in range(5):
        assert kms.send(replayed)["statusCode"] == 400
    assert count("audit.jsonl") == before + 1
    assert count("refused.jsonl") == 3
    assert kms.alibaba("NoSuchAction")["Code"]
    assert count("audit.jsonl") == before + 2
    assert kms.settings.log is not None
    kms.settings.log.close()
    lines = [json.loads(line) for line in (data / "refused.jsonl").read_text().splitlines()]
    assert sum(line.get("count", 1) for line in lines if "event" not in line) == 15
    assert {line["outcome"] for line in lines if "outcome" in line} == {
        "SignatureMismatch",
        "UnknownAccessKey",
        "NonceReused",
    }
