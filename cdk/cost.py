"""What a tenant costs: prices, assumptions and the arithmetic. `make cost` measures what is put in, and prints it.

All amounts are US dollars. Nothing here knows a free tier or a discount.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil

from msgspec import Struct

from cdk.events import BATCH, SWEEP_HOURS
from cdk.functions import ENDPOINT, SIZES, Size
from cdk.schedules import MINUTES
from cdk.tenants import SEALING

PRICES_FROM = "November 2026, us-east-1, list prices of aws.amazon.com and alibabacloud.com: re-check before publishing"
MILLION, GB = 1_000_000, 1e9
HOURS, DAYS = 730, 30
"""Of a month."""
CORE_MB = 1769
"""Memory that comes with one core."""


class Prices(Struct, frozen=True, kw_only=True):
    """Per million, unless the name says otherwise; logs, storage and recovery per GB and (but logs) month."""

    http_api: float = 1.00
    lambda_request: float = 0.20
    lambda_gb_second: float = 0.0000133334
    lambda_gb_second_x86: float = 0.0000166667
    snapshot_gb_second: float = 0.0000015046
    """A published version with SnapStart, for as long as there is one, by the memory of the function."""
    snapshot_restored_gb: float = 0.0001397998
    strong_read_4kb: float = 0.125
    eventual_read_4kb: float = 0.0625
    write_1kb: float = 0.625
    write_unit_hour: float = 0.00065
    read_unit_hour: float = 0.00013
    kms_call: float = 3.00
    kms_key_month: float = 1.00
    alibaba_call: float = 3.00
    logs_gb: float = 0.50
    access_logs_gb: float = 0.50
    infrequent_logs_gb: float = 0.25
    storage_gb: float = 0.25
    recovery_gb: float = 0.20
    metric_month: float = 0.30
    alarm_month: float = 0.10
    dashboard_month: float = 3.00
    sqs_request: float = 0.40
    event: float = 1.00
    s3_write: float = 5.00
    s3_read: float = 0.40
    balancer_hour: float = 0.0225
    balancer_unit_hour: float = 0.008
    balancer_unit_gb: float = 0.4
    """An application load balancer's unit (LCU) takes so much an hour to functions and back."""


class Waits(Struct, frozen=True, kw_only=True):
    """Milliseconds that a function waits for another service in the same region. Assumed, not measured."""

    get_item: float = 4
    put_item: float = 6
    parent_key: float = 10
    invoke: float = 12
    """Of the endpoint for an Action's function, besides the milliseconds of that."""
    action: float = 8
    """The milliseconds of that, for a function that events start."""
    put_event: float = 10
    deliver: float = 15
    """A ciphertext to its target."""
    s3: float = 20
    """Until an answer of S3 begins."""
    s3_mb: float = 13
    """For each MB of it."""


class Measured(Struct, frozen=True, kw_only=True):
    """Milliseconds of a whole core for one Encrypt, in each part; bytes of what is logged and stored.

    `audit_bytes` of a process that is called each second, whose lines tell their metrics together.
    """

    endpoint_cpu: float
    endpoint_read_cpu: float
    """More if the access key is not in the cache."""
    endpoint_nonce_cpu: float
    action_cpu: float
    action_read_cpu: float
    audit_bytes: float
    lone_bytes: float
    """Of the line of a call that stands alone."""
    name_bytes: float
    """Of a line, what its names have more than one letter each."""
    access_log_bytes: float
    nonce_bytes: float
    """A nonce's row, as DynamoDB counts it."""
    key_bytes: float
    """A key's row, as DynamoDB counts it."""


class Case(Struct, frozen=True, kw_only=True):
    """A way of calling. `calls`: requests that one process serves in the five minutes that it keeps unsealed keys.

    `nonce`: something is remembered of the request. Of an Encrypt with TC3 nothing is, of a Decrypt without a context
    it is.
    """

    name: str
    inline: bool = False
    warm: bool = True
    """Key and credential were used in the same process less than `state_cache_seconds` ago."""
    nonce: bool = True
    calls: int = 300
    endpoint_memory: int = SIZES[ENDPOINT].memory
    access_log: bool = True
    platform_lines: bool = False


CASES = (
    Case(name="split, read each time, nonce", warm=False),
    Case(name="split, read each time, TC3", warm=False, nonce=False),
    Case(name="split, warm, nonce"),
    Case(name="split, warm, TC3", nonce=False),
    Case(name="inline, read each time, nonce", inline=True, warm=False),
    Case(name="inline, warm, nonce", inline=True),
    Case(name="inline, warm, TC3", inline=True, nonce=False),
)
PLATFORM_LINES = 310
"""Bytes of START, END and REPORT, which AWS Lambda writes for each invocation where a tenant wants them."""
LOG_EVENT = 26
"""Bytes that CloudWatch Logs adds to each line."""


