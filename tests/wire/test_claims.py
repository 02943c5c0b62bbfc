"""What a request says of itself is read up to its limits, and not beyond them."""

from __future__ import annotations

import pytest

from tenantkms.errors import RequestExpired, Unsigned
from tenantkms.wire.signing import (
    Claim,
    Scheme,
    alibaba_acs,
    alibaba_rpc,
    check_time,
    parse_iso,
    parse_unix,
    required,
    tencent_tc3,
    tencent_v1,
)


def claim(time: int) -> Claim:
    return Claim("id", "algorithm", "signature", time, "", "", lambda secret: ())


def test_what_is_required_is_there_and_not_blank() -> None:
    assert required({"SecretId": "id"}, "SecretId") == "id"
    for values in ({}, {"SecretId": ""}, {"secretid": "id"}):
        with pytest.raises(Unsigned, match="SecretId is missing"):
            required(values, "SecretId")


@pytest.mark.parametrize(("text", "seconds"), [("0", 0), ("1800000000", 1_800_000_000), ("9" * 11, 99_999_999_999)])
def test_unix_seconds(text: str, seconds: int) -> None:
    assert parse_unix(text) == seconds


@pytest.mark.parametrize("text", ["", "-1", "+1", "1.0", "1e9", " 1", "1_0", "\u0661", "\u00b2", "1" + "0" * 11])
def test_what_is_no_number_of_unix_seconds(text: str) -> None:
    with pytest.raises(Unsigned, match="Timestamp"):
        parse_unix(text)


@pytest.mark.parametrize("text", ["2027-01-15T08:00:00Z", "2027-01-15T08:00:00.999Z"])
def test_iso_times(text: str) -> None:
    assert parse_iso(text) == 1_800_000_000


@pytest.mark.parametrize("text", ["", "2027-02-30T08:00:00Z", "2027-01-15T08:00:00", "2027-01-15 08:00:00Z"])
def test_what_is_no_iso_time(text: str) -> None:
    with pytest.raises(Unsigned, match="YYYY-MM-DDThh:mm:ssZ"):
        parse_iso(text)


@pytest.mark.parametrize("time", [700, 1300])
def test_a_window_includes_its_edges(time: int) -> None:
    check_time(claim(time), 300, now=1000)
    with pytest.raises(RequestExpired):
        check_time(claim(time), 300, now=1000 + (1 if time < 1000 else -1))


@pytest.mark.parametrize(
    ("scheme", "window", "headed", "alike"),
    [
        (alibaba_acs.SCHEME, 900, True, False),
        (alibaba_rpc.SCHEME, 900, False, False),
        (tencent_tc3.SCHEME, 300, True, True),
        (tencent_v1.SCHEME, 300, False, False),
    ],
)
def test_what_a_scheme_does_not_sign_is_known(scheme: Scheme, window: int, headed: bool, alike: bool) -> None:
    assert (scheme.window, scheme.headed, scheme.alike) == (window, headed, alike)
