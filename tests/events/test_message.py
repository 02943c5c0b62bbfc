"""The shape of a message: what is read, and the reason of each one that is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tenantkms_events import errors as reasons
from tenantkms_events.errors import Rejected
from tenantkms_events.message import MAX_BODY, Item, Message, read, request_of

PARAMETER = {"type": "ssm", "name": "/shop/db"}
ITEM = {"type": "dynamodb", "name": "vault", "key": {"pk": "a", "sk": "b"}}
LEFT_OUT = object()


def body(**changes: Any) -> str:
    message = {"v": 1, "id": "github-4711", "key": "alias/ci", "plaintext": "geheim", "target": PARAMETER, **changes}
    return json.dumps({name: value for name, value in message.items() if value is not LEFT_OUT})


def reason(text: str) -> tuple[str, str]:
    with pytest.raises(Rejected) as caught:
        read(text)
    return caught.value.reason, caught.value.field


@pytest.mark.parametrize(
    ("plaintext", "content", "wrapped"),
    [
        ({"plaintext": "geh\u00e9im"}, "geh\u00e9im".encode(), False),
        ({"plaintext": ""}, b"", False),
        ({"plaintext": LEFT_OUT, "plaintext_base64": "AP8="}, b"\x00\xff", False),
        ({"plaintext": LEFT_OUT, "plaintext_wrapped": "AP8="}, b"\x00\xff", True),
    ],
)
def test_the_plaintext_comes_in_three_ways(plaintext: dict[str, Any], content: bytes, wrapped: bool) -> None:
    _, secret = read(body(**plaintext))
    assert (secret.content, secret.wrapped) == (content, wrapped)


def test_what_is_read_is_what_was_sent() -> None:
    message, _ = read(body(target=ITEM, sequence=17, encryption_context={"app": "shop"}))
    assert message.target == Item(name="vault", key={"pk": "a", "sk": "b"})
    assert (message.sequence, message.encryption_context) == (17, {"app": "shop"})


WRONG: dict[str, tuple[str, tuple[str, str]]] = {
    "nothing": ("", (reasons.INVALID_MESSAGE, "")),
    "no JSON": ("{", (reasons.INVALID_MESSAGE, "")),
    "no object": ("[]", (reasons.INVALID_MESSAGE, "")),
    "too deep": ('{"v":1,"target":' + "[" * 100_000, (reasons.INVALID_MESSAGE, "target")),
    "too long": (body(plaintext="x" * MAX_BODY), (reasons.MESSAGE_TOO_LARGE, "")),
    "another version": (body(v=2), (reasons.UNSUPPORTED_VERSION, "v")),
    "no version": (body(v=LEFT_OUT), (reasons.UNSUPPORTED_VERSION, "v")),
    "an unknown field": (body(secret="x"), (reasons.UNKNOWN_FIELD, "")),
    "an unknown field of the target": (body(target={**PARAMETER, "x": 1}), (reasons.UNKNOWN_FIELD, "target")),
    "a field twice": (body()[:-1] + ', "id": "other"}', (reasons.REPEATED_FIELD, "")),
    "a field of the context twice": (
        body(encryption_context={"a": "b"}).replace('{"a": "b"}', '{"a": "b", "a": "c"}'),
        (reasons.REPEATED_FIELD, ""),
    ),
    "no id": (body(id=LEFT_OUT), (reasons.INVALID_MESSAGE, "id")),
    "an empty id": (body(id=""), (reasons.INVALID_MESSAGE, "id")),
    "a long id": (body(id="x" * 129), (reasons.INVALID_MESSAGE, "id")),
    "an id with a line break": (body(id="a\n"), (reasons.INVALID_MESSAGE, "id")),
    "no key's name": (body(key="alias/a b"), (reasons.INVALID_MESSAGE, "key")),
    "no plaintext": (body(plaintext=LEFT_OUT), (reasons.INVALID_MESSAGE, "plaintext")),
    "two plaintexts": (body(plaintext_base64="eA=="), (reasons.INVALID_MESSAGE, "plaintext")),
    "a plaintext that is no text": (body(plaintext=1), (reasons.INVALID_MESSAGE, "plaintext")),
    "half a character": (body(plaintext="\ud800"), (reasons.INVALID_MESSAGE, "")),
    "no base64": (
        body(plaintext=LEFT_OUT, plaintext_base64="x"),
        (reasons.INVALID_MESSAGE, "plaintext_base64"),
    ),
    "base64 in another spelling": (
        body(plaintext=LEFT_OUT, plaintext_wrapped="eB=="),
        (reasons.INVALID_MESSAGE, "plaintext_wrapped"),
    ),
    "a context of numbers": (body(encryption_context={"a": 1}), (reasons.INVALID_MESSAGE, "encryption_context")),
    "a long context": (body(encryption_context={"a": "x" * 8192}), (reasons.INVALID_MESSAGE, "encryption_context")),
    "no target": (body(target=LEFT_OUT), (reasons.INVALID_MESSAGE, "target")),
    "a target of no type": (body(target={"type": "mail", "name": "x"}), (reasons.INVALID_MESSAGE, "target")),
    "a target of another account": (
        body(target={"type": "secretsmanager", "name": "arn:aws:secretsmanager:eu-central-1:210987654321:secret:x"}),
        (reasons.INVALID_MESSAGE, "target"),
    ),
    "an item without a key": (body(target={**ITEM, "key": {}}), (reasons.INVALID_MESSAGE, "target")),
    "an item of three keys": (
        body(target={**ITEM, "key": {"a": "1", "b": "2", "c": "3"}}),
        (reasons.INVALID_MESSAGE, "target"),
    ),
    "a sequence below nothing": (body(sequence=-1), (reasons.INVALID_MESSAGE, "sequence")),
    "a sequence that readers differ about": (body(sequence=2**53), (reasons.INVALID_MESSAGE, "sequence")),
    "a sequence that is no whole number": (body(sequence=1.5), (reasons.INVALID_MESSAGE, "sequence")),
}


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_has_its_reason(text: str, said: tuple[str, str]) -> None:
    assert reason(text) == said


def test_a_name_that_was_sent_by_mistake_is_not_told() -> None:
    """A secret may stand where a name belongs."""
    for text in (body(hunter2="x"), body(encryption_context={"hunter2": 1}), body(target={"type": "hunter2"})):
        with pytest.raises(Rejected) as caught:
            read(text)
        assert "hunter2" not in repr((caught.value, caught.value.reason, caught.value.field, caught.value.__cause__))


def test_nothing_of_it_is_shown() -> None:
    message, secret = read(body())
    assert "geheim" not in f"{message!r}{secret!r}{message}{secret}"


def same(one: str, other: str) -> bool:
    def wish(text: str) -> bytes:
        message, secret = read(text)
        return request_of(message, secret.content)

    return wish(one) == wish(other)


def test_the_same_wish_in_other_words_is_the_same() -> None:
    assert same(body(plaintext="a"), body(plaintext=LEFT_OUT, plaintext_base64="YQ=="))
    assert same(body(encryption_context={"a": "1", "b": "2"}), body(encryption_context={"b": "2", "a": "1"}))
    assert same(body(), body(encryption_context={}, sequence=None))


@pytest.mark.parametrize(
    "change",
    [
        {"id": "x"},
        {"key": "alias/other"},
        {"plaintext": "x"},
        {"encryption_context": {"a": "b"}},
        {"target": {"type": "secretsmanager", "name": "/shop/db"}},
        {"target": {"type": "ssm", "name": "/shop"}},
        {"sequence": 1},
    ],
)
def test_any_other_wish_is_another_one(change: dict[str, Any]) -> None:
    assert not same(body(), body(**change))


def test_all_of_a_message_is_in_its_wish() -> None:
    told = {"id", "key", "encryption_context", "target", "sequence"}
    assert {*told, "v", "plaintext", "plaintext_base64", "plaintext_wrapped"} == set(Message.__struct_fields__)
