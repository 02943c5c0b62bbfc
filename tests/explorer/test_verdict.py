"""The signature check finds each mistake by name, in requests that a signer written apart has signed with it."""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

import pytest

from kit.captures import Capture, capture, captures
from kit.faulty import NOW, SECRET, SIGNERS, signed
from kit.in_node import call
from kit.mistakes import BARE, MADE

Said = dict[str, Any]


def judge(*jobs: tuple[str, dict[str, Any]]) -> list[Said]:
    told = [[text, {"secret": SECRET, "now": NOW * 1000, **options}] for text, options in jobs]
    return list(call("verdict.js", "judge", told))


@cache
def _found() -> list[Said]:
    return judge(*((signed(scheme, **wrong), {}) for _, scheme, wrong in MADE))


@pytest.mark.parametrize(("i", "mistake", "scheme"), [(i, row[0], row[1]) for i, row in enumerate(MADE)], ids=str)
def test_a_mistake_is_found_by_its_name(i: int, mistake: str, scheme: str) -> None:
    said = _found()[i]
    assert isinstance(said, dict), said
    assert said["verdict"] == "found", said
    assert [row["id"] for row in said["mistakes"]] == [mistake]


@pytest.mark.parametrize("scheme", SIGNERS)
def test_what_is_signed_rightly_is_told_as_right(scheme: str) -> None:
    (said,) = judge((signed(scheme), {}))
    assert (said["verdict"], said["faults"]) == ("right", [])


def test_two_mistakes_at_once_are_both_found() -> None:
    wrong = {"headers_wrong": {"host": BARE}, "start": f"AWS4{SECRET}\n"}
    (said,) = judge((signed("aws", **wrong), {}))
    assert [row["id"] for row in said["mistakes"]] == ["host-without-port", "secret-space"]


def test_another_secret_is_no_mistake_that_has_a_name() -> None:
    (said,) = judge((signed("v2"), {"secret": "quite another"}))
    assert (said["verdict"], said["mistakes"]) == ("unknown", [])


def _raw(of: Capture) -> str:
    request = of.data["request"]
    lines = "\r\n".join(f"{name}: {value}" for name, value in request["headers"])
    body = base64.b64decode(request["body_base64"]).decode()
    return f"{request['method']} {request['target']} HTTP/1.1\r\n{lines}\r\n\r\n{body}"


REFUSED = {
    "alibaba-kms-sdk-npm-Encrypt-GET-retry": ("unknown", []),
    "alibaba-kms-sdk-npm-GenerateDataKey-GET-zero": ("found", ["parameter-unsigned"]),
    "tencent2-qcloudapi-npm-Decrypt-POST-HmacSHA256-sha1": ("found", ["hash-other"]),
    "tencent2-qcloudapi-npm-Encrypt-POST-TC2-labelOnly": ("found", ["hash-label"]),
    "tencent3-tencentcloud-node-Encrypt-HmacSHA256-POST-upperHost": ("unknown", []),  # LocalHost
    "tencent2-qcloudapi-npm-Encrypt-POST-quirks": ("found", ["names-dotted-late", "file-unsigned"]),
    "tencent2-qcloudapi-py-Encrypt-POST-quirks": ("found", ["names-dotted", "file-unsigned"]),
    "aws-aws4fetch-1.0.20-ListKeys-presigned": ("unreadable", []),
    "aws-boto3crt-1.44.8-ListKeys-sigv4a": ("unreadable", []),
    "tencent3-tencentcloud-py-Encrypt-SkipSign": ("unreadable", []),
    "tencent3-tencentcloud-py-Encrypt-UNSIGNED-PAYLOAD": ("found", ["body-unsigned"]),
}
"""Recordings that are refused (tests/wire/test_signatures.py), and what is told of them."""


@cache
def _recorded() -> dict[str, Said]:
    every = captures()
    said = judge(*((_raw(of), {"secret": of.secret, "now": of.time * 1000}) for of in every if of.name not in REFUSED))
    return dict(zip((of.name for of in every if of.name not in REFUSED), said, strict=True))


@pytest.mark.parametrize("name", [of.name for of in captures() if of.name not in REFUSED])
def test_a_recorded_request_is_told_as_right(name: str) -> None:
    said = _recorded()[name]
    assert isinstance(said, dict), said
    assert said["verdict"] in ("right", "right-as-served"), said


@pytest.mark.parametrize("name", REFUSED)
def test_a_recorded_request_that_is_refused_is_explained(name: str) -> None:
    of = capture(name)
    # The time of what is not signed in its headers is of no interest here.
    (said,) = judge((_raw(of), {"secret": of.secret}))
    assert (said["verdict"], [row["id"] for row in said["mistakes"]]) == REFUSED[name]
