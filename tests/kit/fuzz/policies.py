"""Policies of access keys and of keys: `InvalidPolicy` or a meaning, which is the same however the document is spelled.

An input that begins with `{` is a document. Random bytes are hardly ever JSON, so any other is a document in short:
a line for each statement, `+actions|resources or principals|operator what=values;..`, lists joined by commas.

What may be set decides within the work that its bound says, and is what a reader of the document would say, who knows
patterns and that Deny wins, and nothing of this project's ways to be fast.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from kit.fuzz.parameters import LONGEST_MESSAGE
from kit.samples import FACTS, key
from tenantkms.access import key_policy, policy
from tenantkms.access.conditions import Facts, Tags
from tenantkms.errors import InvalidPolicy
from tenantkms.names import ACTIONS, OTHER_NAMES, RAM
from tools.make_negative_vectors import KEY_ID

ASKED = ("CreateAlias", "Decrypt", "Encrypt", "GenerateDataKey", "ListKeys", "SetKeyPolicy", "TagResources")
PRINCIPAL = "TKMSfuzzfuzzfuzzfuzzfuzz"
CALLS: tuple[tuple[Facts, Tags], ...] = (
    (FACTS, {}),
    (replace(FACTS, context={"app": "shop", "tier": "web"}, now=FACTS.now + 10**8), {"env": "prod"}),
    (Facts("native", "", 0, {"app": "shop-2"}), None),
    (Facts("tencent", "2001:db8::1", FACTS.now), {"env": "test", "team": ""}),
)
BEFORE = key(id=KEY_ID, aliases=("app-1",), tags={"env": "test"})
AFTER = key(id=KEY_ID, aliases=("app-1", "prod/x"), tags={"env": "prod"})
NAMES = (policy.NO_KEY, policy.names_of(KEY_ID, BEFORE.aliases), ("alias/prod/x",))
LONG = policy.names_of(KEY_ID, [f"{number:02}{'ab' * 126}" for number in range(50)])
"""Of a key with as many aliases as it may have, as long as they may be."""
SECONDS = 0.05
"""For one decision of what may be set, and for five times that to say that it may not: fifty times what is meant."""
_CONDITIONS = (
    "StringEquals StringNotEquals StringLike StringNotLike IpAddress NotIpAddress DateLessThan DateGreaterThan Null"
    " ForAllValues:StringEquals ForAnyValue:StringEquals ForAllValues:StringNotEquals kms:EncryptionContext:app"
    " kms:EncryptionContextKeys kms:SourceIp kms:Dialect kms:CurrentTime kms:ResourceTag/env 10.0.0.0/8 2001:db8::/32"
    " 2027-01-01T00:00:00Z Allow Deny Encrypt Decrypt kms:* key/* alias/app-* alias/prod/x shop* alibaba native true"
    f" acs:ram::*:user/{PRINCIPAL} acs:ram::*:root key/{KEY_ID} 2012-10-17 arn:aws:iam::123456789012:root"
).split()
WORDS = tuple(
    word.encode()
    for word in (
        *(f'"{word}"' for word in (*_CONDITIONS, *ACTIONS)),
        *(*_CONDITIONS, *ACTIONS, *OTHER_NAMES, "\n+", "\n-", "|", ";", "=", "+*|*|", "|*|"),
        *('"Effect":', '"Action":', '"Resource":', '"Principal":', '"RAM":', '"Condition":{', '"Limits":{', '"Sid":'),
        *("},{", '["', '"]', "\\u0000", "\\ud800", "1e2", "-1", "9" * 20, "${", "*a*", "**"),
    )
)
Document = dict[str, Any]


def of_access_keys(data: bytes) -> None:
    text = _text(data, lambda about: {"Resource": about})
    if not _checked(text, policy.check, policy.parse):
        return
    document: Document = json.loads(text)
    decide = policy.decide
    _check_spellings(document, text, lambda t: [decide(t, a, n, *call) for a in ASKED for n in NAMES for call in CALLS])
    denied = _with_denial(document, {"Resource": "*"})
    for action in ASKED:
        for names in NAMES:
            assert not any(decide(denied, action, names, *call) > 0 for call in CALLS), "a denial denies nothing"
            if not _conditional(document):
                said = _said(document, action, lambda s, names=names: any(_fits(s["Resource"], n) for n in names))
                assert said is (decide(text, action, names, *CALLS[0]) > 0), "another decision than the document's"
    _check_gains(
        policy.gains(text, BEFORE, AFTER),
        lambda a, k, facts: policy.may(text, a, k, facts),
    )
    assert not policy.gains(text, AFTER, AFTER)
    for action in ("Encrypt", "SetKeyPolicy"):
        _timed(
            lambda action=action: policy.decided(policy.matching.__wrapped__(text, action, LONG), *CALLS[1]), SECONDS
        )
    assert all(figure >= 0 for figure in policy.rates(text).values())


def of_keys(data: bytes) -> None:
    text = _text(data, lambda about: {"Principal": about if about == "*" else {"RAM": about}})
    if not _checked(text, key_policy.check, key_policy.parse):
        return
    document: Document = json.loads(text)
    if isinstance(document["Statement"], dict):
        document["Statement"] = [document["Statement"]]
    ram = key_policy.form_of(text) == RAM
    decide = key_policy.decide
    _check_spellings(document, text, lambda t: [decide(t, PRINCIPAL, a, *call) for a in ASKED for call in CALLS])
    denied = _with_denial(document, {"Principal": "*"})
    for action in ASKED:
        assert not any(decide(denied, PRINCIPAL, action, *call) > 0 for call in CALLS), "a denial denies nothing"
        if ram and not _conditional(document):
            said = _said(document, f"kms:{action}", lambda s: _names(s["Principal"], PRINCIPAL))
            assert said is (decide(text, PRINCIPAL, action, *CALLS[0]) > 0), "another decision than the document's"
    before, after = replace(BEFORE, policy=text), replace(AFTER, policy=text)
    _check_gains(
        key_policy.gains(PRINCIPAL, before, after),
        lambda a, k, facts: key_policy.allows(text, PRINCIPAL, a, facts, k.tags),
    )
    assert not key_policy.gains(PRINCIPAL, after, after)
    _timed(
        lambda: [
            policy.decided(about, *CALLS[1]) for about in key_policy.matching.__wrapped__(text, PRINCIPAL, "Encrypt")
        ],
        SECONDS,
    )
    try:
        key_policy.check_lockout(text, PRINCIPAL, *CALLS[0])
    except InvalidPolicy:
        pass
    else:
        assert decide(text, PRINCIPAL, "SetKeyPolicy", *CALLS[0]) > 0


# -- documents in short ----------------------------------------------------------------------------------


def _text(data: bytes, about: Callable[[str | list[str]], Document]) -> str:
    text = data.decode("utf-8", "surrogateescape")
    if text.startswith("{"):
        return text
    return json.dumps({"Statement": [_statement(line, about) for line in text.split("\n")]})


def _statement(line: str, about: Callable[[str | list[str]], Document]) -> Document:
    actions, names, when, *_ = (*line[1:].split("|", 2), "", "")
    conditions: Document = {}
    for part in filter(None, when.split(";")):
        operator, _, rest = part.partition(" ")
        asks, _, values = rest.partition("=")
        conditions.setdefault(operator, {})[asks] = _split(values)
    statement = {"Effect": "Allow" if line[:1] == "+" else "Deny", "Action": _split(actions), **about(_split(names))}
    return {**statement, "Condition": conditions} if conditions else statement


def _split(text: str) -> str | list[str]:
    parts = text.split(",")
    return parts if len(parts) > 1 else text


def _short(document: Document) -> bytes:
    """A document as it is in short, but for what that cannot say."""
    lines = []
    for statement in document["Statement"]:
        about = statement.get("Principal", statement.get("Resource", ""))
        names = about["RAM"] if isinstance(about, dict) else about
        when = ";".join(
            f"{operator} {asks}={','.join(_list(values))}"
            for operator, rows in statement.get("Condition", {}).items()
            for asks, values in rows.items()
        )
        sign = "+" if statement["Effect"] == "Allow" else "-"
        lines.append(f"{sign}{','.join(_list(statement['Action']))}|{','.join(_list(names))}|{when}")
    return "\n".join(lines).encode()


# -- what holds of both ----------------------------------------------------------------------------------


def _checked(text: str, check: Callable[[str], str], parse: Callable[[str], object]) -> bool:
    """Whether it may be set. What was set by an older release may have a meaning without that."""
    refused = _refusal(lambda: parse(text))
    checked = _timed(lambda: _refusal(lambda: check(text)), 5 * SECONDS)
    assert not (refused and not checked), "what has no meaning may be set"
    return not checked


def _refusal(do: Callable[[], object]) -> str:
    try:
        do()
    except InvalidPolicy as error:
        refusal = error.message
    else:
        return ""
    assert refusal
    assert len(refusal) <= LONGEST_MESSAGE, "what was sent is sent back"
    refusal.encode("utf-8")  # it is told in JSON
    return refusal


def _timed(do: Callable[[], Any], seconds: float) -> Any:
    """What it answers. It must take less than that of the processor in one of three tries."""
    took = []
    for _ in range(3):
        start = time.thread_time()
        answer = do()
        took.append(time.thread_time() - start)
        if took[-1] < seconds:
            return answer
    raise AssertionError(f"it took {min(took):.3f} s, of at most {seconds} s")


def _check_spellings(document: Document, text: str, decisions: Callable[[str], list[int]]) -> None:
    spellings = (
        json.dumps(document, separators=(",", ":")),
        json.dumps(document, ensure_ascii=False, sort_keys=True),
    )
    expected = decisions(text)
    for spelling in spellings:
        if len(spelling.encode()) <= 32_768:
            assert decisions(spelling) == expected, "spelled anew it decides something else"


def _with_denial(document: Document, about: Mapping[str, Any]) -> str:
    everything = {"Effect": "Deny", "Action": "*", **about}
    return json.dumps({**document, "Statement": [*document["Statement"], everything]})


def _check_gains(gains: bool, may: Callable[[str, Any, Facts], bool]) -> None:
    """A change that is let through allows nothing more, whoever calls and when."""
    if gains:
        return
    for action in ASKED:
        for facts, _ in CALLS:
            assert may(action, BEFORE, facts) or not may(action, AFTER, facts), (
                "a change gained more and was let through"
            )


# -- how a reader would decide ---------------------------------------------------------------------------


def _list(patterns: str | list[str]) -> list[str]:
    return [patterns] if isinstance(patterns, str) else patterns


def _fits(patterns: str | list[str], name: str) -> bool:
    return any(re.fullmatch(".*".join(map(re.escape, re.split(r"\*+", p))), name, re.DOTALL) for p in _list(patterns))


def _names(principal: Any, name: str) -> bool:
    for text in _list(principal if isinstance(principal, str) else principal["RAM"]):
        everybody, _, one = text.rpartition(":")[2].partition("/")
        if _fits(one, name) if one else everybody in ("*", "root"):
            return True
    return False


def _conditional(document: Document) -> bool:
    return any("Condition" in statement for statement in document["Statement"])


def _said(document: Document, action: str, about: Callable[[Document], bool]) -> bool:
    effects = {s["Effect"] for s in document["Statement"] if _fits(s["Action"], action) and about(s)}
    return effects == {"Allow"}


# -- seeds -----------------------------------------------------------------------------------------------

_WHEN: tuple[Document, ...] = (
    {"StringEquals": {"kms:EncryptionContext:app": ["shop"]}},
    {"StringNotLike": {"kms:EncryptionContext:app": "shop*"}, "Null": {"kms:EncryptionContext:tier": "false"}},
    {"ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["app", "tier"]}},
    {"ForAnyValue:StringNotEquals": {"kms:EncryptionContextKeys": "app"}},
    {"IpAddress": {"kms:SourceIp": ["192.0.2.0/24", "2001:db8::/32"]}},
    {"NotIpAddress": {"kms:SourceIp": "10.0.0.0/8"}, "StringEquals": {"kms:Dialect": ["alibaba", "native"]}},
    {"DateGreaterThan": {"kms:CurrentTime": "2027-01-01T00:00:00Z"}},
    {"DateLessThanEquals": {"kms:CurrentTime": "2027-06-01T00:00:00+08:00"}},
    {"StringEquals": {"kms:ResourceTag/env": "prod"}},
    {"Null": {"kms:ResourceTag/team": ["true"]}},
    {"StringLike": {"kms:EncryptionContext:app": ["*a*b*c", "sh*p"]}},
)
_ABOUT: tuple[Document, ...] = (
    {"Action": "*", "Resource": "*"},
    {"Action": ["Encrypt", "Generate*"], "Resource": ["alias/app-*", f"key/{KEY_ID}"]},
    {"Action": "*Alias", "Resource": "alias/*/x"},
    {"Action": "Decrypt", "Resource": ["key/*", "*"]},
    {"Action": "Sign", "Resource": "*"},
    {"Action": ["*e*t*"], "Resource": "alias/a*p*1"},
    {"Action": "Encrypt"},
)


def _documents(of: Iterable[Document], more: Document) -> Iterator[bytes]:
    for statement in of:
        allow, deny = {"Effect": "Allow", **statement}, {"Effect": "Deny", **statement}
        for document in ({"Statement": [allow], **more}, {"Statement": [allow, deny]}):
            yield json.dumps(document).encode()
            yield _short(document)


_LONG = "long" * 500


def _long(about: Document) -> Iterator[bytes]:
    """Documents with a long text in each place, which no refusal sends back."""
    statement = {"Effect": "Allow", "Action": "*", **about}
    yield from (json.dumps({"Statement": [{**statement, name: _LONG}]}).encode() for name in (*statement, _LONG))
    for operator, asks, value in (
        (_LONG, "kms:SourceIp", ""),
        ("StringEquals", _LONG, ""),
        ("IpAddress", "kms:SourceIp", _LONG),
        ("StringEquals", "kms:Dialect", _LONG),
        ("DateLessThan", "kms:CurrentTime", _LONG),
    ):
        yield _short({"Statement": [{**statement, "Condition": {operator: {asks: value}}}]})
    yield json.dumps({"Statement": [statement], "Limits": {_LONG: 1}}).encode()


def access_key_seeds() -> Iterator[bytes]:
    yield from _documents(_ABOUT, {"Version": "1", "Limits": {"Encrypt": 1000, "*": 0}})
    for when in _WHEN:
        for about in _ABOUT[:2]:
            yield from _documents([{**about, "Action": ["Encrypt", "Decrypt"], "Condition": when}], {})
    yield from _long({"Resource": "*"})
    yield b'{"Statement":[],"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}],"Limits":{"Sign":-1}}'


def key_seeds() -> Iterator[bytes]:
    principals: tuple[Any, ...] = (
        "*",
        {"RAM": "*"},
        {"RAM": [f"acs:ram::*:user/{PRINCIPAL}", "acs:ram::1:role/TKMS*"]},
        {"RAM": ["acs:ram::000000000000:root"]},
        {"RAM": ["acs:ram::*:user/*f*z"]},
    )
    for who in principals:
        statement = {"Principal": who, "Action": ["kms:Encrypt", "kms:*Key*"], "Resource": ["*"], "Sid": "one"}
        yield from _documents([statement, {"Principal": who, "Action": "kms:*"}], {"Version": "1"})
    for when in _WHEN:
        yield from _documents([{"Principal": "*", "Action": ["kms:Encrypt", "*"], "Condition": when}], {})
    for version, who in (("2012-10-17", "*"), ("2008-10-17", {"AWS": [f"arn:aws:iam::123456789012:user/{PRINCIPAL}"]})):
        allow = {"Effect": "Allow", "Principal": who, "Action": ["kms:Encrypt", "kms:re?ncrypt*"], "Resource": "*"}
        deny = {**allow, "Effect": "Deny", "Condition": {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}}
        yield json.dumps({"Version": version, "Id": "a", "Statement": [allow, deny]}).encode()
        yield json.dumps({"Version": version, "Statement": allow}).encode()
        yield from _documents([{"Principal": "*", "Action": "kms:Decrypt", "Condition": when}], {})
    yield from _long({"Principal": "*"})
