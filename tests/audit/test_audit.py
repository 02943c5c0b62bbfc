"""The audit log's lines: nothing secret, one JSON object each, numbered; streams; the operator's log."""

from __future__ import annotations

import io
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kit.audit_writers import KEY, MAC, key, record
from tenantkms.audit.chain import Chain
from tenantkms.audit.faults import log_fault, log_warning
from tenantkms.audit.line import Record, StreamAudit
from tenantkms.crypto.hmacs import Hmac
from tenantkms.errors import Unavailable
from tkms.audit.verify import PROBLEM, verify_lines


def log(stream: io.StringIO | Any) -> StreamAudit:
    return StreamAudit(key, stream)


# -- the record ------------------------------------------------------------------------------------------


def test_a_record_holds_nothing_but_this() -> None:
    fields = {field.name for field in msgspec.structs.fields(Record)}
    assert fields == {
        "time",
        "request_id",
        "tenant",
        "action",
        "profile",
        "principal",
        "outcome",
        "keys",
        "source_ip",
        "dry_run",
        "note",
        "session",
        "trace",
        "count",
        "since",
    }


def test_a_line_is_one_json_object_whatever_is_in_it() -> None:
    stream = io.StringIO()
    nasty = 'a "quoted"\nnew line\u2028\0 密钥 ","mac":"'
    log(stream).write(msgspec.structs.replace(record("x", 1), principal=nasty, keys=("k1", "k2"), dry_run=True))
    (line,) = stream.getvalue().split("\n")[:-1]
    said = json.loads(line)
    assert next(iter(said)) == "v"
    assert len(said.pop("chain")) == 16
    assert len(said.pop("mac")) == 32
    assert said == {
        "v": 1,
        "time": 1.0,
        "request_id": "x-1",
        "tenant": "test",
        "action": "Encrypt",
        "profile": "native",
        "principal": nasty,
        "outcome": "ok",
        "keys": ["k1", "k2"],
        "dry_run": True,
        "seq": 0,
    }
    (report,) = verify_lines([("x", line.encode())], [MAC])
    assert (report.lines, report.findings) == (1, [])


# -- the chain -------------------------------------------------------------------------------------------


def test_a_line_that_was_not_taken_has_no_number() -> None:
    chain = Chain(Hmac(KEY), "x")
    assert chain.line(b'{"a":1}') == chain.line(b'{"a":1}')
    assert chain.head is None
    chain.taken()
    assert b'"seq":1,' in chain.line(b'{"a":1}')
    assert chain.head is not None
    assert chain.head.seq == 0


def test_each_process_s_stream_has_a_chain_of_its_own_and_none_hides_a_hole() -> None:
    lines = []
    for name in "ab":
        stream = io.StringIO()
        audit = log(stream)
        for number in range(5):
            audit.write(record(name, number))
        lines += [(name, line.encode()) for line in stream.getvalue().splitlines()]
    whole = verify_lines(reversed(lines), [MAC])  # exported in whatever order
    assert [(report.first, report.last, report.findings) for report in whole] == [(0, 4, []), (0, 4, [])]
    assert len({report.chain for report in whole}) == 2
    del lines[7]
    found = [finding for report in verify_lines(lines, [MAC]) for finding in report.findings]
    assert [(finding.status, finding.seq) for finding in found] == [(PROBLEM, 3)]
    lines[1] = ("a", lines[1][1].replace(b'"ok"', b'"no"'))
    assert sorted(f.seq for report in verify_lines(lines, [MAC]) for f in report.findings) == [1, 3]


def test_another_key_verifies_nothing() -> None:
    stream = io.StringIO()
    log(stream).write(record("x", 1))
    (report,) = verify_lines([("x", stream.getvalue().encode())], [Hmac(os.urandom(32))])
    assert [finding.status for finding in report.findings] == [PROBLEM]


