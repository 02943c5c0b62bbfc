"""What the console answers: to whom, to which requests, and what its signed-in access key may see and do."""

from __future__ import annotations

import json
import time
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from functions.endpoint.dispatch import InlineDispatcher
from kit.console_browser import ORIGIN, Browser, signed
from kit.support import Kms
from tenantkms.model.limits import Limits
from tenantkms.names import DIALECTS
from tenantkms.store.shared import Memory
from tkms.audit.tail import Tail
from tkms.console import pages
from tkms.console.here import WINDOW, Here
from tkms.console.pages import Console
from tkms.console.sessions import Sessions
from tkms.machine.directory import Directory, call
from tkms.machine.timings import Timings
from tkms.policies import READY

OTHERS = [
    {"origin": "http://attacker.example"},
    {"origin": ""},
    {"origin": "null"},
    {"content_type": "text/plain"},
    {"content_type": "application/x-www-form-urlencoded"},
    {"sec_fetch_site": "cross-site"},
    {"sec_fetch_site": "same-site"},
]


def now() -> int:
    return int(time.time())


def made(kms: Kms, policy: str, **more: Any) -> tuple[str, str]:
    credential, secret = kms.settings.access.create("", DIALECTS, policy, now(), **more)
    return credential.access_key_id, secret


@pytest.fixture
def admin(browser: Browser, kms: Kms) -> Browser:
    """A browser that the first access key is signed in at."""
    assert browser.post("sign-in", signed(kms.signer.access_key_id, kms.signer.secret, now()))[0] == 200
    return browser


def lines(kms: Kms) -> list[dict[str, Any]]:
    assert kms.settings.log
    kms.settings.log.settle()
    found = [path.read_text("utf-8") for path in kms.settings.log._calls.path.parent.glob("*.jsonl")]
    every = [json.loads(line) for text in found for line in text.splitlines()]
    return [line for line in every if "action" in line]


def make(kms: Kms, **params: object) -> str:
    answer: Any = call(kms.settings, "CreateKey", params)
    return str(answer["key"]["id"])


# -- signing in ------------------------------------------------------------------------------------------


def test_who_signs_in_has_a_session_that_no_script_and_no_other_site_has(admin: Browser, kms: Kms) -> None:
    told = admin.get("session")[1]
    assert (told["id"], told["whole"], told["tenant"]) == (kms.signer.access_key_id, True, "test")
    token = admin.cookie.partition("=")[2]
    assert len(token) >= 43
    status, _ = admin.post("sign-out", {})
    assert admin.last.headers["set-cookie"].startswith("tkms-console-8480=; Path=/console; Max-Age=0;")
    admin.cookie = f"tkms-console-8480={token}"
    assert (status, admin.get("keys")[0]) == (200, 401)
    assert not {"id", "whole", "tenant", "version"} & admin.get("session")[1].keys()


@pytest.mark.parametrize("secure", [False, True])
def test_the_cookie_is_strict(secure: bool, console: Console, kms: Kms) -> None:
    console._secure = secure
    browser = Browser(console)
    browser.post("sign-in", signed(kms.signer.access_key_id, kms.signer.secret, now()))
    marks = browser.last.headers["set-cookie"].split("; ")[1:]
    assert marks == ["Path=/console", "Max-Age=28800", "HttpOnly", "SameSite=Strict", *(["Secure"] if secure else [])]


def test_what_is_not_signed_now_by_an_access_key_of_here_is_refused(browser: Browser, kms: Kms) -> None:
    who, secret = kms.signer.access_key_id, kms.signer.secret
    gone, gone_secret = made(kms, READY["auditor"].text, expires=now() - 1)
    good = signed(who, secret, now(), "good")
    wrong = {
        "a wrong secret": (signed(who, "wrong", now()), "SignatureMismatch"),
        "an unknown access key": (signed("TKMSnobody", secret, now()), "SignatureMismatch"),
        "another time": ({**good, "time": good["time"] + 1}, "SignatureMismatch"),
        "for another page": (signed(who, secret, now(), origin="http://attacker.example"), "SignatureMismatch"),
        "another nonce": ({**good, "nonce": "2"}, "SignatureMismatch"),
        "long ago": (signed(who, secret, now() - WINDOW - 2), "RequestExpired"),
        "long to come": (signed(who, secret, now() + WINDOW + 2), "RequestExpired"),
        "no longer good": (signed(gone, gone_secret, now()), "CredentialDisabled"),
        "half of a character": ({**good, "nonce": "\ud800"}, "Refused"),
        "nothing": ({}, "SignatureMismatch"),
        "no object": ([], "Refused"),
        "a ticket": ({"ticket": "x"}, "SignatureMismatch"),
    }
    for name, (body, error) in wrong.items():
        status, told = browser.post("sign-in", body)
        assert (told["error"], status in (400, 403)) == (error, True), name
        assert browser.cookie == "", name
    assert browser.post("sign-in", good)[0] == 200
    assert browser.post("sign-in", good)[1]["error"] == "NonceReused"
    outcomes = [(line["action"], line["outcome"]) for line in lines(kms) if line.get("profile") == "console"]
    assert outcomes.count(("SignIn", "ok")) == 1
    assert ("SignIn", "NonceReused") in outcomes
    assert secret not in json.dumps(lines(kms))


