"""The signature check in a browser: it finds why a client is refused, and keeps what it is told to itself."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import playwright.sync_api as playwright
import pytest
from playwright.sync_api import expect

from kit import browser as kit
from kit.faulty import HOST, NOW, SECRET, SIGNERS, signed
from kit.in_node import STATIC, exported
from kit.memory import memories
from kit.mistakes import MADE
from kit.mistakes_rare import RARE, SERVED
from kit.support import Tenant

Visit = Callable[..., kit.Page]
ADVICE = json.loads((STATIC / "advice.json").read_text("utf-8"))


@pytest.fixture
def opened(visit: Visit, tenant: Tenant) -> Callable[..., kit.Page]:
    """`opened("?lang=zh")`: the check, in the year of `kit.faulty`."""

    def there(more: str = "", at: float | None = NOW, **context: Any) -> kit.Page:
        shown = visit(f"{tenant.server.url}/explorer#check{more}", **context)
        if at is not None:
            shown.page.clock.set_fixed_time(at)
        shown.page.wait_for_selector("#request")
        return shown

    return there


def check(page: playwright.Page, request: str = "", secret: str = SECRET) -> str:
    """The verdict on what is pasted, or else stands there already."""
    if request:
        page.fill("#request", request)
        page.fill("#check-secret", secret)
    page.evaluate("document.querySelector('.result').replaceChildren()")
    page.click("#check")
    verdict = page.get_attribute("[data-verdict]", "data-verdict", timeout=60_000)
    assert verdict
    return verdict


def found(page: playwright.Page, kind: str = "mistakes") -> list[str | None]:
    return [item.get_attribute("data-id") for item in page.locator(f".{kind} [data-id]").all()]


def reasons(page: playwright.Page, what: str) -> list[tuple[str, str]]:
    """(line, why) of those that differ, as they are read."""
    rows = page.locator(f".lines[data-what={what}] .differ > li > p").all_inner_texts()
    return [tuple(re.split("[::] ?", row, maxsplit=1)) for row in rows]  # type: ignore[misc]


# -- what it finds ---------------------------------------------------------------------------------------


def _one_of_each_kind() -> list[tuple[str, str, dict[str, Any]]]:
    places = {row["id"]: row["place"] for row in exported("mistakes.js", "MISTAKES")}
    return [*{places[row[0]]: row for row in reversed([*MADE, *RARE])}.values()]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_each_kind_of_mistake_is_named_with_what_to_do(lang: str, opened: Callable[..., kit.Page]) -> None:
    page = opened(f"?lang={lang}").page
    kinds = _one_of_each_kind()
    assert len(kinds) == len({row["place"] for row in exported("mistakes.js", "MISTAKES")})
    for mistake, scheme, wrong in kinds:
        assert check(page, signed(scheme, **wrong)) == "found", mistake
        assert found(page) == [mistake]
        words = ADVICE["mistakes"][mistake]
        told = page.inner_text(".mistakes")
        assert all(word in told for word in (words[:2] if lang == "en" else words[2:])), told
        assert page.locator(".lines, .same").count(), "the lines that differ, or that none does"


@pytest.mark.parametrize("scheme", SIGNERS)
def test_a_right_request_is_told_as_right(scheme: str, opened: Callable[..., kit.Page]) -> None:
    page = opened().page
    assert check(page, signed(scheme)) == "right"
    assert found(page) == found(page, "faults") == []
    expect(page.locator("[data-verdict]")).to_have_text("The signature is right.")
    page.click("#language")
    expect(page.locator("[data-verdict]")).to_have_text("签名正确。")
    assert page.locator("#request").input_value() == signed(scheme), "it stays when the language changes"


def test_what_is_served_is_told_as_accepted(opened: Callable[..., kit.Page]) -> None:
    page = opened().page
    mistake, scheme, wrong = SERVED[0]
    assert check(page, signed(scheme, **wrong)) == "right-as-served"
    assert found(page) == [mistake]
    assert "accepted" in page.inner_text("[data-verdict]")


def test_a_line_that_differs_stands_beside_the_right_one(opened: Callable[..., kit.Page]) -> None:
    page = opened().page
    check(page, signed("aws", headers_wrong={"host": HOST.partition(":")[0]}))
    assert reasons(page, "canonical") == [("host", "port")]
    assert page.locator(".lines[data-what=text]").count() == 0, "its hash only follows"
    assert page.locator(".differ dd").all_inner_texts() == [f"host:{HOST}", "host:kms.example.test"]
    assert page.inner_text(".differ mark") == ":8480"
    page.click(".wholes summary")
    assert page.locator(".wholes pre").first.inner_text().startswith("POST\n/\n")
    assert page.locator(".wholes pre").count() == 4


def test_lines_of_the_clients_own_are_compared(opened: Callable[..., kit.Page]) -> None:
    """A mistake that no table has: the client's texts show where it is, and that its key is right."""
    page = opened().page
    wrong = signed("aws", headers_wrong={"x-amz-target": "Of.Nobody"}, method="PUT", query="a=b")
    assert check(page, wrong) == "unknown"
    assert "paste the client's string to sign" in page.inner_text(".result")
    page.click(".wholes summary")
    ours, text = page.locator(".wholes pre").all_inner_texts()
    mine = ours.replace("TrentService.Encrypt", "Of.Nobody").replace("POST\n/\n", "PUT\n/\na=b")
    page.click(".mine summary")
    page.fill("#canonical", mine)
    assert check(page) == "unknown"
    assert reasons(page, "canonical") == [
        ("Method", "another value"),
        ("Query", "another value"),
        ("x-amz-target", "another value"),
    ]
    page.fill("#string-to-sign", text)
    check(page)
    assert "that of its canonical request" in page.inner_text(".result"), "of another request"
    assert "do not give its signature" in page.inner_text(".result")


