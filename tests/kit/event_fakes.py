"""AWS in memory, as far as the functions that events start ask for it: as its documents say, moto and network aside.

Each client has the operations that are used, and answers `ClientError` as botocore does. `Aws.client(service)` makes
one; `around` is asked about every call, so that a test can break off before or after it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from io import BytesIO
from types import CodeType
from typing import Any

from botocore.exceptions import ClientError

Call = Callable[[], Any]
Around = Callable[[str, Call], Any]
"""From the name of an operation and the call to its answer."""
Row = dict[str, Any]


def error(code: str, operation: str = "Operation", **more: Any) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "refused"}, **more}, operation)


# -- DynamoDB --------------------------------------------------------------------------------------------


_TOKEN = re.compile(
    r"attribute_not_exists\((#?\w+)\)|attribute_exists\((#?\w+)\)|(:\w+)|(#?[a-z]\w*)|(=)|(<>)|(AND|OR)"
)
_PYTHON = ("not has({!r})", "has({!r})", "value({!r})", "attribute({!r})", "{}=", "!=", "{}")
"""What the groups of a token are in Python."""


@cache
def _condition(expression: str) -> CodeType:
    """A condition expression as Python: the two functions, comparisons, AND and OR of names and values."""

    def python(token: re.Match[str]) -> str:
        text, group = token[token.lastindex or 0], (token.lastindex or 0) - 1
        return _PYTHON[group].format(text.lower() if text in ("AND", "OR") else text)

    # `<=` is a `<` that stays as it is, and a `=` that does not.
    return compile(re.sub(r"<==", "<=", _TOKEN.sub(python, expression)), expression, "eval")


def _plain(typed: Mapping[str, Any] | None) -> Any:
    if typed is None:
        return None
    ((kind, value),) = typed.items()
    return int(value) if kind == "N" else value


class _Missing:
    """Whatever is compared with an attribute that is not there does not hold."""

    def _never(self, _other: object) -> bool:
        return False

    __eq__ = __ne__ = __lt__ = __le__ = __gt__ = __ge__ = _never  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


def holds(item: Row | None, call: Mapping[str, Any]) -> bool:
    expression = call.get("ConditionExpression")
    if not expression:
        return True
    names, values = call.get("ExpressionAttributeNames", {}), call.get("ExpressionAttributeValues", {})
    found = item or {}

    def name(text: str) -> str:
        return str(names.get(text, text))

    scope = {
        "has": lambda text: name(text) in found,
        "attribute": lambda text: _plain(found[name(text)]) if name(text) in found else _Missing(),
        "value": lambda text: _plain(values[text]),
    }
    return bool(eval(_condition(expression), {"__builtins__": {}}, scope))


class Dynamo:
    """`keys` are the names of the attributes of each table's primary key; `puts` has every item that was ever put."""

    def __init__(self, keys: Mapping[str, tuple[str, ...]]) -> None:
        self.keys = keys
        self.puts: list[tuple[str, Row]] = []
        self.tables: dict[str, dict[tuple[str, ...], Row]] = {name: {} for name in keys}

    def _at(self, table: str, item: Row) -> tuple[str, ...]:
        if any(name not in item for name in self.keys[table]):
            raise error("ValidationException")
        return tuple(item[name]["S"] for name in self.keys[table])

    def get_item(self, *, TableName: str, Key: Row, ConsistentRead: bool) -> Row:  # noqa: N803 - AWS's names
        assert ConsistentRead
        item = self.tables[TableName].get(self._at(TableName, Key))
        return {"Item": dict(item)} if item else {}

    def put_item(self, **call: Any) -> Row:
        return self._write("Put", call)

    def update_item(self, **call: Any) -> Row:
        return self._write("Update", call)

    def _write(self, kind: str, call: Row) -> Row:
        table = self.tables[call["TableName"]]
        at = self._at(call["TableName"], call.get("Item") or call["Key"])
        if not holds(table.get(at), call):
            raise error("ConditionalCheckFailedException")
        self._do(kind, call)
        return {}

    def _do(self, kind: str, call: Row) -> None:
        table = self.tables[call["TableName"]]
        if kind == "Put":
            self.puts.append((call["TableName"], call["Item"]))
            table[self._at(call["TableName"], call["Item"])] = dict(call["Item"])
            return
        at = self._at(call["TableName"], call["Key"])
        item = table.setdefault(at, dict(call["Key"]))
        for part in call["UpdateExpression"].removeprefix("SET ").split(","):
            name, value = (text.strip() for text in part.split("="))
            item[call.get("ExpressionAttributeNames", {}).get(name, name)] = call["ExpressionAttributeValues"][value]

    def transact_write_items(self, *, TransactItems: list[dict[str, Row]]) -> Row:  # noqa: N803 - AWS's names
        parts = [(kind, call) for part in TransactItems for kind, call in part.items()]
        reasons = []
        for _, call in parts:
            try:
                at = self._at(call["TableName"], call.get("Item") or call["Key"])
            except ClientError:
                reasons.append({"Code": "ValidationError"})
            else:
                good = holds(self.tables[call["TableName"]].get(at), call)
                reasons.append({"Code": "None" if good else "ConditionalCheckFailed"})
        if any(reason["Code"] != "None" for reason in reasons):
            raise error("TransactionCanceledException", CancellationReasons=reasons)
        for kind, call in parts:
            self._do(kind, call)
        return {}


