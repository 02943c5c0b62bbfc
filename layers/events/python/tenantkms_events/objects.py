"""Objects: what is put into the inbox is sealed into another bucket, proven there, and then taken out of the inbox.

S3 is the state; nothing else remembers how far an object is. docs/events.md says what happens after a crash at each
step. An object is worked on from its beginning each time, so no nonce is ever used twice under one data key.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from tenantkms.crypto.context import canonical
from tenantkms.crypto.sealed import pack_metadata
from tenantkms.crypto.streaming import Reader, seal_stream
from tenantkms.errors import InvalidCiphertext, KmsError
from tenantkms_events.actions import Actions, request_id
from tenantkms_events.arrivals import Source
from tenantkms_events.aws import aws_faults
from tenantkms_events.buckets import SEQUENCER, Inbox, Measured, Place, Proof, SealedBucket, Told
from tenantkms_events.errors import NAME_TOO_LONG, Rejected, rejection, unavailable
from tenantkms_events.names import OBJECT_SEALED, SOURCE

_ROUNDS = 5  # of looking and writing; each one more was somebody else's doing
_SPACE = 2048  # of metadata, by S3's count


class Outcome(Struct, frozen=True, kw_only=True):
    """`what`: "sealed", "again" (it was done before), or "vanished" (it went away, and nothing is sealed of it)."""

    what: str
    name: str = ""
    size: int = 0


class ObjectSealer:
    """`tell` sends an event. `extra` is a part of every object's encryption context."""

    def __init__(
        self,
        tenant: str,
        actions: Actions,
        inbox: Inbox,
        sealed: SealedBucket,
        key: str,
        extra: Mapping[str, str],
        tell: Callable[[str, Mapping[str, Any]], None],
    ) -> None:
        self._tenant = tenant
        self._actions = actions
        self._inbox = inbox
        self._sealed = sealed
        self._key = key
        self._extra = dict(extra)
        self._tell = tell

    def seal(self, source: Source) -> Outcome:
        """Raises `Rejected` for what will never be sealed, and a retryable domain error for what may be later."""
        try:
            with aws_faults():
                return self._seal(source)
        except KmsError as error:
            if error.retryable:
                raise
            raise rejection(error) from None

    def _seal(self, source: Source) -> Outcome:
        told: Told | None = None
        for _ in range(_ROUNDS):
            place = self._sealed.place(source)
            if place.mine:
                told = told or self._inbox.measure(source)
                if told is None:
                    return Outcome(what="again", name=place.name)
                proof = self._sealed.read_back(place, lambda blob, context: self._open_key(source, blob, context))
                if proof is None:
                    continue
                if proof.told == told:
                    return self._finish(source, place, proof, told)
            body = self._inbox.open(source)
            if body is None:
                return Outcome(what="vanished")
            told = self._write(source, place, body)
        raise unavailable()

    def _write(self, source: Source, place: Place, body: Reader) -> Told | None:
        """Seal the version there; what it held, None if somebody else was faster, and it may not be read to its end."""
        context = self._context(source)
        key = self._actions.generate_data_key(self._request(source), self._key, context)
        metadata = pack_metadata(key.ciphertext, context) | ({SEQUENCER: source.sequencer} if source.sequencer else {})
        if sum(len(name) + len(value) for name, value in metadata.items()) > _SPACE:
            raise Rejected(NAME_TOO_LONG)
        measured = Measured(body)
        written = self._sealed.write(place, metadata, seal_stream(key.plaintext, canonical(context), measured))
        return measured.told if written else None

    def _finish(self, source: Source, place: Place, proof: Proof, told: Told) -> Outcome:
        """The event first: who finds the version gone has nothing to tell of it any more. So it may come twice."""
        detail = {
            "v": 1,
            "bucket": source.bucket,
            "key": source.key,
            "version": source.version,
            "sealed_bucket": self._sealed.bucket,
            "sealed_key": place.name,
            "sealed_version": proof.version,
            "key_id": proof.key_id,
            "bytes": told.size,
            "sha256": proof.sha256,
        }
        self._sealed.clear(place.name)
        self._tell(OBJECT_SEALED, detail)
        self._inbox.delete(source)
        return Outcome(what="sealed", name=place.name, size=told.size)

    def _context(self, source: Source) -> dict[str, str]:
        return {**self._extra, "bucket": source.bucket, "key": source.key, "version": source.version}

    def _open_key(self, source: Source, blob: bytes, context: dict[str, str]) -> bytes:
        """Only under the context that it is to have: else what is there is not what it says."""
        if context != self._context(source):
            raise InvalidCiphertext
        return self._actions.decrypt(self._request(source), blob, context)

    def _request(self, source: Source) -> str:
        return request_id(self._tenant, f"{source.bucket}/{source.key}@{source.version}")


def sender(events: Any, bus: str) -> Callable[[str, Mapping[str, Any]], None]:
    """Puts an event on the bus. Raises `Unavailable` unless the bus has taken it."""

    def tell(kind: str, detail: Mapping[str, Any]) -> None:
        entry = {
            "EventBusName": bus,
            "Source": SOURCE,
            "DetailType": kind,
            "Detail": msgspec.json.encode(detail).decode(),
        }
        with aws_faults():
            answer = events.put_events(Entries=[entry])
        if answer["FailedEntryCount"]:
            raise unavailable()

    return tell
