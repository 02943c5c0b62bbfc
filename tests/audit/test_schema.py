"""The published schema is what lines are: every kind of line of every writer, and every field."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from jsonschema import Draft202012Validator, ValidationError

from kit.audit_writers import file_log, key, record
from tenantkms.audit.files import Event, rotated
from tenantkms.audit.line import Record
from tenantkms.audit.metrics import EmbeddedMetrics

SCHEMA = json.loads((Path(__file__).parent.parent.parent / "docs" / "audit-line.schema.json").read_text("utf-8"))
CHAIN = {"v", "chain", "seq", "mac"}
VALIDATOR = Draft202012Validator({**SCHEMA, "additionalProperties": False})


def lines_of_files(folder: Path) -> list[dict[str, Any]]:
    """With each event that a log writes about itself."""
    log = folder / "audit.jsonl"
    log.write_bytes(b'{"of":"an earlier release"}\n')
    audit = file_log(log, 2_000)
    for number in range(30):
        audit.write(msgspec.structs.replace(record("x", number), keys=("k",), source_ip="192.0.2.1", dry_run=True))
    audit.write(msgspec.structs.replace(record("x", 1), count=5, since=1.0))
    audit.settle()
    audit.retain(float("inf"), 5_000)
    audit.write(record("x", 1))
    audit.settle()
    log.write_bytes(log.read_bytes()[:-10])
    file_log(log).write(record("x", 1))
    log.with_suffix(".head").unlink()
    file_log(log).write(record("x", 1))
    audit.note("resealed")
    raw = [line for file in (*rotated(log), log) for line in file.read_text().splitlines()]
    return [json.loads(line) for line in raw if line.endswith('"}') and '"mac"' in line]


def lines_of_a_stream() -> list[dict[str, Any]]:
    stream = io.StringIO()
    metrics = EmbeddedMetrics("test", key, stream)
    for outcome in ("intent", "ok", "Unavailable"):
        metrics.begin(("Encrypt",))
        metrics.write(msgspec.structs.replace(record("x", 1), outcome=outcome))
    for time in (1.0, 2.0, 3.0, 100.0):
        metrics.begin(())
        metrics.refuse(msgspec.structs.replace(record("x", 1), outcome="Unsigned", action="", time=time))
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_every_line_is_as_the_schema_says(tmp_path: Path) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    lines = lines_of_files(tmp_path)
    for line in lines:
        VALIDATOR.validate(line)
    for line in lines_of_a_stream():
        Draft202012Validator(SCHEMA).validate(line)
    assert {line["event"] for line in lines if "event" in line} | {"began"} == set(
        SCHEMA["properties"]["event"]["enum"]
    )


def test_the_schema_has_each_field_and_no_other() -> None:
    fields = {field.name for kind in (Record, Event) for field in msgspec.structs.fields(kind)}
    assert set(SCHEMA["properties"]) == fields | CHAIN | {"_aws"}


@pytest.mark.parametrize("change", [{"v": 2}, {"seq": -1}, {"mac": "x"}, {"event": "closed"}, {"count": 1}, {"new": 1}])
def test_a_line_that_is_none_is_refused(change: dict[str, Any]) -> None:
    line = {"v": 1, **msgspec.to_builtins(record("x", 1)), "chain": "c", "seq": 0, "mac": "0" * 32}
    VALIDATOR.validate(line)
    with pytest.raises(ValidationError):
        VALIDATOR.validate({**line, **change})


def test_the_began_line_has_the_digest_of_what_was_there(tmp_path: Path) -> None:
    log = tmp_path / "audit.jsonl"
    log.write_bytes(b'{"of":"an earlier release"}')
    file_log(log).write(record("x", 1))
    began = json.loads(log.read_bytes().splitlines()[1])
    assert (began["event"], began["bytes"]) == ("began", 27)
    VALIDATOR.validate(began)
