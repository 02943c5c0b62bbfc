"""What tests in a browser rely on: each thing that a page may not do is noticed."""

from __future__ import annotations

import re
from collections.abc import Iterator

import playwright.sync_api as playwright
import pytest

from kit.browser import SHOTS, Page

AT = "http://127.0.0.1:9/"
GOOD = "<!doctype html><html lang=en><title>t</title><main><h1>Good</h1><button>Go</button></main>"


@pytest.fixture
def page(chromium: playwright.Browser) -> Iterator[Page]:
    made = Page(chromium)
    yield made
    made.context.close()


def show(page: Page, html: str) -> None:
    """`html` as a server of this machine would answer it, and 404 to all else."""
    rest = re.compile(re.escape(AT) + ".+")
    page.page.route(rest, lambda route: route.fulfill(status=404, body=""))
    page.page.route(AT, lambda route: route.fulfill(body=html, content_type="text/html"))
    page.page.goto(AT)
    page.page.wait_for_load_state("networkidle")


FAULTS = [
    # (what is in the page, what is told of it)
    ("<img src=http://example.com/a.png alt=a>", "a request to another host: http://example.com/a.png"),
    (
        "<script>fetch('https://example.com/').catch(() => 0)</script>",
        "a request to another host: https://example.com/",
    ),
    ("<script>console.error('broken')</script>", "on the console: broken"),
    ("<script>throw new Error('thrown')</script>", "an exception: thrown"),
    ("<script>Promise.reject(new Error('lost'))</script>", "an exception: lost"),
]


@pytest.mark.parametrize(("html", "told"), FAULTS)
def test_a_fault_of_a_page_is_told(html: str, told: str, page: Page) -> None:
    show(page, GOOD + html)
    assert any(fault.startswith(told) for fault in page.faults), page.faults


def test_what_a_policy_blocks_is_told(page: Page) -> None:
    policy = {"content-security-policy": "default-src 'none'"}
    page.page.route(AT, lambda route: route.fulfill(body=GOOD + "<script>1</script>", headers=policy))
    page.page.goto(AT)
    assert any("Content Security Policy" in fault for fault in page.faults), page.faults


def test_a_good_page_has_no_fault(page: Page) -> None:
    """Nor one whose server refuses something."""
    show(page, GOOD + "<script>fetch('missing')</script>")
    assert page.faults == []
    assert page.axe() == []
    assert [request.url for request in page.requests if "missing" in request.url] == [f"{AT}missing"]


def test_axe_names_what_it_finds(page: Page) -> None:
    show(page, GOOD + "<button class=bare></button><p style='color:#ccc;background:#fff'>pale</p>")
    assert [told.partition(":")[0] for told in page.axe()] == ["button-name", "color-contrast"]


def test_pages_share_nothing(chromium: playwright.Browser, page: Page) -> None:
    show(page, GOOD)
    page.page.evaluate("localStorage.setItem('kept', '1')")
    other = Page(chromium, viewport={"width": 360, "height": 700}, color_scheme="dark")
    show(other, GOOD)
    assert other.page.evaluate("[localStorage.getItem('kept'), innerWidth]") == [None, 360]
    assert other.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    assert other.shot("harness") == SHOTS / "harness.png"
    other.context.close()


LAYOUTS = [
    # (what is in the page, what is told of it)
    ("<p style='position:absolute;top:20px'>over the heading</p>", ['overlap: h1 "Good" and p "over the heading"']),
    ("<p style='width:2000px;white-space:nowrap'>" + "long " * 400 + "</p>", ["beyond the edge: p"]),
    ("<p style='width:50px;overflow:hidden;white-space:nowrap'>more than there is room for</p>", ["cut off: p"]),
    ("<div style='overflow:auto;width:200px'><p style='width:2000px'>" + "long " * 200 + "</p></div>", []),
    ("<p style='width:50px;overflow:hidden;white-space:nowrap;text-overflow:ellipsis'>shown as cut</p>", []),
    ("<p style='visibility:hidden;position:absolute;top:20px'>not seen</p>", []),
]


@pytest.mark.parametrize(("html", "told"), LAYOUTS)
def test_boxes_in_each_others_way_are_told(html: str, told: list[str], page: Page) -> None:
    show(page, GOOD + html)
    found = page.layout()
    assert len(found) >= len(told), found
    assert all(line.startswith(words) for line, words in zip(found, told, strict=False)), found
    assert bool(found) == bool(told), found
