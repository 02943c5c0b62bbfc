"""What `make fuzz` has found worth keeping, given to its targets again, and targets that see what they are for."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from functions.endpoint import handler
from kit.fuzz.targets import CORPORA, TARGETS, kept
from tenantkms import errors as e
from tenantkms.access import key_policy, policy
from tenantkms.crypto import agreement, asymmetric, envelope, sealed, streaming, wrapping
from tenantkms.wire import parse
from tenantkms.wire.signing import tencent_tc3
from tenantkms_events import message

MOST_BYTES = 400_000
"""Of all corpora: they are in every checkout."""


def run_all(name: str) -> None:
    for data in (*(path.read_bytes() for path in kept(name)), *TARGETS[name].seeds()):
        TARGETS[name].run(data)


@pytest.mark.parametrize("name", TARGETS)
def test_the_kept_corpus_keeps_every_promise(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    run_all(name)
    assert capfd.readouterr() == ("", ""), "a fault was logged"


def test_every_target_has_a_corpus_and_all_are_small() -> None:
    assert {path.name for path in CORPORA.iterdir()} == TARGETS.keys()
    assert all(len(kept(name)) >= 5 for name in TARGETS)
    assert sum(path.stat().st_size for name in TARGETS for path in kept(name)) <= MOST_BYTES


@dataclass(frozen=True)
class Break:
    """A fault put into what a target tests: `name` of `owner` becomes `broken`."""

    target: str
    owner: Any
    name: str
    broken: Any


def _first_wins(statements: Any) -> int:
    return next((number if allows else -number for number, allows in statements), 0)


def _raising(*_: Any) -> Any:
    raise ValueError("what was sent")


def _crashing(*_: Any) -> Any:
    raise KeyError("what was sent")


def _one_segment(source: streaming.Reader, first: int, _others: int) -> Iterator[tuple[bytes, bytes]]:
    yield source.read(min(first, 16)), bytes(4) + b"\1"


def _lenient(text: str) -> bytes:
    return base64.b64decode(text)


def _echoing(error: e.KmsError, message: str = "", *, field: str = "") -> None:
    Exception.__init__(error, f"{message or error.text} {'what was sent ' * 400}")
    error.field = field


BREAKS = {
    "the commitment is not compared": Break("blob", envelope.hmac, "compare_digest", lambda *_: True),
    "a suite that the format does not have": Break(
        "blob", envelope, "SUITES", {**envelope.SUITES, 0: envelope.SUITES[1]}
    ),
    "what stands behind the end is not looked at": Break("sealed", streaming, "_segments", _one_segment),
    "metadata may have what is no base64": Break("sealed", sealed, "_canonical", _lenient),
    "any key is of any spec": Break("keys", asymmetric, "spec_of", lambda _: "EC_P256"),
    "any form of a private key is taken": Break("keys", wrapping, "_PKCS8", re.compile(b"")),
    "weak RSA keys are taken": Break("keys", wrapping, "_checked", lambda numbers: numbers),
    "a wrong peer raises something else": Break("keys", agreement, "load_der_public_key", _crashing),
    "the last of two wins in a message": Break("message", message, "_once", dict),
    "a message that does not fit raises something else": Break("message", message, "_misfit", _raising),
    "the last of two wins in a query": Break("query", parse, "unique", dict),
    "the last of two wins in a form": Break("form", parse, "unique", dict),
    "escapes stay in a query": Break("query", parse, "unescape", lambda text: text),
    "escapes stay in a form": Break("form", parse, "unescape", lambda text: text),
    "JSON may be deep": Break("json", parse, "MAX_DEPTH", 1000),
    "JSON may have what is no JSON": Break("json", parse, "parse_json", lambda text: {}),
    "a signature is not compared": Break("authorization", handler, "verify", lambda *_: frozenset()),
    "a reader of TC3 fails": Break("authorization", tencent_tc3, "parse_unix", _raising),
    "refusals are long": Break("authorization", e.KmsError, "__init__", _echoing),
    "the first statement wins": Break("policy", policy, "deciding", _first_wins),
    "what gains is let through": Break("policy", policy, "gains", lambda *_: False),
    "a policy is refused by another error": Break("policy", policy, "too_much", _raising),
    "the first statement of a key's policy wins": Break("key-policy", policy, "deciding", _first_wins),
    "what gains by a key's policy is let through": Break("key-policy", key_policy, "gains", lambda *_: False),
}


@pytest.mark.parametrize("fault", BREAKS.values(), ids=BREAKS)
def test_a_fault_is_seen(fault: Break, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fault.owner, fault.name, fault.broken)
    caches: tuple[Callable[[], None], ...] = (policy.matching.cache_clear, key_policy.matching.cache_clear)
    for clear in caches:
        clear()
    try:
        with pytest.raises((AssertionError, ValueError, KeyError)):
            run_all(fault.target)
    finally:
        for clear in caches:
            clear()
