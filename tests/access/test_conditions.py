"""Conditions: what each operator says of what is there, is not there or is not known, and what is refused when set."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.endpoint.dispatch import load
from kit.action_samples import rules
from kit.samples import key as sample_key
from tenantkms.access import key_policy, policy
from tenantkms.access.conditions import NO_TAGS, WITH_CONTEXT, WITHOUT_KEY, Facts, conditions
from tenantkms.access.policy import MAX_WORK
from tenantkms.errors import InvalidPolicy

NOW = 1_800_000_000  # 2027-01-15T08:00:00Z
KEY = sample_key(1, tags={"env": "prod"})


def call(source: str = "10.1.2.3", dialect: str = "alibaba", now: int = NOW, **context: str) -> Facts:
    return Facts(dialect, source, now, context)


APP, NAMES, SOURCE, DIALECT, TIME, TAG = (
    "kms:EncryptionContext:app",
    "kms:EncryptionContextKeys",
    "kms:SourceIp",
    "kms:Dialect",
    "kms:CurrentTime",
    "kms:ResourceTag/env",
)
LATE = "2027-01-15T08:00:01Z"
NET6 = ["10.0.0.0/8", "2001:db8::/32"]
MET: list[tuple[str, str, Any, Facts, Mapping[str, str] | None, bool | None]] = [
    # operator, what it asks, values, the call, the key's tags, whether it is met (None: cannot be told)
    ("StringEquals", APP, "shop", call(app="shop"), {}, True),
    ("StringEquals", APP, ["bank", "shop"], call(app="shop", more="x"), {}, True),
    ("StringEquals", APP, "shop", call(app="Shop"), {}, False),
    ("StringEquals", APP, "shop", call(App="shop"), {}, False),
    ("StringEquals", APP, "sh*", call(app="shop"), {}, False),
    ("StringEquals", APP, "", call(app=""), {}, True),
    ("StringEquals", APP, "shop", call(), {}, False),
    ("StringNotEquals", APP, "shop", call(app="shop"), {}, False),
    ("StringNotEquals", APP, ["bank", "shop"], call(app="shop"), {}, False),
    ("StringNotEquals", APP, "shop", call(app="bank"), {}, True),
    ("StringNotEquals", APP, "shop", call(), {}, True),
    ("StringLike", APP, "sh*", call(app="shop"), {}, True),
    ("StringLike", APP, ["a*", "*o*p"], call(app="shop\nshop"), {}, True),
    ("StringLike", APP, "*", call(), {}, False),
    ("StringNotLike", APP, "sh*", call(app="shop"), {}, False),
    ("StringNotLike", APP, "*", call(), {}, True),
    ("Null", APP, "true", call(), {}, True),
    ("Null", APP, "true", call(app=""), {}, False),
    ("Null", APP, "false", call(), {}, False),
    ("Null", APP, "false", call(app=""), {}, True),
    ("Null", NAMES, "true", call(), {}, True),
    ("Null", NAMES, "true", call(app="x"), {}, False),
    ("Null", NAMES, "false", call(app="x"), {}, True),
    ("ForAllValues:StringEquals", NAMES, ["app", "b"], call(app="x"), {}, True),
    ("ForAllValues:StringEquals", NAMES, ["app"], call(app="x", other="y"), {}, False),
    ("ForAllValues:StringEquals", NAMES, ["app", "b"], call(other="y"), {}, False),
    ("ForAllValues:StringEquals", NAMES, ["app"], call(), {}, True),
    ("ForAnyValue:StringEquals", NAMES, ["app"], call(app="x", other="y"), {}, True),
    ("ForAnyValue:StringEquals", NAMES, ["app"], call(other="y"), {}, False),
    ("ForAnyValue:StringEquals", NAMES, ["app"], call(), {}, False),
    ("ForAllValues:StringNotEquals", NAMES, ["app"], call(other="y"), {}, True),
    ("ForAllValues:StringNotEquals", NAMES, ["app"], call(app="x", other="y"), {}, False),
    ("ForAllValues:StringNotEquals", NAMES, ["app"], call(), {}, True),
    ("ForAnyValue:StringNotEquals", NAMES, ["app"], call(app="x", other="y"), {}, True),
    ("ForAnyValue:StringNotEquals", NAMES, ["app"], call(app="x"), {}, False),
    ("ForAnyValue:StringNotEquals", NAMES, ["app", "b"], call(other="y"), {}, True),
    ("ForAnyValue:StringNotEquals", NAMES, ["app"], call(), {}, False),
    ("IpAddress", SOURCE, NET6, call("10.0.0.0"), {}, True),
    ("IpAddress", SOURCE, NET6, call("9.255.255.255"), {}, False),
    ("IpAddress", SOURCE, NET6, call("10.255.255.255"), {}, True),
    ("IpAddress", SOURCE, NET6, call("11.0.0.0"), {}, False),
    ("IpAddress", SOURCE, NET6, call("2001:db8:ffff::1"), {}, True),
    ("IpAddress", SOURCE, NET6, call("2001:db9::1"), {}, False),
    ("IpAddress", SOURCE, NET6, call("::ffff:10.0.0.1"), {}, True),
    ("IpAddress", SOURCE, "0.0.0.0/0", call("2001:db8::1"), {}, False),
    ("IpAddress", SOURCE, NET6, call("::a01:203"), {}, False),  # as a number it is 10.1.2.3
    ("IpAddress", SOURCE, "::/96", call("10.1.2.3"), {}, False),
    ("IpAddress", SOURCE, "10.1.2.3", call("10.1.2.3"), {}, True),
    ("IpAddress", SOURCE, "fe80::/10", call("fe80::1%eth0"), {}, True),
    ("IpAddress", SOURCE, NET6, call(""), {}, None),
    ("IpAddress", SOURCE, NET6, call("unix:"), {}, None),
    ("NotIpAddress", SOURCE, NET6, call("10.0.0.1"), {}, False),
    ("NotIpAddress", SOURCE, NET6, call("11.0.0.1"), {}, True),
    ("NotIpAddress", SOURCE, NET6, call(""), {}, None),
    ("StringEquals", DIALECT, ["tencent", "alibaba"], call(), {}, True),
    ("StringEquals", DIALECT, "tencent", call(), {}, False),
    ("StringNotEquals", DIALECT, "native", call(), {}, True),
    ("StringNotEquals", DIALECT, "alibaba", call(), {}, False),
    ("DateLessThan", TIME, LATE, call(), {}, True),
    ("DateLessThan", TIME, LATE, call(now=NOW + 1), {}, False),
    ("DateLessThan", TIME, [LATE, "2000-01-01T00:00:00Z"], call(), {}, True),
    ("DateLessThan", TIME, "2027-01-15T10:00:01+02:00", call(), {}, True),
    ("DateLessThanEquals", TIME, LATE, call(now=NOW + 1), {}, True),
    ("DateLessThanEquals", TIME, LATE, call(now=NOW + 2), {}, False),
    ("DateGreaterThan", TIME, LATE, call(now=NOW + 1), {}, False),
    ("DateGreaterThan", TIME, LATE, call(now=NOW + 2), {}, True),
    ("DateGreaterThan", TIME, [LATE, "2000-01-01T00:00:00Z"], call(), {}, True),
    ("DateGreaterThanEquals", TIME, LATE, call(now=NOW + 1), {}, True),
    ("DateGreaterThanEquals", TIME, LATE, call(), {}, False),
    ("StringEquals", TAG, "prod", call(), {"env": "prod"}, True),
    ("StringEquals", TAG, "prod", call(env="prod"), {}, False),
    ("StringNotEquals", TAG, "prod", call(), {}, True),
    ("StringLike", TAG, "p*", call(), {"env": "prod"}, True),
    ("Null", TAG, "true", call(), {}, True),
    ("StringEquals", TAG, "prod", call(), None, None),
    ("StringNotEquals", TAG, "prod", call(), None, None),
    ("Null", TAG, "true", call(), None, None),
]


@pytest.mark.parametrize(("operator", "asks", "values", "facts", "tags", "met"), MET)
def test_what_an_operator_says(
    operator: str, asks: str, values: Any, facts: Facts, tags: Mapping[str, str] | None, met: bool | None
) -> None:
    (condition,) = conditions({operator: {asks: values}})
    assert condition.met(facts, tags) is met
    for effect in ("Allow", "Deny"):
        text = document(statement("Allow"), statement(effect, Condition={operator: {asks: values}}))
        said = policy.decide(text, "Encrypt", ("key/1",), facts, tags)
        applies = met if met is not None else effect == "Deny"
        assert said == (-2 if applies and effect == "Deny" else 1)
    alone = document(statement("Allow", Condition={operator: {asks: values}}))
    assert policy.decide(alone, "Encrypt", ("key/1",), facts, tags) == (1 if met else 0)
    of_key = key_document({"Effect": "Allow", "Principal": "*", "Action": "*", "Condition": {operator: {asks: values}}})
    assert key_policy.decide(of_key, "me", "Encrypt", facts, tags) == (1 if met else 0)


def statement(effect: str = "Allow", action: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": "*", **more}


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Statement": statements})


key_document = document


def test_all_conditions_must_hold_and_one_that_fails_beats_one_that_is_not_known() -> None:
    both = {"StringEquals": {APP: "shop", TAG: "prod"}, "IpAddress": {SOURCE: "10.0.0.0/8"}}
    allow, deny = document(statement(Condition=both)), document(statement(), statement("Deny", Condition=both))
    cases: list[tuple[Facts, Mapping[str, str], bool, bool]] = [
        (call(app="shop"), {"env": "prod"}, True, False),
        (call(app="bank"), {"env": "prod"}, False, True),
        (call(app="shop"), {}, False, True),
        (call("11.0.0.1", app="shop"), {"env": "prod"}, False, True),
        (call("", app="shop"), {"env": "prod"}, False, False),
        (call("", app="bank"), {"env": "prod"}, False, True),
    ]
    for facts, tags, allowed, not_denied in cases:
        assert (policy.decide(allow, "Encrypt", ("key/1",), facts, tags) > 0) is allowed
        assert (policy.decide(deny, "Encrypt", ("key/1",), facts, tags) > 0) is not_denied
    reverse = {operator: dict(reversed(asked.items())) for operator, asked in reversed(both.items())}
    for facts, tags, allowed, not_denied in cases:
        alone, denied = document(statement(Condition=reverse)), statement("Deny", Condition=reverse)
        assert (policy.decide(alone, "Encrypt", ("key/1",), facts, tags) > 0) is allowed
        assert (policy.decide(document(statement(), denied), "Encrypt", ("key/1",), facts, tags) > 0) is not_denied


REFUSED: dict[str, tuple[Any, str]] = {
    "no condition": ({}, "empty"),
    "no operator's": ({"StringEquals": {}}, "empty"),
    "no values": ({"StringEquals": {APP: []}}, "no values"),
    "a number": ({"StringEquals": {APP: 1}}, "Expected"),
    "a list": ([], "Expected"),
    "an operator that is none": ({"StringEqual": {APP: "x"}}, "did you mean StringEquals"),
    "in another case": ({"stringEquals": {APP: "x"}}, "did you mean StringEquals"),
    "IfExists": ({"StringEqualsIfExists": {APP: "x"}}, "did you mean StringEquals"),
    "an operator of other values": ({"NumericLessThan": {TIME: "1"}}, "did you mean DateLessThan"),
    "an operator of something else": ({"IpAddress": {APP: "10.0.0.0/8"}}, "StringLike, StringNotLike, Null can."),
    "a set without its word": ({"StringEquals": {NAMES: "app"}}, "ForAllValues:StringEquals"),
    "a word without a set": ({"ForAnyValue:StringEquals": {APP: "x"}}, "cannot ask"),
    "Null of what is always there": (
        {"Null": {SOURCE: "true"}},
        "Null cannot ask kms:SourceIp: IpAddress, NotIpAddress can.",
    ),
    "Null of something else": ({"Null": {APP: "yes"}}, "Null is true"),
    "Null of both": ({"Null": {APP: ["true", "false"]}}, "Null is true"),
    "AWS's name": ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, "did you mean kms:SourceIp?"),
    "RAM's name": ({"IpAddress": {"acs:SourceIp": "10.0.0.0/8"}}, "did you mean kms:SourceIp"),
    "what is not known at all": (
        {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}},
        "There are kms:EncryptionContext:..., kms:EncryptionContextKeys, kms:SourceIp",
    ),
    "AWS's tag": ({"StringEquals": {"aws:ResourceTag/env": "x"}}, "did you mean kms:ResourceTag/...?"),
    "another case": ({"StringEquals": {"kms:encryptioncontext:app": "x"}}, "did you mean kms:EncryptionContext:"),
    "a context without a name": ({"StringEquals": {"kms:EncryptionContext:": "x"}}, "did you mean"),
    "a tag without a name": ({"StringEquals": {"kms:ResourceTag/": "x"}}, "did you mean"),
    "more behind the source": ({"IpAddress": {"kms:SourceIp/x": "10.0.0.0/8"}}, "did you mean kms:SourceIp"),
    "a dialect that is none": ({"StringEquals": {DIALECT: "tencnet"}}, "did you mean tencent"),
    "bits of a host": ({"IpAddress": {SOURCE: "10.0.0.1/8"}}, "host bits"),
    "no address": ({"IpAddress": {SOURCE: "ten"}}, "is no network"),
    "IPv4 in IPv6": ({"IpAddress": {SOURCE: "::ffff:10.0.0.0/104"}}, "network of IPv4"),
    "a date alone": ({"DateLessThan": {TIME: "2027-01-15"}}, "is no time"),
    "a time without a zone": ({"DateLessThan": {TIME: "2027-01-15T08:00:00"}}, "is no time"),
    "a day that is none": ({"DateLessThan": {TIME: "2027-02-30T08:00:00Z"}}, "is no time"),
    "a variable": ({"StringEquals": {APP: "${aws:username}"}}, "variable"),
    "a question mark": ({"StringLike": {APP: "sh?p"}}, "'?'"),
}


@pytest.mark.parametrize(("written", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_none_is_refused_with_the_one_that_is_meant(written: Any, said: str) -> None:
    texts = (
        (policy.check, document(statement("Deny", "Encrypt", Condition=written))),
        (key_policy.check, key_document({**statement("Deny", "kms:Encrypt"), "Principal": "*", "Condition": written})),
    )
    for check, text in texts:
        with pytest.raises(InvalidPolicy) as error:
            check(text)
        assert said in error.value.message


UNMEETABLE: list[tuple[Any, str, bool]] = [
    ("ListKeys", APP, False),
    (["Encrypt", "DescribeKey"], APP, False),
    ("GenerateMac", NAMES, False),
    ("Generate*", APP, True),
    ("*", APP, True),
    (["Encrypt", "ReEncrypt"], NAMES, True),
    ("CreateKey", TAG, False),
    ("List*", TAG, True),
    ("ListKeys", TAG, False),
    ("DescribeKey", TAG, True),
    ("ListKeys", SOURCE, True),
]


@pytest.mark.parametrize(("action", "asks", "allowed"), UNMEETABLE)
def test_a_condition_that_an_action_can_never_meet_is_refused(action: Any, asks: str, allowed: bool) -> None:
    operator = {NAMES: "ForAnyValue:StringEquals", SOURCE: "IpAddress"}.get(asks, "StringEquals")
    written = {operator: {asks: "10.0.0.0/8"}}
    own = [f"kms:{name}" for name in ([action] if isinstance(action, str) else action)]
    texts: list[tuple[Callable[[str], str], str]] = [
        (policy.check, document(statement("Allow", action, Condition=written))),
        (key_policy.check, key_document({**statement("Allow", own), "Principal": "*", "Condition": written})),
    ]
    for check, text in texts:
        if allowed:
            assert check(text) == text
        else:
            why = "uses no key that has tags" if asks == TAG else "takes no encryption context"
            with pytest.raises(InvalidPolicy, match=rf"{why}, so its condition of {asks} "):
                check(text)


def test_the_statement_that_is_wrong_is_named_by_its_number() -> None:
    bad = statement("Allow", "ListKeys", Condition={"StringEquals": {TAG: "prod"}})
    good = statement("Allow", "Encrypt", Condition={"StringEquals": {TAG: "prod"}})
    unknown = statement("Allow", "Encrpyt")
    for number, rows in (
        (1, (bad, good)),
        (2, (good, bad)),
        (3, (good, good, bad)),
        (1, (unknown, good)),
        (2, (good, unknown)),
    ):
        keyed = ({**row, "Principal": "*", "Action": f"kms:{row['Action']}"} for row in rows)
        for found in (policy.flaws(document(*rows)), key_policy.flaws(key_document(*keyed))):
            (said,) = found
            assert re.search(r"tatement (\d+)", said)[1] == str(number)
    absent = statement("Allow", Resource=None)
    for number, rows in ((1, (absent, good)), (2, (good, absent))):
        text = document(*({k: v for k, v in row.items() if v is not None} for row in rows))
        assert [said[:11] for said in policy.flaws(text)] == [f"Statement {number}"]


def test_what_can_be_asked_is_what_the_actions_take() -> None:
    every = rules()
    taking = {name for name in every if any("context" in f for f in load(name).params.__struct_fields__)}
    assert taking == WITH_CONTEXT
    assert {name for name, rule in every.items() if rule.refuses is None} - {"ReEncrypt"} == WITHOUT_KEY


# -- what it may cost ------------------------------------------------------------------------------------

LONGEST = ("key/5c438b18-05be-40ad-b6c2-3be6752cfa7e", *(f"alias/{'a' * 252}{n:03}" for n in range(50)))
MOST: dict[str, tuple[int, Callable[[int], list[dict[str, Any]]]]] = {
    # how many there may be; what so many are
    "names": (993, lambda n: [statement("Deny", "Encrypt", Resource=[f"alias/{i}" for i in range(n)])]),
    "beginnings": (993, lambda n: [statement("Deny", "Encrypt", Resource=[f"alias/{i}*" for i in range(n)])]),
    "ends": (47, lambda n: [statement("Deny", "Encrypt", Resource=[f"alias/a*{i}b" for i in range(n)])]),
    "stars": (8, lambda n: [statement("Deny", "Encrypt", Resource=["alias/" + "*a" * 20 + "*b"] * n)]),
    "statements": (125, lambda n: [statement("Deny", "Encrypt", Resource="alias/a*")] * n),
    "networks": (99, lambda n: [_under("NotIpAddress", SOURCE, [f"10.{i}.0.0/16" for i in range(n)])]),
    "values": (991, lambda n: [_under("StringEquals", APP, [str(i) for i in range(n)])]),
    "dialects": (991, lambda n: [_under("StringNotEquals", DIALECT, ["native"] * n)]),
    "moments": (495, lambda n: [_under("DateLessThan", TIME, [LATE] * n)]),
    "names of a context": (991, lambda n: [_under("ForAllValues:StringEquals", NAMES, ["a"] * n)]),
    "names that it lacks": (991, lambda n: [_under("ForAllValues:StringNotEquals", NAMES, ["a"] * n)]),
    "absences": (
        992,
        lambda n: [
            statement("Deny", "Encrypt", Condition={"Null": {f"kms:ResourceTag/{i}": "true" for i in range(n)}})
        ],
    ),
    "likes": (59, lambda n: [_under("StringLike", APP, "*" + "a" * n + "b*")]),
}


def _under(operator: str, asks: str, values: Any) -> dict[str, Any]:
    return statement("Deny", "Encrypt", Condition={operator: {asks: values}})


@pytest.mark.parametrize(("most", "made"), MOST.values(), ids=MOST)
def test_what_a_policy_may_cost_is_bounded_when_it_is_set(
    most: int, made: Callable[[int], list[dict[str, Any]]]
) -> None:
    def tight(*statements: dict[str, Any]) -> str:
        return json.dumps({"Statement": statements}, separators=(",", ":"))

    text = tight(*made(most))
    assert policy.check(text) == text
    with pytest.raises(InvalidPolicy, match=f"of at most {MAX_WORK}"):
        policy.check(tight(*made(most + 1)))
    # About a millisecond on a quiet machine; the shortest of several runs, and room for a busy one.
    spent = []
    for _ in range(15):
        policy.parse.cache_clear()
        policy.matching.cache_clear()
        started = time.perf_counter()
        policy.decide(text, "Encrypt", LONGEST, call(app="a" * 20_000), NO_TAGS)
        spent.append(time.perf_counter() - started)
    assert min(spent) < 0.01


def test_a_key_policy_too() -> None:
    for many, wrong in ((47, False), (48, True)):
        who = {"RAM": [f"acs:ram::1:user/a*{i}b" for i in range(many)]}
        text = key_document({"Effect": "Deny", "Principal": who, "Action": "kms:Encrypt"})
        assert bool(list(key_policy.flaws(text))) is wrong
        text = key_document({"Effect": "Deny", "Principal": "*", "Action": ["kms:E*t"] * many})
        assert bool(list(key_policy.flaws(text))) is wrong


def test_a_decision_without_conditions_is_remembered() -> None:
    """And so is one that a condition elsewhere cannot change, such as a denial under none."""
    deny = statement("Deny", "Decrypt")
    text = document(statement(Condition={"StringEquals": {APP: "shop"}}), deny, statement("Allow", "DescribeKey"))
    assert policy.matching(text, "Decrypt", ("key/1",)) == -2
    assert policy.matching(document(deny, statement(Condition={"Null": {APP: "true"}})), "Decrypt", ("key/1",)) == -1
    assert not isinstance(policy.matching(text, "DescribeKey", ("key/1",)), int)
    assert policy.matching(document(statement()), "Decrypt", ("key/1",)) == 1


# -- a plain reading -------------------------------------------------------------------------------------

_pairs = st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy"), max_size=2)
_conditions = st.dictionaries(
    st.sampled_from(["StringEquals", "StringNotEquals"]),
    st.dictionaries(
        st.sampled_from(["kms:EncryptionContext:a", "kms:EncryptionContext:b", "kms:ResourceTag/a"]),
        st.lists(st.sampled_from("xy"), min_size=1, max_size=2),
        min_size=1,
    ),
    min_size=1,
)
_rows = st.lists(st.tuples(st.sampled_from(["Allow", "Deny"]), st.none() | _conditions), max_size=4)


def _plain(rows: list[tuple[str, Any]], context: Mapping[str, str], tags: Mapping[str, str]) -> bool:
    there = {f"kms:EncryptionContext:{k}": v for k, v in context.items()}
    there |= {f"kms:ResourceTag/{k}": v for k, v in tags.items()}
    effects = {
        effect
        for effect, written in rows
        if all(
            (there.get(asks) in values) is (operator == "StringEquals")
            for operator, asked in (written or {}).items()
            for asks, values in asked.items()
        )
    }
    return effects == {"Allow"}


def _written(rows: list[tuple[str, Any]]) -> str:
    return document(*(statement(effect, **({"Condition": w} if w else {})) for effect, w in rows))


@settings(max_examples=300, deadline=None)
@given(_rows, _pairs, _pairs)
def test_it_agrees_with_a_plain_reading(
    rows: list[tuple[str, Any]], context: dict[str, str], tags: dict[str, str]
) -> None:
    key = sample_key(1, tags=tags)
    assert policy.may(_written(rows), "Encrypt", key, call(**context)) is _plain(rows, context, tags)


@settings(max_examples=300, deadline=None)
@given(_rows, _pairs, _pairs)
def test_no_change_of_tags_that_gains_is_let_through(
    rows: list[tuple[str, Any]], old: dict[str, str], new: dict[str, str]
) -> None:
    """Whatever context a call will have. Where only tags are asked, nothing else is refused either."""
    before, after = sample_key(1, tags=old), sample_key(1, tags=new)
    contexts = [{k: v for k, v in (("a", a), ("b", b)) if v} for a in ("x", "y", "") for b in ("x", "y", "")]
    gained = any(_plain(rows, context, new) and not _plain(rows, context, old) for context in contexts)
    refused = policy.gains(_written(rows), before, after)
    assert refused or not gained
    if "Context" not in json.dumps(rows):
        assert refused is gained
    of_key = json.loads(_written(rows))
    for row in of_key["Statement"]:
        row |= {"Principal": "*", "Action": "kms:*"}
    keyed = [sample_key(1, tags=tags, policy=json.dumps(of_key)) for tags in (old, new)]
    assert key_policy.gains("me", *keyed) is refused