# -- what holds values -----------------------------------------------------------------------------------


@dataclass
class Secret:
    """`versions` by id; `labels` from a staging label to the id it is at."""

    versions: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    deleted: bool = False

    @property
    def current(self) -> str:
        return self.versions[self.labels["AWSCURRENT"]]


class SecretsManager:
    def __init__(self) -> None:
        self.secrets: dict[str, Secret] = {}

    def put_secret_value(self, *, SecretId: str, ClientRequestToken: str, SecretString: str) -> Row:  # noqa: N803
        secret = self._find(SecretId)
        known = secret.versions.get(ClientRequestToken)
        if known is None:
            secret.versions[ClientRequestToken] = SecretString
            secret.labels["AWSCURRENT"] = ClientRequestToken
        elif known != SecretString:
            raise error("ResourceExistsException")
        return {}

    def create_secret(self, *, Name: str, ClientRequestToken: str, SecretString: str) -> Row:  # noqa: N803
        there = self.secrets.get(Name)
        if there is None:
            self.secrets[Name] = Secret({ClientRequestToken: SecretString}, {"AWSCURRENT": ClientRequestToken})
        elif there.versions.get(ClientRequestToken) != SecretString:
            raise error("ResourceExistsException")
        return {}

    def get_secret_value(self, *, SecretId: str, VersionStage: str) -> Row:  # noqa: N803 - AWS's names
        assert VersionStage == "AWSCURRENT"
        return {"SecretString": self._find(SecretId).current}

    def describe_secret(self, *, SecretId: str) -> Row:  # noqa: N803 - AWS's name
        secret = self._find(SecretId)
        stages: dict[str, list[str]] = {}
        for label, version in secret.labels.items():
            stages.setdefault(version, []).append(label)
        return {"VersionIdsToStages": stages}

    def update_secret_version_stage(
        self,
        *,
        SecretId: str,  # noqa: N803 - AWS's names
        VersionStage: str,  # noqa: N803
        MoveToVersionId: str,  # noqa: N803
        RemoveFromVersionId: str = "",  # noqa: N803
    ) -> Row:
        secret = self._find(SecretId)
        if secret.labels.get(VersionStage, "") != RemoveFromVersionId or MoveToVersionId not in secret.versions:
            raise error("InvalidParameterException")
        secret.labels[VersionStage] = MoveToVersionId
        return {}

    def _find(self, name: str) -> Secret:
        if name not in self.secrets:
            raise error("ResourceNotFoundException")
        if self.secrets[name].deleted:
            raise error("InvalidRequestException")
        return self.secrets[name]


class Parameters:
    """`values` has every version of each parameter."""

    def __init__(self) -> None:
        self.values: dict[str, list[str]] = {}

    def get_parameter(self, *, Name: str) -> Row:  # noqa: N803 - AWS's name
        if Name not in self.values:
            raise error("ParameterNotFound")
        return {"Parameter": {"Value": self.values[Name][-1]}}

    def put_parameter(self, *, Name: str, Value: str, Type: str, Overwrite: bool) -> Row:  # noqa: N803
        assert (Type, Overwrite) == ("String", True)
        if len(Value.encode()) > 4096:
            raise error("ValidationException")
        self.values.setdefault(Name, []).append(Value)
        return {}