def test_the_own_string_tells_that_the_key_is_right(opened: Callable[..., kit.Page]) -> None:
    page = opened().page
    kept: list[str] = []
    text = signed("rpc", text=lambda made: kept.append(f"{made}%26More%3D1") or kept[-1])
    page.click(".mine summary")
    page.fill("#string-to-sign", kept[-1])
    assert check(page, text) == "unknown"
    assert "give exactly its signature" in page.inner_text(".result")
    assert reasons(page, "text") == [("More", "your client signs it, and it does not belong there")]
    page.fill("#string-to-sign", kept[-1].removesuffix("%26More%3D1"))
    assert check(page, signed("rpc", start=SECRET)) == "key"
    assert found(page) == ["secret-bare"]


def test_faults_show_without_a_secret(opened: Callable[..., kit.Page]) -> None:
    page = opened(at=NOW + 8 * 3600).page
    assert check(page, signed("tc3").replace("/tc3_request", "/request"), "") == "no-secret"
    assert found(page, "faults") == ["clock-zone", "scope-form"]
    assert "-8 h" in page.inner_text(".faults")


@pytest.mark.parametrize(("text", "told"), [("hello", "no request line"), ("curl 'x", "not closed"), (" ", "first")])
def test_what_is_no_request_is_told_so(text: str, told: str, opened: Callable[..., kit.Page]) -> None:
    page = opened().page
    assert check(page, text) == "unreadable"
    assert told in page.inner_text(".result")


def test_every_example_has_its_mistake_in_both_languages(opened: Callable[..., kit.Page]) -> None:
    page = opened(at=None).page
    examples = exported("example.js", "EXAMPLES")
    for scheme, _, mistake in (*examples, examples[0]):
        page.click("#example")
        expect(page.locator("form [role=status]")).to_contain_text("a mistake is filled in")
        assert page.locator("[data-verdict]").count() == 0, "of the request before"
        assert check(page) == "found", scheme
        assert (found(page), found(page, "faults")) == ([mistake], [])
        page.click("#language")
        expect(page.locator(".mistakes")).to_contain_text(ADVICE["mistakes"][mistake][2])
        page.click("#language")


# -- a client that is refused for real --------------------------------------------------------------------


CLIENT = """
import http.client, sys
import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

http.client.HTTPConnection.debuglevel = 1
port, access_key_id, secret = sys.argv[1:]
kms = boto3.client(
    "kms",
    endpoint_url=f"http://localhost:{port}",
    region_name="us-east-1",
    aws_access_key_id=access_key_id,
    aws_secret_access_key=secret,
    config=Config(retries={"total_max_attempts": 1}),
)


def proxy(request, **_):
    request.headers["Host"] = f"127.0.0.1:{port}"


kms.meta.events.register("before-send.kms", proxy)
try:
    kms.encrypt(KeyId="alias/default", Plaintext="it's é".encode())
except ClientError as error:
    print(error)
"""


