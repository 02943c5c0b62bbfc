"""What a stack of AWS has sealed: objects with a wrapped key in their metadata, and documents with a ciphertext."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Protocol
from uuid import NAMESPACE_URL, uuid5

import msgspec
from msgspec import Struct

from tenantkms.crypto.sealed import WRAPPED_KEY, read_metadata
from tenantkms.runtime.assemble import SettingsError
from tkms.output import NotDone
from tkms.rewrap.work import Found, Item, Moved
from tkms.stack.stack import aws_errors

COPY_LIMIT = 5 << 30
"""Bytes of the largest object that CopyObject copies, and of the largest part."""
_CHANGED = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409", "NoSuchKey", "404")


class Cloud(Protocol):
    """Where to ask for the account's clients, and what a deployment has made: `tkms.stack.stack.Stack`."""

    outputs: Mapping[str, str]

    def client(self, service: str, **config: Any) -> Any: ...


# -- documents -------------------------------------------------------------------------------------------


class _Document(Struct, frozen=True):
    """What is looked for in a document; all else in it stays as it is."""

    v: int
    id: str
    key_id: str
    key_version_id: str
    ciphertext: bytes
    encryption_context: dict[str, str]


_decode = msgspec.json.Decoder(_Document).decode  # now: two threads that meet a type first crash the process


def _document(text: str | bytes, write: Callable[[Moved, str], None]) -> Found | None:
    """`write` gets the answer of ReEncrypt, and the new text."""
    try:
        read = _decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if read.v != 1:
        return None

    def rewrite(moved: Moved) -> None:
        fields: dict[str, Any] = msgspec.json.decode(text)
        new = {
            "key_id": moved.key_id,
            "key_version_id": moved.key_version_id,
            "ciphertext": base64.b64encode(moved.blob).decode(),
        }
        write(moved, msgspec.json.encode(fields | new).decode())

    return Found(read.ciphertext, read.encryption_context, rewrite)


# -- S3 --------------------------------------------------------------------------------------------------

_KEPT = (
    "ContentType ContentEncoding ContentLanguage ContentDisposition CacheControl WebsiteRedirectLocation"
    " StorageClass ServerSideEncryption SSEKMSKeyId BucketKeyEnabled"
).split()
"""What a copy with other metadata loses unless it is told again."""
_DIGEST = "tkms-sha256"
"""In the metadata of a document: of its text."""


def objects(cloud: Cloud, where: str) -> Iterator[Item]:
    """`bucket/prefix`. Only the current version of each object is looked at."""
    bucket, _, prefix = where.partition("/")
    s3 = cloud.client("s3")
    with aws_errors(f"s3://{bucket} cannot be listed"):
        for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for row in page.get("Contents", ()):
                yield Item(f"s3://{bucket}/{row['Key']}", partial(_load_object, s3, bucket, row["Key"]))


def _load_object(s3: Any, bucket: str, key: str) -> Found | None:
    where = {"Bucket": bucket, "Key": key}
    with aws_errors("cannot be read"):
        head = s3.head_object(**where)
    if _DIGEST in head["Metadata"]:
        with aws_errors("cannot be read", _CHANGED):
            text = s3.get_object(**where, IfMatch=head["ETag"])["Body"].read()
        return _document(text, partial(_put_document, s3, where, head))
    read = read_metadata(head["Metadata"])
    return Found(*read, partial(_copy, s3, where, head)) if read else None


def _kept(head: Mapping[str, Any], **metadata: str) -> dict[str, Any]:
    return {name: head[name] for name in _KEPT if name in head} | {"Metadata": head["Metadata"] | metadata}


def _put_document(s3: Any, where: Mapping[str, str], head: Mapping[str, Any], _moved: Moved, text: str) -> None:
    body = text.encode()
    given = _kept(head, **{_DIGEST: hashlib.sha256(body).hexdigest()}) | _tags(s3, where, head)
    with aws_errors("cannot be written", _CHANGED):
        s3.put_object(**where, **given, Body=body, IfMatch=head["ETag"])


def _copy(s3: Any, where: Mapping[str, str], head: Mapping[str, Any], moved: Moved) -> None:
    """The object onto itself, in S3, with another wrapped key."""
    given = _kept(head, **{WRAPPED_KEY: base64.b64encode(moved.blob).decode()})
    source = {"CopySource": dict(where), "CopySourceIfMatch": head["ETag"]}
    if head["ContentLength"] > COPY_LIMIT:
        _copy_parts(s3, where, head, given, source)
        return
    with aws_errors("cannot be copied", _CHANGED):
        s3.copy_object(**where, **source, **given, MetadataDirective="REPLACE", IfMatch=head["ETag"])


def _copy_parts(
    s3: Any, where: Mapping[str, str], head: Mapping[str, Any], given: Mapping[str, Any], source: Mapping[str, Any]
) -> None:
    size = head["ContentLength"]
    tags = _tags(s3, where, head)
    with aws_errors("cannot be copied", _CHANGED):
        upload = {**where, "UploadId": s3.create_multipart_upload(**where, **given, **tags)["UploadId"]}
        done = False
        try:
            parts = []
            for number, start in enumerate(range(0, size, COPY_LIMIT), 1):
                piece = f"bytes={start}-{min(start + COPY_LIMIT, size) - 1}"
                made = s3.upload_part_copy(**upload, **source, PartNumber=number, CopySourceRange=piece)
                parts.append({"PartNumber": number, "ETag": made["CopyPartResult"]["ETag"]})
            s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, IfMatch=head["ETag"])
            done = True
        finally:
            if not done:
                s3.abort_multipart_upload(**upload)


