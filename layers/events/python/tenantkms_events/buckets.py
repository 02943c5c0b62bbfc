"""The two buckets of objects: the inbox, and where they rest sealed. All of S3's answers are read here."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError
from msgspec import Struct

from tenantkms.crypto.context import canonical
from tenantkms.crypto.envelope import parse_header
from tenantkms.crypto.sealed import read_metadata
from tenantkms.crypto.streaming import Reader, open_stream
from tenantkms.errors import InvalidCiphertext
from tenantkms_events.arrivals import Source
from tenantkms_events.aws import aws_faults, code_of
from tenantkms_events.errors import NAME_TOO_LONG, OBJECT_UNREADABLE, TARGET_TAKEN, Rejected

PART = 8 << 20
"""Bytes of a part: 10,000 of them are 80 GB."""
SEQUENCER = "tkms-sequencer"
"""In the metadata: S3's order of the versions of one name, where the notification gave it."""
_LONGEST_NAME = 1024
_GONE = ("NoSuchKey", "NoSuchVersion", "404")
_CHANGED = ("PreconditionFailed", "ConditionalRequestConflict", "NoSuchUpload", "412", "409", *_GONE)
_UNREADABLE = ("AccessDenied", "InvalidObjectState", "403")
_MARKER = ("MethodNotAllowed", "405")


class Told(Struct, frozen=True):
    """Of a plaintext: all that is compared."""

    size: int
    digest: bytes


class Place(Struct, frozen=True, kw_only=True):
    """Where a version goes. `mine`: it, or what says that it is it, is there; `etag`: of what is there."""

    name: str
    etag: str
    mine: bool


class Proof(Struct, frozen=True, kw_only=True):
    """What was read back: the plaintext's figures, None if it does not open; of the ciphertext, for the event."""

    told: Told | None
    version: str
    key_id: str
    sha256: str


class Measured:
    """A reader that counts and hashes what it reads."""

    def __init__(self, source: Reader) -> None:
        self._source = source
        self._hash = hashlib.sha256()
        self.size = 0

    def read(self, size: int, /) -> bytes:
        found = self._source.read(size)
        self._hash.update(found)
        self.size += len(found)
        return found

    @property
    def told(self) -> Told:
        return Told(self.size, self._hash.digest())


