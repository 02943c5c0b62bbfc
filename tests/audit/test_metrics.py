"""Metrics stand in the log lines of a Lambda function as the embedded metric format wants them, and are few."""

from __future__ import annotations

import io
import json
import random
from typing import Any

import msgspec
import pytest

from kit import emf
from kit.audit_writers import record
from kit.fakes import Clock
from kit.support import Kms, Signer
from tenantkms.audit.metrics import EmbeddedMetrics, MeteredParentKey, NoMetrics
from tenantkms.errors import ERRORS, Unavailable
from tenantkms.keys.maintenance import ROTATE, Report, tell
from tenantkms.parent.port import Binding, SealBroken, key_binding

NOW = 1_764_000_000.25
TENANT, ACTION = (("tenant", "test"),), (("action", "Encrypt"),)


class Written:
    """Metrics that write into memory; `lines` since the last look."""

    def __init__(self) -> None:
        self.stream, self.clock = io.StringIO(), Clock()
        self.metrics = EmbeddedMetrics("test", lambda: bytes(32), self.stream, self.clock)

    def lines(self) -> list[str]:
        found = self.stream.getvalue().splitlines()
        self.stream.seek(0)
        self.stream.truncate()
        return found

    def call(self, outcome: str = "ok", known: tuple[str, ...] = ("Encrypt",), **changes: Any) -> str:
        self.metrics.begin(known)
        self.clock.now += 0.0125
        self.metrics.write(msgspec.structs.replace(record("x", 1), time=NOW, outcome=outcome, **changes))
        (line,) = self.lines()
        return line


