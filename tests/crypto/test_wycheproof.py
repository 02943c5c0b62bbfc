"""A choice of Wycheproof's vectors, as `make wycheproof` does all of them: none of what is almost right is taken."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from kit.support import VECTORS
from kit.wycheproof import FAMILIES, family, verdicts
from tenantkms.crypto import asymmetric

FILES = sorted((VECTORS / "wycheproof").glob("*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_must_be_taken_is_and_what_must_not_is_not(path: Path) -> None:
    tried = 0
    for case, verdict in verdicts(family(path.stem), json.loads(path.read_text("utf-8"))):
        assert verdict.right, f"{case['tcId']}: {verdict}, {case['comment']} {case['flags']}"
        tried += verdict.must is not None
    assert tried > 3


def test_each_algorithm_has_both_kinds() -> None:
    seen = Counter(
        (name, verdict.must)
        for path in FILES
        if (name := family(path.stem))
        for _, verdict in verdicts(name, json.loads(path.read_text("utf-8")))
    )
    for name in FAMILIES:
        assert seen[name, True] >= 2
        # Damage of PKCS #1 v1.5 opens to other bytes, which is what it must do.
        assert seen[name, False] >= 2 or name == "RSAES-PKCS1-v1_5"


@pytest.mark.parametrize("name", ["ECDSA", "RSASSA-PKCS1-v1_5", "RSASSA-PSS"])
@pytest.mark.parametrize("answer", [True, False])
def test_a_verifier_that_is_not_one_is_found_out(answer: bool, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asymmetric, "verify", lambda *_: answer)
    documents = [json.loads(path.read_text("utf-8")) for path in FILES if family(path.stem) == name]
    assert not all(verdict.right for document in documents for _, verdict in verdicts(name, document))
