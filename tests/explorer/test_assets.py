"""The explorer's page as it is served: whole, small, strict, from here only, and at no cost to those who call."""

from __future__ import annotations

import base64
import gzip
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from functions.endpoint.explorer.assets import assets
from kit.in_node import STATIC, exported
from kit.support import Kms, Server, event

GZIP = {"accept-encoding": "gzip, deflate, br"}
FIRST_VIEW = 100_000
"""Bytes that come before somebody sees the page, all of its parts together, compressed."""


def get(kms: Kms, path: str, method: str = "GET", **headers: str) -> dict[str, Any]:
    return kms.send(event(method, path, headers=headers))


def body(answer: Mapping[str, Any]) -> bytes:
    text: str = answer["body"]
    return base64.b64decode(text) if answer["isBase64Encoded"] else text.encode()


@pytest.fixture
def page(kms: Kms) -> str:
    return body(get(kms, "/explorer")).decode()


def linked(page: str) -> Iterator[str]:
    return (url for url in re.findall(r'(?:href|src)="([^"]+)"', page) if url.startswith("/explorer/"))


@pytest.mark.parametrize("path", ["/explorer", "/explorer/"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_the_page_is_served_under_a_strict_policy(path: str, method: str, kms: Kms) -> None:
    answer = get(kms, path, method)
    assert (answer["statusCode"], answer["headers"]["content-type"]) == (200, "text/html; charset=utf-8")
    policy = dict(part.strip().split(" ", 1) for part in answer["headers"]["content-security-policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "connect-src": "'self'",
        "img-src": "'self' data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert answer["headers"]["x-content-type-options"] == "nosniff"
    assert answer["headers"]["referrer-policy"] == "no-referrer"
    assert answer["headers"]["cross-origin-opener-policy"] == "same-origin"
    assert answer["headers"]["cross-origin-resource-policy"] == "same-origin"
    assert answer["headers"]["cache-control"] == "no-cache"


def test_its_files_are_kept_for_good(page: str, kms: Kms) -> None:
    types = {}
    for url in linked(page):
        answer = get(kms, url)
        assert answer["statusCode"] == 200, url
        assert answer["headers"]["cache-control"] == "public, max-age=31536000, immutable"
        assert "content-security-policy" in answer["headers"]
        types[Path(url).suffix] = answer["headers"]["content-type"]
    assert types == {
        ".css": "text/css; charset=utf-8",
        ".js": "text/javascript; charset=utf-8",
        ".json": "application/json",
    }


def test_a_file_has_two_forms_and_a_tag_for_each(page: str, kms: Kms) -> None:
    for url in ("/explorer", *linked(page)):
        plain, packed = get(kms, url), get(kms, url, **GZIP)
        assert "content-encoding" not in plain["headers"]
        assert packed["headers"]["content-encoding"] == "gzip"
        assert gzip.decompress(body(packed)) == body(plain)
        assert plain["headers"]["etag"] != packed["headers"]["etag"]
        assert plain["headers"]["vary"] == packed["headers"]["vary"] == "accept-encoding"


def test_the_first_view_is_small_and_one_round_trip_beside_the_page(page: str, kms: Kms) -> None:
    """All that a module imports is asked for by the page itself, so that nothing waits for something else."""
    urls = [*linked(page)]
    size = sum(len(body(get(kms, url, **GZIP))) for url in {"/explorer", *urls})
    assert size < FIRST_VIEW
    first = {Path(url).name for url in urls}
    assert "main.js" in first
    for script in (STATIC / name for name in first if name.endswith(".js")):
        for name in re.findall(r'from "\./([\w.]+)"', script.read_text("utf-8")):
            assert name in first, f"{script.name} waits for {name}"
    (preload,) = re.findall(r'<link rel="preload"[^>]*>', page)
    assert "reference.json" in preload


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/explorer/0000000000000000/main.js"),
        ("GET", "/explorer/../explorer"),
        ("GET", "/explorers"),
        ("GET", "/explorer/main.js"),
        ("POST", "/explorer"),
        ("PUT", "/explorer"),
    ],
)
def test_nothing_else_is_there(method: str, path: str, kms: Kms) -> None:
    answer = get(kms, path, method)
    assert answer["statusCode"] == 400
    assert "Sign the request" in answer["body"]


def test_where_it_is_off_there_is_no_page_and_no_door_to_it(kms: Kms) -> None:
    off = Kms(replace(kms.settings, explorer=False, log=None), kms.signer)
    assert get(off, "/explorer")["statusCode"] == 400
    door = get(off, "/")["body"]
    assert "/explorer" not in door
    assert "<!--" not in door
    assert "machine that runs it" not in door, "there is none on AWS"
    sandbox = get(Kms(replace(kms.settings, explorer=True, log=None), kms.signer), "/")["body"]
    assert 'href="/explorer"' in sandbox
    assert "machine that runs it" not in sandbox
    assert "/console" not in sandbox
    on = get(kms, "/")["body"]
    assert 'href="/explorer"' in on
    assert "On the machine that runs it" in on
    assert "{version}" not in on


def test_a_signed_request_to_its_path_is_a_call(kms: Kms) -> None:
    made = kms.signer.alibaba_acs3("ListKeys")
    made["rawPath"] = made["requestContext"]["http"]["path"] = "/explorer"
    assert "TotalCount" in kms.send(made)["body"]


def test_who_calls_does_not_load_it() -> None:
    program = "import sys; import tkms.machine.serve; print([name for name in sys.modules if 'explorer' in name])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_server_sends_it_so(server: Server) -> None:
    connection = HTTPConnection(server.host)
    for method in ("GET", "HEAD"):
        connection.request(method, "/explorer", headers=GZIP)
        answer = connection.getresponse()
        got = answer.read()
        assert answer.headers.get_all("cache-control") == ["no-cache"]
        assert answer.headers.get_all("content-encoding") == ["gzip"]
        assert int(answer.headers["content-length"]) == len(assets()["/explorer"].packed)
        assert gzip.decompress(got).startswith(b"<!doctype html>") if method == "GET" else not got
    connection.request("GET", "/healthz")
    answer = connection.getresponse()
    answer.read()
    assert answer.headers.get_all("cache-control") == ["no-store"]
    connection.close()


TEXTS = sorted(path.name for path in STATIC.glob("*texts.js"))
BANNED = (
    *("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "DOMParser"),
    *("localStorage", "sessionStorage", "indexedDB", "document.cookie", "sendBeacon", "console."),
)


@pytest.mark.parametrize("script", sorted(STATIC.glob("*.js")), ids=lambda path: path.name)
def test_nothing_received_becomes_markup_and_nothing_is_stored(script: Path) -> None:
    text = script.read_text("utf-8")
    assert [word for word in BANNED if word in text] == []


@cache
def texts(module: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = exported(module, "TEXTS")
    return found


@pytest.mark.parametrize("module", TEXTS)
def test_both_languages_say_everything(module: str) -> None:
    english, chinese = texts(module)["en"], texts(module)["zh"]
    assert english.keys() == chinese.keys()
    for key, text in english.items():
        holes = [sorted(re.findall(r"\{\d\}", said)) for said in (text, chinese[key])]
        assert holes[0] == holes[1], key
        assert text
        assert chinese[key]
    same = {key for key, text in english.items() if text == chinese[key]}
    assert same <= {"type.base64", "type.json"}


def test_what_scripts_say_is_in_the_texts() -> None:
    asked = {key for script in STATIC.glob("*.js") for key in re.findall(r'\bt\("([\w.]+)"', script.read_text("utf-8"))}
    assert asked <= {key for module in TEXTS for key in texts(module)["en"]}
    assert len(asked) > 60
