"""What the endpoint vouches for: its own call, word for word, for a minute."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tenantkms.action.vouch import is_vouched, vouch, vouched
from tenantkms.errors import MalformedRequest

KEY = bytes(range(32))
NOW = 1_700_000_000
CALL = {"v": 1, "action": "Encrypt", "params": {"text": 'a "quoted" text, ünïcode and 🔑', "number": 1.5}}


def keys(_anew: bool) -> tuple[bytes, ...]:
    return bytes(32), KEY


def made(**changes: Any) -> dict[str, Any]:
    event: dict[str, Any] = json.loads(vouch(CALL, KEY, NOW))
    return {**event, **changes}


def test_a_call_comes_out_as_it_went_in() -> None:
    assert is_vouched(made())
    for seconds in (-60, 0, 1, 60):
        assert vouched(made(), keys, NOW + seconds) == CALL


@pytest.mark.parametrize("seconds", [-3600, -61, 61, 86_400])
def test_it_is_good_for_a_minute(seconds: int) -> None:
    with pytest.raises(MalformedRequest):
        vouched(made(), keys, NOW + seconds)


@pytest.mark.parametrize(
    "changes",
    [
        {"call": json.dumps({**CALL, "action": "Decrypt"})},
        {"call": made()["call"] + " "},
        {"until": NOW + 61},
        {"mac": ""},
        {"mac": "0" * 64},
        {"mac": made()["mac"].upper()},
        {"mac": "\ud800"},
        {"call": "\ud800"},
        {"mac": None},
        {"mac": 1},
        {"until": "1"},
        {"more": 1},
    ],
)
def test_what_is_changed_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(MalformedRequest):
        vouched(made(**changes), keys, NOW)


def test_another_key_s_is_refused() -> None:
    with pytest.raises(MalformedRequest):
        vouched(made(), lambda _anew: (bytes(32),), NOW)


def test_keys_are_asked_for_anew_before_a_call_is_refused() -> None:
    asked = []

    def changing(anew: bool) -> tuple[bytes, ...]:
        asked.append(anew)
        return (KEY,) if anew else (bytes(32),)

    assert vouched(made(), changing, NOW) == CALL
    assert asked == [False, True]


@pytest.mark.parametrize("event", [{}, CALL, None, [], "mac", ["mac"], 1])
def test_what_claims_nothing_is_native(event: Any) -> None:
    assert not is_vouched(event)