def test_a_client_that_a_proxy_makes_refused_learns_why(visit: Visit, tenant: Tenant) -> None:
    """The walk of docs/explorer.md: boto3 signs the proxy's name, and the server gets its own."""
    port = tenant.server.url.rpartition(":")[2]
    command = [sys.executable, "-c", CLIENT, port, tenant.access_key_id, tenant.secret]
    printed = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert "InvalidSignatureException" in printed
    page = visit(f"{tenant.server.url}/explorer#search?q=InvalidSignatureException").page
    assert "Signature check" in page.inner_text(".errors"), "who looks the error up is led there"
    page.click("#tabs a >> text=Signature check")
    assert check(page, printed, tenant.secret) == "found"
    assert found(page) == ["host-local"]
    assert "proxy" in page.inner_text(".mistakes")
    assert f"localhost:{port}" in page.inner_text(".mistakes")
    assert found(page, "faults") == []


def test_what_the_form_signs_is_right_as_curl_too(visit: Visit, tenant: Tenant) -> None:
    page = visit(f"{tenant.server.url}/explorer#call/alibaba/ListKeys").page
    page.fill("#access-key-id", tenant.access_key_id)
    page.fill("#secret", tenant.secret)
    page.click("#sign-only")
    page.click(".part-curl summary")
    command = page.inner_text(".part-curl pre")
    page.click("#tabs a >> text=Signature check")
    assert page.input_value("#check-secret") == tenant.secret, "the one of the form is there already"
    assert check(page, command, tenant.secret) == "right"
    page.click("#tabs a >> text=Call")
    page.click("#tabs a >> text=Signature check")
    expect(page.locator("[data-verdict=right]")).to_have_count(1)  # the tab keeps it


# -- what must not be ------------------------------------------------------------------------------------


def test_the_secret_and_the_request_leave_the_tab_by_no_way(visit: Visit, tenant: Tenant) -> None:
    watched = visit(f"{tenant.server.url}/explorer#check")
    page = watched.page
    secret, marker = secrets.token_hex(16), secrets.token_hex(16)
    page.wait_for_selector("#request")
    before = len(watched.requests)
    request = signed("v1", more={"Description": marker}, start=f"{secret}&")
    assert check(page, request, secret) == "found"
    page.click("#language")
    assert check(page, request, f"{secret}x") == "unknown"
    assert len(watched.requests) == before, "nothing is asked for"
    assert page.get_attribute("#check-secret", "type") == "password"
    stored = page.evaluate(
        "async () => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie,"
        " await indexedDB.databases(), await caches.keys(), history.state, location.href])"
    )
    assert json.loads(stored)[:5] == [{}, {}, "", [], []]
    seen = [stored, page.inner_html("html").replace(marker, ""), *(asked.url for asked in watched.requests)]
    assert not any(secret in text for text in seen)
    assert not any(marker in text for text in (stored, *(asked.url for asked in watched.requests)))
    log = "".join(path.read_text("utf-8") for path in tenant.server.data_dir.glob("*.jsonl"))
    assert secret not in log
    assert marker not in log
    known = False
    for memory in memories(tenant.server.process.pid):
        known = known or tenant.access_key_id.encode() in memory or b"/explorer" in memory
        assert secret.encode() not in memory
        assert marker.encode() not in memory
    assert known, "the memory that was looked at is the server's"
    page.reload()
    page.wait_for_selector("#request")
    assert page.input_value("#check-secret") == page.input_value("#request") == ""


def test_markup_in_what_is_pasted_is_text(opened: Callable[..., kit.Page]) -> None:
    page = opened().page
    nasty = "<img src=x onerror=document.title='run'>"
    raw = signed(
        "v1", more={"Description": nasty}, order=lambda pairs: sorted(p for p in pairs.items() if "<" not in p[1])
    )
    assert check(page, raw) == "found"
    page.click(".wholes summary")
    assert nasty in page.inner_text(".result")
    assert page.locator("main img").count() == 0
    assert check(page, nasty) == "unreadable"
    assert page.locator("main img").count() == 0
    assert page.title() == "Explorer · Tenant KMS"


