"""Dollars of a million Encrypt and of keys a month: `make cost`, the table of docs/costs.md.

What an Encrypt takes of a core is measured here: the functions' own code on the event that API Gateway sends, with
botocore's clients, whose wire ends in a dictionary. What AWS takes is assumed (`cdk.cost.Waits`).
"""

from __future__ import annotations

import argparse
import base64
import gc
import io
import itertools
import json
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

import botocore.session
import msgspec
from botocore.awsrequest import AWSResponse

from cdk import cost, cost_options
from cdk.api import ACCESS_LOG
from cdk.app import build
from cdk.listed import listed
from cdk.private_entry import Private
from cdk.progress import step
from cdk.tenants import Events, Messages, Objects, Target
from functions.encrypt.handler import encrypt
from functions.endpoint.dispatch import InlineDispatcher
from functions.endpoint.handler import Endpoint
from kit.support import Kms, Signer
from tenantkms.access.policy import ALLOW_ALL
from tenantkms.audit.metrics import EmbeddedMetrics
from tenantkms.names import DIALECTS
from tenantkms.runtime.assemble import AUDIT_KEY, Settings, on_aws
from tenantkms.runtime.invoke import LambdaDispatcher
from tenantkms.store.dynamodb_layout import TAKEN

ROUNDS, TIMES = 5, 400
ENVIRONMENT = {
    "TENANT": "acme",
    "REGION": "us-east-1",
    "ACCOUNT": "123456789012",
    "KEYS_TABLE": "tkms-acme-TablesKeys6B5A3ABF-1ABCDEFGHIJKL",
    "ACCESS_TABLE": "tkms-acme-TablesAccessFC9D8B84-1ABCDEFGHIJKL",
    "API_PER_SECOND": "300",  # as cdk.json's example has it, so Encrypt is not counted
    "PARENT_KEY_ARN": "arn:aws:kms:us-east-1:123456789012:key/6f1e2d3c-1111-4222-8333-444455556666",
}
SEEN = {
    "requestId": "JKJaXmPLvHcESHA=",
    "sourceIp": "203.0.113.110",
    "status": "200",
    "responseLatency": "21",
    "integrationStatus": "200",
    "error": "-",
}
"""Values of the access log as API Gateway writes them."""
CALLS = 300
PLAINTEXT = base64.b64encode(b"x" * 64).decode()


class _Raw(io.BytesIO):
    def stream(self, *_args: object, **_how: object) -> Any:
        yield self.read()


