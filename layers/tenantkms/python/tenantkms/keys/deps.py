"""What Actions and scheduled work work with."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

from tenantkms.audit.line import Audit
from tenantkms.keys.keyring import Keyring
from tenantkms.model.limits import DEFAULT, Limits


class Deps(Struct, frozen=True, kw_only=True):
    """Of one tenant. `clock` gives Unix seconds; `random(n)` n bytes of the operating system's."""

    tenant: str
    keyring: Keyring
    audit: Audit
    clock: Callable[[], float]
    random: Callable[[int], bytes]
    limits: Limits = DEFAULT
