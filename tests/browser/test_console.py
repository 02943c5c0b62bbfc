"""The console in a browser, against a real server: sign in, look, act, in both languages and themes."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import playwright.sync_api as playwright
import pytest
from playwright.sync_api import expect

from kit import browser as kit
from kit.support import Server, serving
from tkms.machine.directory import Directory, call

Visit = Callable[..., kit.Page]
Open = Callable[..., playwright.Page]
NASTY = "<img src=x onerror=document.title='run'><script>document.title='run'</script>"


class Tenant(NamedTuple):
    server: Server
    access_key_id: str
    secret: str
    settings: Any

    def make(self, **params: object) -> str:
        made: Any = call(self.settings, "CreateKey", params)
        return str(made["key"]["id"])

    def describe(self, key: str) -> dict[str, Any]:
        """As the store has it: this process may remember it as it was a second ago."""
        listed: Any = call(self.settings, "ListKeys", {"limit": 1000})
        found: dict[str, Any] = next(one for one in listed["keys"] if one["id"] == key)
        return found


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    with serving(tmp_path_factory.mktemp("console") / "data", "--workers", "2") as server:
        settings = Directory(server.data_dir).open()
        yield Tenant(server, *server.credential("--name", "console"), settings)


def sign_in(page: playwright.Page, access_key_id: str, secret: str) -> None:
    page.fill("#access-key-id", access_key_id)
    page.fill("#secret", secret)
    page.click("#sign-in")


@pytest.fixture
def opened(visit: Visit, tenant: Tenant) -> Open:
    """`opened("activity")`: a page there, of somebody who is signed in."""

    def there(where: str = "keys", **context: Any) -> playwright.Page:
        page = visit(f"{tenant.server.url}/console#{where}", **context).page
        sign_in(page, tenant.access_key_id, tenant.secret)
        page.wait_for_selector("#sign-out")
        page.wait_for_selector("main h1.quiet-heading")
        return page

    return there


# -- signing in ------------------------------------------------------------------------------------------


def test_the_secret_is_not_sent_and_the_cookie_is_not_for_scripts(visit: Visit, tenant: Tenant) -> None:
    watched = visit(f"{tenant.server.url}/console")
    page = watched.page
    sign_in(page, tenant.access_key_id, tenant.secret)
    page.wait_for_selector(".rows")
    sent = [f"{request.url} {json.dumps(request.headers)} {request.post_data or ''}" for request in watched.requests]
    stored = page.evaluate(
        "async () => JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie,"
        " await indexedDB.databases(), await caches.keys(), history.state, location.href])"
    )
    assert json.loads(stored)[:5] == [{}, {}, "", [], []]
    assert not any(tenant.secret in text for text in (stored, page.content(), *sent))
    (cookie,) = watched.context.cookies()
    assert cookie["httpOnly"]
    assert cookie["sameSite"] == "Strict"
    assert cookie["path"] == "/console"
    assert tenant.secret not in "".join(p.read_text("utf-8") for p in tenant.server.data_dir.glob("*.jsonl"))
    page.reload()
    page.wait_for_selector(".rows")  # still signed in
    page.click("#sign-out")
    expect(page.locator("#access-key-id")).to_be_focused()
    assert watched.context.cookies() == []
    watched.context.add_cookies([cookie])  # type: ignore[list-item]
    page.reload()
    page.wait_for_selector("#access-key-id")


def test_a_wrong_secret_is_refused(visit: Visit, tenant: Tenant) -> None:
    page = visit(f"{tenant.server.url}/console").page
    sign_in(page, tenant.access_key_id, "not-the-secret-of-anything")
    expect(page.locator("[role=alert]")).to_contain_text("SignatureMismatch")
    assert page.locator("#sign-out").count() == 0


def test_it_works_from_the_keyboard_alone(visit: Visit, tenant: Tenant) -> None:
    key = tenant.make(alias="keyboard")
    page = visit(f"{tenant.server.url}/console").page
    keys = page.keyboard
    page.focus("#access-key-id")
    keys.type(tenant.access_key_id)
    keys.press("Tab")
    keys.type(tenant.secret)
    keys.press("Enter")
    page.wait_for_selector(".rows")
    page.focus("#query")
    keys.type("keyboard")
    for _ in range(3):
        keys.press("Tab")
    expect(page.locator(".rows a")).to_be_focused()
    keys.press("Enter")
    expect(page.locator(".details h2")).to_be_focused()
    page.focus("#act-disable")
    keys.press("Enter")
    expect(page.locator("#confirm")).to_be_focused()
    keys.type("alias/keyboard")
    keys.press("Enter")
    expect(page.locator(".details .state")).to_have_text("disabled")
    assert tenant.describe(key)["state"] == "Disabled"


# -- what is seen ----------------------------------------------------------------------------------------


def test_a_key_shows_what_there_is_of_it_and_who_used_it(opened: Open, tenant: Tenant) -> None:
    key = tenant.make(alias="seen", description="to be seen")
    call(tenant.settings, "CreateKeyVersion", {"key_id": key})
    call(tenant.settings, "Encrypt", {"key_id": "alias/seen", "plaintext": "aGVsbG8="})
    page = opened(f"keys/{key}")
    details = page.locator(".details")
    for _ in range(60):  # a busy machine may have read the log a moment ago
        expect(details.locator("h2")).to_have_text("alias/seen")
        told = details.inner_text()
        if "Encrypt" in told:
            break
        page.reload()
    for text in (key, "to be seen", "AES_256", "The newest 2 of 2", "Encrypt", "tkms", "primary", "by hand"):
        assert text in told, text


def test_markup_of_others_is_text(opened: Open, tenant: Tenant) -> None:
    key = tenant.make(alias="markup", description=NASTY)
    call(tenant.settings, "TagResources", {"key_ids": [key], "tags": {"<b>k</b>": NASTY[:100]}})
    page = opened(f"keys/{key}")
    page.wait_for_selector(".details h2")
    assert NASTY in page.inner_text(".details")
    page.fill("#query", "onerror")
    assert NASTY in page.inner_text(".rows")
    page.click("#act-tag-remove")
    assert "<b>k</b>" in page.inner_text("dialog")
    assert page.locator("main img, main script, dialog img, main b, dialog b").count() == 0
    page.goto(f"{tenant.server.url}/console#keys/%3Cimg%20src=x%3E?lang=%3Cb%3E&theme=%3Cb%3E")
    page.reload()
    page.wait_for_selector(".rows")
    assert page.title() == "Console · Tenant KMS"


def test_activity_shows_calls_latencies_and_refusals(opened: Open, tenant: Tenant, visit: Visit) -> None:
    stranger = visit(f"{tenant.server.url}/console").page
    sign_in(stranger, tenant.access_key_id, "wrong")
    stranger.wait_for_selector("[role=alert]:not(:empty)")
    explorer = visit(f"{tenant.server.url}/explorer#call/alibaba/Encrypt").page
    explorer.fill("#access-key-id", tenant.access_key_id)
    explorer.fill("#secret", tenant.secret)
    explorer.fill("#param-KeyId", "alias/default")
    explorer.click("#send")
    explorer.wait_for_selector(".result .status")
    page = opened("activity")
    card = page.locator(".card", has=page.get_by_role("heading", name="Encrypt", exact=True))
    expect(card).to_contain_text("99 % at most")
    assert card.locator("canvas").count() == 2
    assert card.locator("canvas").first.bounding_box()["width"] > 100  # type: ignore[index]
    assert "SignatureMismatch" in page.inner_text("main")
    assert re.search(r"From \d{4}-\d\d-\d\d", page.inner_text("#span"))
    page.select_option("#hours", "24")
    page.wait_for_selector(".cards")
    assert page.input_value("#hours") == "24"


def test_what_needs_a_hand_is_listed(opened: Open, tenant: Tenant) -> None:
    going = tenant.make(alias="going")
    call(tenant.settings, "ScheduleKeyDeletion", {"key_id": going, "days": 7})
    tenant.make(alias="waiting", origin="EXTERNAL")
    tenant.server.credential("--name", "short", "--expires", "3d")
    page = opened("hand")
    page.wait_for_selector(".hand")
    told = page.inner_text("main")
    assert "alias/going" in told
    assert "in 7 days, unless its deletion is cancelled" in told
    assert "alias/waiting" in told
    assert "short" in told
    assert "in 3 days: tkms credential rotate" in told


JUMPS = """
() => {
  const rows = document.querySelector('.rows'), spent = [];
  for (let step = 0; step < 60; step += 1) {
    const began = performance.now();
    rows.scrollTop = step % 2 ? 0 : rows.scrollHeight;
    rows.dispatchEvent(new Event('scroll'));
    document.body.offsetHeight;  // lays out
    spent.push(performance.now() - began);
  }
  rows.scrollTop = rows.scrollHeight;
  rows.dispatchEvent(new Event('scroll'));
  return spent.sort((a, b) => a - b)[30];
}
"""
"""Milliseconds from one end of the list to the other, with none of its rows there yet: the median."""


def test_a_list_of_ten_thousand_keys_scrolls_as_one_of_a_hundred(visit: Visit, tenant: Tenant) -> None:
    """Only what is in view is in the page. The keys are as the server would answer them."""
    key = tenant.describe(tenant.make(alias="one-of-many"))
    took = {}
    for count in (100, 10_000):
        ids = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(count)]
        keys = [{**key, "id": id_, "aliases": [f"key-{at}"]} for at, id_ in enumerate(ids)]
        answer = json.dumps({"total": count, "keys": keys})
        page = visit(f"{tenant.server.url}/console").page
        answered = partial(playwright.Route.fulfill, body=answer, content_type="application/json")
        page.route("**/console/keys", lambda route, _, answered=answered: answered(route))
        sign_in(page, tenant.access_key_id, tenant.secret)
        page.wait_for_selector(".rows a")
        assert page.inner_text("main [role=status]") == f"{count} of {count} keys"
        took[count] = page.evaluate(JUMPS)
        assert page.locator(".rows a", has_text=f"alias/key-{count - 1}").count() == 1
        assert page.locator(".rows [role=row]").count() < 60
    print(f"from one end of the list of keys to the other, ms by their number: {took}")
    assert took[10_000] < 3 * took[100]
    page.fill("#query", "key-4242")
    assert page.locator(".rows a").all_inner_texts() == ["alias/key-4242"]


# -- what is done ----------------------------------------------------------------------------------------

ACTS = [
    # (act, what is typed beside the key's name, what the key is afterwards)
    ("disable", {}, {"state": "Disabled"}),
    ("enable", {}, {"state": "Enabled"}),
    ("rotate", {}, {}),
    ("alias-add", {"name": "acted-2"}, {"aliases": ("acted", "acted-2")}),
    ("tag-add", {"name": "team", "value": "blue"}, {"tags": {"team": "blue"}}),
    ("tag-remove", {}, {"tags": {}}),
    ("schedule-deletion", {"days": "9"}, {"state": "PendingDeletion"}),
    ("cancel-deletion", {}, {"deletion_date": 0}),
]


def test_every_act_is_confirmed_by_the_name_of_its_key(opened: Open, tenant: Tenant) -> None:
    key = tenant.make(alias="acted")
    page = opened(f"keys/{key}")
    for act, fields, after in ACTS:
        page.click(f"#act-{act}")
        expect(page.locator("#go")).to_be_disabled()
        page.fill("#confirm", "alias/default")
        expect(page.locator("#go")).to_be_disabled()
        for name, value in fields.items():
            page.fill(f"#order-{name}", value)
        before = tenant.describe(key)
        page.fill("#confirm", key)
        page.click("#go")
        expect(page.locator("dialog")).to_have_count(0)
        page.wait_for_selector(".details .acts")
        found = tenant.describe(key)
        assert {name: found[name] for name in after} == after, act
        if act == "rotate":
            assert found["primary_version_id"] != before["primary_version_id"]
    log = [json.loads(line) for line in (tenant.server.data_dir / "audit.jsonl").read_text("utf-8").splitlines()]
    done = {
        line["action"] for line in log if line.get("principal") == tenant.access_key_id and key in line.get("keys", ())
    }
    assert {"DisableKey", "EnableKey", "CreateKeyVersion", "TagResources", "ScheduleKeyDeletion"} <= done


def test_who_may_only_look_is_refused_and_told(visit: Visit, tenant: Tenant) -> None:
    who, secret = tenant.server.credential("--name", "auditor", "--policy", "auditor")
    key = tenant.make(alias="looked-at")
    page = visit(f"{tenant.server.url}/console#keys/{key}").page
    sign_in(page, who, secret)
    page.click("#act-disable")
    page.fill("#confirm", key)
    page.click("#go")
    expect(page.locator("dialog [role=alert]")).to_contain_text("AccessDenied")
    assert tenant.describe(key)["state"] == "Enabled"
    page.click("#cancel")
    tenant.server.tkms("credential", "disable", who)
    time.sleep(1.1)
    page.click("#refresh")
    page.wait_for_selector("#access-key-id")


# -- how it looks ----------------------------------------------------------------------------------------

LOOKS = [
    (width, theme, lang, place)
    for width, theme, lang in ((360, "light", "zh"), (360, "dark", "en"), (1600, "dark", "zh"), (1280, "light", "en"))
    for place in ("keys", "key", "activity", "hand", "dialog", "sign-in")
]


@pytest.mark.parametrize(("width", "theme", "lang", "place"), LOOKS)
def test_it_fits_and_can_be_used_by_all(
    width: int, theme: str, lang: str, place: str, visit: Visit, tenant: Tenant
) -> None:
    key = tenant.make(description="a description that is rather long, as those of people are now and then")
    where = f"keys/{key}" if place in ("key", "dialog") else place
    shown = visit(
        f"{tenant.server.url}/console#{where}?lang={lang}",
        viewport={"width": width, "height": 900},
        color_scheme=theme,
    )
    page = shown.page
    if place != "sign-in":
        sign_in(page, tenant.access_key_id, tenant.secret)
        page.wait_for_selector("main h1.quiet-heading")
    if place == "dialog":
        page.click("#act-schedule-deletion")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert (page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 28)") == (theme == "dark")
    assert page.get_attribute("html", "lang") == {"zh": "zh-CN", "en": "en"}[lang]
    assert bool(re.search("[\u4e00-\u9fff]", page.inner_text("main"))) == (lang == "zh")
    shown.shot(f"console-{place}-{width}-{theme}-{lang}")
    assert shown.layout() == []
    assert shown.axe() == []


def test_the_door_leads_here(visit: Visit, tenant: Tenant) -> None:
    door = visit(f"{tenant.server.url}/")
    door.page.click("text=控制台")
    expect(door.page.locator("#brand")).to_have_text("控制台")
