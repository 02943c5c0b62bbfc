"""Access keys, and who calls with them."""

from __future__ import annotations

from msgspec import Struct

from tenantkms.crypto.hmacs import Hmac


class Secret(str):
    """The secret of an access key, and HMAC under the last signing key of it: one is forgotten with the other."""

    __slots__ = ("derived",)

    def __init__(self, _text: str = "") -> None:
        self.derived: tuple[object, Hmac] | None = None


class Credential(Struct, frozen=True, kw_only=True):
    """An access key. `sealed` is its secret under the parent key; `policy` the text of a policy document.

    `created` and `expires` in Unix seconds; it is good until just before `expires`, 0 for ever.
    """

    access_key_id: str
    name: str
    sealed: bytes
    dialects: tuple[str, ...]
    policy: str
    created: int
    enabled: bool = True
    expires: int = 0

    def expired(self, now: float) -> bool:
        return 0 < self.expires <= now

    def active(self, now: float) -> bool:
        return self.enabled and not self.expired(now)


def by_age(credential: Credential) -> tuple[int, str]:
    """What credentials are ordered by."""
    return credential.created, credential.access_key_id


class Session(Struct, frozen=True, kw_only=True):
    """A temporary access key of `parent`, another access key's id, good until just before `expires` (Unix seconds).

    Both policies must allow what it does: the parent's, and `policy` unless that is empty.
    """

    access_key_id: str
    secret: Secret
    token: str
    parent: str
    expires: int
    policy: str

    def __repr__(self) -> str:
        return f"Session({self.access_key_id})"


class Principal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Who calls: an access key's id, or the name of a trusted caller, and the policy it acts under.

    `session` is the id of the session by which the access key calls, if any, and `session_policy` what narrows it.
    """

    id: str
    policy: str
    session: str = ""
    session_policy: str = ""
