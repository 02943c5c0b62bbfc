"""The explorer's tab Code in a browser: the program of the form that was filled in, to read, copy and run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import playwright.sync_api as playwright
import pytest
from playwright.sync_api import expect

from functions.endpoint.clients import CLIENTS
from kit import browser as kit
from kit.programs import parses, run
from kit.support import Server, serving
from kit.written import KNOWN, OPERATIONS

Visit = Callable[..., kit.Page]
NASTY = "<img src=x onerror=document.title='run'>'\" \\ $HOME `id`"
SECRET = "not-the-secret-of-anything"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("code") / "data", "--limit", "off") as server:
        yield server


def _program(page: playwright.Page) -> str:
    text = page.text_content(".result pre")
    assert text
    return text


def _chosen(page: playwright.Page, client: str) -> str:
    page.select_option("#client", client)
    return _program(page)


def test_a_program_is_of_the_form_that_was_filled_in_and_runs(visit: Visit, served: Server) -> None:
    page = visit(f"{served.url}/explorer#call/aws/Encrypt").page
    page.fill("#access-key-id", "TKMSexample")
    page.fill("#secret", SECRET)
    page.fill("#param-Plaintext", "aGVsbG8=")
    page.click("summary >> text=Optional parameters")
    page.fill("#param-EncryptionContext", json.dumps({"purpose": NASTY}))
    page.click("#tabs a >> text=Code")
    expect(page.locator("#client")).to_be_focused()
    assert page.locator("#client option").count() == len(
        [c for c in KNOWN["clients"].values() if c["dialect"] == "aws"]
    )
    variables = KNOWN["environment"]["aws"]
    for client in (name for name, row in CLIENTS.items() if name in KNOWN["clients"] and row.dialect == "aws"):
        text = _chosen(page, client)
        assert served.host in text
        assert parses(CLIENTS[client].language, text), text
        assert all(variable in text for variable in variables)
        assert SECRET not in text
        assert "TKMSexample" not in text
    environ = dict(zip(variables, served.credential(), strict=True))
    printed = run("python", _chosen(page, "aws"), **environ)
    assert "CiphertextBlob" in printed
    assert page.title() == "Explorer · Tenant KMS"
    assert page.locator("main img").count() == 0
    page.click("#edit")
    assert page.input_value("#secret") == SECRET
    assert NASTY[:20] in page.input_value("#param-EncryptionContext")


def test_what_is_missing_wrong_or_unknown_to_a_client_is_told(visit: Visit, served: Server) -> None:
    page = visit(f"{served.url}/explorer#call/tencent/GenerateDataKey").page
    page.click("summary >> text=Optional parameters")
    page.fill("#param-NumberOfBytes", "many")
    page.fill("#token", "a token of a session")
    page.click("#tabs a >> text=Code")
    told = page.locator(".result .wrong")
    expect(told).to_have_count(3)
    assert "fill in: KeyId" in page.inner_text(".result")
    assert "leaves them out: NumberOfBytes" in page.inner_text(".result")
    assert "a token" not in _program(page)
    assert '"KeyId": "<KeyId>"' in _program(page)
    page.select_option("#dialect", "alibaba")
    expect(page.locator("h1")).to_contain_text("GenerateDataKey")
    page.select_option("#operation", "ReEncrypt")
    page.select_option("#client", "alibaba-node")
    assert "Node.js SDK has no ReEncrypt" in page.inner_text(".result [role=alert]")
    assert page.locator(".result pre").count() == 0
    page.select_option("#operation", "CreateKey")  # the client stays
    assert "@alicloud/kms20160120" in _program(page)
    page.goto(f"{served.url}/explorer#call/alibaba/CreateKey")
    page.click("summary >> text=Optional parameters")
    page.fill("#param-ClientToken", "once")
    page.click("#tabs a >> text=Code")
    assert "ClientToken" in page.inner_text(".result .wrong")
    assert "once" not in _program(page)


def test_it_is_copied(visit: Visit, served: Server) -> None:
    shown = visit(f"{served.url}/explorer#code/tencent/ListKeys")
    shown.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = shown.page
    page.select_option("#client", "curl")
    page.click(".result button")
    expect(page.locator(".result [role=status]")).to_have_text("Copied.")
    text = page.evaluate("navigator.clipboard.readText()")
    assert text == _program(page)
    environ = dict(zip(KNOWN["environment"]["tencent"], served.credential(), strict=True))
    assert "TotalCount" in run("sh", text, **environ)


def test_from_the_keyboard_alone(visit: Visit, served: Server) -> None:
    page = visit(f"{served.url}/explorer#search").page
    page.wait_for_selector("#results li")
    page.locator("#tabs a", has_text="Code").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#client")).to_be_focused()
    before = _program(page)
    page.keyboard.press("ArrowDown")
    assert _program(page) != before
    page.keyboard.press("Tab")
    expect(page.locator("#edit")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator(".result pre")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.locator(".result button")).to_be_focused()


def test_it_is_loaded_when_it_is_opened(visit: Visit, served: Server) -> None:
    shown = visit(f"{served.url}/explorer#search")
    shown.page.wait_for_selector("#results li")
    assert not [request.url for request in shown.requests if re.search(r"code\.js|programs", request.url)]
    shown.page.click("#tabs a >> text=Code")
    shown.page.wait_for_selector("#client")
    asked = {request.url.rpartition("/")[2] for request in shown.requests}
    assert {"code.js", "programs.js", "programs.json"} <= asked


@pytest.mark.parametrize(("width", "theme", "lang"), [(360, "dark", "zh"), (360, "light", "en"), (1600, "light", "zh")])
def test_it_fits_and_can_be_used_by_all(width: int, theme: str, lang: str, visit: Visit, served: Server) -> None:
    for place in ("aws/CreateGrant", "alibaba/TagResources", "tencent/DescribeKeys"):
        shown = visit(
            f"{served.url}/explorer#code/{place}?lang={lang}",
            viewport={"width": width, "height": 900},
            color_scheme=theme,
        )
        page = shown.page
        page.wait_for_selector("#client")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert bool(re.search("[\u4e00-\u9fff]", page.inner_text("main"))) == (lang == "zh")
        shown.shot(f"explorer-code-{place.partition('/')[0]}-{width}-{theme}-{lang}")
        assert shown.layout() == []
        assert shown.axe() == []


def test_every_operation_has_its_program_on_the_page(visit: Visit, served: Server) -> None:
    page = visit(f"{served.url}/explorer#code/alibaba/Encrypt").page
    for dialect, operations in OPERATIONS.items():
        page.select_option("#dialect", dialect)
        for name in operations:
            page.select_option("#operation", name)
            expect(page.locator("h1")).to_have_text(f"Code: {name}")
            assert page.locator(".result [role=alert]").count() == 0, name
            assert name.lower() in re.sub("[_-]", "", _program(page)).lower()