def test_who_tries_secrets_is_slowed_down(tmp_path: Path) -> None:
    settings = Directory(tmp_path / "data", Limits(strangers=3)).make("test")
    here = Here(settings, tmp_path / "data", InlineDispatcher(settings.deps), Timings(Memory()))
    browser = Browser(Console(here, Sessions(Memory(), nullcontext()), secure=False))
    tried = [browser.post("sign-in", signed("TKMSguess", str(n), now(), str(n))) for n in range(8)]
    assert tried[0][1]["error"] == "SignatureMismatch"
    assert (tried[-1][0], tried[-1][1]["error"]) == (429, "Throttled")


def test_whose_access_key_goes_is_signed_out(browser: Browser, kms: Kms) -> None:
    who, secret = made(kms, READY["administrator"].text)
    browser.post("sign-in", signed(who, secret, now()))
    assert browser.get("keys")[0] == 200
    kms.settings.access.change(who, now(), enabled=False)
    time.sleep(1.1)  # what a process remembers of an access key
    assert browser.get("keys")[0] == 401
    kms.settings.access.change(who, now(), enabled=True)
    time.sleep(1.1)
    assert browser.get("keys")[0] == 401


# -- requests that no page of ours makes -----------------------------------------------------------------


@pytest.mark.parametrize("path", ["sign-in", "sign-out", "act"])
@pytest.mark.parametrize("headers", OTHERS, ids=str)
def test_other_sites_change_nothing(path: str, headers: dict[str, str], admin: Browser) -> None:
    cookie = admin.cookie
    assert admin.post(path, {}, **headers)[0] == 400
    assert (admin.cookie, admin.get("keys")[0]) == (cookie, 200)


def test_nothing_is_changed_by_a_get(admin: Browser, kms: Kms) -> None:
    for path in ("sign-in", "sign-out", "act"):
        assert admin.get(path)[0] == 400
    assert admin.get("session")[1]["id"] == kms.signer.access_key_id
    assert admin.post("keys", {})[0] == 400


@pytest.mark.parametrize("path", ["keys", "key", "activity", "hand"])
def test_nothing_is_told_to_who_is_not_signed_in(path: str, browser: Browser) -> None:
    for cookie in ("", "tkms-console-8480=", "tkms-console-8480=x", "tkms-console-1=x", ";;=;", "a" * 5000):
        browser.cookie = cookie
        status, told = browser.get(path)
        assert (status, told) == (401, {"error": "NotSignedIn", "message": "Sign in first."})
    assert browser.post("act", {"act": "disable", "key": "x", "confirm": "x"})[0] == 401


# -- what is seen and done -------------------------------------------------------------------------------


