"""CloudWatch's embedded metric format, checked and read as its specification says, apart from the code that writes it.

"Specification: Embedded metric format", CloudWatch user guide, with the JSON schema at its end.
"""

from __future__ import annotations

import json
from typing import Any

UNITS = {"Milliseconds", "Count"}
"""Those of the specification that are used here."""

Metric = tuple[str, tuple[tuple[str, str], ...]]
"""Name, and dimensions with their values."""


def read(line: str) -> dict[Metric, float]:
    """The metrics of one log event, each of which has one value."""
    found = {}
    for metric, told in values(line).items():
        (found[metric],) = told
    return found


def values(line: str) -> dict[Metric, list[float]]:
    """The metrics of one log event. Fails for a line that breaks a rule; one without `_aws` has none."""
    assert "\n" not in line
    assert len(line.encode()) <= 256_000
    root = json.loads(line)
    assert isinstance(root, dict)
    if "_aws" not in root:
        return {}
    meta = root["_aws"]
    assert set(meta) == {"Timestamp", "CloudWatchMetrics"}
    assert type(meta["Timestamp"]) is int
    assert 10**12 < meta["Timestamp"] < 10**13, "milliseconds since 1970"
    found: dict[Metric, list[float]] = {}
    assert meta["CloudWatchMetrics"]
    for directive in meta["CloudWatchMetrics"]:
        assert set(directive) == {"Namespace", "Dimensions", "Metrics"}
        assert 1 <= len(directive["Namespace"]) <= 1024
        assert 1 <= len(directive["Metrics"]) <= 100
        for dimensions in _dimensions(root, directive["Dimensions"]):
            for metric in directive["Metrics"]:
                found[metric["Name"], dimensions] = _values(root, metric)
    return found


def _dimensions(root: dict[str, Any], sets: list[list[str]]) -> list[tuple[tuple[str, str], ...]]:
    assert sets
    for names in sets:
        assert 1 <= len(names) <= 30
        for name in names:
            assert 1 <= len(name) <= 250
            assert isinstance(root[name], str)
            assert 1 <= len(root[name]) <= 1024
    return [tuple((name, root[name]) for name in names) for names in sets]


def _values(root: dict[str, Any], metric: dict[str, Any]) -> list[float]:
    assert set(metric) <= {"Name", "Unit"}
    assert 1 <= len(metric["Name"]) <= 1024
    assert metric["Unit"] in UNITS
    value = root[metric["Name"]]
    told = value if isinstance(value, list) else [value]
    assert 1 <= len(told) <= 100
    assert all(type(one) in (int, float) for one in told)
    return [float(one) for one in told]
