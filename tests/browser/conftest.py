"""Fixtures: a browser for a module, and pages in it that fail the test for what no page of ours may do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import playwright.sync_api as playwright
import pytest

from kit import browser as kit
from kit.support import Tenant, serving

Visit = Callable[..., kit.Page]


@pytest.fixture(scope="module")
def chromium() -> Iterator[playwright.Browser]:
    """Not for a whole run: while it is there, no other test of this process could run an event loop."""
    with kit.started() as browser:
        yield browser


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    """A server of a module, that counts no requests."""
    with serving(tmp_path_factory.mktemp("served") / "data", "--limit", "off") as server:
        yield Tenant(server, *server.credential("--name", "browser"))


@pytest.fixture
def visit(chromium: playwright.Browser) -> Iterator[Visit]:
    """Opens pages: `visit(url, color_scheme="dark", ..)`, with options of Playwright's `new_context`.

    A request to another host, an error on the console and an exception nobody caught fail the test.
    """
    pages: list[kit.Page] = []

    def opened(url: str, **context: Any) -> kit.Page:
        page = kit.Page(chromium, **context)
        pages.append(page)
        page.page.goto(url)
        return page

    yield opened
    for page in pages:
        page.context.close()
    assert [fault for page in pages for fault in page.faults] == []