def test_a_short_log_is_read_each_time_and_a_long_one_seldom(kms: Kms, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would not show what somebody has just done, or take a processor whenever many look."""
    clock = [0.0]
    monkeypatch.setattr("tkms.console.here.time", SimpleNamespace(monotonic=lambda: clock[0], time=time.time))
    reads: list[float] = []

    def tail(seconds: float) -> Tail:
        reads.append(clock[0])
        clock[0] += seconds
        return Tail([], 0)

    here = Here(kms.settings, Path(), InlineDispatcher(kms.settings.deps), Timings(Memory()))
    for seconds in (0.0, 0.5):
        monkeypatch.setattr("tkms.console.here.tail_of", lambda _, seconds=seconds: tail(seconds))
        for _ in range(30):
            here.audit(0)
            clock[0] += 1
    assert reads == [*map(float, range(31)), 40.5, 51.0]


def test_all_keys_are_listed_page_by_page(admin: Browser, kms: Kms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_PAGE", 10)
    for number in range(24):
        make(kms, description=str(number))
    status, told = admin.get("keys")
    assert (status, told["total"], len({key["id"] for key in told["keys"]})) == (200, 25, 25)
    monkeypatch.setattr(pages, "_MOST_KEYS", 15)
    told = admin.get("keys")[1]
    assert (told["total"], len(told["keys"])) == (25, 20), "a bound, and how many there are"


def test_policies_decide_what_is_seen(browser: Browser, kms: Kms) -> None:
    key = make(kms, alias="seen")
    call(kms.settings, "Encrypt", {"key_id": key, "plaintext": "aGVsbG8="})
    narrow = {"Statement": [{"Effect": "Allow", "Action": ["DescribeKey", "DisableKey"], "Resource": f"key/{key}"}]}
    browser.post("sign-in", signed(*made(kms, json.dumps(narrow)), now()))
    assert browser.get("keys")[0] == 403
    status, told = browser.get("key", f"id={key}")
    assert (status, told["key"]["id"], told["versions"], told["whole"]) == (200, key, None, False)
    assert {use["principal"] for use in told["uses"]} == {browser.get("session")[1]["id"]}
    assert browser.get("key", "id=alias/default")[0] == 403
    hand = browser.get("hand")[1]
    assert (len(hand["credentials"]), hand["sweeps"]) == (1, None)
    activity = browser.get("activity", "hours=1")[1]
    assert activity["latencies"] is None
    assert {line["principal"] for line in activity["refused"]} == {browser.get("session")[1]["id"]}


def test_an_act_is_a_call_of_its_access_key(admin: Browser, kms: Kms) -> None:
    key = make(kms, alias="acted")
    order = {"act": "disable", "key": key}
    for confirm in ("", "alias/default", key[:-1], key.upper()):
        assert admin.post("act", {**order, "confirm": confirm})[1]["error"] == "InvalidParameter", confirm
    assert admin.get("key", f"id={key}")[1]["key"]["state"] == "Enabled"
    assert admin.post("act", {**order, "confirm": "alias/acted"})[0] == 200
    assert admin.get("key", f"id={key}")[1]["key"]["state"] == "Disabled"
    done = [line for line in lines(kms) if line["action"] == "DisableKey" and line["outcome"] == "ok"]
    assert [(line["principal"], line["keys"], line["source_ip"]) for line in done] == [
        (kms.signer.access_key_id, [key], "127.0.0.1")
    ]


def test_an_act_takes_away_no_alias_of_another_key(admin: Browser, kms: Kms) -> None:
    key = make(kms, alias="mine")
    order = {"act": "alias-remove", "key": key, "confirm": key}
    assert admin.post("act", {**order, "name": "default"})[1]["error"] == "InvalidParameter"
    assert admin.post("act", {**order, "name": "mine"})[0] == 200
    assert admin.get("key", f"id={key}")[1]["key"]["aliases"] == []


def test_what_is_no_act_is_refused(admin: Browser, kms: Kms) -> None:
    key = make(kms)
    wrong = [
        ({"act": "Encrypt", "key": key, "confirm": key}, "InvalidParameter"),
        ({"act": "disable", "key": "alias/default", "confirm": "alias/default"}, "InvalidParameter"),
        ({"act": "disable", "key": key}, "Refused"),
        ({"act": "disable", "key": key, "confirm": key, "principal": "x"}, "Refused"),
        ({"act": "schedule-deletion", "key": key, "confirm": key, "days": 1}, "InvalidPendingWindow"),
    ]
    for body, error in wrong:
        assert admin.post("act", body)[1]["error"] == error, body


def test_limits_of_a_policy_hold(browser: Browser, kms: Kms) -> None:
    policy = {**json.loads(READY["administrator"].text), "Limits": {"DescribeKey": 1}}
    browser.post("sign-in", signed(*made(kms, json.dumps(policy)), now()))
    statuses = [browser.get("key", "id=alias/default")[0] for _ in range(5)]
    assert 429 in statuses


def test_answers_are_of_nobody_else(admin: Browser) -> None:
    admin.get("keys")
    assert admin.last.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert admin.last.headers["x-content-type-options"] == "nosniff"
    assert "cache-control" not in admin.last.headers, "so it is no-store, as every answer that says nothing"
    assert ORIGIN not in json.dumps(admin.last.headers)


def test_cookies_of_others_on_this_host_change_nothing(admin: Browser) -> None:
    own = admin.cookie
    for other in ('a={"b":1}', "a=b c", "foo", "expires=1", "a,b=1", 'a="x', "a=\xe9"):
        for both in (f"{other}; {own}", f"{own}; {other}"):
            admin.cookie = both
            assert admin.get("keys")[0] == 200, both
    admin.cookie = f"{own}; {own.partition('=')[0]}=of-somebody-else"
    assert admin.get("keys")[0] == 401


def test_an_origin_that_is_none_is_refused_and_no_fault(browser: Browser) -> None:
    for origin in ("http://[", "http://[x]:1", "http://\u2100"):
        assert browser.post("sign-in", {}, origin=origin)[0] == 400


def test_behind_a_proxy_with_tls_the_cookie_is_of_tls(browser: Browser, kms: Kms) -> None:
    origin = ORIGIN.replace("http:", "https:")
    who = signed(kms.signer.access_key_id, kms.signer.secret, now(), origin=origin)
    assert browser.post("sign-in", who, origin=origin)[0] == 200
    assert browser.last.headers["set-cookie"].endswith("; Secure")


def test_who_may_not_describe_some_key_does_not_see_the_whole(browser: Browser, kms: Kms) -> None:
    for resource, condition in (("key/*", {}), ("*", {"StringEquals": {"kms:ResourceTag/team": "x"}})):
        deny = {
            "Effect": "Deny",
            "Action": "DescribeKey",
            "Resource": resource,
            **({"Condition": condition} if condition else {}),
        }
        allow = {"Effect": "Allow", "Action": "*", "Resource": "*"}
        who, secret = made(kms, json.dumps({"Version": "1", "Statement": [allow, deny]}))
        browser.post("sign-in", signed(who, secret, now()))
        assert browser.get("session")[1]["whole"] is False