class Inbox:
    """The bucket that objects come by, a version at a time."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self.bucket = bucket

    def open(self, source: Source) -> Reader | None:
        """None if the version is not there, or is a delete marker. Raises `Rejected` if it may not be read."""
        try:
            return self._s3.get_object(**self._of(source))["Body"]  # type: ignore[no-any-return]
        except ClientError as e:
            code = code_of(e)
            if code in (*_GONE, *_MARKER):
                return None
            if code in _UNREADABLE:
                raise Rejected(OBJECT_UNREADABLE) from None
            raise

    def measure(self, source: Source) -> Told | None:
        body = self.open(source)
        if body is None:
            return None
        measured = Measured(body)
        while measured.read(PART):
            pass
        return measured.told

    def delete(self, source: Source) -> None:
        """The version itself; a delete marker would keep it."""
        self._s3.delete_object(**self._of(source))

    def reject(self, source: Source, reason: str) -> None:
        """Say so at the version, so that no sweep brings it again. Who may not read it may not say so either."""
        tags = {"TagSet": [{"Key": "tkms-rejected", "Value": reason}]}
        with suppress(ClientError):
            self._s3.put_object_tagging(**self._of(source), Tagging=tags)

    def left(self, now: datetime, age: timedelta) -> Iterator[Source]:
        """Versions that have been there for longer than `age`, and are not rejected."""
        with aws_faults():
            for page in self._s3.get_paginator("list_object_versions").paginate(Bucket=self.bucket):
                for row in page.get("Versions", ()):
                    source = Source(self.bucket, row["Key"], row["VersionId"], "")
                    if now - row["LastModified"] > age and not self._rejected(source):
                        yield source

    def _rejected(self, source: Source) -> bool:
        """Or gone since it was listed. What does not tell is brought: whoever reads it finds out."""
        try:
            tags = self._s3.get_object_tagging(**self._of(source))["TagSet"]
        except ClientError as e:
            code = code_of(e)
            if code not in (*_GONE, *_UNREADABLE):
                raise
            return code in _GONE
        return any(tag["Key"] == "tkms-rejected" for tag in tags)

    @staticmethod
    def _of(source: Source) -> dict[str, str]:
        return {"Bucket": source.bucket, "Key": source.key, "VersionId": source.version}


class SealedBucket:
    """Where sealed objects rest."""

    def __init__(self, s3: Any, bucket: str) -> None:
        self._s3 = s3
        self.bucket = bucket

    def place(self, source: Source) -> Place:
        """The name of the source, or that with its version if something else or newer is there.

        Raises `Rejected` if neither is free.
        """
        names = [source.key, f"{source.key}@{source.version}"]
        seen = [(name, self._head(name)) for name in names if len(name.encode()) <= _LONGEST_NAME]
        for name, head in seen:
            if head and _origin(head) == (source.bucket, source.key, source.version):
                return Place(name=name, etag=head["ETag"], mine=True)
        for name, head in seen:
            if head is None:
                return Place(name=name, etag="", mine=False)
            if name == source.key and self._is_older(head, source):
                return Place(name=name, etag=head["ETag"], mine=False)
        raise Rejected(TARGET_TAKEN if len(seen) == len(names) else NAME_TOO_LONG)

    def _is_older(self, head: Mapping[str, Any], source: Source) -> bool:
        """Whether what is there is of an earlier version of the same name. Who has no sequencer is the oldest."""
        origin = _origin(head)
        there = head["Metadata"].get(SEQUENCER, "")
        return (
            origin is not None
            and origin[:2] == (source.bucket, source.key)
            and _order(there) < _order(source.sequencer)
        )

    def _head(self, name: str) -> Mapping[str, Any] | None:
        try:
            return self._s3.head_object(Bucket=self.bucket, Key=name)  # type: ignore[no-any-return]
        except ClientError as e:
            if code_of(e) in _GONE:
                return None
            raise

    def write(self, place: Place, metadata: Mapping[str, str], pieces: Iterable[memoryview]) -> bool:
        """False if somebody else was faster, or ended this upload: then look again."""
        where = {"Bucket": self.bucket, "Key": place.name}
        made = self._s3.create_multipart_upload(
            **where, Metadata=dict(metadata), ContentType="application/octet-stream"
        )
        upload = {**where, "UploadId": made["UploadId"]}
        condition = {"IfMatch": place.etag} if place.etag else {"IfNoneMatch": "*"}
        try:
            parts = [self._part(upload, number, part) for number, part in enumerate(_parts(pieces), 1)]
            self._s3.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts}, **condition)
        except BaseException as e:
            with suppress(Exception):
                self._s3.abort_multipart_upload(**upload)
            if isinstance(e, ClientError) and code_of(e) in _CHANGED:
                return False
            raise
        return True

    def _part(self, upload: Mapping[str, str], number: int, part: bytes) -> dict[str, Any]:
        made = self._s3.upload_part(**upload, PartNumber=number, Body=part)
        return {"PartNumber": number, "ETag": made["ETag"]}

    def clear(self, name: str) -> None:
        """End the uploads of this name, left by workers that died; whoever lives looks again, and finds it done.

        At the end, not at the beginning: there two workers would end each other for ever.
        """
        for page in self._s3.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=name):
            for upload in page.get("Uploads", ()):
                if upload["Key"] == name:
                    with suppress(ClientError):
                        self._s3.abort_multipart_upload(Bucket=self.bucket, Key=name, UploadId=upload["UploadId"])

    def read_back(self, place: Place, open_key: Callable[[bytes, dict[str, str]], bytes]) -> Proof | None:
        """What is there, read and opened as anybody would who has the right to. None if it is there no longer."""
        where = {"Bucket": self.bucket, "Key": place.name, **({"IfMatch": place.etag} if place.etag else {})}
        try:
            found = self._s3.get_object(**where)
        except ClientError as e:
            if code_of(e) in _CHANGED:
                return None
            raise
        ciphertext, key_id = Measured(found["Body"]), ""
        try:
            blob, context = read_metadata(found["Metadata"]) or (b"", {})
            key_id = parse_header(blob).key_id
            told = _opened(open_key(blob, context), context, ciphertext)
        except InvalidCiphertext:
            told = None
        return Proof(told=told, version=found.get("VersionId", ""), key_id=key_id, sha256=ciphertext.told.digest.hex())


def _order(sequencer: str) -> str:
    """As S3 compares them: padded at the right with zeros."""
    return sequencer.upper().ljust(64, "0") if sequencer else ""


def _origin(head: Mapping[str, Any]) -> tuple[str, str, str] | None:
    """Bucket, name and version that an object says it was sealed of."""
    try:
        _, context = read_metadata(head["Metadata"]) or (b"", {})
        return context["bucket"], context["key"], context["version"]
    except (InvalidCiphertext, KeyError):
        return None


def _opened(data_key: bytes, context: Mapping[str, str], ciphertext: Reader) -> Told:
    """Raises `InvalidCiphertext`."""
    digest, size = hashlib.sha256(), 0
    for piece in open_stream(data_key, canonical(context), ciphertext):
        digest.update(piece)
        size += len(piece)
    return Told(size, digest.digest())


def _parts(pieces: Iterable[memoryview]) -> Iterator[bytes]:
    """Parts of the same length, but for the last."""
    gathered = bytearray()
    for piece in pieces:
        gathered += piece
        while len(gathered) >= PART:
            yield bytes(gathered[:PART])
            del gathered[:PART]
    if gathered:
        yield bytes(gathered)
