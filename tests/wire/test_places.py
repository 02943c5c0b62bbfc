"""Tokens of listings of all keys: what was answered is taken, by that operation, and nothing else."""

from __future__ import annotations

import base64

import pytest

from kit.samples import key_id
from tenantkms import errors as e
from tenantkms.wire import places
from tenantkms.wire.dialects.alibaba import fields
from tenantkms.wire.dialects.aws import pages

OPERATION = "ListTagResources"
PLACES = [
    {"created": 0, "key_id": "", "rows": 200},
    {"created": 1_700_000_000, "key_id": key_id(7), "rows": 0},
    {"created": 999_999_999_999, "key_id": key_id(8), "rows": 3},
]


@pytest.mark.parametrize("place", PLACES)
def test_a_place_that_was_answered_is_taken_by_its_operation_alone(place: dict[str, object]) -> None:
    text = places.token(OPERATION, place)
    assert text.isascii()
    assert places.place_of(OPERATION, text) == place
    assert fields.tags_token("NextToken", text) == {"after": place}
    assert places.place_of("ListRetirableGrants", text) is None
    assert pages.rows_of_one_key({"next": place}, None) == place["rows"]


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


WRONG = {
    "no base64": "next",
    "a sign": "-1",
    "many digits": "1" * 10,
    "digits of another script": "\uff11",
    "nothing": encoded(""),
    "a word": encoded(OPERATION),
    "three words": encoded(f"{OPERATION} 1 -"),
    "five words": encoded(f"{OPERATION} 1 - 1 1"),
    "no number": encoded(f"{OPERATION} x - 1"),
    "a number below 0": encoded(f"{OPERATION} 1 - -1"),
    "a long number": encoded(f"{OPERATION} {10**12} - 1"),
    "no key": encoded(f"{OPERATION} 1 x 1"),
    "a key in capitals": encoded(f"{OPERATION} 1 {'A' * 8}{key_id(1)[8:]} 1"),
    "another operation": encoded("ListRetirableGrants 1 - 1"),
    "a line more": encoded(f"{OPERATION} 1 - 1\n"),
    "no padding": places.token(OPERATION, PLACES[2]).rstrip("="),
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_nothing_else_is_taken(text: str) -> None:
    assert text not in {places.token(OPERATION, place) for place in PLACES}
    with pytest.raises(e.InvalidParameter):
        fields.tags_token("NextToken", text)


def test_numbers_of_a_release_before_are_rows_to_pass_over() -> None:
    assert fields.tags_token("NextToken", "400") == {"start": 400}
    assert fields.tags_token("NextToken", "0") == {"start": 0}


@pytest.mark.parametrize(("said", "text", "rows"), [(None, "", 0), (0, "", 0), (400, "400", 400)])
def test_a_function_of_the_release_before_answers_a_number(said: int | None, text: str, rows: int) -> None:
    """While a stack is updated its endpoint may ask one."""
    assert places.token(OPERATION, said) == text
    assert pages.rows_of_one_key({"next": said}, None) == rows
