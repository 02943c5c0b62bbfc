"""Access keys, and who calls with them."""

from __future__ import annotations

from msgspec import Struct


class Secret(str):
    """The secret of an access key, and the last signing key derived from it: one is forgotten with the other."""

    __slots__ = ("derived",)

    def __init__(self, _text: str = "") -> None:
        self.derived: tuple[object, bytes] | None = None


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


class Principal(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who calls: an access key's id, or the name of a trusted caller, and the policy it acts under."""

    id: str
    policy: str
