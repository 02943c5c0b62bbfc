"""Reserved beginnings of aliases: a provider's callers make none, its operator may, and all look them up alike."""

from __future__ import annotations

from typing import Any

import pytest

from kit.support import Kms
from tkms.machine.directory import call

HELLO = "aGVsbG8="


class Alibaba:
    reserved, target, missing = "acs/", "KeyId", "Forbidden.AliasNotFound"
    refused = ("InvalidParameter", "Alias names that begin with 'alias/acs/' are reserved.")

    def __init__(self, kms: Kms) -> None:
        self.ask = kms.alibaba

    def said(self, answer: dict[str, Any]) -> tuple[str, str]:
        return answer["Code"], answer["Message"]


class Aws:
    reserved, target, missing = "aws/", "TargetKeyId", "NotFoundException"
    refused = ("InvalidAliasNameException", "Alias names that begin with 'alias/aws/' are reserved.")

    def __init__(self, kms: Kms) -> None:
        self.ask = kms.aws

    def said(self, answer: dict[str, Any]) -> tuple[str, str]:
        return answer["__type"], answer["message"]


BOTH = pytest.mark.parametrize("speaker", [Alibaba, Aws], ids=["alibaba", "aws"])
Speaker = type[Alibaba] | type[Aws]


def _key(kms: Kms, alias: str = "") -> str:
    made: Any = call(kms.settings, "CreateKey", {"alias": alias})
    return str(made["key"]["id"])


@BOTH
def test_a_reserved_alias_is_used_by_its_name(speaker: Speaker, kms: Kms) -> None:
    made = _key(kms, f"{speaker.reserved}mse")
    speaks = speaker(kms)
    name = f"alias/{speaker.reserved}mse"
    sealed = speaks.ask("Encrypt", KeyId=name, Plaintext=HELLO)
    assert sealed["KeyId"].endswith(made)
    assert speaks.ask("Decrypt", CiphertextBlob=sealed["CiphertextBlob"])["Plaintext"] == HELLO
    assert speaks.ask("DescribeKey", KeyId=name)["KeyMetadata"]["KeyId"] == made
    assert speaks.ask("GenerateDataKey", KeyId=name, KeySpec="AES_256")["KeyId"].endswith(made)


@BOTH
def test_a_reserved_alias_that_is_not_there_is_not_found(speaker: Speaker, kms: Kms) -> None:
    speaks = speaker(kms)
    for action, params in (("DescribeKey", {}), ("Encrypt", {"Plaintext": HELLO})):
        answer = speaks.ask(action, KeyId=f"alias/{speaker.reserved}none", **params)
        assert speaks.said(answer)[0] == speaker.missing


@BOTH
def test_no_caller_makes_moves_or_takes_one_away(speaker: Speaker, kms: Kms) -> None:
    there, other = _key(kms, f"{speaker.reserved}there"), _key(kms)
    speaks = speaker(kms)
    target = {speaker.target: other}
    for action, name, params in (
        ("CreateAlias", "new", target),
        ("CreateAlias", "", target),
        ("UpdateAlias", "there", target),
        ("DeleteAlias", "there", {}),
    ):
        answer = speaks.ask(action, AliasName=f"alias/{speaker.reserved}{name}", **params)
        assert speaks.said(answer) == speaker.refused
    assert speaks.ask("DescribeKey", KeyId=f"alias/{speaker.reserved}there")["KeyMetadata"]["KeyId"] == there


@BOTH
@pytest.mark.parametrize("rest", ["", "x", "-mine", "_"])
def test_only_the_prefix_with_its_slash_is_reserved(speaker: Speaker, rest: str, kms: Kms) -> None:
    speaks = speaker(kms)
    name = f"alias/{speaker.reserved.removesuffix('/')}{rest}"
    first, second = _key(kms), _key(kms)
    speaks.ask("CreateAlias", AliasName=name, **{speaker.target: first})
    assert speaks.ask("DescribeKey", KeyId=name)["KeyMetadata"]["KeyId"] == first
    speaks.ask("UpdateAlias", AliasName=name, **{speaker.target: second})
    assert speaks.ask("DescribeKey", KeyId=name)["KeyMetadata"]["KeyId"] == second
    speaks.ask("DeleteAlias", AliasName=name)
    assert speaks.said(speaks.ask("DescribeKey", KeyId=name))[0] == speaker.missing