def test_without_a_secure_context_it_says_why_it_cannot_check(opened: Callable[..., kit.Page]) -> None:
    page = opened().page
    page.evaluate("Object.defineProperty(globalThis, 'isSecureContext', {value: false})")
    for button in ("#check", "#example"):
        page.click(button)
        assert "https://" in page.inner_text("[role=alert]")


# -- how it is used and looks ----------------------------------------------------------------------------


def test_the_engine_is_loaded_by_who_comes_here(visit: Visit, tenant: Tenant) -> None:
    watched = visit(f"{tenant.server.url}/explorer")
    watched.page.wait_for_selector("#query")
    assert not any("verdict.js" in asked.url or "advice.json" in asked.url for asked in watched.requests)
    watched.page.click("#tabs a >> text=Signature check")
    watched.page.wait_for_selector("#request")
    assert {"verdict.js", "mistakes.js", "check.js"} <= {asked.url.rpartition("/")[2] for asked in watched.requests}


def test_it_works_from_the_keyboard_alone(opened: Callable[..., kit.Page]) -> None:
    page = opened().page
    keys = page.keyboard
    page.focus("#tabs a >> nth=-1")
    page.evaluate("document.getElementById('request').focus()")
    keys.insert_text(signed("tc3", gap=""))
    for _ in range(2):
        keys.press("Tab")
    expect(page.locator("#check-secret")).to_be_focused()
    keys.type(SECRET)
    keys.press("Enter")
    expect(page.locator("[data-verdict=found]")).to_be_focused()
    assert found(page) == ["header-gap"]
    page.evaluate("document.querySelector('.result').replaceChildren()")
    page.focus("#request")
    keys.press("Control+Enter")
    expect(page.locator("[data-verdict=found]")).to_be_focused()


def test_the_picture_of_the_documents_is_of_this_page(visit: Visit, tenant: Tenant) -> None:
    """It is compared by its size; who changes the page copies it: build/browser/check.png to docs/check.png."""
    page = visit(f"{tenant.server.url}/explorer#check", viewport={"width": 1200, "height": 780}).page
    page.click("#example")
    expect(page.locator("form [role=status]")).to_contain_text("a mistake is filled in")
    assert check(page) == "found"
    page.evaluate("document.activeElement.blur()")
    page.evaluate("scrollTo(0, 0)")
    made, kept = kit.SHOTS / "check.png", kit.ROOT / "docs/check.png"
    page.screenshot(path=made)
    assert kept.read_bytes()[:24] == made.read_bytes()[:24], "the signature of a PNG, its width and height"
    assert kept.stat().st_size < 150_000


LOOKS = [(360, "light", "zh"), (360, "dark", "en"), (1280, "light", "en"), (1600, "dark", "zh")]


@pytest.mark.parametrize(("width", "theme", "lang"), LOOKS)
def test_it_fits_and_can_be_used_by_all(width: int, theme: str, lang: str, opened: Callable[..., kit.Page]) -> None:
    size = {"width": width, "height": 900}
    shown = opened(f"?lang={lang}", at=NOW + 3700, viewport=size, color_scheme=theme)
    page = shown.page
    assert shown.layout() == []
    assert shown.axe() == []
    # Two mistakes, a fault, and long lines.
    assert check(page, signed("rpc", start=SECRET, escape=lambda text: text.replace("%", "%25"))) == "found"
    assert found(page) == ["escape-none", "secret-bare"]
    assert found(page, "faults") != []
    for summary in page.locator("main summary").all():
        summary.click()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 28)"
    assert dark == (theme == "dark")
    assert bool(re.search("[\u4e00-\u9fff]", page.inner_text("main"))) == (lang == "zh")
    shown.shot(f"check-{width}-{theme}-{lang}")
    assert shown.layout() == []
    assert shown.axe() == []


def test_what_no_test_thought_of_is_told(opened: Callable[..., kit.Page]) -> None:
    page = opened().page
    page.evaluate("void (crypto.subtle.digest = () => Promise.reject(new Error('no digest <b>')))")
    page.fill("#request", signed("tc3"))
    page.click("#check")
    expect(page.locator("form [role=alert]")).to_have_text("This could not be checked: no digest <b>")
    expect(page.locator("form [role=status]")).to_have_text("")