def _tags(s3: Any, where: Mapping[str, str], head: Mapping[str, Any]) -> dict[str, str]:
    """CopyObject keeps them by itself."""
    from urllib.parse import urlencode  # only for what has tags

    if not head.get("TagCount"):
        return {}
    with aws_errors("has tags that cannot be read"):
        found = s3.get_object_tagging(**where)["TagSet"]
    return {"Tagging": urlencode({tag["Key"]: tag["Value"] for tag in found})}


# -- Secrets Manager -------------------------------------------------------------------------------------

_CURRENT, _OURS = "AWSCURRENT", "tkms-rewrap"
"""Labels of versions."""


def secrets(cloud: Cloud, prefix: str) -> Iterator[Item]:
    client = cloud.client("secretsmanager")
    filters = [{"Key": "name", "Values": [prefix]}] if prefix else []
    with aws_errors("The secrets cannot be listed"):
        for page in client.get_paginator("list_secrets").paginate(Filters=filters):
            for row in page["SecretList"]:
                yield Item(f"secretsmanager:{row['Name']}", partial(_load_secret, client, row["ARN"]))


def _load_secret(client: Any, arn: str) -> Found | None:
    with aws_errors("cannot be read"):
        found = client.get_secret_value(SecretId=arn, VersionStage=_CURRENT)
    return _document(found.get("SecretString", ""), partial(_put_secret, client, arn, found["VersionId"]))


def _put_secret(client: Any, arn: str, old: str, _moved: Moved, text: str) -> None:
    """A version of our own label, which then becomes the current one only if `old` still is."""
    new = str(uuid5(NAMESPACE_URL, text))
    with aws_errors("cannot be written"):
        client.put_secret_value(SecretId=arn, ClientRequestToken=new, SecretString=text, VersionStages=[_OURS])
    try:
        with aws_errors("cannot be written", ("InvalidParameterException", "InvalidRequestException")):
            client.update_secret_version_stage(
                SecretId=arn, VersionStage=_CURRENT, MoveToVersionId=new, RemoveFromVersionId=old
            )
    finally:
        with aws_errors("keeps a version with the label tkms-rewrap"):
            client.update_secret_version_stage(SecretId=arn, VersionStage=_OURS, RemoveFromVersionId=new)


# -- SSM -------------------------------------------------------------------------------------------------

_SAME = "Type KeyId Tier DataType Description AllowedPattern".split()
"""What a parameter that is overwritten loses unless it is told again."""


def parameters(cloud: Cloud, prefix: str) -> Iterator[Item]:
    client = cloud.client("ssm")
    filters = [{"Key": "Name", "Option": "BeginsWith", "Values": [prefix]}] if prefix else []
    with aws_errors("The parameters cannot be listed"):
        for page in client.get_paginator("describe_parameters").paginate(ParameterFilters=filters):
            for row in page["Parameters"]:
                yield Item(f"ssm:{row['Name']}", partial(_load_parameter, client, row))


def _read_parameter(client: Any, name: str) -> Any:
    with aws_errors("cannot be read"):
        return client.get_parameter(Name=name, WithDecryption=True)["Parameter"]


def _load_parameter(client: Any, row: Mapping[str, Any]) -> Found | None:
    found = _read_parameter(client, row["Name"])
    return _document(found["Value"], partial(_put_parameter, client, row, found["Version"]))


def _put_parameter(client: Any, row: Mapping[str, Any], version: int, _moved: Moved, text: str) -> None:
    """SSM cannot compare and set: what somebody writes in the milliseconds between is lost."""
    if _read_parameter(client, row["Name"])["Version"] != version:
        raise NotDone("was changed meanwhile: try again")
    same = {name: row[name] for name in _SAME if row.get(name)}
    with aws_errors("cannot be written"):
        client.put_parameter(Name=row["Name"], Value=text, Overwrite=True, **same)


# -- DynamoDB --------------------------------------------------------------------------------------------


def table(cloud: Cloud, name: str) -> Iterator[Item]:
    """Every attribute that is a document, of all items of a table, by its name or ARN.

    Raises `SettingsError` for a table of the stack itself: what is delivered twice from it must be the same twice.
    """
    if name.rpartition("/")[2] in cloud.outputs.values():
        raise SettingsError(f"The table {name} is the stack's own: only its functions change it.")
    client = cloud.client("dynamodb")
    with aws_errors(f"The table {name} cannot be read"):
        schema = client.describe_table(TableName=name)["Table"]["KeySchema"]
        for page in client.get_paginator("scan").paginate(TableName=name, ConsistentRead=True):
            for item in page["Items"]:
                key = {part["AttributeName"]: item[part["AttributeName"]] for part in schema}
                told = "/".join(str(next(iter(value.values()))) for value in key.values())
                for attribute in sorted(item.keys() - key.keys()):
                    if text := item[attribute].get("S"):
                        write = partial(_put_attribute, client, {"TableName": name, "Key": key}, attribute, text)
                        yield Item(f"table:{name}/{told}", partial(_document, text, write))


def _put_attribute(client: Any, where: Mapping[str, Any], attribute: str, old: str, _moved: Moved, text: str) -> None:
    with aws_errors("cannot be written", ("ConditionalCheckFailedException",)):
        client.update_item(
            **where,
            UpdateExpression="SET #a = :new",
            ConditionExpression="#a = :old",
            ExpressionAttributeNames={"#a": attribute},
            ExpressionAttributeValues={":new": {"S": text}, ":old": {"S": old}},
        )


SOURCES: Mapping[str, Callable[[Cloud, str], Iterator[Item]]] = {
    "s3://": objects,
    "secretsmanager:": secrets,
    "ssm:": parameters,
    "table:": table,
}
"""What a place begins with -> the items of its rest."""
