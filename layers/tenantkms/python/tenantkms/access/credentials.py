"""Access keys: who signed a request, found by access key id, with the secret unsealed to verify with."""

from __future__ import annotations

import re
import secrets
import string
from collections import deque
from collections.abc import Callable
from threading import Lock, Thread
from typing import Any

from msgspec.structs import replace

from tenantkms.audit.faults import log_fault
from tenantkms.errors import (
    AccessDenied,
    CredentialDisabled,
    LimitExceeded,
    NonceReused,
    Unavailable,
    UnknownAccessKey,
)
from tenantkms.keys.cache import Cache
from tenantkms.model.credential import Credential, Secret, by_age
from tenantkms.parent.port import ParentKey, credential_binding
from tenantkms.store.port import AccessStore

AGAIN = 5
"""Seconds between the arrivals of the first and the last of the requests that were signed in one second: what a cold
start, or a connection's second try, may take."""
ID_FORM = re.compile(r"[A-Za-z0-9._-]{3,128}")
SECRET_FORM = re.compile(r"[!-~]{1,128}")
"""What may be given as the id and as the secret of an access key."""
_ALPHABET = string.ascii_letters + string.digits
_LONGEST_ID = 128
"""Characters of an access key id. Strangers choose them, and what they choose is remembered."""
_UNKNOWN_SECONDS = 1
_DUMMY = Secret(secrets.token_urlsafe(30))
"""An unknown access key is verified with this and costs the same. Nobody may know it: who signs with it learns more."""
MAX_ACTIVE = 2
"""Access keys of one name that work at the same time: the one in use, and the one that takes its place."""
USE_SECONDS = 3600
"""When a credential was last used is remembered to the hour, so that it is written once an hour."""
MOST_USES = 20_000
"""Access keys whose use of an hour a process remembers to have noted, or has yet to write."""
LAST_USE = "last-use"
"""What the work that writes it is called, in the operator's log too."""


def called(store: AccessStore, wanted: str) -> list[Credential]:
    """The credentials with the id or the name `wanted`, the oldest first; none is called "". No others are read."""
    try:
        wanted.encode()
    except UnicodeEncodeError:  # bytes of a command line that are no text
        return []
    if not wanted:
        return []
    of_id = store.get_credential(wanted)
    found = store.credentials_named(wanted)
    return found if of_id is None or of_id in found else sorted([*found, of_id], key=by_age)


def _apart(work: Callable[[], None]) -> None:
    Thread(target=work, name=LAST_USE).start()


