"""Exactly once in effect: the ciphertext is fixed by one conditional put before anything is delivered; afterwards
every delivery writes the same bytes.

Then duplicates, retries and workers at the same message are harmless, and there is no lease that a crash could leave
behind. docs/events.md says what happens after a crash at each step.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from tenantkms.errors import KmsError
from tenantkms_events.actions import Actions, request_id
from tenantkms_events.aws import aws_faults
from tenantkms_events.errors import ID_REUSED, TARGET_NOT_ALLOWED, VALUE_TOO_LONG, Rejected, rejection, unavailable
from tenantkms_events.message import Bus, Document, Message, Secret, Target, kind_of, request_of
from tenantkms_events.names import SECRET_SEALED, SECRET_SUPERSEDED, SOURCE
from tenantkms_events.table import DONE, SEALED, Row, Table
from tenantkms_events.targets import LONGEST, Delivery

MAC_CONTEXT = {"tkms": "request-mac"}


class Messenger:
    """Events that tell how it went; each may come twice, with the same `id`."""

    def __init__(self, client: Any, bus: str) -> None:
        self._client = client
        self._bus = bus

    def tell(self, row: Row, *, sealed: bool) -> None:
        """Raises `Unavailable` unless the bus has taken it."""
        detail = msgspec.json.decode(row.document)
        detail["target"] = msgspec.to_builtins(row.target)
        if not sealed:
            del detail["ciphertext"]
        entry = {
            "EventBusName": row.target.name if isinstance(row.target, Bus) else self._bus,
            "Source": SOURCE,
            "DetailType": SECRET_SEALED if sealed else SECRET_SUPERSEDED,
            "Detail": msgspec.json.encode(detail).decode(),
        }
        with aws_faults():
            answer = self._client.put_events(Entries=[entry])
        if answer["FailedEntryCount"]:
            raise unavailable()


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """`row` is as it was found or made; `sealed` is False for what a newer message has superseded; `again`: it was done
    before. `request_id` is that of the audit lines of the Actions.
    """

    request_id: str
    row: Row
    sealed: bool
    again: bool


class Sealer:
    def __init__(
        self,
        tenant: str,
        actions: Actions,
        table: Table,
        deliveries: Mapping[str, Delivery],
        allowed: Callable[[Target], bool],
        messenger: Messenger,
        clock: Callable[[], float],
    ) -> None:
        self._tenant = tenant
        self._actions = actions
        self._table = table
        self._deliveries = deliveries
        self._allowed = allowed
        self._messenger = messenger
        self._clock = clock
        self._mac_key = b""

    def seal(self, message: Message, secret: Secret, message_id: str) -> Outcome:
        """Raises `Rejected` for what will never be sealed, and a retryable domain error for what may be later."""
        if not self._allowed(message.target):
            raise Rejected(TARGET_NOT_ALLOWED, "target")
        request = request_id(self._tenant, message.id)
        kind = kind_of(message.target)
        plaintext = self._opened(request, secret) if secret.wrapped else secret.content
        try:
            mac = hmac.digest(self._request_key(), request_of(message, plaintext), hashlib.sha256().name)
            row = self._table.get(message.id)
            if row is None:
                made = self._encrypted(message, plaintext, request, mac, message_id)
                if kind in LONGEST and len(made.document.encode()) > LONGEST[kind]:
                    raise Rejected(VALUE_TOO_LONG, "plaintext")
                row = self._table.fix(made)
        except KmsError as error:
            if error.retryable:
                raise
            raise rejection(error) from None
        if not hmac.compare_digest(row.request_mac, mac):
            raise Rejected(ID_REUSED, "id")
        delivery, again = self._deliveries[kind], row.state == DONE
        if again and not (delivery.settles and row.sequence is not None):
            return Outcome(request_id=request, row=row, sealed=True, again=True)
        sealed = delivery.deliver(row)
        if not again:
            self._messenger.tell(row, sealed=sealed)
            self._table.finish(row)
        return Outcome(request_id=request, row=row, sealed=sealed, again=again)

    def _opened(self, request: str, secret: Secret) -> bytes:
        """The plaintext. What is said of the wrapping key must not read as if it were of the message's."""
        try:
            return self._actions.unwrap(request, secret.content)
        except KmsError as error:
            if error.retryable:
                raise
            raise rejection(error, "plaintext_wrapped") from None

    def _encrypted(self, message: Message, plaintext: bytes, request: str, mac: bytes, message_id: str) -> Row:
        context = dict(sorted(message.encryption_context.items()))
        made = self._actions.encrypt(request, message.key, plaintext, context)
        document = Document(
            v=1,
            id=message.id,
            key_id=made.key_id,
            key_version_id=made.key_version_id,
            ciphertext=made.ciphertext,
            encryption_context=context,
            sequence=message.sequence,
        )
        return Row(
            id=message.id,
            request_mac=mac,
            document=msgspec.json.encode(document).decode(),
            target=message.target,
            sequence=message.sequence,
            state=SEALED,
            message_id=message_id,
            created=int(self._clock()),
        )

    def _request_key(self) -> bytes:
        """The key of `request_mac`: a plain hash of a short secret would be as good as the secret. Its faults are not
        the message's."""
        if not self._mac_key:
            request = request_id(self._tenant, "request-mac")
            try:
                wrapped = self._table.wrapped_key()
                if wrapped is None:
                    made = self._actions.quarantine_key(request, MAC_CONTEXT)
                    wrapped = self._table.fix_wrapped_key(made.ciphertext)
                self._mac_key = self._actions.decrypt(request, wrapped, MAC_CONTEXT)
            except KmsError as error:
                raise unavailable() from error
        return self._mac_key
