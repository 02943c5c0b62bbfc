"""`tkms rewrap --stack`: what lies in S3, Secrets Manager, SSM and DynamoDB, which here is moto's."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import botocore.session
import pytest
from moto import mock_aws

from kit.moto_aws import REGION
from kit.support import new_directory
from tenantkms.crypto.envelope import parse_header
from tenantkms.crypto.sealed import pack_metadata, read_metadata
from tkms.places import OneMachine
from tkms.rewrap import remote
from tkms.rewrap.work import Report, Rewrap

CONTEXT = {"bucket": "inbox", "key": "Berichte/M\u00e4rz.csv", "version": "v1", "app": "shop"}


class Cloud:
    """One machine's Actions, and moto's services.

    `before` is called before a client's operation, with its name; `answers`: by botocore's event, what answers instead.
    """

    def __init__(self, place: OneMachine) -> None:
        self._place = place
        self._session = botocore.session.get_session()
        self.before: Callable[[str], None] = lambda _: None
        self.answers: dict[str, Callable[..., Any]] = {}
        self.call = place.call
        self.outputs = {"KeysTable": "acme-keys", "EventsTableName": "acme-events"}

    def client(self, service: str, **_: Any) -> Any:
        client = self._session.create_client(
            service, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test"
        )
        client.meta.events.register("before-parameter-build", lambda model, **_: self.before(model.name))
        for event, answer in self.answers.items():
            client.meta.events.register(event, answer)
        return client

    def blob(self, key: str = "alias/default") -> bytes:
        made: Any = self.call("GenerateDataKeyWithoutPlaintext", {"key_id": key, "context": CONTEXT})
        return base64.b64decode(made["ciphertext"])

    def document(self, secret: str = "hunter2", **more: Any) -> str:
        plaintext = base64.b64encode(secret.encode()).decode()
        made: Any = self.call("Encrypt", {"key_id": "alias/default", "plaintext": plaintext, "context": CONTEXT})
        fields = {"v": 1, "id": "github-4711", **made, "encryption_context": CONTEXT, **more}
        return json.dumps(fields)

    def secret(self, document: str) -> str:
        read = json.loads(document)
        context = read["encryption_context"]
        opened: Any = self.call("Decrypt", {"ciphertext": read["ciphertext"], "context": context})
        assert (opened["key_id"], opened["key_version_id"]) == (read["key_id"], read["key_version_id"])
        return base64.b64decode(opened["plaintext"]).decode()

    def rotate(self) -> None:
        described: Any = self.call("DescribeKey", {"key_ids": ["alias/default"]})
        self.call("CreateKeyVersion", {"key_id": described["keys"][0]["id"]})

    def rewrap(self, source: str, where: str, *, dry_run: bool = False) -> Report:
        return Rewrap(self, "", dry_run=dry_run).run(remote.SOURCES[source](self, where))  # type: ignore[arg-type]


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    with mock_aws():
        yield Cloud(OneMachine(new_directory(tmp_path / "data")))


def version(document: str) -> int:
    return parse_header(base64.b64decode(json.loads(document)["ciphertext"])).version


def once(operation: str, do: Callable[[], object]) -> Callable[[str], None]:
    """Do something before the first time that `operation` is asked for."""
    left = [do]

    def before(name: str) -> None:
        if name == operation and left:
            left.pop()()

    return before


# -- objects ---------------------------------------------------------------------------------------------


@pytest.fixture
def s3(cloud: Cloud) -> Any:
    client = cloud.client("s3")
    for bucket in ("sealed", "other"):
        client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    return client


def put(cloud: Cloud, s3: Any, key: str, **more: Any) -> None:
    metadata = pack_metadata(cloud.blob(), CONTEXT) | {"tkms-sequencer": "0055AED6"}
    s3.put_object(Bucket="sealed", Key=key, Body=b"stream of " + key.encode(), Metadata=metadata, **more)


def test_objects_keep_all_but_their_wrapped_key(cloud: Cloud, s3: Any) -> None:
    put(
        cloud,
        s3,
        "in/a",
        ContentType="text/csv",
        CacheControl="no-store",
        StorageClass="STANDARD_IA",
        Tagging="x=1%202",
    )
    put(cloud, s3, "out/b")
    s3.put_object(Bucket="sealed", Key="in/plain", Body=b"plain", Metadata={"owner": "somebody"})
    before = s3.head_object(Bucket="sealed", Key="in/a")
    cloud.rotate()
    assert cloud.rewrap("s3://", "sealed/in/", dry_run=True).old == 1
    report = cloud.rewrap("s3://", "sealed/in/")
    assert (report.found, report.rewrapped, report.others, report.failed) == (1, 1, 1, [])
    after = s3.get_object(Bucket="sealed", Key="in/a")
    assert after["Body"].read() == b"stream of in/a"
    for name in ("ContentType", "CacheControl", "StorageClass", "TagCount"):
        assert after[name] == before[name]
    assert {**after["Metadata"], "tkms-key": ""} == {**before["Metadata"], "tkms-key": ""}
    read = read_metadata(after["Metadata"])
    assert read is not None
    blob, context = read
    assert (parse_header(blob).version, context) == (2, CONTEXT)
    opened: Any = cloud.call("Decrypt", {"ciphertext": base64.b64encode(blob).decode(), "context": CONTEXT})
    assert len(base64.b64decode(opened["plaintext"])) == 32
    assert parse_header(read_metadata(s3.head_object(Bucket="sealed", Key="out/b")["Metadata"])[0]).version == 1  # type: ignore[index]
    assert cloud.rewrap("s3://", "sealed/in/").rewrapped == 0


def test_an_object_too_large_for_one_copy_is_copied_in_parts(
    cloud: Cloud, s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote, "COPY_LIMIT", 5 << 20)
    body = bytes(range(256)) * (45 << 10)  # 11.25 MB: three parts
    metadata = pack_metadata(cloud.blob(), CONTEXT)
    s3.put_object(Bucket="sealed", Key="big", Body=body, Metadata=metadata, ContentType="text/csv", Tagging="x=1%202")
    cloud.rotate()
    asked: list[str] = []
    cloud.before = asked.append
    report = cloud.rewrap("s3://", "sealed")
    assert (report.rewrapped, report.failed) == (1, [])
    assert asked.count("UploadPartCopy") == 3
    assert "GetObject" not in asked, "no body is moved"
    after = s3.get_object(Bucket="sealed", Key="big")
    assert after["Body"].read() == body
    assert (after["ContentType"], after["TagCount"]) == ("text/csv", 1)
    assert s3.get_object_tagging(Bucket="sealed", Key="big")["TagSet"] == [{"Key": "x", "Value": "1 2"}]
    assert parse_header(base64.b64decode(after["Metadata"]["tkms-key"])).version == 2
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="sealed")


def test_a_copy_in_parts_that_fails_leaves_nothing_open(cloud: Cloud, s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "COPY_LIMIT", 5 << 20)
    s3.put_object(Bucket="sealed", Key="big", Body=bytes(11 << 20), Metadata=pack_metadata(cloud.blob(), CONTEXT))
    cloud.rotate()
    cloud.before = once("UploadPartCopy", lambda: s3.delete_object(Bucket="sealed", Key="big"))
    report = cloud.rewrap("s3://", "sealed")
    assert (report.rewrapped, report.old, len(report.failed)) == (0, 1, 1)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="sealed")


def _conditions(s3: Any) -> Callable[..., Any]:
    """What S3 says of conditions of a copy, which moto does not look at."""

    def answer(params: Mapping[str, Any], **_: Any) -> Any:
        etag = s3.head_object(Bucket="sealed", Key="a")["ETag"]
        asked = [params["headers"].get(name) for name in ("x-amz-copy-source-if-match", "If-Match")]
        if asked == [etag, etag]:
            return None
        refused = {"Error": {"Code": "PreconditionFailed", "Message": "At least one of them did not hold"}}
        return SimpleNamespace(status_code=412), refused

    return answer


def test_an_object_that_is_replaced_meanwhile_stays(cloud: Cloud, s3: Any) -> None:
    put(cloud, s3, "a")
    cloud.rotate()
    newer = {"Bucket": "sealed", "Key": "a", "Body": b"newer", "Metadata": pack_metadata(cloud.blob(), CONTEXT)}
    cloud.before = once("CopyObject", lambda: s3.put_object(**newer))
    cloud.answers["before-call.s3.CopyObject"] = _conditions(s3)
    report = cloud.rewrap("s3://", "sealed")
    assert [failure.reason for failure in report.failed] == ["was changed meanwhile: try again"]
    after = s3.get_object(Bucket="sealed", Key="a")
    assert (after["Body"].read(), after["Metadata"]) == (b"newer", newer["Metadata"])
    put(cloud, s3, "a")
    cloud.rotate()
    assert cloud.rewrap("s3://", "sealed").rewrapped == 1


def test_damaged_metadata_is_named_and_the_others_go_on(cloud: Cloud, s3: Any) -> None:
    put(cloud, s3, "b")
    s3.put_object(Bucket="sealed", Key="a", Body=b"", Metadata={"tkms-v": "1", "tkms-key": "!"})
    cloud.rotate()
    report = cloud.rewrap("s3://", "sealed")
    assert (report.rewrapped, [failure.name for failure in report.failed]) == (1, ["s3://sealed/a"])


def test_a_document_in_a_bucket_gets_its_new_digest(cloud: Cloud, s3: Any) -> None:
    text = cloud.document(sequence=17)
    metadata = {"tkms-sha256": hashlib.sha256(text.encode()).hexdigest(), "tkms-sequence": "17"}
    s3.put_object(Bucket="sealed", Key="doc", Body=text, Metadata=metadata, ContentType="application/json")
    cloud.rotate()
    assert cloud.rewrap("s3://", "sealed").rewrapped == 1
    after = s3.get_object(Bucket="sealed", Key="doc")
    document = after["Body"].read().decode()
    assert (version(document), cloud.secret(document), json.loads(document)["sequence"]) == (2, "hunter2", 17)
    assert after["Metadata"] == metadata | {"tkms-sha256": hashlib.sha256(document.encode()).hexdigest()}
    assert after["ContentType"] == "application/json"


def test_a_bucket_that_is_not_there_stops_it(cloud: Cloud, s3: Any) -> None:
    report = cloud.rewrap("s3://", "none/x")
    assert "s3://none cannot be listed" in report.stopped


# -- documents -------------------------------------------------------------------------------------------


def same_but_for_the_key(old: str, new: str) -> bool:
    moved = {"key_version_id", "ciphertext"}
    one, two = json.loads(old), json.loads(new)
    return list(one) == list(two) and all(one[name] == two[name] for name in one.keys() - moved)


def test_secrets_get_a_new_current_version(cloud: Cloud) -> None:
    client = cloud.client("secretsmanager")
    text = cloud.document(sequence=3)
    client.create_secret(Name="shop/github", SecretString=text)
    client.create_secret(Name="shop/plain", SecretString="not ours")
    client.create_secret(Name="shop/binary", SecretBinary=b"\0")
    client.create_secret(Name="other/github", SecretString=text)
    cloud.rotate()
    report = cloud.rewrap("secretsmanager:", "shop/")
    assert (report.found, report.rewrapped, report.others, report.failed) == (1, 1, 2, [])
    found = client.get_secret_value(SecretId="shop/github", VersionStage="AWSCURRENT")
    assert found["VersionStages"] == ["AWSCURRENT"]
    assert (version(found["SecretString"]), cloud.secret(found["SecretString"])) == (2, "hunter2")
    assert same_but_for_the_key(text, found["SecretString"])
    assert client.get_secret_value(SecretId="shop/github", VersionStage="AWSPREVIOUS")["SecretString"] == text
    assert client.get_secret_value(SecretId="other/github", VersionStage="AWSCURRENT")["SecretString"] == text
    assert cloud.rewrap("secretsmanager:", "").rewrapped == 1


def test_a_secret_that_is_set_meanwhile_stays(cloud: Cloud) -> None:
    client = cloud.client("secretsmanager")
    client.create_secret(Name="a", SecretString=cloud.document())
    cloud.rotate()
    newer = cloud.document("newer")
    cloud.before = once("UpdateSecretVersionStage", lambda: client.put_secret_value(SecretId="a", SecretString=newer))
    report = cloud.rewrap("secretsmanager:", "")
    assert [failure.reason for failure in report.failed] == ["was changed meanwhile: try again"]
    assert client.get_secret_value(SecretId="a", VersionStage="AWSCURRENT")["SecretString"] == newer
    stages = client.describe_secret(SecretId="a")["VersionIdsToStages"]
    assert not any("tkms-rewrap" in labels for labels in stages.values())


@pytest.mark.parametrize("kind", ["String", "SecureString"])
def test_parameters_keep_their_kind(cloud: Cloud, kind: str) -> None:
    client = cloud.client("ssm")
    text = cloud.document()
    more = {"KeyId": "alias/own"} if kind == "SecureString" else {}
    client.put_parameter(Name="/shop/db", Value=text, Type=kind, Description="of the shop", **more)
    client.put_parameter(Name="/shop/plain", Value="plain", Type="String")
    client.put_parameter(Name="/other/db", Value=text, Type="String")
    cloud.rotate()
    report = cloud.rewrap("ssm:", "/shop/")
    assert (report.found, report.rewrapped, report.others, report.failed) == (1, 1, 1, [])
    after = client.get_parameter(Name="/shop/db", WithDecryption=True)["Parameter"]
    assert (after["Type"], after["Version"], version(after["Value"])) == (kind, 2, 2)
    assert cloud.secret(after["Value"]) == "hunter2"
    assert same_but_for_the_key(text, after["Value"])
    filters = [{"Key": "Name", "Option": "Equals", "Values": ["/shop/db"]}]
    (row,) = client.describe_parameters(ParameterFilters=filters)["Parameters"]
    assert (row["Description"], row.get("KeyId", "")) == ("of the shop", more.get("KeyId", ""))
    assert client.get_parameter(Name="/other/db")["Parameter"]["Value"] == text


def test_a_parameter_that_is_set_meanwhile_stays(cloud: Cloud) -> None:
    client = cloud.client("ssm")
    client.put_parameter(Name="a", Value=cloud.document(), Type="String")
    cloud.rotate()
    asked: list[str] = []

    def before(name: str) -> None:
        asked.append(name)
        if asked.count("GetParameter") == 2 and name == "GetParameter":
            cloud.before = lambda _: None
            client.put_parameter(Name="a", Value="newer", Type="String", Overwrite=True)

    cloud.before = before
    report = cloud.rewrap("ssm:", "")
    assert [failure.reason for failure in report.failed] == ["was changed meanwhile: try again"]
    assert client.get_parameter(Name="a")["Parameter"]["Value"] == "newer"


@pytest.fixture
def items(cloud: Cloud) -> Any:
    client = cloud.client("dynamodb")
    names = (("tenant", "HASH"), ("name", "RANGE"))
    client.create_table(
        TableName="secrets",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in names],
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in names],
    )
    return client


def item(name: str, **more: Mapping[str, str]) -> dict[str, Any]:
    return {"tenant": {"S": "acme"}, "name": {"S": name}, **more}


def test_documents_of_a_table_are_moved_wherever_they_stand(cloud: Cloud, items: Any) -> None:
    text = cloud.document()
    items.put_item(TableName="secrets", Item=item("a", sealed={"S": text}, count={"N": "1"}))
    items.put_item(TableName="secrets", Item=item("b", other={"S": "text"}, number={"S": "17"}, list={"S": "[1]"}))
    cloud.rotate()
    report = cloud.rewrap("table:", "secrets")
    assert (report.found, report.rewrapped, report.others, report.failed) == (1, 1, 3, [])
    after = items.get_item(TableName="secrets", Key=item("a"))["Item"]
    assert (after["count"], version(after["sealed"]["S"])) == ({"N": "1"}, 2)
    assert cloud.secret(after["sealed"]["S"]) == "hunter2"
    assert same_but_for_the_key(text, after["sealed"]["S"])


def test_the_stack_s_own_tables_are_left_to_its_functions(cloud: Cloud) -> None:
    for name in ("acme-events", "arn:aws:dynamodb:eu-central-1:123456789012:table/acme-events"):
        report = cloud.rewrap("table:", name)
        assert report.stopped == f"The table {name} is the stack's own: only its functions change it."


def test_an_item_that_is_written_meanwhile_stays(cloud: Cloud, items: Any) -> None:
    items.put_item(TableName="secrets", Item=item("a", sealed={"S": cloud.document()}))
    cloud.rotate()
    newer = item("a", sealed={"S": cloud.document("newer")})
    cloud.before = once("UpdateItem", lambda: items.put_item(TableName="secrets", Item=newer))
    report = cloud.rewrap("table:", "secrets")
    assert [(f.name, f.reason) for f in report.failed] == [("table:secrets/acme/a", "was changed meanwhile: try again")]
    assert items.get_item(TableName="secrets", Key=item("a"))["Item"] == newer


@pytest.mark.parametrize(
    "change",
    [{"v": 2}, {"v": "1"}, {"ciphertext": "!"}, {"ciphertext": None}, {"encryption_context": {"a": 1}}, {"id": 7}],
)
def test_what_only_looks_like_a_document_is_left(cloud: Cloud, items: Any, change: dict[str, Any]) -> None:
    items.put_item(TableName="secrets", Item=item("a", sealed={"S": cloud.document(**change)}))
    cloud.rotate()
    report = cloud.rewrap("table:", "secrets")
    assert (report.found, report.others, report.failed) == (0, 1, [])
