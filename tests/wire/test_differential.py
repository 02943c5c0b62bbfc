"""Our verifiers against the vendors' own signers, on random requests. `make differential` does more of it."""

from __future__ import annotations

import pytest

from kit.differential import SIGNINGS, Disagreement, compare
from tenantkms.wire.signing import tencent_tc3


@pytest.mark.parametrize("name", SIGNINGS)
def test_what_an_sdk_signed_verifies_and_a_changed_byte_does_not(name: str) -> None:
    tally = compare(name, 200, seed=1)
    assert tally.read == tally.refused + tally.same == 200
    assert tally.refused > 180, "hardly any change is none"


def test_a_verifier_that_forgets_the_body_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    canonical = tencent_tc3.canonical_request
    nothing = lambda method, path, query, headers, _payload: canonical(method, path, query, headers, "")  # noqa: E731
    monkeypatch.setattr(tencent_tc3, "canonical_request", nothing)
    with pytest.raises(Disagreement):
        compare("tencent TC3 (tencentcloud)", 50, seed=1)


def test_a_verifier_that_believes_everything_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kit.differential.verify", lambda _claim, _secret: frozenset())
    for name in SIGNINGS:
        with pytest.raises(Disagreement):
            compare(name, 200, seed=1)
