"""Requests per second: of access keys as the vendors say, of addresses that cannot sign; on both doors."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest

from kit.action_samples import ListAudit
from kit.captures import add_credential, by
from kit.catalogue import SCHEMES, error_code
from kit.edits import Event
from kit.fakes import Clock, Counting
from kit.support import Kms, Signer
from tenantkms.access.limits import Limiter
from tenantkms.access.policy import ALLOW_ALL
from tenantkms.model.limits import DEFAULT, OFF, Limits
from tenantkms.names import DIALECTS
from tenantkms.wire.dialects import DIALECTS as SPOKEN
from tenantkms.wire.http import request_from_event

THROTTLED = {
    "alibaba": "Rejected.Throttling",
    "tencent": "RequestLimitExceeded",
    "tencent-v2": 4400,
    "aws": "ThrottlingException",
}
MISMATCH = {
    "alibaba": "SignatureDoesNotMatch",
    "tencent": "AuthFailure.SignatureFailure",
    "tencent-v2": 4100,
    "aws": "InvalidSignatureException",
}
LIST = {"alibaba": "ListKeys", "tencent": "ListKeys", "tencent-v2": "ListKey", "aws": "ListKeys"}
NOW = 1_800_000_000.0


@pytest.fixture
def clock() -> Clock:
    made = Clock()
    made.now = NOW
    return made


def limited(kms: Kms, clock: Clock, **limits: Any) -> Kms:
    return by(kms, clock, Limits(**{"strangers": 0, **limits}))


def listing(scheme: str, signer: Signer) -> Event:
    dialect, sign = SCHEMES[scheme]
    return sign(signer, LIST[dialect], {})


def code(kms: Kms, scheme: str, signer: Signer, address: str = "192.0.2.1") -> str | int | None:
    request = listing(scheme, signer)
    request["requestContext"]["http"]["sourceIp"] = address
    return error_code(SCHEMES[scheme][0], kms.send(request))


# -- of an access key ------------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", SPOKEN)
def test_every_operation_has_its_vendors_figure(dialect: str) -> None:
    spoken = SPOKEN[dialect]
    assert set(spoken.rates) <= set(spoken.operations)
    every = {name: spoken.rates.get(name, spoken.other_rate).per_second for name in spoken.operations}
    assert min(every.values()) >= 1
    figures = {
        "alibaba": {"Encrypt": 1000, "AsymmetricSign": 200, "DescribeKey": 50, "CreateAlias": 30, "CreateKey": 10},
        "tencent": {"Encrypt": 300, "Decrypt": 300, "AsymmetricRsaDecrypt": 200, "GenerateDataKey": 150},
        "tencent-v2": {"Encrypt": 300, "Decrypt": 300, "GenerateDataKey": 150, "CreateKey": 100},
        "aws": {"Encrypt": 20_000, "Sign": 1_000, "DescribeKey": 2_000, "CreateKey": 5},
    }
    assert every | figures[dialect] == every


@pytest.mark.parametrize("scheme", SCHEMES)
def test_beyond_the_limit_the_dialect_says_so_until_the_next_second(scheme: str, kms: Kms, clock: Clock) -> None:
    dialect, _ = SCHEMES[scheme]
    kms = limited(kms, clock, rates={"ListKeys": 4})
    for _ in range(3):
        assert [code(kms, scheme, kms.signer) for _ in range(6)] == [None] * 4 + [THROTTLED[dialect]] * 2
        clock.now += 1


def test_the_answer_is_the_vendors(kms: Kms, clock: Clock) -> None:
    kms = limited(kms, clock, rates={"*": 1})
    kms.alibaba("ListKeys")
    answer = kms.send(kms.signer.alibaba_rpc("ListKeys"))
    assert answer["statusCode"] == 429
    assert answer["headers"]["x-acs-retry-after"] == "1000"
    assert json.loads(answer["body"])["Message"] == "QPS Limit Exceeded"
    kms.tencent("ListKeys")
    assert kms.send(kms.signer.tencent("ListKeys"))["statusCode"] == 200


def test_access_keys_and_actions_are_counted_apart(kms: Kms, clock: Clock) -> None:
    kms = limited(kms, clock, rates={"*": 2})
    other = add_credential(kms, "TKMSother", "secret")
    for signer in (kms.signer, other):
        assert [code(kms, "tencent-tc3", signer) for _ in range(3)] == [None, None, "RequestLimitExceeded"]
    assert "TotalCount" in kms.alibaba("ListAliases")


def test_operations_that_share_a_figure_share_the_requests(kms: Kms, clock: Clock) -> None:
    kms = by(kms, clock, DEFAULT)
    for _ in range(25):
        assert "Code" not in kms.alibaba("ListKeys")
        assert "Code" not in kms.alibaba("ListAliases")
    for action in ("ListKeys", "ListAliases", "DescribeRegions"):
        assert kms.alibaba(action)["Code"] == "Rejected.Throttling"
    assert "Code" not in kms.alibaba("ListResourceTags", KeyId="alias/default")


def test_what_is_no_operation_is_counted_too(kms: Kms, clock: Clock) -> None:
    kms = by(kms, clock, DEFAULT)
    codes = [kms.tencent("Nonsense", Number=n)["Error"]["Code"] for n in range(101)]
    assert codes == ["InvalidAction"] * 100 + ["RequestLimitExceeded"]


@pytest.mark.parametrize("scheme", [scheme for scheme in SCHEMES if scheme != "tencent-tc3"])
def test_a_throttled_request_may_be_sent_again_as_it_is(scheme: str, kms: Kms, clock: Clock) -> None:
    dialect, _ = SCHEMES[scheme]
    kms = limited(kms, clock, rates={"ListKeys": 1})
    assert code(kms, scheme, kms.signer) is None
    request = listing(scheme, kms.signer)
    assert error_code(dialect, kms.send(request)) == THROTTLED[dialect]
    clock.now += 1
    assert error_code(dialect, kms.send(request)) is None
    assert error_code(dialect, kms.send(request)) == THROTTLED[dialect]


def test_requests_of_others_sent_again_use_nothing_up(kms: Kms, clock: Clock) -> None:
    kms = limited(kms, clock, rates={"ListKeys": 2})
    seen = listing("alibaba-rpc", kms.signer)
    assert error_code("alibaba", kms.send(seen)) is None
    for _ in range(20):
        assert error_code("alibaba", kms.send(seen)) == "SignatureNonceUsed"
    assert code(kms, "alibaba-rpc", kms.signer) is None
    assert code(kms, "alibaba-rpc", kms.signer) == "Rejected.Throttling"


FIRST: Mapping[str, tuple[str, dict[str, int], int | None]] = {
    "the vendor's": ("", {}, 50),
    "the operator's": ("", {"ListKeys": 7}, 7),
    "the operator's for all": ("", {"*": 6}, 6),
    "the operator's for another": ("", {"Encrypt": 6}, 50),
    "the operator's own before that for all": ("", {"*": 6, "ListKeys": 3}, 3),
    "the operator's none": ("", {"*": 0}, None),
    "the policy's": ('{"ListKeys":5}', {"ListKeys": 7}, 5),
    "the policy's for all": ('{"*":5}', {"ListKeys": 7}, 5),
    "the policy's for another": ('{"Encrypt":5}', {"ListKeys": 7}, 7),
    "the policy's none": ('{"ListKeys":0}', {"*": 7}, None),
}


@pytest.mark.parametrize(("said", "rates", "figure"), FIRST.values(), ids=FIRST)
def test_the_policy_goes_before_the_operator_and_both_before_the_vendor(
    said: str, rates: dict[str, int], figure: int | None, kms: Kms, clock: Clock
) -> None:
    policy = ALLOW_ALL.replace("]}", f'],"Limits":{said}}}') if said else ALLOW_ALL
    kms = limited(kms, clock, rates=rates)
    signer = add_credential(kms, "TKMSone", "secret", policy=policy)
    codes = [code(kms, "alibaba-rpc", signer) for _ in range(60)]
    assert codes == ([None] * 60 if figure is None else [None] * figure + ["Rejected.Throttling"] * (60 - figure))


def test_what_cannot_be_exceeded_is_not_counted(kms: Kms, clock: Clock) -> None:
    kms = by(kms, clock, DEFAULT)
    store = Counting(kms.settings.access.store)
    for most, counted in ((300, 0), (301, 1)):
        limiter = Limiter(store, Limits(rates={"CreateKey": 2}), most)  # type: ignore[arg-type]
        store.calls.clear()
        credential = kms.settings.access.store.list_credentials()[0]
        limiter.give_back(limiter.take(credential, "Encrypt", SPOKEN["tencent"].rates["Encrypt"], NOW))
        assert store.calls["take"] == store.calls["give_back"] == counted
        limiter.take(credential, "CreateKey", SPOKEN["tencent"].rates["CreateKey"], NOW)
        assert store.calls["take"] == counted + 1


def test_a_throttled_request_has_its_audit_line_and_is_no_fault(
    kms: Kms, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    kms = limited(kms, clock, rates={"*": 1})
    audit = ListAudit()
    deps = msgspec.structs.replace(kms.settings.deps, audit=audit)
    kms = Kms(msgspec.structs.replace(kms.settings, deps=deps), kms.signer)
    for _ in range(2):
        kms.tencent("ListKeys")
    assert [(line.action, line.principal, line.outcome) for line in audit.records] == [
        ("ListKeys", kms.signer.access_key_id, "ok"),
        ("ListKeys", kms.signer.access_key_id, "Throttled"),
    ]
    assert capsys.readouterr().err == ""


# -- of an address ---------------------------------------------------------------------------------------


def wrong(kms: Kms) -> Signer:
    return Signer(kms.signer.access_key_id, "wrong", kms.signer.now)


def nobody(kms: Kms, number: int = 0) -> Signer:
    return Signer(f"TKMSnobody{number}", "wrong", kms.signer.now)


@pytest.mark.parametrize("stranger", [wrong, nobody])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_an_address_that_cannot_sign_is_refused_before_anything_is_read(
    scheme: str, stranger: Callable[[Kms], Signer], kms: Kms, clock: Clock
) -> None:
    dialect, _ = SCHEMES[scheme]
    kms = by(kms, clock, Limits(rates={"*": 0}, strangers=5))
    for _ in range(2):
        codes = [code(kms, scheme, stranger(kms)) for _ in range(8)]
        assert THROTTLED[dialect] not in codes[:5]
        assert codes[5:] == [THROTTLED[dialect]] * 3
        store = kms.settings.access.store = Counting(kms.settings.access.store)  # type: ignore[assignment]
        assert code(kms, scheme, nobody(kms, 1)) == THROTTLED[dialect]
        assert not store.calls
        clock.now += 1


def test_who_has_signed_from_there_is_served_on(kms: Kms, clock: Clock) -> None:
    kms = by(kms, clock, Limits(rates={"*": 0}, strangers=5))
    honest, late = kms.signer, add_credential(kms, "TKMSlate", "secret")
    assert code(kms, "tencent-tc3", honest) is None
    while code(kms, "tencent-tc3", nobody(kms)) != "RequestLimitExceeded":
        pass
    assert code(kms, "tencent-tc3", honest) is None
    assert code(kms, "tencent-tc3", late) == "RequestLimitExceeded"
    assert code(kms, "tencent-tc3", late, "192.0.2.2") is None
    assert code(kms, "tencent-tc3", late) == "RequestLimitExceeded", "it has signed from elsewhere"
    clock.now += 1
    assert code(kms, "tencent-tc3", late) is None


ADDRESSES = {
    "another address": ("192.0.2.1", "192.0.2.2", False),
    "the same /64": ("2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", True),
    "another /64": ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
    "spelled otherwise": ("2001:db8:0:1::1", "2001:0DB8:0000:0001::", True),
    "with a zone": ("fe80::1%eth0", "fe80::2%eth0", True),
    "IPv4 in IPv6": ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
    "no address": ("", "", True),
    "no address at all": ("not: an address", "not: another", False),
}


@pytest.mark.parametrize(("first", "second", "same"), ADDRESSES.values(), ids=ADDRESSES)
def test_what_one_caller_has_is_one_address(first: str, second: str, same: bool, kms: Kms, clock: Clock) -> None:
    kms = by(kms, clock, Limits(rates={"*": 0}, strangers=2))
    for _ in range(2):
        code(kms, "tencent-tc3", nobody(kms), first)
    assert (code(kms, "tencent-tc3", nobody(kms), second) == "RequestLimitExceeded") is same


def test_what_does_not_even_parse_counts(kms: Kms, clock: Clock) -> None:
    kms = by(kms, clock, Limits(rates={"*": 0}, strangers=3))
    for _ in range(3):
        kms.tencent_v2("ListKey", Token="x")
    assert code(kms, "tencent-tc3", nobody(kms)) == "RequestLimitExceeded"


def test_many_addresses_neither_grow_what_is_remembered_nor_drive_out_who_can_sign(kms: Kms, clock: Clock) -> None:
    limiter = Limiter(kms.settings.access.store, Limits(strangers=1))
    limiter.passed("192.0.2.1", "TKMShonest")
    for n in range(30_000):
        limiter.failed(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}", NOW)
        limiter.failed(f"2001:db8:{n >> 8:x}:{n & 255:x}::1", NOW)
    assert len(limiter._failed) == 10_000
    for _ in range(3):
        limiter.failed("192.0.2.1", NOW)
    assert limiter.knows("192.0.2.1", "TKMShonest", NOW)
    for n in range(30_000):
        limiter.passed("192.0.2.7", f"TKMS{n}")
    assert len(limiter._known) == 10_000


def test_a_limit_of_none_counts_nobody(kms: Kms, clock: Clock) -> None:
    kms = by(kms, clock, OFF)
    assert {code(kms, "tencent-tc3", nobody(kms)) for _ in range(200)} == {"AuthFailure.SecretIdNotFound"}
    assert not kms.settings.limiter._failed


def test_both_doors_count_the_same(kms: Kms, clock: Clock) -> None:
    kms = limited(kms, clock, rates={"ListKeys": 2})
    kms.endpoint(listing("tencent-tc3", kms.signer))
    kms.endpoint.respond(request_from_event(listing("tencent-tc3", kms.signer)))
    answer = kms.endpoint.respond(request_from_event(listing("tencent-tc3", kms.signer)))
    assert "RequestLimitExceeded" in answer.body


def test_all_dialects_are_tried_here() -> None:
    assert {dialect for dialect, _ in SCHEMES.values()} == set(DIALECTS) == set(THROTTLED)
