"""Of each mistake the command finds the same as the explorer, in requests that a signer written apart has signed."""

from __future__ import annotations

import base64

import pytest

from kit.captures import Capture, captures
from kit.faulty import SECRET, SIGNERS, request_of, signed
from kit.in_node import exported
from kit.mistakes import BARE, MADE
from tenantkms.wire.http import Request, settle
from tkms.explain.mistakes import MISTAKES
from tkms.explain.received import Received, read
from tkms.explain.search import Named, search_pairs, search_singles

REFUSED = {
    "alibaba-kms-sdk-npm-GenerateDataKey-GET-zero": ["parameter-unsigned"],
    "tencent2-qcloudapi-npm-Decrypt-POST-HmacSHA256-sha1": ["hash-other"],
    "tencent2-qcloudapi-npm-Encrypt-POST-TC2-labelOnly": ["hash-label"],
    "tencent2-qcloudapi-npm-Encrypt-POST-quirks": ["names-dotted-late", "file-unsigned"],
    "tencent2-qcloudapi-py-Encrypt-POST-quirks": ["names-dotted", "file-unsigned"],
    "tencent3-tencentcloud-py-Encrypt-UNSIGNED-PAYLOAD": ["body-unsigned"],
    "alibaba-kms-sdk-npm-Encrypt-GET-retry": [],
    "tencent3-tencentcloud-node-Encrypt-HmacSHA256-POST-upperHost": [],
}
"""Recordings of SDKs that are refused (tests/wire/test_signatures.py), and what is found of them."""
UNREADABLE = (
    "aws-aws4fetch-1.0.20-ListKeys-presigned",
    "aws-boto3crt-1.44.8-ListKeys-sigv4a",
    "tencent3-tencentcloud-py-Encrypt-SkipSign",
)


def received(request: Request) -> Received:
    found = read(request)
    assert found
    return found


def found_of(request: Request, secret: str = SECRET, *, pairs: bool = False) -> list[str] | None:
    found = search(received(request), secret) if pairs else search_singles(received(request), secret).found
    return None if found is None else [row.id for row in found]


def search(seen: Received, secret: str) -> tuple[Named, ...] | None:
    tried = search_singles(seen, secret)
    return search_pairs(seen, tried) if tried.found == () else tried.found


def recorded(of: Capture) -> Request:
    sent = of.data["request"]
    headers, unfit = settle({name.lower(): value for name, value in sent["headers"]})
    path, _, query = sent["target"].partition("?")
    body = base64.b64decode(sent["body_base64"])
    return Request(method=sent["method"], path=path, query=query, headers=headers, body=body, unfit=unfit)


@pytest.mark.parametrize(
    ("mistake", "scheme", "wrong"), MADE, ids=[f"{row[0]}-{row[1]}-{i}" for i, row in enumerate(MADE)]
)
def test_a_mistake_is_found_by_its_name(mistake: str, scheme: str, wrong: dict[str, object]) -> None:
    assert found_of(request_of(signed(scheme, **wrong))) == [mistake]


@pytest.mark.parametrize("scheme", SIGNERS)
def test_what_is_signed_rightly_has_none(scheme: str) -> None:
    assert found_of(request_of(signed(scheme))) is None


def test_two_mistakes_at_once_are_both_found() -> None:
    wrong = {"headers_wrong": {"host": BARE}, "start": f"AWS4{SECRET}\n"}
    assert found_of(request_of(signed("aws", **wrong)), pairs=True) == ["host-without-port", "secret-space"]


def test_another_secret_is_no_mistake_that_has_a_name() -> None:
    assert found_of(request_of(signed("v2")), "quite another", pairs=True) == []


def test_the_ids_are_those_of_the_explorer() -> None:
    theirs = {(row["id"], row["place"]) for row in exported("mistakes.js", "MISTAKES")}
    ours = {(row.id, row.place) for row in MISTAKES}
    assert ours == theirs - {("host-of-url", "host")}


@pytest.mark.parametrize(
    "of", [of for of in captures() if of.name not in {*REFUSED, *UNREADABLE}], ids=lambda of: of.name
)
def test_a_recorded_request_is_right_or_is_served_as_it_is(of: Capture) -> None:
    request = recorded(of)
    way = received(request).parts.way
    found = search(received(request), of.secret)
    served = {row.id for row in MISTAKES if way in row.served}
    assert found is None or (found and served.issuperset(row.id for row in found))


@pytest.mark.parametrize("name", REFUSED)
def test_a_recorded_request_that_is_refused_is_explained(name: str) -> None:
    of = next(of for of in captures() if of.name == name)
    assert found_of(recorded(of), of.secret, pairs=True) == REFUSED[name]


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_signed_by_no_scheme_is_told_as_that(name: str) -> None:
    of = next(of for of in captures() if of.name == name)
    assert read(recorded(of)) is None