def gb_seconds(milliseconds: float, memory: int) -> float:
    """What is billed for one invocation: whole milliseconds, at least one."""
    return max(1, ceil(milliseconds)) / 1000 * memory / 1024


def stretched(cpu: float, size: Size) -> float:
    """Milliseconds that work of `cpu` milliseconds of a core takes on the share of one that comes with the memory."""
    return cpu * max(1.0, CORE_MB / size.memory)


def durations(case: Case, measured: Measured, waits: Waits) -> tuple[float, float]:
    """Milliseconds of (the endpoint, the Action's function; 0 where it runs inside the endpoint)."""
    endpoint, action = Size(memory=case.endpoint_memory), SIZES.get("encrypt", Size())
    reads = 0 if case.warm else 1
    own_cpu = measured.endpoint_cpu + reads * measured.endpoint_read_cpu + case.nonce * measured.endpoint_nonce_cpu
    own_wait = reads * waits.get_item + case.nonce * waits.put_item + waits.parent_key / case.calls
    action_cpu = measured.action_cpu + reads * measured.action_read_cpu
    action_wait = reads * waits.get_item + waits.parent_key / case.calls
    if case.inline:
        return stretched(own_cpu + action_cpu, endpoint) + own_wait + action_wait, 0
    took = stretched(action_cpu, action) + action_wait
    return stretched(own_cpu, endpoint) + own_wait + waits.invoke + took, took


def encrypt(case: Case, measured: Measured, prices: Prices, waits: Waits) -> dict[str, float]:
    """Dollars of a million Encrypt requests, line by line."""
    functions = 1 if case.inline else 2
    endpoint, action = durations(case, measured, waits)
    seconds = gb_seconds(endpoint, case.endpoint_memory)
    if not case.inline:
        seconds += gb_seconds(action, SIZES.get("encrypt", Size()).memory)
    logged = measured.audit_bytes + LOG_EVENT
    if case.platform_lines:
        logged += functions * (PLATFORM_LINES + 3 * LOG_EVENT)
    access_logged = (measured.access_log_bytes + LOG_EVENT) * case.access_log
    return {
        "API Gateway": prices.http_api,
        "Lambda requests": functions * prices.lambda_request,
        "Lambda GB-seconds": seconds * prices.lambda_gb_second * MILLION,
        "DynamoDB reads": 0 if case.warm else 2 * prices.strong_read_4kb,
        "DynamoDB nonce write": ceil(measured.nonce_bytes / 1024) * prices.write_1kb if case.nonce else 0,
        "parent-key calls": 2 * prices.kms_call / case.calls,
        "audit and faults": logged * MILLION / GB * prices.logs_gb,
        "access log": access_logged * MILLION / GB * prices.access_logs_gb,
    }


EVENT_LINE = 400
"""Bytes that a function logs for a message, and an Action for its call."""
ROW_KB = 2
"""Of a message in the events table: its document and what identifies it."""
S3_WRITES, S3_READS = 4, 6
"""For an object of one part: upload, part, completion and the look for open uploads; what is there, read and read back.

Each part of 8 MB more is a write more. The sender's own PUT is the sender's; deletions are free.
"""


def sealing(prices: Prices, waits: Waits, megabytes: float = 1) -> dict[str, dict[str, float]]:
    """Dollars of sealing a million messages, and a million objects of so many MB; none is poison, none comes twice."""
    called = waits.invoke + waits.action
    message = called + waits.get_item + 2 * waits.put_item + waits.deliver + waits.put_event
    calls = (S3_WRITES + S3_READS) * waits.s3 + 2 * called + waits.put_event
    taken = calls + 3 * megabytes * waits.s3_mb  # read, written, and read back
    objects, messages = SIZES[SEALING["objects"]], SIZES[SEALING["messages"]]
    action = gb_seconds(waits.action, Size().memory)
    writes = S3_WRITES + ceil(megabytes / 8) - 1

    line = (EVENT_LINE + LOG_EVENT) * MILLION / GB * prices.logs_gb

    batch = BATCH["messages"]
    return {
        "messages": {
            "SQS": (1 + 2 / batch) * prices.sqs_request,
            "Lambda requests": (1 + 1 / batch) * prices.lambda_request,
            "Lambda GB-seconds": (gb_seconds(message * batch, messages.memory) / batch + action)
            * prices.lambda_gb_second
            * MILLION,
            "DynamoDB": 2 * ROW_KB * prices.write_1kb + prices.strong_read_4kb,
            "S3": 0,
            "events": prices.event,
            "logs": 2 * line,
        },
        f"objects of {megabytes:g} MB": {
            "SQS": 3 * prices.sqs_request,
            "Lambda requests": 3 * prices.lambda_request,
            "Lambda GB-seconds": (gb_seconds(taken, objects.memory) + 2 * action) * prices.lambda_gb_second * MILLION,
            "DynamoDB": 0,
            "S3": writes * prices.s3_write + S3_READS * prices.s3_read,
            "events": prices.event,
            "logs": 3 * line,
        },
    }


