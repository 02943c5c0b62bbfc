"""A hundred thousand hostile requests: each gets a typed refusal or a legitimate success, never a fault."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from kit.catalogue import error_code, prepare
from kit.hostile import Attacker
from kit.support import Kms

SCHEMES = ["alibaba-rpc", "alibaba-acs3", "tencent-tc3", "tencent-v1", "tencent-v2"]
SEEDS = [1, 2]
EACH = 10_000
FAULTS = {
    "InternalFailure",
    "InternalError",
    6000,
    "ServiceUnavailable",
    "ServiceUnavailableTemporary",
    "FailedOperation",
}


def test_the_number_is_the_promised_one() -> None:
    assert len(SCHEMES) * len(SEEDS) * EACH == 100_000


def verdict(answer: dict[str, Any]) -> str:
    """The code of an answer, `ok` or `plain`; a fault or an answer of no known form fails the test."""
    status, kind = answer["statusCode"], answer["headers"]["content-type"]
    if kind.startswith("text/html"):
        assert status == 200
        return "plain"
    if kind.startswith("text/xml"):
        code = ET.fromstring(answer["body"]).findtext("Code")
        assert 400 <= status < 500 if code else status == 200
        return _known(code)
    body = json.loads(answer["body"])
    if "Response" in body or "codeDesc" in body:
        assert (status, kind) == (200, "application/json")
        return _known(error_code("tencent" if "Response" in body else "tencent-v2", answer))
    if "RequestId" in body:
        assert 400 <= status < 500 if "Code" in body else status == 200
        return _known(body.get("Code"))
    assert (status, set(body)) in ((400, {"error", "request_id"}), (200, {"status"}))
    return "plain"


def _known(code: str | int | None) -> str:
    assert code not in FAULTS
    return "ok" if code is None else str(code)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_hostile_requests(scheme: str, seed: int, kms: Kms, capfd: pytest.CaptureFixture[str]) -> None:
    attacker = Attacker(scheme, seed, kms.signer, prepare(kms))
    seen: Counter[str] = Counter()
    for request in attacker.requests(EACH):
        answer = kms.send(request)
        try:
            seen[verdict(answer)] += 1
        except (AssertionError, ValueError, ET.ParseError) as error:
            raise AssertionError(f"{request} was answered with {answer}") from error
    # The generator must reach every layer, or it proves nothing.
    assert seen.total() == EACH
    assert EACH * 0.03 < seen["ok"] < EACH * 0.3
    assert len(seen) > (8 if scheme == "tencent-v2" else 15)
    out, err = capfd.readouterr()
    assert (out, err) == ("", ""), "a fault was logged"