class Memory:
    """botocore's HTTP session for DynamoDB, AWS KMS and AWS Lambda: no network, and hardly any work."""

    def __init__(self) -> None:
        self.items: dict[str, Any] = {}
        self.action: bytes = b""

    def close(self) -> None:
        """Nothing is open."""

    def send(self, request: Any) -> AWSResponse:
        target = request.headers.get("X-Amz-Target")
        if target is None:
            body = self.action
        else:
            name = (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
            body = json.dumps(self._answer(name, json.loads(request.body))).encode()
        return AWSResponse(request.url, 200, {"content-length": str(len(body))}, _Raw(body))

    def _answer(self, name: str, body: Mapping[str, Any]) -> dict[str, Any]:
        match name:
            case "GetItem":
                found = self.items.get(body["Key"]["pk"]["S"])
                return {"Item": found} if found else {}
            case "PutItem":
                self.items[body["Item"]["pk"]["S"]] = body["Item"]
            case "Query":
                return {"Count": 0, "Items": []}
            case "UpdateItem":
                return {"Attributes": {TAKEN: {"N": "1"}}}
            case "TransactWriteItems":
                for part in body["TransactItems"]:
                    self._answer("PutItem", part["Put"])
            case "Encrypt":
                return {"CiphertextBlob": body["Plaintext"], "KeyId": body["KeyId"]}
            case "Decrypt":
                return {"Plaintext": body["CiphertextBlob"], "KeyId": body["KeyId"]}
        return {}


class Session:
    """A botocore session whose clients end in `memory`."""

    def __init__(self, memory: Memory) -> None:
        self._memory, self._inner = memory, botocore.session.get_session()

    def create_client(self, service: str, *, config: Any = None) -> Any:
        names = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
        client = self._inner.create_client(service, config=config, **names)
        client._endpoint.http_session = self._memory
        return client


def _cpu(make: Callable[[], Any], send: Callable[[Any], Any]) -> float:
    """Median over the rounds of the CPU milliseconds of one call."""
    results = []
    for _ in range(ROUNDS):
        events = [make() for _ in range(TIMES)]
        gc.collect()
        start = time.process_time()
        for event in events:
            send(event)
        results.append((time.process_time() - start) / TIMES * 1000)
    return statistics.median(results)


class Deployment:
    """A tenant in memory with a key and an access key. Every process of it writes its lines into `lines`."""

    def __init__(self) -> None:
        self.memory, self.lines = Memory(), io.StringIO()
        self.session = Session(self.memory)
        settings = self.settings("1")
        settings.root.make(settings.deps.keyring.store.put_root)
        credential, secret = settings.access.create("cost", DIALECTS, ALLOW_ALL, int(time.time()))
        self.signer = Signer(credential.access_key_id, secret)
        made = Kms(settings, self.signer).alibaba("CreateKey")
        self.key_id = made["KeyMetadata"]["KeyId"]

    def settings(self, state_seconds: str, clock: Callable[[], float] = time.perf_counter) -> Settings:
        settings = on_aws({**ENVIRONMENT, "STATE_CACHE_SECONDS": state_seconds}, self.session)
        metrics = EmbeddedMetrics(settings.site.tenant, lambda: settings.root.key(AUDIT_KEY), self.lines, clock)
        deps = msgspec.structs.replace(settings.deps, audit=metrics)
        return msgspec.structs.replace(settings, deps=deps, metrics=metrics)

    def call(self) -> dict[str, Any]:
        """The canonical call that the endpoint makes of a request."""
        seen: list[Any] = []
        settings = self.settings("60")
        inline = InlineDispatcher(settings.deps)

        def remember(call: Mapping[str, Any]) -> Mapping[str, Any]:
            seen.append(json.loads(msgspec.json.encode(call)))
            answer = inline(call)
            self.memory.action = msgspec.json.encode(answer)
            return answer

        assert "Error" not in Endpoint(settings, remember)(self.request("tencent"))["body"]
        return dict(seen[0])

    def request(self, scheme: str) -> Any:
        params = {"KeyId": self.key_id, "Plaintext": PLAINTEXT}
        sign = self.signer.tencent if scheme == "tencent" else self.signer.alibaba_acs3
        return sign("Encrypt", params)


def logged(deployment: Deployment, apart: float) -> list[bytes]:
    """The lines of a process that does `CALLS` Encrypt, so many seconds apart."""
    ticks = itertools.count(step=apart / 3)  # the clock is asked three times for a call
    settings, call = deployment.settings("60", lambda: next(ticks)), deployment.call()
    start = deployment.lines.tell()
    for _ in range(CALLS):
        settings.metrics.begin(("Encrypt",))
        assert "result" in encrypt.run(dict(call), settings.deps)
    return deployment.lines.getvalue()[start:].encode().splitlines(keepends=True)


def sizes(deployment: Deployment) -> dict[str, float]:
    """Bytes of what is logged and stored, by what `cost.Measured` calls them."""
    lines, alone = logged(deployment, 1), logged(deployment, 60)
    plain = json.loads(min(lines, key=len))
    Endpoint(deployment.settings("60"), InlineDispatcher(deployment.settings("60").deps))(deployment.request("alibaba"))
    return {
        "audit_bytes": sum(map(len, lines)) / CALLS,
        "lone_bytes": sum(map(len, alone)) / CALLS,
        "name_bytes": sum(len(name) - 1 for name in plain),
        "access_log_bytes": len(json.dumps({name: SEEN[name] for name in ACCESS_LOG}, separators=(",", ":"))),
        "nonce_bytes": _row_bytes(deployment, "NONCE#"),
        "key_bytes": _row_bytes(deployment, "KEY#"),
    }


def _row_bytes(deployment: Deployment, pk: str) -> int:
    """As DynamoDB counts a row whose key begins so: names, values, and 100 for the row."""
    row = next(row for found, row in deployment.memory.items.items() if found.startswith(pk))
    return sum(len(name) + len(next(iter(value.values()))) for name, value in row.items()) + 100


def measure() -> cost.Measured:
    deployment = Deployment()
    call = deployment.call()
    client = deployment.session.create_client("lambda")

    def endpoint(state_seconds: str, scheme: str) -> float:
        front = Endpoint(deployment.settings(state_seconds), LambdaDispatcher(client, "tkms-acme-"))

        def send(event: Any) -> None:
            assert front(event)["statusCode"] == 200

        return _cpu(lambda: deployment.request(scheme), send)

    def action(state_seconds: str) -> float:
        settings = deployment.settings(state_seconds)

        def send(event: Any) -> None:
            settings.metrics.begin(("Encrypt",))
            msgspec.json.encode(encrypt.run(event, settings.deps))

        return _cpu(lambda: json.loads(json.dumps(call)), send)

    # Warm runs last longer than a second, so the cache is asked to remember for a minute.
    warm, cold, nonce = endpoint("60", "tencent"), endpoint("0", "tencent"), endpoint("60", "alibaba")
    action_warm, action_cold = action("60"), action("0")
    return cost.Measured(
        endpoint_cpu=warm,
        endpoint_read_cpu=max(0.0, cold - warm),
        endpoint_nonce_cpu=max(0.0, nonce - warm),
        action_cpu=action_warm,
        action_read_cpu=max(0.0, action_cold - action_warm),
        **sizes(deployment),
    )


BOTH = Events(
    messages=Messages(targets=(Target(type="ssm", name="/*"),)),
    objects=Objects(key="alias/inbox"),
)
"""An entry's `events` with both sources."""
_SUBNETS = ("subnet-01234567", "subnet-01234568")
INSIDE = Private(
    domain="kms.example.com", certificate="a", vpc="vpc-01234567", subnets=_SUBNETS, clients=("10.0.0.0/16",)
)
"""An entry's `private`."""


def _alarms(**more: Any) -> int:
    """How many the first of the listed tenants has, with `more` in its entry."""
    from aws_cdk import App

    first = msgspec.structs.replace(listed()[0], **more)
    assembly = build(App(), [first]).synth()
    resources = assembly.stacks[0].template["Resources"].values()
    return sum(row["Type"] == "AWS::CloudWatch::Alarm" for row in resources)


def report() -> dict[str, Any]:
    prices, waits = cost.Prices(), cost.Waits()
    with step("measuring the endpoint and an Action"):
        measured = measure()
    with step("counting alarms of a tenant"):
        alarms = _alarms()
    with step("counting those of what seals events, and of a private address"):
        sealing_alarms, private_alarms = _alarms(events=BOTH) - alarms, _alarms(private=INSIDE) - alarms
    return {
        "prices_from": cost.PRICES_FROM,
        "measured": msgspec.to_builtins(measured),
        "waits_ms": msgspec.to_builtins(waits),
        "durations_ms": {case.name: cost.durations(case, measured, waits) for case in cost.CASES},
        "million_encrypt": {case.name: cost.encrypt(case, measured, prices, waits) for case in cost.CASES},
        "options": cost_options.changes(cost_options.OPTIONS, measured, prices, waits),
        "rejected": cost_options.changes(cost_options.REJECTED, measured, prices, waits),
        "keys_month": {f"{n:,} keys": cost.keys_month(n, measured, prices) for n in (1000, 10_000)},
        "tenant_month": {"one tenant": cost.fixed_month(cost.Fixed(alarms=alarms), prices)},
        "options_month": cost_options.month(alarms, private_alarms, prices),
        "snapshots_month": cost_options.snapshots(prices),
        "sealing": {**cost.sealing(prices, waits), **_objects_only(cost.sealing(prices, waits, 100))},
        "sealing_month": {"both sources": cost.sealing_month(sealing_alarms, prices)},
        "elsewhere": cost.elsewhere(prices),
    }


def _objects_only(rows: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    return {name: row for name, row in rows.items() if name.startswith("objects")}


def show(found: Mapping[str, Any]) -> None:
    print(f"Prices: {found['prices_from']}.")
    print("\nMeasured on this machine, ms of a core and bytes:\n")
    print("  " + ", ".join(f"{name} {value:.2f}" for name, value in found["measured"].items()))
    print("Assumed, ms: " + ", ".join(f"{name} {value:g}" for name, value in found["waits_ms"].items()))
    print("\nDollars of a million Encrypt:\n")
    print("\n".join(cost.table(found["million_encrypt"], "way of calling")))
    for title, name in (("By options of a tenant's entry", "options"), ("By what is not built", "rejected")):
        print(f"\n{title}, a million more or less:\n")
        print("\n".join(cost_options.table(found[name], "")))
    for title, name, first in (
        ("Dollars of keeping keys for a month", "keys_month", "keys"),
        ("Dollars of a tenant's month before the first request", "tenant_month", ""),
        ("Dollars of an option a month before the first request", "options_month", "option"),
        ("Dollars of `snapstart` a month", "snapshots_month", "function"),
        ("Dollars of sealing a million, targets of messages apart", "sealing", "a million"),
        ("Dollars of `events` a month before there is anything to seal", "sealing_month", ""),
    ):
        print(f"\n{title}:\n")
        print("\n".join(cost.table(found[name], first)))
    print("\nElsewhere:\n\n| | a million Encrypt | 1,000 keys a month |\n|---|---:|---:|")
    for provider, (calls, keys) in found["elsewhere"].items():
        print(f"| {provider} | {calls:.2f} | {'depends on the plan' if keys is None else f'{keys:,.2f}'} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="the same as JSON")
    args = parser.parse_args()
    found = report()
    if args.json:
        print(json.dumps(found, indent=1))
    else:
        show(found)


if __name__ == "__main__":
    main()
