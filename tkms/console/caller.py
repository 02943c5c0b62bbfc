"""What the console asks of the place that it shows, and for whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from tkms.audit.tail import Tail


class Caller(Struct, frozen=True, kw_only=True):
    """Who is signed in. `dialect`: as its calls are made. `whole`: it may see what is of the whole tenant.

    That is for who may list the keys and describe every one of them.
    """

    id: str
    dialect: str
    policy: str
    whole: bool


class SignIn(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a browser proves itself with. Of an access key: `signature` is HMAC-SHA-256 of `text` by its secret, in hex;
    `time` in Unix seconds. Of an operator: the `ticket` of the command.
    """

    id: str = ""
    time: int = 0
    nonce: str = ""
    signature: str = ""
    ticket: str = ""

    def text(self, origin: str) -> str:
        """`origin` is that of the page, as its browser says: what was signed for another page is of no use here."""
        return "\n".join(("TKMS-CONSOLE-SIGN-IN", origin, self.id, str(self.time), self.nonce))


class Latency(Struct, frozen=True):
    """How long calls of an Action took: `counts` of them by the steps of `tkms.machine.timings`."""

    action: str
    counts: Sequence[int]


class Sweep(Struct, frozen=True):
    """Scheduled work: `seen` is its last run in Unix seconds, 0 for none; `late`: that is too long ago."""

    job: str
    seen: int
    late: bool


class Place(Protocol):
    """What the console shows. `ticket`: who signs in has one, not an access key."""

    tenant: str
    ticket: bool

    def sign_in(self, given: SignIn, origin: str, source_ip: str) -> str:
        """The id of who signs in. Raises domain errors."""

    def caller(self, id_: str, source_ip: str) -> Caller:
        """Who has signed in by that id, as of now. Raises a domain error where it may not any more."""

    def call(self, caller: Caller, action: str, params: Mapping[str, object], source_ip: str) -> dict[str, Any]:
        """The result of an Action. Raises its domain error."""

    def audit(self, since: float) -> Tail:
        """The end of the audit log."""

    def latencies(self) -> list[Latency] | None:
        """None where they are not known here."""

    def credentials(self, only: str = "") -> list[dict[str, object]]:
        """Access keys: id, name, enabled, expires. `only`: that one, and no other is read."""

    def sweeps(self) -> list[Sweep]: ...

    def trouble(self) -> str:
        """What is wrong with the audit log, in a sentence; empty if all is well."""


decode_sign_in = msgspec.json.Decoder(SignIn).decode
