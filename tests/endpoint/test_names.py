"""No answer names anything by its internal name: whatever is wrong with a parameter is said in the caller's words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from functions.endpoint.dispatch import load
from functions.endpoint.handler import Endpoint
from kit.action_samples import actions
from kit.support import Kms
from tenantkms.wire.dialects import DIALECTS

OPERATIONS = [(dialect.name, name) for dialect in DIALECTS.values() for name in dialect.operations]
UNKNOWN = "5c438b18-05be-40ad-b6c2-3be6752cfa7e"
JUNK = ("x", "0", "-1", "99999", "[]", "{}", '{"a":"b"}', "aGVsbG8=", "alias/x", "5c438b18-05be-40ad-b6c2-3be6752cfa7e")


def _fields(kind: type) -> Iterator[str]:
    for field in msgspec.structs.fields(kind):
        yield field.encode_name
        for part in getattr(field.type, "__args__", ()):
            if isinstance(part, type) and issubclass(part, msgspec.Struct):
                yield from _fields(part)


INTERNAL = sorted({name for action in actions() for name in _fields(load(action).params) if "_" in name})
# A place such as `$.Statement` is in a document of the caller's own.
LEAK = re.compile(rf"\b({'|'.join(INTERNAL)})\b|\$\.[a-z]")


def ask(kms: Kms, dialect: str, operation: str, params: dict[str, Any]) -> str:
    """The message of the refusal, or nothing."""
    answer = getattr(kms, dialect.replace("-", "_"))(operation, **params)
    return str(answer.get("Message") or answer.get("message") or answer.get("Error", {}).get("Message") or "")


def test_internal_names_are_found() -> None:
    assert {"key_id", "key_ids", "public_key", "key_version_id"} <= set(INTERNAL)
    assert LEAK.search("Object missing required field `public_key` - at `$.receiver`")


@pytest.mark.parametrize(("dialect", "operation"), OPERATIONS)
def test_no_refusal_has_an_internal_name(dialect: str, operation: str, kms: Kms) -> None:
    wires = sorted(DIALECTS[dialect].operations[operation].wires)
    tries: list[dict[str, str]] = [{}, *({wire: junk} for wire in wires for junk in JUNK)]
    tries += [dict.fromkeys(wires, junk) for junk in JUNK]
    tries += [{other: "aGVsbG8=" for other in wires if other != wire} for wire in wires]
    said = {ask(kms, dialect, operation, params) for params in tries}
    assert not {message for message in said if LEAK.search(message)}


@pytest.mark.parametrize(
    ("dialect", "operation", "params", "said"),
    [
        (
            "alibaba",
            "SetDeletionProtection",
            {"EnableDeletionProtection": "true"},
            "KeyId or ProtectedResourceArn is required.",
        ),
        (
            "tencent",
            "GenerateDataKey",
            {"KeyId": "5c438b18-05be-40ad-b6c2-3be6752cfa7e", "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"},
            "EncryptionPublicKey is required with EncryptionAlgorithm.",
        ),
    ],
)
def test_what_is_missing_is_named_as_the_caller_knows_it(
    dialect: str, operation: str, params: dict[str, Any], said: str, kms: Kms
) -> None:
    assert ask(kms, dialect, operation, params) == said


@pytest.mark.parametrize(
    ("dialect", "operation", "params", "field", "said"),
    [
        ("alibaba", "ListKeys", {}, "limit", "PageSize is too much."),
        ("tencent", "ListKeys", {}, "limit", "Limit is too much."),
        ("tencent-v2", "ListKey", {}, "limit", "limit is too much."),
        ("tencent-v2", "ListKey", {}, "where", "A parameter is too much."),
        ("alibaba", "DescribeKey", {"KeyId": "alias/default"}, "key_ids", "KeyId is too much."),
    ],
)
def test_an_action_s_own_error_gets_the_caller_s_name(
    dialect: str, operation: str, params: dict[str, Any], field: str, said: str, kms: Kms
) -> None:
    error = {"type": "InvalidParameter", "message": f"{field} is too much.", "field": field}
    kms.endpoint = Endpoint(kms.settings, lambda _call: {"error": error})
    message = ask(kms, dialect, operation, params)
    assert message.removeprefix("(4000)") == said


@pytest.mark.parametrize(
    ("dialect", "params", "said"),
    [
        ("alibaba", {"KeyId": "alias/default", "KeySpec": "DES"}, "KeySpec is one of AES_256, AES_128."),
        ("tencent", {"KeyId": UNKNOWN}, "KeySpec or NumberOfBytes is required."),
        ("tencent-v2", {"keyId": UNKNOWN}, "(4000)keySpec or numberOfBytes is required."),
    ],
)
def test_a_data_key_s_size_is_asked_for_in_the_caller_s_words(
    dialect: str, params: dict[str, str], said: str, kms: Kms
) -> None:
    assert ask(kms, dialect, "GenerateDataKey", params) == said


def test_a_protection_names_one_key(kms: Kms) -> None:
    """KeyId of one key and the ARN of another: the later one was protected without a word."""
    one, other = (kms.alibaba("CreateKey")["KeyMetadata"] for _ in range(2))
    both = {"KeyId": one["KeyId"], "ProtectedResourceArn": other["Arn"], "EnableDeletionProtection": "true"}
    answer = kms.alibaba("SetDeletionProtection", **both)
    assert answer["Code"] == "InvalidParameter"
    assert answer["Message"] == "KeyId and ProtectedResourceArn exclude each other: give one of them."
    for key in (one, other):
        assert kms.alibaba("DescribeKey", KeyId=key["KeyId"])["KeyMetadata"]["DeletionProtection"] == "Disabled"
