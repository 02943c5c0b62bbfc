"""What is wrong with a request whoever signed it is told without a secret, each by its name."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest

from kit.faulty import ID, NOW, signed
from kit.in_node import call, exported

DAY = "2027-01-15T08:00:00Z"


def changed(scheme: str, old: str, new: str) -> str:
    raw = signed(scheme)
    assert raw.count(old) == 1, (scheme, old)
    return raw.replace(old, new)


def _aws(name: str, value: str) -> str:
    return signed("aws").replace("Authorization:", f"{name}: {value}\nAuthorization:")


CASES: dict[str, tuple[str, str]] = {
    "two-carriers": (changed("tc3", "POST / ", f"POST /?AccessKeyId={ID} "), "AccessKeyId, Authorization"),
    "authorization-incomplete": (changed("tc3", ", Signature=", ", Signatur="), "Signature"),
    "signature-missing": (changed("v1", "&Signature=", "&Sig="), "Signature"),
    "signature-form": (signed("aws", write=lambda mac: mac.hex().upper()[:10]), ""),
    "signature-form-base64": (signed("v1", write=bytes.hex), ""),
    "key-space": (signed("v1").replace(f"SecretId={ID}", f"SecretId={ID}%0A"), f'"{ID}\\n"'),
    "signed-headers-order": (changed("tc3", "content-type;host", "host;content-type"), "host;content-type"),
    "signed-headers-case": (changed("tc3", "=content-type;host", "=Content-Type;host"), "Content-Type"),
    "header-not-sent": (changed("tc3", "=content-type;host", "=content-type;host;x-more"), "x-more"),
    "header-must-be-signed": (_aws("X-Amz-More", "1"), "x-amz-more"),
    "body-hash-differs": (_aws("X-Amz-Content-Sha256", "0" * 64), "0" * 64),
    "body-not-signed": (_aws("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD"), "UNSIGNED-PAYLOAD"),
    "time-missing": (changed("tc3", f"X-TC-Timestamp: {NOW}\n", ""), "-"),
    "time-form": (changed("acs", f"X-Acs-Date: {DAY}", "X-Acs-Date: Fri, 15 Jan 2027"), "Fri, 15 Jan 2027"),
    "clock-zone": (changed("acs", DAY, "2027-01-15T16:00:00Z"), "+8 h"),
    "clock": (changed("tc3", f"Timestamp: {NOW}", f"Timestamp: {NOW - 400}"), "-6 min 40 s"),
    "scope-form": (changed("tc3", "/tc3_request", "/request"), "2027-01-15/kms/request"),
    "scope-other-day": (changed("tc3", "2027-01-15/", "2027-01-16/"), "2027-01-16 ≠ 2027-01-15"),
    "scope-other-service": (changed("aws", "/kms/", "/sts/"), "sts"),
    "nonce-missing": (changed("acs", "X-Acs-Signature-Nonce: nonce-1\n", ""), "-"),
    "parameter-twice": (changed("rpc", "&Action=Encrypt", "&Action=Encrypt&Action=Encrypt"), "Action"),
    "hidden-parameter": (signed("v1", more={"Description": "a&KeyId=b"}), "Description"),
    "file-mark": (signed("v1", more={"Description": "@a"}), "Description"),
    "signature-version": (changed("rpc", "SignatureVersion=1.0", "SignatureVersion=2.0"), "SignatureVersion=2.0"),
    "query-not-empty": (changed("aws", "POST / ", "POST /?a=1 "), "a=1"),
    "media-type": (changed("aws", "x-amz-json-1.1", "json"), "application/json"),
}
"""By the fault: a request that has it, and what it is about, if that is worth a look."""


@cache
def _said() -> list[dict[str, Any]]:
    return call("verdict.js", "judge", [[text, {"now": NOW * 1000}] for text, _ in CASES.values()])


@pytest.mark.parametrize("fault", CASES)
def test_a_fault_is_told_by_its_name_without_a_secret(fault: str) -> None:
    said = _said()[[*CASES].index(fault)]
    assert isinstance(said, dict), said
    assert said["verdict"] == "no-secret"
    told = {row["id"]: row["about"] for row in said["faults"]}
    assert fault in told, told
    about = CASES[fault][1]
    assert told[fault] == about or not about


def test_each_fault_is_made() -> None:
    assert {row["id"] for row in exported("faults.js", "FAULTS")} == {*CASES}


def test_an_hour_that_is_whole_and_a_clock_that_is_off_are_told_apart() -> None:
    """An old request may look like local time instead of UTC: the words of both faults leave it open."""
    ages = {0: [], 290: [], 301: ["clock"], 3600: ["clock-zone"], 5400 + 30: ["clock-zone"], 4500: ["clock"]}
    texts = [changed("tc3", f"Timestamp: {NOW}", f"Timestamp: {NOW - age}") for age in ages]
    said = call("verdict.js", "judge", [[text, {"now": NOW * 1000}] for text in texts])
    clocks = [[row["id"] for row in one["faults"] if row["id"].startswith("clock")] for one in said]
    assert clocks == [*ages.values()]
