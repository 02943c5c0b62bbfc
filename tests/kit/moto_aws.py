"""AWS in this process: botocore clients whose wire ends in moto, and can fail as a network or a service does.

moto is not atomic under threads, so the wire carries one request at a time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import botocore.session
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from moto.core.botocore_stubber import BotocoreStubber, MockRawResponse

from tenantkms.store import dynamodb_layout as layout

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_kms import KMSClient

REGION = "eu-central-1"


@dataclass
class Fault:
    """What happens `times` times to requests of `operation` instead of their answer.

    `answer` is an exception of the network, or an HTTP status and a JSON body. With `done` the service does its
    work first, and only its answer is lost.
    """

    operation: str
    answer: Exception | tuple[int, Mapping[str, Any]]
    done: bool = False
    times: int = 1


def refusal(code: str, status: int = 400, **more: Any) -> tuple[int, Mapping[str, Any]]:
    """A service's error answer."""
    return status, {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "refused", **more}


class Wire:
    """A botocore HTTP session that ends in moto. `sent` has each request that went over it: operation and body."""

    def __init__(self) -> None:
        self._moto = BotocoreStubber()
        self._lock = Lock()
        self.faults: list[Fault] = []
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def send(self, request: AWSPreparedRequest) -> AWSResponse:
        with self._lock:
            target = request.headers.get("X-Amz-Target", "")
            operation = (target.decode() if isinstance(target, bytes) else target).rpartition(".")[2]
            if operation:  # of services that speak JSON
                self.sent.append((operation, json.loads(request.body)))
            fault = next((f for f in self.faults if f.operation == operation and f.times), None)
            if fault is None or fault.done:
                answered = self._moto.process_request(request)
                assert answered is not None, f"moto does not serve {operation}"
                status, headers, body = answered
            if fault is not None:
                fault.times -= 1
                if isinstance(fault.answer, Exception):
                    raise fault.answer
                status, headers, body = fault.answer[0], {}, json.dumps(fault.answer[1])
            return AWSResponse(request.url, status, headers, MockRawResponse(body))

    def close(self) -> None:
        """Nothing is open."""

    def count(self, operation: str) -> int:
        return sum(sent == operation for sent, _ in self.sent)


@cache
def _session() -> botocore.session.Session:
    return botocore.session.get_session()


def _client(service: str, wire: Wire, config: Config | None, region: str = REGION) -> Any:
    client = _session().create_client(
        service,
        region_name=region,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=config or Config(retries={"total_max_attempts": 1, "mode": "standard"}),
    )
    client._endpoint.http_session = wire
    return client


def dynamodb_client(wire: Wire, config: Config | None = None, region: str = REGION) -> DynamoDBClient:
    """Without retries, unless `config` says otherwise."""
    client: DynamoDBClient = _client("dynamodb", wire, config, region)
    return client


def any_client(service: str, wire: Wire) -> Any:
    return _client(service, wire, None)


def kms_client(wire: Wire, config: Config | None = None, region: str = REGION) -> KMSClient:
    client: KMSClient = _client("kms", wire, config, region)
    return client


class WiredSession:
    """A botocore session all of whose clients end in one wire."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def create_client(self, service: str, *, config: Config, region_name: str | None = None) -> Any:
        assert region_name is None
        return _client(service, self._wire, config)


def create_tables(client: DynamoDBClient, keys_table: str, access_table: str) -> None:
    """Both tables as a deployment has them."""
    listing = (layout.INDEX, layout.INDEX_PARTITION_KEY, layout.INDEX_SORT_KEY)
    names = (layout.NAMES_INDEX, *listing[1:])
    due = (layout.DUE_INDEX, layout.DUE_PARTITION_KEY, layout.DUE_SORT_KEY)
    _create_table(client, keys_table, [layout.PARTITION_KEY, layout.SORT_KEY], [names, due])
    _create_table(client, access_table, [layout.PARTITION_KEY], [listing])
    client.update_time_to_live(
        TableName=access_table, TimeToLiveSpecification={"Enabled": True, "AttributeName": layout.TTL}
    )


def _create_table(client: DynamoDBClient, table: str, key: list[str], indexes: list[tuple[str, str, str]]) -> None:
    names = {*key, *(attribute for _, *attributes in indexes for attribute in attributes)}
    client.create_table(
        TableName=table,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in names],
        KeySchema=_key_schema(*key),
        GlobalSecondaryIndexes=[
            {"IndexName": index, "KeySchema": _key_schema(*attributes), "Projection": _projection(index)}
            for index, *attributes in indexes
        ],
    )


def _projection(index: str) -> Any:
    if index == layout.NAMES_INDEX:
        return {"ProjectionType": "INCLUDE", "NonKeyAttributes": list(layout.NAMES)}
    return {"ProjectionType": "ALL"}


def _key_schema(partition: str, sort: str = "") -> Any:
    schema = [{"AttributeName": partition, "KeyType": "HASH"}]
    return [*schema, {"AttributeName": sort, "KeyType": "RANGE"}] if sort else schema


@dataclass
class Tables:
    """Fresh tables of a tenant and the wire to them."""

    wire: Wire
    client: DynamoDBClient
    keys: str
    access: str

    @classmethod
    def fresh(cls, config: Config | None = None, region: str = REGION, like: Tables | None = None) -> Tables:
        """In another `region` they may be called `like` others."""
        wire = Wire()
        client = dynamodb_client(wire, config, region)
        names = (like.keys, like.access) if like else (f"keys-{uuid4().hex}", f"access-{uuid4().hex}")
        tables = cls(wire, client, *names)
        create_tables(client, tables.keys, tables.access)
        wire.sent.clear()
        return tables