class Access:
    """The credentials of a tenant behind the same short caches as keys have.

    `apart` does work that no request waits for.
    """

    def __init__(
        self,
        tenant: str,
        store: AccessStore,
        parent: ParentKey,
        *,
        clock: Callable[[], float],
        state_seconds: float = 1,
        secret_seconds: float = 300,
        size: int = 1_000,
        apart: Callable[[Callable[[], None]], None] = _apart,
    ) -> None:
        self.store = store
        self._tenant = tenant
        self._parent = parent
        self._clock = clock
        self._credentials: Cache[Credential] = Cache(size, state_seconds, clock, sized=lambda found: found.policy)
        self._secrets: Cache[Secret] = Cache(size, secret_seconds, clock)
        # Of those that there are not, apart: strangers, who fill it, drive nothing else out.
        self._unknown: Cache[bool] = Cache(size, min(state_seconds, _UNKNOWN_SECONDS), clock)
        self._apart = apart
        self._hour = 0
        self._noted: set[str] = set()  # of this hour
        self._unwritten: deque[tuple[str, int]] = deque(maxlen=MOST_USES)
        self._writing = Lock()  # held from when there is one who writes them until that has ended
        self._any = False  # whether there is a credential at all, as far as this process has seen

    def create(
        self,
        name: str,
        dialects: tuple[str, ...],
        policy: str,
        now: int,
        *,
        expires: int = 0,
        given: tuple[str, str] | None = None,
    ) -> tuple[Credential, str]:
        """A new credential and its secret, which is shown only here. Its id and secret are `given`, or random.

        Raises `LimitExceeded` when its name has `MAX_ACTIVE` active ones, and `RevisionConflict` when the id is taken.
        """
        self._check_room(name, now)
        access_key_id, secret = given or (
            "TKMS" + "".join(secrets.choice(_ALPHABET) for _ in range(20)),
            "".join(secrets.choice(_ALPHABET) for _ in range(40)),
        )
        credential = Credential(
            access_key_id=access_key_id,
            name=name,
            sealed=self._parent.seal(secret.encode(), credential_binding(self._tenant, access_key_id)),
            dialects=dialects,
            policy=policy,
            created=now,
            expires=expires,
        )
        self.store.put_credential(credential, new=True)
        self._any = True
        return credential, secret

    def change(self, access_key_id: str, now: float, **changes: Any) -> None:
        """Change fields of a credential. Raises `UnknownAccessKey`, and `LimitExceeded` as `create` does."""
        credential = self.store.get_credential(access_key_id)
        if credential is None:
            raise UnknownAccessKey
        changed = replace(credential, **changes)
        if changed.active(now) and not credential.active(now):
            self._check_room(credential.name, now)
        self.store.put_credential(changed, new=False)

    def _check_room(self, name: str, now: float) -> None:
        """Whoever has no name has no limit. Two who ask at once may both get the last place: this keeps order among
        operators, and keeps nobody out.
        """
        if not name:
            return
        active = [c.access_key_id for c in self.store.credentials_named(name) if c.active(now)]
        if len(active) >= MAX_ACTIVE:
            ids = " and ".join(active)
            raise LimitExceeded(f"{name} has {len(active)} active access keys, {ids}: disable one of them first.")

    def find(self, access_key_id: str) -> tuple[Credential | None, Secret]:
        """The credential and its secret; for an unknown one a dummy secret, so that verifying costs the same.

        Raises `Unavailable` while the tenant has no credential at all: its first one is on its way.
        """
        credential = self.known(access_key_id)
        return (credential, self.secret(credential)) if credential else (None, _DUMMY)

    def known(self, access_key_id: str) -> Credential | None:
        """The credential alone. Raises `Unavailable` as `find` does."""
        credential = self._credentials.fetch(access_key_id, self._read)
        if not self._any:
            self._any = credential is not None or self.store.has_credentials()
        if not self._any:
            raise Unavailable("There is no access key yet.")
        return credential

    def _read(self, access_key_id: str) -> Credential | None:
        """From the store; one that is not there is not asked for again in the same second."""
        if len(access_key_id) > _LONGEST_ID or self._unknown.get(access_key_id):
            return None
        asked = self._clock()
        credential = self.store.get_credential(access_key_id)
        if credential is None:
            self._unknown.put(access_key_id, True, asked)
        return credential

    def secret(self, credential: Credential) -> Secret:
        secret = self._secrets.fetch((credential.access_key_id, credential.sealed), lambda _: self._unseal(credential))
        return secret or Secret()

    def _unseal(self, credential: Credential) -> Secret:
        binding = credential_binding(self._tenant, credential.access_key_id)
        return Secret(self._parent.unseal(credential.sealed, binding).decode())

    @staticmethod
    def admit(credential: Credential | None, dialect: str, now: float) -> Credential:
        """`credential` if it may be used in `dialect`: asked only after the signature verified."""
        if credential is None:
            raise UnknownAccessKey
        if not credential.enabled:
            raise CredentialDisabled
        if credential.expires and credential.expired(now):
            raise CredentialDisabled("The access key has expired.")
        if dialect not in credential.dialects:
            raise AccessDenied(f"The access key may not be used in the dialect {dialect}.")
        return credential

    def use_nonce(
        self, scheme: str, access_key_id: str, nonce: str, *, now: int, window: int, source: str | None = None
    ) -> None:
        """Raises `NonceReused` the second time. A nonce is kept for twice the clock window of its scheme.

        With a `source`, whoever used it first may use it for `AGAIN` seconds more.
        """
        text = f"{scheme}\n{access_key_id}\n{nonce}".encode("utf-8", "replace")
        if not self.store.use_nonce(text, now=now, expires=now + 2 * window, source=source, again=AGAIN):
            raise NonceReused

    def note_use(self, access_key_id: str, now: float) -> None:
        """Remember in which hour a credential was used. What hinders that is logged, and hinders no request."""
        hour = int(now) // USE_SECONDS * USE_SECONDS
        if hour != self._hour or len(self._noted) >= MOST_USES:
            # Whoever is noted a second time is written a second time, which changes nothing.
            self._hour, self._noted = hour, set()
        if access_key_id in self._noted:
            return
        self._noted.add(access_key_id)
        self._unwritten.append((access_key_id, hour))
        if self._writing.acquire(blocking=False):
            self._apart(self._write_uses)

    def _write_uses(self) -> None:
        """All that are there, until there are none: who comes meanwhile leaves theirs to this one."""
        while True:
            try:
                while self._unwritten:
                    self.store.note_use(*self._unwritten.popleft())
            except Exception as error:  # noqa: BLE001 - nobody waits for this thread, who would handle it
                log_fault(LAST_USE, error)
            finally:
                self._writing.release()
            if not self._unwritten or not self._writing.acquire(blocking=False):
                return
