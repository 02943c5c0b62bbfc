"""Policies: their grammar, that deny wins and silence denies, and the same answers as a plain reading of the text."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.samples import FACTS
from kit.samples import key as sample_key
from tenantkms.access import policy
from tenantkms.access.conditions import NO_TAGS
from tenantkms.access.policy import ALLOW_ALL, parse
from tenantkms.errors import InvalidPolicy
from tenantkms.model.key import Key

KEY = sample_key(1, id="5c438b18-05be-40ad-b6c2-3be6752cfa7e", aliases=("app/db", "billing"))
OTHER = sample_key(2)


def may(text: str, action: str, key: Key | None) -> bool:
    return policy.may(text, action, key, FACTS)


def statement(effect: str, action: object = "*", resource: object = "*") -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Statement": statements})


@pytest.mark.parametrize(
    ("action", "asked", "allowed"),
    [
        ("*", "Encrypt", True),
        ("Encrypt", "Encrypt", True),
        ("Encrypt", "Decrypt", False),
        ("Encrypt", "ReEncrypt", False),
        ("Encrypt", "EncryptMore", False),
        ("encrypt", "Encrypt", False),
        ("Generate*", "GenerateDataKey", True),
        ("*Encrypt", "ReEncrypt", True),
        ("En*crypt", "Encrypt", True),
        ("Enc*crypt", "Encrypt", False),
        ("*Key", "ListKeys", False),
        ("*Key*", "ListKeys", True),
        ("*e*r*t", "Decrypt", True),
        ("**", "Encrypt", True),
        (["Decrypt", "Encrypt"], "Encrypt", True),
        (["Decrypt", "Sign"], "Encrypt", False),
        ([], "Encrypt", False),
    ],
)
def test_actions(action: object, asked: str, allowed: bool) -> None:
    assert may(document(statement("Allow", action)), asked, KEY) is allowed


@pytest.mark.parametrize(
    ("resource", "allowed"),
    [
        ("*", True),
        (f"key/{KEY.id}", True),
        (f"key/{OTHER.id}", False),
        ("key/5c438b18-*", True),
        ("key/*", True),
        ("key/5C438B18-*", False),
        ("alias/billing", True),
        ("alias/app/db", True),
        ("alias/app/*", True),
        ("alias/app", False),
        ("alias/*ill*", True),
        ("alias/*", True),
        ("alias/other", False),
        (["alias/other", "alias/billing"], True),
        ([], False),
    ],
)
def test_resources(resource: object, allowed: bool) -> None:
    assert may(document(statement("Allow", "*", resource)), "Encrypt", KEY) is allowed


def test_alias_patterns_do_not_reach_a_key_without_aliases() -> None:
    assert not may(document(statement("Allow", "*", "alias/*")), "Encrypt", OTHER)


@pytest.mark.parametrize(
    ("statements", "allowed"),
    [
        ([], False),
        ([statement("Deny")], False),
        ([statement("Allow"), statement("Deny")], False),
        ([statement("Deny"), statement("Allow")], False),
        ([statement("Allow"), statement("Deny", "Decrypt")], True),
        ([statement("Allow"), statement("Deny", "*", f"key/{OTHER.id}")], True),
        ([statement("Allow"), statement("Deny", "*", "alias/billing")], False),
        ([statement("Allow", "Decrypt"), statement("Allow", "Encrypt", "alias/billing")], True),
        ([statement("Allow", "Encrypt", "alias/other"), statement("Allow", "Decrypt")], False),
    ],
)
def test_deny_wins_and_silence_denies(statements: Sequence[dict[str, Any]], allowed: bool) -> None:
    assert may(document(*statements), "Encrypt", KEY) is allowed


@pytest.mark.parametrize(
    ("resource", "allowed"),
    [("*", True), ("key/*", False), ("alias/*", False), (["key/*", "*"], True), (f"key/{KEY.id}", False)],
)
def test_an_action_that_uses_no_key_needs_the_resource_star(resource: object, allowed: bool) -> None:
    assert may(document(statement("Allow", "*", resource)), "CreateKey", None) is allowed


def test_an_absent_resource_is_every_resource() -> None:
    text = '{"Version":"1","Statement":[{"Effect":"Allow","Action":"Encrypt"}]}'
    assert may(text, "Encrypt", KEY)
    assert not may(text, "Decrypt", KEY)


@pytest.mark.parametrize("key", [KEY, None])
def test_the_policy_of_the_first_credential_allows_everything(key: Key | None) -> None:
    assert may(ALLOW_ALL, "AnyAction", key)
    assert may(json.dumps(json.loads(ALLOW_ALL), indent=1), "AnyAction", key)


@pytest.mark.parametrize(
    ("resource", "allowed"),
    [("*", True), ("alias/app/*", True), ("alias/app/db", True), ("alias/db", False), ("key/*", False)],
)
def test_an_alias_is_a_resource_as_such(resource: str, allowed: bool) -> None:
    text = document(statement("Allow", "UpdateAlias", resource))
    assert policy.may_name(text, "UpdateAlias", "alias/app/db", FACTS, NO_TAGS) is allowed
    assert not policy.may_name(text, "CreateAlias", "alias/app/db", FACTS, NO_TAGS)


SOMETIMES = {"Condition": {"StringEquals": {"kms:EncryptionContext:app": "shop"}}}
APP_AND_OTHER = [statement("Allow", "*", "alias/app/*"), statement("Deny", "*", "alias/other")]
OTHER_AND_APP = [statement("Allow", "*", "alias/other"), statement("Deny", "*", "alias/app/*")]
GAINS: list[tuple[list[dict[str, Any]], bool, bool]] = [
    # the statements, and whether they allow more on a key that gets the alias app/db, and on one that loses it
    ([statement("Allow")], False, False),
    ([statement("Allow", "*", "alias/app/*")], True, False),
    ([statement("Allow", "*", "alias/other")], False, False),
    ([statement("Allow", "NoSuchAction", "alias/app/*")], False, False),
    ([statement("Allow"), statement("Deny", "Decrypt", "alias/app/*")], False, True),
    ([statement("Deny", "*", "alias/app/*")], False, False),
    ([statement("Allow", "Encrypt", "alias/app/*"), statement("Deny", "Encrypt")], False, False),
    ([statement("Allow", "Encrypt"), statement("Allow", "Encrypt", "alias/app/*")], False, False),
    ([statement("Allow", "Encrypt"), statement("Allow", "Decrypt", "alias/app/*")], True, False),
    ([statement("Allow"), statement("Allow", "*", "alias/app/*"), statement("Deny") | SOMETIMES], False, False),
    ([statement("Allow") | SOMETIMES, statement("Deny", "*", "alias/app/*") | SOMETIMES], False, True),
    ([statement("Allow") | SOMETIMES, statement("Allow", "*", "alias/app/*")], True, False),
    ([statement("Deny", "*", "alias/app/*") | SOMETIMES], False, False),
    # and with statements about neither
    ([statement("Allow"), *APP_AND_OTHER], False, False),
    ([statement("Allow") | SOMETIMES, *(row | SOMETIMES for row in OTHER_AND_APP)], False, True),
]


@pytest.mark.parametrize(("statements", "with_it", "without_it"), GAINS)
def test_whether_an_alias_gains(statements: list[dict[str, Any]], with_it: bool, without_it: bool) -> None:
    text, bare, named = document(*statements), sample_key(1), sample_key(1, aliases=("app/db",))
    assert policy.gains(text, bare, named) is with_it
    assert policy.gains(text, named, bare) is without_it
    assert not policy.gains(ALLOW_ALL, bare, named)


def test_a_text_that_is_almost_the_one_that_allows_everything_is_read() -> None:
    deny, of_alias = ALLOW_ALL.replace("Allow", "Deny"), ALLOW_ALL.replace('e":"*"', 'e":"alias/app/*"')
    bare, named = sample_key(1), sample_key(1, aliases=("app/db",))
    assert deny > ALLOW_ALL  # in order, too
    assert not may(deny, "Decrypt", bare)
    assert not policy.may_name(deny, "Decrypt", "alias/app/db", FACTS, NO_TAGS)
    assert policy.gains(of_alias, bare, named)


ALLOW = '{"Effect":"Allow","Action":"*","Resource":"*"}'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        '"Allow"',
        '{"Statement":',
        '{"Statement":{}}',
        f'{{"Statement":{ALLOW}}}',
        '{"statement":[]}',
        '{"Statement":[],"Id":"x"}',
        '{"Statement":[],"Version":1}',
        '{"Statement":[null]}',
        '{"Statement":[{"Effect":"Allow"}]}',
        '{"Statement":[{"Action":"*"}]}',
        '{"Statement":[{"Effect":"allow","Action":"*"}]}',
        '{"Statement":[{"Effect":"Allow","Action":null}]}',
        '{"Statement":[{"Effect":"Allow","Action":""}]}',
        '{"Statement":[{"Effect":"Allow","Action":["Encrypt",1]}]}',
        '{"Statement":[{"Effect":"Allow","Action":"kms:Encrypt"}]}',
        '{"Statement":[{"Effect":"Allow","Action":"Encrypt Decrypt"}]}',
        '{"Statement":[{"Effect":"Allow","Action":"Encrypt\\n"}]}',
        '{"Statement":[{"Effect":"Allow","Action":"E.*"}]}',
        '{"Statement":[{"Effect":"Allow","Action":"*","NotAction":"x"}]}',
        '{"Statement":[{"Effect":"Allow","Action":"*","Condition":{}}]}',
        '{"Statement":[{"Effect":"Allow","Action":"*","Resource":""}]}',
        '{"Statement":[{"Effect":"Allow","Action":"*","Resource":"**"}]}',
        '{"Statement":[{"Effect":"Allow","Action":"*","Resource":"key/"}]}',
        '{"Statement":[{"Effect":"Allow","Action":"*","Resource":"Key/x"}]}',
        '{"Statement":[{"Effect":"Allow","Action":"*","Resource":"alias/a|key/b"}]}',
        '{"Statement":[{"Effect":"Allow","Action":"*","Resource":"key/[a-z]"}]}',
        '{"Statement":[{"Effect":"Allow","Action":"*","Resource":"acs:kms:*:*:key/x"}]}',
        "\ud800",
        f'{{"Statement":[{ALLOW}]}}{ALLOW}',
    ],
)
def test_invalid_documents(text: str) -> None:
    with pytest.raises(InvalidPolicy):
        parse(text)
    with pytest.raises(InvalidPolicy):
        may(text, "Encrypt", KEY)


def test_what_is_wrong_is_named() -> None:
    with pytest.raises(InvalidPolicy, match="Action 'kms:Encrypt'"):
        parse(document(statement("Allow", "kms:Encrypt")))
    with pytest.raises(InvalidPolicy, match="Resource 'bucket/x'"):
        parse(document(statement("Allow", "*", "bucket/x")))


@pytest.mark.parametrize(("size", "valid"), [(32_768, True), (32_769, False)])
def test_a_policy_has_at_most_32768_bytes(size: int, valid: bool) -> None:
    text = ALLOW_ALL + " " * (size - len(ALLOW_ALL))
    if valid:
        assert may(text, "Encrypt", KEY)
    else:
        with pytest.raises(InvalidPolicy, match="32768 bytes"):
            parse(text)


def test_a_pattern_of_many_stars_is_answered_at_once() -> None:
    text = document(statement("Allow", "*", "alias/" + "a*" * 5 + "b"))
    key = sample_key(1, aliases=("a" * 255,))
    started = time.perf_counter()
    assert not may(text, "Encrypt", key)
    assert time.perf_counter() - started < 1


def matches(glob: str, name: str) -> bool:
    """A star is any run, all else itself: by recursion on the text."""
    if not glob:
        return not name
    if glob[0] == "*":
        return matches(glob[1:], name) or (bool(name) and matches(glob, name[1:]))
    return name[:1] == glob[0] and matches(glob[1:], name[1:])


def reference(statements: Sequence[dict[str, Any]], action: str, key: Key | None) -> bool:
    def any_of(globs: str | list[str], names: list[str]) -> bool:
        listed = [globs] if isinstance(globs, str) else globs
        return any(matches(glob, name) for glob in listed for name in names)

    names = [f"key/{key.id}", *(f"alias/{alias}" for alias in key.aliases)] if key else ["*"]
    effects = set()
    for one in statements:
        # The resource `*` is everything; to an Action without a key nothing else is anything.
        if any_of(one["Action"], [action]) and any_of(one["Resource"], names):
            effects.add(one["Effect"])
    return effects == {"Allow"}


some_letters = st.text("ab", min_size=1, max_size=4)
globs = st.text("ab*", min_size=1, max_size=5)
action_globs = st.one_of(globs, st.lists(globs, max_size=3))
resource = st.one_of(st.just("*"), globs.map("alias/{}".format), st.sampled_from(["key/*", "key/5c*"]))
statements = st.lists(
    st.builds(
        statement,
        st.sampled_from(["Allow", "Allow", "Deny"]),
        action_globs,
        st.one_of(resource, st.lists(resource, max_size=3)),
    ),
    max_size=4,
)
keys = st.one_of(
    st.none(), st.lists(some_letters, max_size=3, unique=True).map(lambda names: sample_key(1, aliases=tuple(names)))
)


@settings(max_examples=400, deadline=None)
@given(statements, some_letters, keys)
def test_it_agrees_with_a_plain_reading(statements: list[dict[str, Any]], action: str, key: Key | None) -> None:
    assert may(document(*statements), action, key) is reference(statements, action, key)
