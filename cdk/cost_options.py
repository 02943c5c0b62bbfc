"""What the bill of a million Encrypt is cut or raised by: options of a tenant's entry, and what was not built."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from cdk.cost import CASES, GB, HOURS, MILLION, Case, Fixed, Measured, Prices, Waits, encrypt, fixed_month
from cdk.functions import ENDPOINT, SIZES, Size


class Bill(Struct, frozen=True, kw_only=True):
    """All that a bill is made of."""

    case: Case
    measured: Measured
    prices: Prices
    waits: Waits

    @property
    def dollars(self) -> float:
        return sum(encrypt(self.case, self.measured, self.prices, self.waits).values())


Change = Callable[[Bill], Bill]
USED = 0.6
"""Of provisioned capacity, on the average of a month: automatic scaling aims at 0.7 and follows a load by minutes."""
BALANCED = 4096
"""Bytes of a call that a load balancer takes to the endpoint and back, TLS and headers among them."""


def _case(**changes: Any) -> Change:
    return lambda bill: replace(bill, case=replace(bill.case, **changes))


def _measured(changes: Callable[[Measured], dict[str, float]]) -> Change:
    return lambda bill: replace(bill, measured=replace(bill.measured, **changes(bill.measured)))


def _prices(changes: Callable[[Prices], dict[str, float]]) -> Change:
    return lambda bill: replace(bill, prices=replace(bill.prices, **changes(bill.prices)))


def _waits(**changes: float) -> Change:
    return lambda bill: replace(bill, waits=replace(bill.waits, **changes))


def _both(one: Change, other: Change) -> Change:
    return lambda bill: other(one(bill))


def _per_million(unit_hour: float) -> float:
    """What a million units cost where so much is paid for one a second, for an hour, and `USED` of them are used."""
    return unit_hour / 3600 * 1_000_000 / USED


def balanced(prices: Prices) -> float:
    """Dollars of a million calls that come through a load balancer, its hours apart."""
    return BALANCED * MILLION / GB / prices.balancer_unit_gb * prices.balancer_unit_hour


_NO_ACCESS_LOG = _case(access_log=False)
OPTIONS: Mapping[str, Change] = {
    '`inline_actions: ["Encrypt"]`': _case(inline=True),
    '`without_nonce: ["Encrypt"]`': _case(nonce=False),
    '`memory: {"endpoint": 512}`': _case(endpoint_memory=512),
    '`memory: {"endpoint": 1024}`, as it was': _case(endpoint_memory=1024),
    "`platform_lines: true`, as it was": _case(platform_lines=True),
    "`state_cache_seconds` as long as keys rest": _case(warm=True),
    "`standby`": _prices(lambda p: {"write_1kb": 2 * p.write_1kb}),
    "`private`, for calls that come there": _both(_prices(lambda p: {"http_api": balanced(p)}), _NO_ACCESS_LOG),
}
REJECTED: Mapping[str, Change] = {
    "each success tells its metrics itself, as it was": _measured(lambda m: {"audit_bytes": m.lone_bytes}),
    "names of one letter in audit lines": _measured(lambda m: {"audit_bytes": m.audit_bytes - m.name_bytes}),
    "access log in the class Infrequent Access": _prices(lambda p: {"access_logs_gb": p.infrequent_logs_gb}),
    "no access log": _NO_ACCESS_LOG,
    "a function URL instead of API Gateway": _both(_prices(lambda _: {"http_api": 0}), _NO_ACCESS_LOG),
    "a nonce's write beside the Action, its answer withheld": _waits(put_item=0),
    "several nonces in one row, or a shorter one": _measured(lambda m: {"nonce_bytes": m.nonce_bytes / 2}),
    "provisioned capacity": _prices(
        lambda p: {
            "write_1kb": _per_million(p.write_unit_hour),
            "strong_read_4kb": _per_million(p.read_unit_hour),
        }
    ),
    "reads that may be late": _prices(lambda p: {"strong_read_4kb": p.eventual_read_4kb}),
    "x86": _prices(lambda p: {"lambda_gb_second": p.lambda_gb_second_x86}),
}


def changes(of: Mapping[str, Change], measured: Measured, prices: Prices, waits: Waits) -> dict[str, dict[str, float]]:
    """By option and by way of calling, dollars that a million costs more (or less than 0)."""
    bills = [Bill(case=case, measured=measured, prices=prices, waits=waits) for case in CASES]
    return {
        name: {bill.case.name: change(bill).dollars - bill.dollars for bill in bills} for name, change in of.items()
    }


def month(alarms: int, private_alarms: int, prices: Prices) -> dict[str, dict[str, float]]:
    """By option, dollars of a month without a request. `alarms`: those of a stack; `private_alarms`: those besides."""
    second = {**fixed_month(Fixed(alarms=alarms), prices), "metrics": 0.0, "load balancer": 0.0}
    inside = {"alarms": private_alarms * prices.alarm_month, "load balancer": HOURS * prices.balancer_hour}
    return {"`standby`": second, "`private`": {**dict.fromkeys(second, 0.0), **inside}}


def snapshots(prices: Prices, starts: int = 1000) -> dict[str, dict[str, float]]:
    """By function of `snapstart`, dollars of a month in which its snapshot is kept and restored for so many starts."""
    gigabytes = {folder: SIZES.get(folder, Size()).memory / 1024 for folder in (ENDPOINT, "encrypt", "decrypt")}
    return {
        f"`{folder}`, {gb * 1024:.0f} MB": {
            "kept": gb * HOURS * 3600 * prices.snapshot_gb_second,
            f"{starts:,} starts": gb * starts * prices.snapshot_restored_gb,
        }
        for folder, gb in gigabytes.items()
    }


SHOWN = ("split, read each time, nonce", "split, warm, nonce", "inline, warm, TC3")


def table(rows: Mapping[str, Mapping[str, float]], first: str) -> Iterator[str]:
    """Markdown: a row for each of `rows`, a column for each way of `SHOWN`, and nothing where nothing changes."""
    yield "| " + " | ".join([first, *SHOWN]) + " |"
    yield "|---|" + "---:|" * len(SHOWN)
    for name, by_case in rows.items():
        cells = [f"{by_case[case]:+.2f}" for case in SHOWN]
        yield "| " + " | ".join([name, *("" if float(cell) == 0 else cell for cell in cells)]) + " |"