def test_a_line_that_did_not_go_out_leaves_no_hole() -> None:
    stream = io.StringIO()
    audit = log(stream)
    audit.write(record("x", 1))
    with pytest.raises(Unavailable):
        audit.write(msgspec.structs.replace(record("x", 2), principal="\ud800"))
    audit.write(record("x", 3))
    (report,) = verify_lines((("x", line.encode()) for line in stream.getvalue().splitlines()), [MAC])
    assert (report.lines, report.findings) == (2, [])


# -- the stream ------------------------------------------------------------------------------------------


class Flushed(io.StringIO):
    """Counts the lines that had arrived at each flush."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def flush(self) -> None:
        self.seen.append(self.getvalue().count("\n"))


def test_a_stream_has_each_line_before_the_next() -> None:
    stream = Flushed()
    audit = log(stream)
    for number in range(3):
        audit.write(record("x", number))
    assert stream.seen == [1, 2, 3]
    assert [json.loads(line)["request_id"] for line in stream.getvalue().splitlines()] == ["x-0", "x-1", "x-2"]


def test_a_stream_that_is_closed_or_full_is_unavailable() -> None:
    closed = io.StringIO()
    closed.close()
    with Path("/dev/full").open("w") as full:
        for stream in (closed, full):
            with pytest.raises(Unavailable):
                log(stream).write(record("x", 1))
        with pytest.raises(OSError, match="No space"):
            full.close()


def test_a_stranger_s_refusal_asks_for_no_key() -> None:
    """It may rest with the parent key, which nobody unauthenticated makes us call."""

    def no_key() -> bytes:
        raise AssertionError

    stream = io.StringIO()
    StreamAudit(no_key, stream).refuse(record("x", 1))
    said = json.loads(stream.getvalue())
    assert said["v"] == 1
    assert not {"chain", "mac", "seq"} & set(said)


# -- the operator's log ----------------------------------------------------------------------------------

CANARY = "c4nary-s3cret"


class Coded(Exception):
    """As botocore's errors are: with the service's answer."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.response = {"Error": {"Code": "ThrottlingException", "Message": CANARY}}


def _fail(secret: str) -> None:
    try:
        try:
            raise Coded(secret)
        except Coded as inner:
            raise ValueError(f"bad {secret}") from inner
    except ValueError as outer:
        raise Unavailable(f"not {secret}") from outer


def test_a_fault_is_told_without_its_text() -> None:
    stream = io.StringIO()
    with pytest.raises(Unavailable) as raised:
        _fail(CANARY)
    log_fault("request-1", raised.value, stream)
    (line,) = stream.getvalue().splitlines()
    assert CANARY not in line
    said = json.loads(line)
    assert set(said) == {"level", "request_id", "fault", "at"}
    assert said["request_id"] == "request-1"
    assert said["fault"] == ["Unavailable", "ValueError", "Coded(ThrottlingException)"]
    assert all(place.startswith("test_audit.py:") for place in said["at"])
    assert any(place.endswith(" _fail") for place in said["at"])


@pytest.mark.parametrize(
    "error", [KeyError(CANARY), OSError(5, CANARY, CANARY), UnicodeDecodeError("utf-8", b"c4nary", 0, 1, CANARY)]
)
def test_no_kind_of_exception_is_quoted(error: Exception, capsys: pytest.CaptureFixture[str]) -> None:
    log_fault("request-1", error)
    said = capsys.readouterr()
    assert "c4nary" not in said.err
    assert json.loads(said.err)["fault"] == [type(error).__name__]
    assert said.out == ""


def test_a_fault_that_cannot_be_told_is_lost_and_nothing_else() -> None:
    """A full disk behind standard error turned honest requests into refusals of the connection."""
    closed = io.StringIO()
    closed.close()
    log_fault("r", OSError("x"), closed)
    log_warning("x", closed)
    with Path("/dev/full").open("w") as full:
        log_fault("r", OSError("x"), full)
        with suppress(OSError):
            full.close()
