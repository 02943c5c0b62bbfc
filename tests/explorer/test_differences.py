"""Lines that a client has signed otherwise: each is named, and why; and what its own text tells of its key."""

from __future__ import annotations

import base64
import hashlib
import hmac
from functools import cache
from typing import Any

import pytest

from kit.faulty import HOST, NOW, SECRET, signed
from kit.in_node import call, exported

BLOCK = (
    "POST\n/\nb=%2F\ncontent-type:application/json\nhost:a.test:8480\nx-date:20270115T080000Z\n\n"
    "content-type;host;x-date\n" + "0" * 64
)
EMPTY = hashlib.sha256(b"").hexdigest()
DATED = f"TC3-HMAC-SHA256\n1800000000\n2027-01-15/kms/tc3_request\n{'1' * 64}"
PAIRS = "Action=Encrypt&B=a%20b%2F&a=1"
RPC = "GET&%2F&Action%3DEncrypt%26B%3Da%2520b%252F"
V1 = "POSTa.test:8480/?Action=Encrypt&Nonce=1"

Row = tuple[str, str]
CASES: list[tuple[str, str, str, str, list[Row]]] = [
    ("tc3", "canonical", BLOCK, BLOCK, []),
    ("tc3", "canonical", BLOCK, BLOCK.replace(":8480", ""), [("host", "port")]),
    ("tc3", "canonical", BLOCK, BLOCK.replace("a.test", "b.test"), [("host", "value")]),
    ("tc3", "canonical", BLOCK, BLOCK.replace("%2F", "/"), [("#query", "not-escaped")]),
    ("tc3", "canonical", BLOCK, BLOCK.replace("%2F", "%2f"), [("#query", "code-case")]),
    ("tc3", "canonical", BLOCK, BLOCK.replace("%2F", "%252F"), [("#query", "escaped-twice")]),
    ("tc3", "canonical", BLOCK, BLOCK.replace("POST", "post"), [("#method", "letter-case")]),
    ("tc3", "canonical", BLOCK, BLOCK.replace("\n\n", "\n"), [("#gap", "missing")]),
    ("tc3", "canonical", BLOCK, BLOCK.replace("host:", "host: "), [("host", "spaces")]),
    ("tc3", "canonical", BLOCK, BLOCK.replace("0" * 64, EMPTY), [("#payload", "empty-body")]),
    ("tc3", "canonical", BLOCK, BLOCK.replace("0" * 64, "2" * 64), [("#payload", "body")]),
    (
        "aws",
        "canonical",
        BLOCK,
        BLOCK.replace("x-date:20270115T080000Z\n", "").replace(";x-date", ""),
        [("x-date", "missing"), ("#signed-headers", "value")],
    ),
    (
        "acs",
        "canonical",
        BLOCK,
        BLOCK.replace("x-date:", "x-b:1\nx-date:").replace(";x-d", ";x-b;x-d"),
        [("#signed-headers", "value"), ("x-b", "extra")],
    ),
    ("tc3", "canonical", BLOCK, BLOCK.replace("json\n", "json\r\n"), [("content-type", "carriage-return")]),
    ("tc3", "canonical", BLOCK, BLOCK + "\n", [("#end", "line-at-end")]),
    ("tc3", "text", DATED, DATED.replace("1800000000", "1800028800"), [("#time", "value")]),
    ("tc3", "text", DATED, DATED.replace("-01-15", "-01-16"), [("#scope", "value")]),
    ("aws", "text", DATED, DATED.replace("1" * 64, "3" * 64), [("#digest", "follows")]),
    ("aws", "text", DATED, DATED + "\nmore", [("#more-0", "extra")]),
    ("acs", "text", "ACS3-HMAC-SHA256\nab", "ACS3-HMAC-SHA1\nab", [("#algorithm", "value")]),
    ("rpc", "canonical", PAIRS, PAIRS.replace("%20", "+"), [("B", "plus-for-space")]),
    ("rpc", "canonical", PAIRS, "a=1&Action=Encrypt&B=a%20b%2F", [("#order", "order")]),
    ("rpc", "canonical", PAIRS, PAIRS.replace("%20b%2F", "+b/"), [("B", "escaped-otherwise")]),
    ("rpc", "canonical", PAIRS, PAIRS.replace("&a=1", ""), [("a", "missing")]),
    ("rpc", "canonical", f"{PAIRS}&a=2", PAIRS, [("a", "missing")]),
    ("rpc", "text", RPC, RPC.replace("GET", "POST"), [("#method", "value")]),
    ("rpc", "text", RPC, RPC.replace("%2F&", "/&"), [("#path", "not-escaped")]),
    ("v1", "canonical", "a_b=1", "a.b=1", [("a_b", "missing"), ("a.b", "extra")]),
    ("v1", "text", V1, V1.replace(":8480", ""), [("#host", "port")]),
    ("v1", "text", V1, V1.replace("POST", "GET"), [("#method", "value")]),
    ("v1", "text", V1, V1.replace("/?", "?"), [("#path", "value")]),
    ("v1", "text", V1, V1.replace("Nonce=1", "Nonce=2"), [("Nonce", "value")]),
]


