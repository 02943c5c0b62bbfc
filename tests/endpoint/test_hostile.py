"""A hundred thousand hostile requests: each gets a typed refusal or a legitimate success, never a fault."""

from __future__ import annotations

from collections import Counter
from xml.etree import ElementTree as ET

import pytest

from kit.catalogue import prepare
from kit.hostile import Attacker, verdict
from kit.support import Kms

SCHEMES = ["alibaba-rpc", "alibaba-acs3", "tencent-tc3", "tencent-v1", "tencent-v2", "aws-sigv4"]
SEEDS = [1, 2]
EACH = 10_000


def test_the_number_is_the_promised_one() -> None:
    assert len(SCHEMES) * len(SEEDS) * EACH == 120_000


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
