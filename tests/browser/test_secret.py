"""What is typed as a secret, on each page that takes one: in no storage, address, request, log or server's memory.

A right secret is in the server's memory, since it verifies with it; what is typed here is nobody's, so the server can
only have it from the page.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterator
from typing import NamedTuple

import playwright.sync_api as playwright
import pytest

from kit import browser as kit
from kit.memory import memories
from kit.support import Server, serving

Visit = Callable[..., kit.Page]
STORED = (
    "async () => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie,"
    " await indexedDB.databases(), await caches.keys(), history.state, location.href])"
)


class Tenant(NamedTuple):
    server: Server
    access_key_id: str


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    with serving(tmp_path_factory.mktemp("secret") / "data", "--limit", "off") as server:
        yield Tenant(server, server.credential("--name", "secret")[0])


def _call(page: playwright.Page, access_key_id: str, secret: str) -> None:
    page.fill("#access-key-id", access_key_id)
    page.fill("#secret", secret)
    for dialect in ("alibaba", "tencent", "tencent-v2", "aws"):
        page.select_option("#dialect", dialect)
        page.select_option("#operation", "ListKey" if dialect == "tencent-v2" else "ListKeys")
        page.evaluate("document.querySelector('.result').replaceChildren()")
        page.click("#send")
        page.wait_for_selector(".result .bad")


def _code(page: playwright.Page, access_key_id: str, secret: str) -> None:
    page.fill("#access-key-id", access_key_id)
    page.fill("#secret", secret)
    page.click("#tabs a >> text=Code")
    page.wait_for_selector("#client")
    clients = page.locator("#client option").all()
    assert len(clients) > 5
    for client in clients:
        page.select_option("#client", client.get_attribute("value"))
        assert secret not in page.inner_text(".result")


def _console(page: playwright.Page, access_key_id: str, secret: str) -> None:
    page.fill("#access-key-id", access_key_id)
    page.fill("#secret", secret)
    page.click("#sign-in")
    page.wait_for_selector("[role=alert]:not(:empty)")


USES = {"explorer#call/aws/ListKeys": _call, "explorer#call/aws/Encrypt": _code, "console": _console}


@pytest.mark.parametrize("place", USES)
def test_it_leaves_the_tab_by_no_way(place: str, visit: Visit, tenant: Tenant) -> None:
    watched = visit(f"{tenant.server.url}/{place}")
    page, secret = watched.page, secrets.token_hex(16)
    USES[place](page, tenant.access_key_id, secret)
    stored = page.evaluate(STORED)
    assert json.loads(stored)[:5] == [{}, {}, "", [], []]
    sent = [f"{asked.url} {json.dumps(asked.headers)} {asked.post_data or ''}" for asked in watched.requests]
    assert len(sent) > 5
    log = [path.read_text("utf-8") for path in tenant.server.data_dir.glob("*.jsonl")]
    assert not any(secret in text for text in (stored, page.content(), *sent, *log))
    known = False
    for memory in memories(tenant.server.process.pid):
        known = known or str(tenant.server.data_dir).encode() in memory
        assert secret.encode() not in memory
    assert known, "the memory that was looked at is the server's"