def test_a_call_s_audit_line_is_its_metric_by_action_and_for_all() -> None:
    line = Written().call()
    assert emf.read(line) == {("Latency", TENANT): 12.5, ("Latency", ACTION): 12.5}
    said = json.loads(line)
    assert said["_aws"]["Timestamp"] == 1_764_000_000_250
    assert said["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "TenantKms/test"


def test_nothing_of_the_audit_line_is_lost() -> None:
    plain = msgspec.json.decode(msgspec.json.encode(msgspec.structs.replace(record("x", 1), time=NOW)))
    line = json.loads(Written().call())
    assert {name: line[name] for name in plain} == plain
    assert set(line) - set(plain) == {"_aws", "Latency", "v", "chain", "seq", "mac"}


@pytest.mark.parametrize("outcome", [*ERRORS, "SealBroken"])
def test_an_error_is_a_fault_or_a_refusal_as_its_class_says(outcome: str) -> None:
    kind = ERRORS.get(outcome, SealBroken)
    found = {name for name, _ in emf.read(Written().call(outcome))} - {"Latency", "AuthenticationFailures"}
    expected = {"DryRunSucceeded": set(), "Throttled": {"Throttled"}}
    assert found == expected.get(outcome, {"Errors"} if kind.retryable else {"Refused"})


def test_refused_authentication_is_counted() -> None:
    written = Written()
    counted = {name for name in ERRORS if ("AuthenticationFailures", TENANT) in emf.values(written.call(name))}
    assert counted == {
        "UnknownAccessKey",
        "SignatureMismatch",
        "CredentialDisabled",
        "NonceReused",
        "RequestExpired",
    }


def test_a_name_that_a_caller_made_up_is_no_dimension() -> None:
    line = Written().call("UnknownAction", known=(), action="x" * 64)
    assert {dimensions for _, dimensions in emf.read(line)} == {TENANT}


def test_dimensions_are_the_tenant_and_the_action_only() -> None:
    line = json.loads(Written().call(keys=("key",), principal="somebody", source_ip="192.0.2.1"))
    (directive,) = line["_aws"]["CloudWatchMetrics"]
    assert directive["Dimensions"] == [["tenant"], ["action"]]


def test_lines_of_scheduled_work_are_plain() -> None:
    written = Written()
    written.metrics.write(record("x", 1))
    assert [emf.read(line) for line in written.lines()] == [{}]


def test_what_belongs_to_no_call_is_a_line_of_its_own() -> None:
    written = Written()
    written.metrics.put(KeysPendingDeletion=0, ColdStart=1)
    (line,) = written.lines()
    assert emf.read(line) == {("KeysPendingDeletion", TENANT): 0, ("ColdStart", TENANT): 1}


def test_a_metric_that_cannot_be_written_harms_nothing_and_an_audit_line_does() -> None:
    closed = io.StringIO()
    closed.close()
    metrics = EmbeddedMetrics("test", lambda: bytes(32), closed)
    metrics.put(ColdStart=1)
    metrics.begin(())
    with pytest.raises(Unavailable):
        metrics.write(record("x", 1))


class Parent:
    def seal(self, secret: bytes, binding: Binding) -> bytes:
        return secret + bytes([binding.kind])

    def unseal(self, sealed: bytes, binding: Binding) -> bytes:
        raise Unavailable


def test_each_call_of_the_parent_key_is_told_whatever_comes_of_it() -> None:
    written, binding = Written(), key_binding("test", "6f1e2d3c-1111-4222-8333-444455556666", 1, "AES_256")
    parent = MeteredParentKey(Parent(), written.metrics)
    assert parent.seal(b"secret", binding) == b"secret\x01"
    with pytest.raises(Unavailable):
        parent.unseal(b"secret", binding)
    lines = written.lines()
    assert not any("secret" in line for line in lines)
    for line in lines:
        found = emf.read(line)
        assert set(found) == {("ParentKeyCalls", TENANT), ("ParentKeyLatency", TENANT)}
        assert found["ParentKeyCalls", TENANT] == 1
        assert 0 <= found["ParentKeyLatency", TENANT] < 1000
    assert len(lines) == 2


def test_a_sweeper_tells_what_there_is_and_is_silent_otherwise() -> None:
    written = Written()
    tell(written.metrics, ROTATE, Report(due=0, done=0, failed=0))
    assert written.lines() == []
    tell(written.metrics, ROTATE, Report(due=3, done=2, failed=1))
    tell(NoMetrics(), ROTATE, Report(due=3, done=2, failed=1))
    (line,) = written.lines()
    names = {"RotationsDue": 3, "RotationsDone": 2, "RotationsFailed": 1}
    assert emf.read(line) == {(name, TENANT): count for name, count in names.items()}


def test_one_machine_s_log_has_no_metrics(kms: Kms) -> None:
    assert isinstance(kms.settings.metrics, NoMetrics)


def totals(lines: list[str]) -> dict[str, tuple[float, int]]:
    """Of each of the tenant's metrics its sum, and how many values it has."""
    found: dict[str, tuple[float, int]] = {}
    for line in lines:
        for (name, dimensions), values in emf.values(line).items():
            if dimensions == TENANT:
                total, count = found.get(name, (0, 0))
                found[name] = (total + sum(values), count + len(values))
    return found


def test_a_stranger_s_calls_have_few_lines_and_all_their_metrics() -> None:
    written, lines = Written(), []
    for number in range(1_234):
        written.metrics.begin(())
        written.clock.now += 0.01
        outcome = "UnknownAccessKey" if number % 2 else "Unsigned"
        stranger = msgspec.structs.replace(record("x", number), time=NOW + number / 100, outcome=outcome, action="")
        written.metrics.refuse(stranger)
        lines += written.lines()
    written.clock.now += 11
    written.metrics.begin(())
    lines += written.lines()
    assert len(lines) < 20
    found = totals(lines)
    assert found["Latency"] == (pytest.approx(12_340, rel=1e-6), 1_234)
    assert (found["Refused"][0], found["AuthenticationFailures"][0]) == (1_234, 617)
    said = [json.loads(line) for line in lines]
    assert sum(line.get("count", 1) for line in said if "outcome" in line) == 1_234 - _open_slot(written)


def _open_slot(written: Written) -> int:
    return sum(line.count for line in written.metrics._refusals.all())


def test_refusals_from_many_addresses_have_few_lines_too() -> None:
    written = Written()
    for number in range(500):
        written.metrics.begin(())
        written.metrics.refuse(
            msgspec.structs.replace(record("x", number), time=NOW, outcome="Unsigned", source_ip=f"192.0.2.{number}")
        )
    lines = written.lines()
    assert len(lines) == 16 + 4
    assert totals(lines)["Refused"][0] == 16 + 400


def calls(written: Written, count: int, seconds: float, action: str = "Encrypt", outcome: str = "ok") -> list[str]:
    """The lines of calls that follow each other after so many seconds."""
    lines = []
    for _ in range(count):
        lines.append(written.call(outcome, ("Encrypt", "Decrypt"), action=action))
        written.clock.now += seconds - 0.0125
    return lines


@pytest.mark.parametrize(("seconds", "told"), [(0.1, [1, 10, 10, 10]), (1, [1, 10, 10, 10]), (4, [1, *[3] * 11])])
def test_successes_that_follow_each_other_are_told_together(seconds: float, told: list[int]) -> None:
    lines = calls(Written(), 34, seconds)
    found = [emf.values(line)[("Latency", TENANT)] for line in lines if "_aws" in line]
    assert [len(values) for values in found][: len(told)] == told
    assert all(value == 12.5 for values in found for value in values)
    assert all(emf.values(line)[("Latency", ACTION)] for line in lines if "_aws" in line)


def test_a_call_that_stands_alone_is_told_at_once() -> None:
    assert all(emf.read(line) for line in calls(Written(), 5, 10))


@pytest.mark.parametrize("outcome", ["AccessDenied", "Unavailable", "Throttled"])
def test_what_is_no_success_is_told_at_once_with_the_successes_before_it(outcome: str) -> None:
    written = Written()
    assert totals(calls(written, 4, 0.1)) == {"Latency": (12.5, 1)}
    (line,) = calls(written, 1, 0.1, outcome=outcome)
    (name,) = totals([line]).keys() - {"Latency"}
    assert totals([line]) == {"Latency": (50, 4), name: (1, 1)}


def test_successes_whose_action_is_called_no_more_are_told_by_the_next_call_of_another() -> None:
    written = Written()
    calls(written, 4, 0.1)
    written.clock.now += 15
    assert emf.values(written.call(known=("Encrypt", "Decrypt"), action="Decrypt"))[("Latency", TENANT)] == [12.5]
    written.clock.now += 5
    written.metrics.begin(("Encrypt", "Decrypt"))
    (line,) = written.lines()
    assert emf.values(line) == {("Latency", TENANT): [12.5] * 3, ("Latency", ACTION): [12.5] * 3}
    written.clock.now += 30
    written.metrics.begin(())
    assert written.lines() == [], "they are told once"


def test_whatever_the_order_no_call_is_lost_or_told_twice_but_the_last_nine() -> None:
    chosen, written, lines = random.Random(7), Written(), []
    sent = dict.fromkeys(("Encrypt", "Decrypt"), 0)
    for _ in range(3_000):
        action = chosen.choice(["Encrypt", "Encrypt", "Encrypt", "Decrypt"])
        written.metrics.begin(("Encrypt", "Decrypt"))
        outcome = chosen.choice(["ok"] * 20 + ["AccessDenied", "Unavailable"])
        written.metrics.write(msgspec.structs.replace(record("x", 1), time=NOW, action=action, outcome=outcome))
        sent[action] += 1
        written.clock.now += chosen.choice([0.01] * 8 + [3, 25])
        lines += written.lines()
    for action, count in sent.items():
        told = sum(len(emf.values(line).get(("Latency", (("action", action),)), [])) for line in lines)
        assert count - 9 <= told <= count
    assert sum("request_id" in json.loads(line) for line in lines) == 3_000, "each call has its line"
    assert totals(lines)["Latency"][1] >= 3_000 - 18


def test_calls_and_refusals_through_the_endpoint(kms: Kms) -> None:
    written = Written()
    settings = msgspec.structs.replace(
        kms.settings, deps=msgspec.structs.replace(kms.settings.deps, audit=written.metrics)
    )
    known = frozenset({"Encrypt"})

    def counted(kms: Kms, action: str, **params: str) -> set[emf.Metric]:
        written.metrics.begin(known)
        kms.alibaba(action, **params)
        (line,) = written.lines()
        return set(emf.read(line)) - {("Latency", TENANT)}

    kms = Kms(settings, kms.signer)
    assert counted(kms, "Encrypt", KeyId="alias/default", Plaintext="x") == {("Latency", ACTION)}
    assert counted(kms, "Encrypt", KeyId="alias/none", Plaintext="x") == {
        ("Latency", ACTION),
        ("Refused", ACTION),
        ("Refused", TENANT),
    }
    assert counted(kms, "NoSuchAction") == {("Refused", TENANT)}
    wrong = Kms(settings, Signer(kms.signer.access_key_id, "wrong"))
    assert counted(wrong, "Encrypt") == {("Refused", TENANT), ("AuthenticationFailures", TENANT)}