def sealing_month(alarms: int, prices: Prices) -> dict[str, float]:
    """Dollars that both sources cost a month without anything to seal. `alarms`: those that come with them."""
    runs = DAYS * 24 / SWEEP_HOURS
    swept = gb_seconds(200, SIZES[SEALING["objects"]].memory) * prices.lambda_gb_second
    return {
        "alarms": alarms * prices.alarm_month,
        "metrics": prices.metric_month,  # objects left in the inbox
        "sweeps": runs * (prices.lambda_request / MILLION + swept),
        # AWS Lambda asks an empty queue 5 times at once, each for up to 20 s.
        "SQS": 2 * 5 * HOURS * 3600 / 20 * prices.sqs_request / MILLION,
    }


class Fixed(Struct, frozen=True, kw_only=True):
    """What is paid each month without a request. `actions`: how many Actions are called in each hour."""

    alarms: int
    actions: int = 5
    parent_keys: int = 1
    """Versions of the parent key that are paid for: the first and, after its first two rotations, two more."""


NAME_BYTES = 200
"""Of a key's row in the index of names."""
SWEEP_READS = 24
"""Queries of a run that finds nothing: what is due, what is pending deletion and, every other run, what is counted."""


def keys_month(count: int, measured: Measured, prices: Prices) -> dict[str, float]:
    """Dollars of keeping `count` keys for a month that all rotate once a year."""
    stored = count * (measured.key_bytes * 2 + NAME_BYTES) / GB  # the table, the index of what is due, that of names
    # A rotation moves a version and writes the key: four parts of a transaction at twice the price, with the indexes.
    kilobytes = ceil(measured.key_bytes / 1024)
    rotated = count / 12 * (2 * (1 + kilobytes) + kilobytes + 1)
    return {
        "storage": stored * (prices.storage_gb + prices.recovery_gb),
        "yearly rotation": (rotated * prices.write_1kb + count / 12 * prices.kms_call) / MILLION,
    }


def fixed_month(fixed: Fixed, prices: Prices) -> dict[str, float]:
    """Dollars of a tenant's month without a request or a key."""
    metrics = (
        4 + fixed.actions
    )  # Latency for all, parent-key calls and latency, keys pending deletion; Latency by Action
    runs = 2 * DAYS * 24 * 60 / MINUTES
    reads = SWEEP_READS * prices.eventual_read_4kb / MILLION
    sweeps = runs * (prices.lambda_request / MILLION + gb_seconds(200, 512) * prices.lambda_gb_second + reads)
    return {
        "parent key": fixed.parent_keys * prices.kms_key_month,
        "alarms": fixed.alarms * prices.alarm_month,
        "metrics": metrics * prices.metric_month,
        "dashboard": prices.dashboard_month,
        "sweepers": sweeps,
    }


def elsewhere(prices: Prices) -> Mapping[str, tuple[float, float | None]]:
    """Provider -> dollars of a million Encrypt, and of 1,000 keys a month (None: depends on the plan)."""
    return {
        "AWS KMS": (prices.kms_call, 1000 * prices.kms_key_month),
        "Alibaba Cloud KMS": (prices.alibaba_call, None),
    }


def table(rows: Mapping[str, Mapping[str, float]], first: str) -> Iterator[str]:
    """Markdown: a row for each of `rows`, a column for each line of it, and their sum."""
    columns = list(next(iter(rows.values())))
    yield "| " + " | ".join([first, *columns, "**sum**"]) + " |"
    yield "|---|" + "---:|" * (len(columns) + 1)
    for name, lines in rows.items():
        yield "| " + " | ".join([name, *(f"{lines[c]:.2f}" for c in columns), f"**{sum(lines.values()):.2f}**"]) + " |"
