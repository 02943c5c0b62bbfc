"""The arithmetic of the cost table: what is billed for a round number of everything."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from cdk import cost, cost_options
from cdk.api import ACCESS_LOG
from cdk.functions import ENDPOINT, SIZES
from tools.bench import cost as tool

PRICES = cost.Prices()
WAITS = cost.Waits(get_item=4, put_item=6, parent_key=10, invoke=12)
MEASURED = cost.Measured(
    endpoint_cpu=1,
    endpoint_read_cpu=1,
    endpoint_nonce_cpu=1,
    action_cpu=0.1,
    action_read_cpu=1,
    audit_bytes=400,
    lone_bytes=600,
    name_bytes=50,
    access_log_bytes=400,
    nonce_bytes=200,
    key_bytes=1024,
)
WORST = cost.Case(name="", warm=False, nonce=True, calls=10)
BEST = cost.Case(name="", inline=True, warm=True, nonce=False, calls=10_000)


def lines(case: cost.Case) -> dict[str, float]:
    return cost.encrypt(case, MEASURED, PRICES, WAITS)


@pytest.mark.parametrize(
    ("milliseconds", "memory", "billed"), [(0, 1024, 0.001), (0.2, 1024, 0.001), (1.01, 1024, 0.002), (1000, 512, 0.5)]
)
def test_whole_milliseconds_are_billed(milliseconds: float, memory: int, billed: float) -> None:
    assert cost.gb_seconds(milliseconds, memory) == billed


def test_a_part_of_a_core_takes_longer_and_more_than_one_is_no_faster() -> None:
    size = SIZES[ENDPOINT]
    assert cost.stretched(1, replace(size, memory=1769)) == 1
    assert cost.stretched(1, replace(size, memory=3000)) == 1
    assert cost.stretched(1, replace(size, memory=884)) == pytest.approx(2, rel=0.01)


def test_the_endpoint_waits_for_the_action() -> None:
    endpoint, action = cost.durations(WORST, MEASURED, WAITS)
    # 1.1 ms of a core at 512 MB, one read, and a tenth of a call of the parent key.
    assert action == pytest.approx(1.1 * 1769 / 512 + 4 + 1)
    assert endpoint == pytest.approx(3 * 1769 / 768 + 4 + 6 + 1 + 12 + action)


def test_inline_is_one_function_with_the_work_of_both() -> None:
    inline = replace(WORST, inline=True)
    endpoint, action = cost.durations(inline, MEASURED, WAITS)
    assert action == 0
    assert endpoint == pytest.approx((3 + 1.1) * 1769 / 768 + 4 + 6 + 4 + 2)


def test_what_is_not_done_is_not_paid() -> None:
    worst, best = lines(WORST), lines(BEST)
    assert worst["DynamoDB reads"] == pytest.approx(0.25)
    assert worst["DynamoDB nonce write"] == pytest.approx(0.625)
    assert worst["parent-key calls"] == pytest.approx(0.6)
    assert (best["DynamoDB reads"], best["DynamoDB nonce write"]) == (0, 0)
    assert best["parent-key calls"] == pytest.approx(0.0006)
    assert (worst["Lambda requests"], best["Lambda requests"]) == (0.4, 0.2)
    assert all(best[name] <= worst[name] for name in worst)


def test_a_call_is_logged_by_its_action_and_by_the_api() -> None:
    found = lines(WORST)
    assert found["audit and faults"] == found["access log"] == pytest.approx((400 + cost.LOG_EVENT) / 1000 * 0.5)
    assert lines(replace(WORST, access_log=False))["access log"] == 0


def test_each_function_that_runs_has_three_lines_of_the_platform_where_they_are_wanted() -> None:
    for case, functions in ((WORST, 2), (BEST, 1)):
        more = lines(replace(case, platform_lines=True))["audit and faults"] - lines(case)["audit and faults"]
        assert more == pytest.approx(functions * (cost.PLATFORM_LINES + 3 * cost.LOG_EVENT) / 1000 * 0.5)


# -- what is logged, measured on real calls ------------------------------------------------------------


@pytest.fixture(scope="module")
def sizes() -> dict[str, float]:
    return tool.sizes(tool.Deployment())


def test_bytes_are_those_of_real_lines(sizes: dict[str, float]) -> None:
    together, alone = sizes["audit_bytes"], sizes["lone_bytes"]
    assert 300 < together < alone < 600
    lines = tool.logged(tool.Deployment(), 1)
    assert sum(b'"_aws"' in line for line in lines) == pytest.approx(len(lines) / 10, abs=2)
    assert tool.SEEN.keys() == ACCESS_LOG.keys()
    assert 150 < sizes["nonce_bytes"] < 1024, "one unit"


@pytest.mark.parametrize(
    ("name", "most"),
    [("inline, warm, TC3", 1.60), ("split, warm, nonce", 2.60), ("split, read each time, nonce", 3.00)],
)
def test_what_a_million_may_cost(name: str, most: float, sizes: dict[str, float]) -> None:
    """With half as much CPU again as was measured on one machine (docs/costs.md)."""
    cpu = {"endpoint_cpu": 0.8, "endpoint_nonce_cpu": 0.8, "action_cpu": 0.05}
    (case,) = [case for case in cost.CASES if case.name == name]
    measured = replace(MEASURED, **cpu, **sizes)
    assert sum(cost.encrypt(case, measured, PRICES, cost.Waits()).values()) <= most


# -- options -------------------------------------------------------------------------------------------


def test_an_option_changes_what_it_is_about() -> None:
    options = cost_options.changes(cost_options.OPTIONS, MEASURED, PRICES, WAITS)
    assert options['`inline_actions: ["Encrypt"]`']["inline, warm, TC3"] == 0
    assert options['`without_nonce: ["Encrypt"]`']["split, warm, TC3"] == 0
    nonce = options['`without_nonce: ["Encrypt"]`']["split, warm, nonce"]
    assert -0.80 < nonce < -0.625, "the write, and the time that it is waited for"
    assert options["`platform_lines: true`, as it was"]["inline, warm, TC3"] == pytest.approx(0.194)
    assert options['`memory: {"endpoint": 512}`']["split, warm, nonce"] < 0
    assert options.keys() & cost_options.REJECTED.keys() == set()


def test_what_was_rejected_has_its_price() -> None:
    rejected = cost_options.changes(cost_options.REJECTED, MEASURED, PRICES, WAITS)
    warm = {name: by_case["split, warm, nonce"] for name, by_case in rejected.items()}
    assert warm["several nonces in one row, or a shorter one"] == 0, "a write is paid for by the KB"
    assert warm["a function URL instead of API Gateway"] == pytest.approx(warm["no access log"] - 1)
    # 0.00065 dollars for 3,600 writes an hour, of which six in ten are used.
    assert warm["provisioned capacity"] == pytest.approx(0.00065 / 3600 * 1e6 / 0.6 - 0.625)
    assert warm["each success tells its metrics itself, as it was"] == pytest.approx(200 / 1000 * 0.5)
    assert warm["names of one letter in audit lines"] == pytest.approx(-50 / 1000 * 0.5)
    assert rejected["reads that may be late"]["split, read each time, TC3"] == pytest.approx(-0.125)


def test_a_table_of_changes_has_signs_and_leaves_out_nothings() -> None:
    cases = dict(zip(cost_options.SHOWN, (0.1, -1.0, 0.001), strict=True))
    assert list(cost_options.table({"row": cases}, "first"))[2] == "| row | +0.10 | -1.00 |  |"


def test_a_call_at_a_private_address_is_the_balancer_s_and_has_no_access_log() -> None:
    assert cost_options.balanced(PRICES) == pytest.approx(4.096 / 0.4 * 0.008)
    options = cost_options.changes(cost_options.OPTIONS, MEASURED, PRICES, WAITS)
    by_case = options["`private`, for calls that come there"]
    access_log = (400 + cost.LOG_EVENT) / 1000 * 0.5
    assert list(by_case.values()) == [pytest.approx(0.08192 - 1 - access_log)] * len(cost.CASES)


def test_a_second_region_and_a_private_address_have_their_month() -> None:
    found = cost_options.month(18, 3, PRICES)
    second, inside = found["`standby`"], found["`private`"]
    assert sum(second.values()) == pytest.approx(1 + 1.8 + 3 + second["sweepers"])
    assert sum(inside.values()) == pytest.approx(730 * 0.0225 + 0.3)
    assert list(second) == list(inside)


def test_a_snapshot_is_paid_for_by_the_month_and_by_the_start() -> None:
    found = cost_options.snapshots(PRICES, starts=2000)
    # AWS's own example: a GB that is kept for 31 days costs 4.03.
    assert found["`endpoint`, 768 MB"]["kept"] == pytest.approx(0.75 * 4.03 * 730 / 744, rel=0.001)
    assert found["`encrypt`, 512 MB"]["2,000 starts"] == pytest.approx(0.14, rel=0.01)
    assert sum(found["`decrypt`, 512 MB"].values()) == pytest.approx(
        0.5 * (730 * 3600 * 1.5046e-6 + 2000 * 1.397998e-4)
    )


def test_keys_cost_by_their_number_and_hardly_anything() -> None:
    one, ten = (sum(cost.keys_month(count, MEASURED, PRICES).values()) for count in (1000, 10_000))
    assert ten == pytest.approx(10 * one)
    assert one < 0.1
    stored = cost.keys_month(1_000_000, MEASURED, PRICES)["storage"]
    assert stored == pytest.approx((2 * 1.024 + 0.2) * 0.45)


def test_a_tenant_s_month() -> None:
    found = cost.fixed_month(cost.Fixed(alarms=16, actions=5), PRICES)
    assert (found["parent key"], found["alarms"], found["dashboard"]) == (1, 1.6, 3)
    assert found["metrics"] == pytest.approx(2.7)
    # 5,760 runs of 200 ms at 512 MB, each of which asks 24 times.
    assert found["sweepers"] == pytest.approx(5760 * (0.2e-6 + 0.1 * 0.0000133334 + 24 * 0.0625e-6))


def test_sealing_a_million() -> None:
    waits = cost.Waits(get_item=4, put_item=6, invoke=12, action=8, put_event=10, deliver=15, s3=20, s3_mb=13)
    rows = cost.sealing(PRICES, waits)
    messages, objects = rows["messages"], rows["objects of 1 MB"]
    assert messages["SQS"] == pytest.approx(1.2 * 0.40)
    # One invocation for ten messages, and one of the Action for each.
    assert messages["Lambda requests"] == pytest.approx(1.1 * 0.20)
    # 61 ms at 1 GB, and 8 ms of the Action at half a GB.
    assert messages["Lambda GB-seconds"] == pytest.approx((0.061 + 0.004) * 13.3334)
    assert messages["DynamoDB"] == pytest.approx(4 * 0.625 + 0.125)
    assert objects["S3"] == pytest.approx(4 * 5 + 6 * 0.4)
    # A line for a message and one of its Action; for an object and its two. AWS Lambda itself has none.
    line = (cost.EVENT_LINE + cost.LOG_EVENT) / 1000 * 0.5
    assert (messages["logs"], objects["logs"]) == (pytest.approx(2 * line), pytest.approx(3 * line))
    # Ten calls of S3, two Actions, an event, and three times 13 ms: 289 ms at 1769 MB.
    assert objects["Lambda GB-seconds"] == pytest.approx((0.289 * 1769 / 1024 + 2 * 0.004) * 13.3334)
    larger = cost.sealing(PRICES, waits, 100)["objects of 100 MB"]
    assert larger["S3"] == pytest.approx(objects["S3"] + 12 * 5), "13 parts"
    assert messages.keys() == objects.keys() == larger.keys()


def test_what_waits_for_events_costs_little() -> None:
    found = cost.sealing_month(10, PRICES)
    assert (found["alarms"], found["metrics"]) == (1, 0.3)
    assert sum(found.values()) < 3


def test_the_table_has_a_sum() -> None:
    text = list(cost.table({"row": {"one": 1.0, "two": 2.5}}, "first"))
    assert text == ["| first | one | two | **sum** |", "|---|---:|---:|---:|", "| row | 1.00 | 2.50 | **3.50** |"]