@cache
def _compared() -> list[Any]:
    return call("differences.js", "compare", [case[:4] for case in CASES])


@pytest.mark.parametrize("i", range(len(CASES)))
def test_a_line_that_differs_is_named_with_its_reason(i: int) -> None:
    rows = _compared()[i]
    assert [(row["name"], row["why"]) for row in rows if row["why"]] == CASES[i][4]
    assert all(row["ours"] == row["mine"] for row in rows if not row["why"])


def test_each_reason_is_given_once() -> None:
    given = {why for *_, expected in CASES for _, why in expected}
    assert given == {*exported("differences.js", "REASONS")}


def judge(text: str, mine: dict[str, str], secret: str = SECRET) -> dict[str, Any]:
    (said,) = call("verdict.js", "judge", [[text, {"secret": secret, "mine": mine, "now": NOW * 1000}]])
    assert isinstance(said, dict), said
    return said


def texts(scheme: str) -> dict[str, str]:
    """What is signed of a request without a mistake."""
    ours: dict[str, str] = judge(signed(scheme), {})["ours"]
    return ours


def _v1_signed(text: str) -> str:
    return base64.b64encode(hmac.digest(SECRET.encode(), text.encode(), "sha256")).decode()


def test_a_string_of_ones_own_that_differs_clears_the_key() -> None:
    """An order that no mistake of the table makes: the client's string shows it."""
    ours = texts("v1")["stringToSign"]
    start, _, pairs = ours.partition("?")
    first, second, *rest = pairs.split("&")
    mine = f"{start}?{'&'.join([second, first, *rest])}"
    text = signed("v1", order=lambda given: _swapped(sorted(given.items())))
    said = judge(text, {"stringToSign": mine})
    assert (said["verdict"], said["key"]) == ("unknown", {"right": True, "rows": []})
    assert [(row["name"], row["why"]) for row in said["differences"]["text"] if row["why"]] == [("#order", "order")]


def _swapped(pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [pairs[1], pairs[0], *pairs[2:]]


def test_a_string_of_ones_own_tells_a_wrong_key_from_a_wrong_text() -> None:
    text = texts("tc3")
    said = judge(signed("tc3", start=SECRET), text)
    assert (said["verdict"], [row["id"] for row in said["mistakes"]]) == ("key", ["secret-bare"])
    assert not said["inconsistent"]
    said = judge(signed("tc3"), text, secret="quite another")
    assert (said["verdict"], said["key"]) == ("unknown", {"right": False, "rows": []})


def test_two_texts_of_different_requests_are_told() -> None:
    text = texts("aws")
    other = text["canonicalRequest"].replace(HOST, "b.test")
    assert judge(signed("aws"), {**text, "canonicalRequest": other})["inconsistent"]
    assert not judge(signed("aws"), text)["inconsistent"]
    assert not judge(signed("v1"), texts("v1"))["inconsistent"]


@pytest.mark.parametrize("scheme", ["tc3", "aws", "acs", "rpc", "v2"])
def test_a_mistake_that_is_found_tells_what_the_client_signed(scheme: str) -> None:
    """Without a word of the client's own: its lines follow from the mistake."""
    said = judge(signed(scheme, method="GET" if scheme in ("acs", "aws", "tc3", "v2") else "POST"), {})
    assert [row["id"] for row in said["mistakes"]] == ["method-other"]
    what = "text" if scheme in ("rpc", "v2") else "canonical"
    assert [(row["name"], row["why"]) for row in said["differences"][what] if row["why"]] == [("#method", "value")]
