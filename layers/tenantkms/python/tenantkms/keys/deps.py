"""What Actions and scheduled work work with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

from tenantkms.audit.line import Audit
from tenantkms.keys.keyring import Keyring
from tenantkms.model.credential import Session
from tenantkms.model.limits import DEFAULT, Limits
from tenantkms.store.fence import OPEN, Fence


class Issuer(Protocol):
    """Of sessions, as `access/sessions.py` issues them."""

    def issue(self, credential: str, duration: int, policy: str, now: int) -> Session: ...


class Deps(Struct, frozen=True, kw_only=True):
    """Of one tenant. `account` is that of its ARNs. `clock` gives Unix seconds; `random(n)` n bytes of the operating
    system's."""

    tenant: str
    account: str
    keyring: Keyring
    audit: Audit
    clock: Callable[[], float]
    random: Callable[[int], bytes]
    sessions: Issuer
    limits: Limits = DEFAULT
    fence: Fence = OPEN