class Buckets:
    """`objects` by bucket and key; `writes` has every body that an object ever had."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Row] = {}
        self.writes: dict[tuple[str, str], list[Row]] = {}

    def put_object(
        self,
        *,
        Bucket: str,  # noqa: N803 - AWS's names
        Key: str,  # noqa: N803
        Body: bytes,  # noqa: N803
        Metadata: dict[str, str],  # noqa: N803
        ContentType: str,  # noqa: N803
        IfNoneMatch: str = "",  # noqa: N803
        IfMatch: str = "",  # noqa: N803
    ) -> Row:
        there = self.objects.get((Bucket, Key))
        if (IfNoneMatch and there) or (IfMatch and (there is None or there["ETag"] != IfMatch)):
            raise error("PreconditionFailed")
        etag = f'"{hashlib.md5(Body, usedforsecurity=False).hexdigest()}"'
        made = {"Body": Body, "Metadata": Metadata, "ETag": etag, "ContentType": ContentType}
        self.objects[Bucket, Key] = made
        self.writes.setdefault((Bucket, Key), []).append(made)
        return {}

    def get_object(self, *, Bucket: str, Key: str) -> Row:  # noqa: N803 - AWS's names
        return {**self.head_object(Bucket=Bucket, Key=Key), "Body": BytesIO(self.objects[Bucket, Key]["Body"])}

    def head_object(self, *, Bucket: str, Key: str) -> Row:  # noqa: N803 - AWS's names
        if (Bucket, Key) not in self.objects:
            raise error("404")
        return self.objects[Bucket, Key]


class Events:
    """`sent` has (bus, detail type, detail). With `failing` entries are refused one by one."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, Row]] = []
        self.failing = False

    def put_events(self, *, Entries: list[Row]) -> Row:  # noqa: N803 - AWS's name
        if self.failing:
            return {"FailedEntryCount": len(Entries), "Entries": [{"ErrorCode": "InternalFailure"} for _ in Entries]}
        for entry in Entries:
            self.sent.append((entry["EventBusName"], entry["DetailType"], json.loads(entry["Detail"])))
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "e"} for _ in Entries]}


class Queues:
    """`sent` has the bodies by the URL of the queue."""

    def __init__(self) -> None:
        self.sent: dict[str, list[str]] = {}

    def send_message(self, *, QueueUrl: str, MessageBody: str) -> Row:  # noqa: N803 - AWS's names
        self.sent.setdefault(QueueUrl, []).append(MessageBody)
        return {}


class Lambdas:
    """Functions that answer what `run` answers to the canonical call."""

    def __init__(self, run: Callable[[Mapping[str, Any]], Mapping[str, Any]]) -> None:
        self._run = run
        self.invoked: list[tuple[str, Row]] = []

    def invoke(self, *, FunctionName: str, Payload: bytes) -> Row:  # noqa: N803 - AWS's names
        call = json.loads(Payload)
        self.invoked.append((FunctionName, call))
        return {"Payload": BytesIO(json.dumps(self._run(call)).encode())}


# -- all of it -------------------------------------------------------------------------------------------


class _Client:
    def __init__(self, service: object, around: Around) -> None:
        self._service = service
        self._around = around

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        do = getattr(self._service, operation)
        return lambda **call: self._around(operation, lambda: do(**call))


class Aws:
    """One account: every client sees the same."""

    def __init__(
        self, run: Callable[[Mapping[str, Any]], Mapping[str, Any]], keys: Mapping[str, tuple[str, ...]]
    ) -> None:
        self.dynamodb = Dynamo(keys)
        self.secretsmanager = SecretsManager()
        self.ssm = Parameters()
        self.s3 = Buckets()
        self.events = Events()
        self.sqs = Queues()
        self.functions = Lambdas(run)

    def client(self, service: str, around: Around = lambda _operation, call: call()) -> Any:
        return _Client(self.functions if service == "lambda" else getattr(self, service), around)
