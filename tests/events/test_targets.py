"""Each type of target, as moto serves it and as the fakes of the other tests do: twice is once, and newer wins."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from moto import mock_aws

from kit.event_fakes import Aws
from kit.event_world import BUCKET, ITEMS, NOW, TABLE, TABLES, Kms
from tenantkms.errors import Unavailable
from tenantkms_events.assemble import aws_client
from tenantkms_events.errors import TARGET_REFUSED, TARGET_TAKEN, Rejected
from tenantkms_events.message import Item, Object, Parameter, SecretsManager, Target
from tenantkms_events.sealing import Messenger
from tenantkms_events.table import DELIVERED, KEPT, SEALED, Fence, Row, Table, fence_key
from tenantkms_events.targets import Fenced, Items, Objects, ParameterWriter, SecretWriter

Client = Callable[[str], Any]


@pytest.fixture(params=["memory", "moto"])
def client(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    if request.param == "memory":
        yield Aws(Kms(), TABLES).client
        return
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        make = aws_client()
        for name, (key,) in TABLES.items():
            make("dynamodb").create_table(
                TableName=name,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
                KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
            )
        make("s3").create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        yield make


@pytest.fixture
def table(client: Client) -> Table:
    return Table(client("dynamodb"), TABLE, lambda: NOW)


def row(target: Target, id: str = "a", sequence: int | None = None, text: str = "") -> Row:  # noqa: A002
    document = json.dumps({"v": 1, "id": id, "ciphertext": text or f"of {id}"})
    return Row(
        id=id,
        request_mac=id.encode(),
        document=document,
        target=target,
        sequence=sequence,
        state=SEALED,
        message_id="m",
        created=NOW,
    )


SECRET, PARAMETER, OBJECT = SecretsManager(name="shop/a"), Parameter(name="/shop/a"), Object(name="shop/a")
ITEM = Item(name=ITEMS, key={"name": "a"})


# -- the table -------------------------------------------------------------------------------------------


def test_the_first_row_stands(table: Table) -> None:
    first, second = row(SECRET, text="first"), row(SECRET, text="second")
    assert table.fix(first) == first
    assert table.fix(second) == first
    assert table.get("a") == first
    table.finish(first)
    done = table.get("a")
    assert done is not None
    assert done.state == "DONE"


def test_a_row_expires_in_time_even_where_dynamodb_keeps_it(client: Client) -> None:
    now = [NOW]
    table = Table(client("dynamodb"), TABLE, lambda: now[0])
    table.fix(row(ITEM, sequence=1, text="first"))
    now[0] += 45 * 86_400 - 1
    assert table.get("a") is not None
    now[0] += 1
    assert table.get("a") is None
    second = row(ITEM, text="second")
    assert table.fix(second) == second


def test_the_fence_goes_on_only(table: Table) -> None:
    assert table.fence(SECRET) is None
    for sequence, stands in ((2, 2), (1, 2), (2, 2), (3, 3)):
        table.advance(row(SECRET, f"id-{sequence}", sequence))
        assert table.fence(SECRET) == Fence(stands, f"id-{stands}")
    assert table.fence(PARAMETER) is None


def test_items_of_one_table_have_fences_of_their_own() -> None:
    one, two = Item(name=ITEMS, key={"a": "1", "b": "2"}), Item(name=ITEMS, key={"b": "2", "a": "1"})
    assert fence_key(one) == fence_key(two)
    longest = Item(name=ITEMS, key={"a": "\U0001f511" * 1024, "b": "\U0001f511" * 1024})
    assert fence_key(longest) != fence_key(one)
    assert len(fence_key(longest)["pk"]["S"].encode()) < 2048


def test_the_first_wrapped_key_stands(table: Table) -> None:
    assert table.wrapped_key() is None
    assert table.fix_wrapped_key(b"first") == b"first"
    assert table.fix_wrapped_key(b"second") == b"first"
    assert table.wrapped_key() == b"first"


# -- what holds one value under a name -------------------------------------------------------------------


def secret(client: Client) -> Any:
    """By its label: without it moto reads the version that was put last, whatever was moved since."""
    answer = client("secretsmanager").get_secret_value(SecretId="shop/a", VersionStage="AWSCURRENT")
    return json.loads(answer["SecretString"])["id"]


def parameter(client: Client) -> Any:
    return json.loads(client("ssm").get_parameter(Name="/shop/a")["Parameter"]["Value"])["id"]


def texts(client: Client) -> dict[str, str]:
    """All that stands at the two names that the tests use."""
    found = {}
    for name in ("shop/a", "/shop/a", "/shop/b"):
        with suppress(ClientError, KeyError):
            found[name] = client("ssm").get_parameter(Name=name)["Parameter"]["Value"]
        with suppress(ClientError, KeyError):
            answer = client("secretsmanager").get_secret_value(SecretId=name, VersionStage="AWSCURRENT")
            found[name] = answer["SecretString"]
    return found


Writers = {
    "secretsmanager": (lambda client: SecretWriter(client("secretsmanager")), SECRET, secret),
    "ssm": (lambda client: ParameterWriter(client("ssm")), PARAMETER, parameter),
}


@pytest.mark.parametrize(("make", "target", "read"), Writers.values(), ids=Writers)
def test_the_last_one_stands_without_a_sequence(
    client: Client, table: Table, make: Any, target: Target, read: Any
) -> None:
    writer = Fenced(make(client), table)
    for id_ in "aab":
        assert writer.deliver(row(target, id_))
        assert read(client) == id_


@pytest.mark.parametrize(("make", "target", "read"), Writers.values(), ids=Writers)
def test_the_newest_one_stands_with_a_sequence(
    client: Client, table: Table, make: Any, target: Target, read: Any
) -> None:
    writer = Fenced(make(client), table)
    for sequence in (2, 1, 2, 3):
        table.fix(row(target, f"id-{sequence}", sequence))
    assert writer.deliver(row(target, "id-2", 2))
    assert not writer.deliver(row(target, "id-1", 1))
    assert read(client) == "id-2"
    assert writer.deliver(row(target, "id-3", 3))
    assert not writer.deliver(row(target, "id-2", 2))
    assert read(client) == "id-3"


@pytest.mark.parametrize(("make", "target", "read"), Writers.values(), ids=Writers)
def test_what_wrote_too_late_is_put_right(client: Client, table: Table, make: Any, target: Target, read: Any) -> None:
    old, new = row(target, "old", 1), row(target, "new", 2)
    writer = make(client)
    for one in (old, new):
        table.fix(one)
        table.advance(one)
    writer.write(new)
    writer.write(old)  # it slept since it looked at the fence
    assert read(client) == "old"
    assert not Fenced(writer, table).deliver(old)
    assert read(client) == "new"


@pytest.mark.parametrize(("make", "target", "read"), Writers.values(), ids=Writers)
def test_an_id_that_was_forgotten_is_another_one_at_the_fence(
    client: Client, table: Table, make: Any, target: Target, read: Any
) -> None:
    """After 45 days an id is new; the fences that name it are not."""
    later = Table(client("dynamodb"), TABLE, lambda: NOW + KEPT)
    old, writer = row(target, "a", 2), Fenced(make(client), later)
    assert Fenced(make(client), table).deliver(table.fix(old))
    elsewhere = type(target)(name="/shop/b")
    later.fix(msgspec.structs.replace(row(elsewhere, "a", 9, "of another target"), created=NOW + KEPT))
    assert not writer.deliver(later.fix(row(target, "late", 1)))
    lower = msgspec.structs.replace(row(target, "a", 1, "older"), created=NOW + KEPT)
    assert not writer.deliver(lower)
    assert read(client) == "a"
    assert texts(client) == {target.name: old.document}, "and nothing is anywhere else"


def test_what_is_not_new_is_no_version(client: Client, table: Table) -> None:
    for _ in range(3):
        Fenced(SecretWriter(client("secretsmanager")), table).deliver(row(SECRET))
        Fenced(ParameterWriter(client("ssm")), table).deliver(row(PARAMETER))
    versions = client("secretsmanager").describe_secret(SecretId="shop/a")["VersionIdsToStages"]
    assert list(versions.values()) == [["AWSCURRENT"]]
    assert client("ssm").get_parameter(Name="/shop/a")["Parameter"].get("Version", 1) == 1


def test_a_secret_that_was_there_gets_a_new_version(client: Client, table: Table) -> None:
    client("secretsmanager").create_secret(Name="shop/a", ClientRequestToken="0" * 32, SecretString='{"id":"theirs"}')
    assert Fenced(SecretWriter(client("secretsmanager")), table).deliver(row(SECRET))
    assert secret(client) == "a"


def test_a_label_that_somebody_else_moves_meanwhile_is_a_fault_and_no_refusal() -> None:
    aws = Aws(Kms(), TABLES)
    old, new = row(SECRET, "old", 1), row(SECRET, "new", 2)
    writer = SecretWriter(aws.client("secretsmanager"))
    for one in (new, old):
        writer.write(one)

    def around(operation: str, call: Callable[[], Any]) -> Any:
        if operation == "update_secret_version_stage":
            writer.write(new)
        return call()

    with pytest.raises(Unavailable):
        SecretWriter(aws.client("secretsmanager", around)).write(new)
    assert json.loads(aws.secretsmanager.secrets["shop/a"].current)["id"] == "new"


def test_a_secret_that_somebody_else_creates_meanwhile() -> None:
    aws = Aws(Kms(), TABLES)
    made: list[str] = []

    def around(operation: str, call: Callable[[], Any]) -> Any:
        if operation == "create_secret" and not made:
            made.append("theirs")
            aws.secretsmanager.create_secret(Name="shop/a", ClientRequestToken="t", SecretString="theirs")
        return call()

    SecretWriter(aws.client("secretsmanager", around)).write(row(SECRET))
    assert json.loads(aws.secretsmanager.secrets["shop/a"].current)["id"] == "a"


# -- what can compare and set ----------------------------------------------------------------------------


def stored(client: Client) -> Any:
    answer = client("s3").get_object(Bucket=BUCKET, Key="shop/a")
    return json.loads(answer["Body"].read())["id"]


def test_an_object_is_made_once(client: Client) -> None:
    objects = Objects(client("s3"), BUCKET)
    assert objects.deliver(row(OBJECT))
    assert objects.deliver(row(OBJECT))
    with pytest.raises(Rejected, match=TARGET_TAKEN):
        objects.deliver(row(OBJECT, "b"))
    with pytest.raises(Rejected, match=TARGET_TAKEN):
        objects.deliver(row(OBJECT, "b", 1))
    assert stored(client) == "a"


def test_an_object_of_somebody_else_stays(client: Client) -> None:
    client("s3").put_object(
        Bucket=BUCKET, Key="shop/a", Body=b'{"id":"theirs"}', Metadata={}, ContentType="application/json"
    )
    for sequence in (None, 1):
        with pytest.raises(Rejected, match=TARGET_TAKEN):
            Objects(client("s3"), BUCKET).deliver(row(OBJECT, sequence=sequence))
    assert stored(client) == "theirs"


def test_a_newer_object_replaces_an_older_one(client: Client) -> None:
    objects = Objects(client("s3"), BUCKET)
    told = [objects.deliver(row(OBJECT, f"id-{sequence}", sequence)) for sequence in (2, 1, 2, 3)]
    assert told == [True, False, True, True]
    assert stored(client) == "id-3"
    assert not objects.deliver(row(OBJECT, "id-2", 2))


def item(client: Client) -> Any:
    found = client("dynamodb").get_item(TableName=ITEMS, Key={"name": {"S": "a"}}, ConsistentRead=True)["Item"]
    assert found["name"] == {"S": "a"}
    return json.loads(found["sealed"]["S"])["id"]


def test_item_and_row_are_one(client: Client, table: Table) -> None:
    items, made = Items(client("dynamodb"), table), table.fix(row(ITEM))
    assert items.deliver(made)
    known = table.get("a")
    assert known is not None
    assert known.state == DELIVERED
    client("dynamodb").update_item(
        TableName=ITEMS,
        Key={"name": {"S": "a"}},
        UpdateExpression="SET sealed = :theirs",
        ExpressionAttributeValues={":theirs": {"S": '{"id":"changed"}'}},
    )
    assert items.deliver(made)
    assert item(client) == "changed"


def test_a_newer_item_replaces_an_older_one(client: Client, table: Table) -> None:
    items = Items(client("dynamodb"), table)
    told = [items.deliver(table.fix(row(ITEM, f"id-{sequence}", sequence))) for sequence in (2, 1, 2, 3)]
    assert told == [True, False, True, True]
    assert item(client) == "id-3"


def test_an_item_of_somebody_else_stays(client: Client, table: Table) -> None:
    client("dynamodb").put_item(TableName=ITEMS, Item={"name": {"S": "a"}, "theirs": {"S": "x"}})
    with pytest.raises(Rejected, match=TARGET_TAKEN):
        Items(client("dynamodb"), table).deliver(table.fix(row(ITEM)))
    known = table.get("a")
    assert known is not None
    assert known.state == SEALED


@pytest.mark.parametrize("key", [{"other": "a"}, {"sealed": "a"}, {"name": "a", "sealed": "b"}])
def test_an_item_that_cannot_be_is_refused(key: dict[str, str]) -> None:
    """In memory: moto calls the reason KeyError where the table has another key."""
    client = Aws(Kms(), TABLES).client
    table, target = Table(client("dynamodb"), TABLE, lambda: NOW), Item(name=ITEMS, key=key)
    with pytest.raises(Rejected, match=TARGET_REFUSED):
        Items(client("dynamodb"), table).deliver(table.fix(row(target)))


# -- events ----------------------------------------------------------------------------------------------


def test_an_event_that_the_bus_did_not_take_is_a_fault() -> None:
    """PutEvents answers 200 then, and counts it."""
    aws = Aws(Kms(), TABLES)
    aws.events.failing = True
    with pytest.raises(Unavailable):
        Messenger(aws.client("events"), "own").tell(row(SECRET), sealed=True)


def test_a_bus_takes_an_event(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        client = aws_client()("events")
        client.create_event_bus(Name="own")
        Messenger(client, "own").tell(row(SECRET), sealed=True)


# -- faults ----------------------------------------------------------------------------------------------

REFUSED = {
    "a secret that is to be deleted": ("InvalidRequestException", True),
    "too many secrets": ("LimitExceededException", True),
    "no right to it": ("AccessDeniedException", False),
    "throttled": ("ThrottlingException", False),
    "the service fails": ("InternalServiceError", False),
}


@pytest.mark.parametrize(("code", "permanent"), REFUSED.values(), ids=REFUSED)
def test_what_a_service_refuses(code: str, permanent: bool) -> None:
    """What would come again and again is rejected; the rest comes again."""

    class Refusing:
        def put_secret_value(self, **_: Any) -> Any:
            raise ClientError({"Error": {"Code": code, "Message": "secret-detail"}}, "PutSecretValue")

    with pytest.raises(Rejected if permanent else Unavailable) as caught:
        SecretWriter(Refusing()).write(row(SECRET))
    assert "secret-detail" not in f"{caught.value}{caught.value!r}"
    if permanent:
        assert caught.value.__cause__ is None


def test_no_answer_is_a_fault() -> None:
    class Silent:
        def get_parameter(self, **_: Any) -> Any:
            raise ReadTimeoutError(endpoint_url="https://example.test")

    with pytest.raises(Unavailable):
        ParameterWriter(Silent()).write(row(PARAMETER))
