"""Domain errors cross between functions as data and come back as they were; what is unknown becomes Internal."""

from __future__ import annotations

import json

import pytest

from tenantkms.errors import ERRORS, Internal, KmsError, from_data, to_data


@pytest.mark.parametrize("error", ERRORS.values(), ids=lambda error: error.__name__)
@pytest.mark.parametrize("message", ["", "with its own text, 密钥"])
def test_every_error_comes_back_as_it_was(error: type[KmsError], message: str) -> None:
    sent = error(message)
    back = from_data(json.loads(json.dumps(to_data(sent))))
    assert type(back) is error
    assert back.message == sent.message == (message or error.text)


@pytest.mark.parametrize("error", ERRORS.values(), ids=lambda error: error.__name__)
def test_every_error_says_a_sentence_of_its_own(error: type[KmsError]) -> None:
    assert error.text != KmsError.text
    assert error.text.endswith(".")
    assert error.text[0].isupper()


def test_no_two_errors_say_the_same() -> None:
    texts = [error.text for error in ERRORS.values()]
    assert len(texts) == len(set(texts))


def test_the_retryable_ones_are_these() -> None:
    assert {name for name, error in ERRORS.items() if error.retryable} == {
        "Conflict",
        "Throttled",
        "Unavailable",
        "Internal",
    }


@pytest.mark.parametrize(
    "data",
    [
        {"type": "FromANewerRelease", "message": "secret"},
        {"type": "KmsError", "message": "secret"},
        {"type": "Exception", "message": "secret"},
        {"type": "", "message": "secret"},
        {"message": "secret"},
        {},
    ],
)
def test_an_unknown_type_is_internal_and_its_message_stays(data: dict[str, str]) -> None:
    error = from_data(data)
    assert type(error) is Internal
    assert error.message == Internal.text


def test_a_known_type_without_a_message_has_its_own_text() -> None:
    assert from_data({"type": "KeyNotFound"}).message == ERRORS["KeyNotFound"].text


def test_every_error_class_is_listed() -> None:
    listed = set(ERRORS.values())
    pending = KmsError.__subclasses__()
    while pending:
        error = pending.pop()
        assert error in listed or error.__module__ != KmsError.__module__, error
        pending += error.__subclasses__()
