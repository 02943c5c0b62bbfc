"""Access keys: who signed a request, found by access key id, with the secret unsealed to verify with."""

from __future__ import annotations

import secrets
import string
from collections.abc import Callable

from tenantkms.errors import AccessDenied, CredentialDisabled, NonceReused, Unavailable, UnknownAccessKey
from tenantkms.keys.cache import Cache
from tenantkms.model.credential import Credential, Secret
from tenantkms.parent.port import ParentKey, credential_binding
from tenantkms.store.port import AccessStore

AGAIN = 5
"""Seconds between the arrivals of the first and the last of the requests that were signed in one second: what a cold
start, or a connection's second try, may take."""
_ALPHABET = string.ascii_letters + string.digits
_LONGEST_ID = 128
"""Characters of an access key id. Strangers choose them, and what they choose is remembered."""
_UNKNOWN_SECONDS = 1
_DUMMY = Secret(secrets.token_urlsafe(30))
"""An unknown access key is verified with this and costs the same. Nobody may know it: who signs with it learns more."""


class Access:
    """The credentials of a tenant behind the same short caches as keys have."""

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
    ) -> None:
        self.store = store
        self._tenant = tenant
        self._parent = parent
        self._clock = clock
        self._credentials: Cache[Credential] = Cache(size, state_seconds, clock)
        self._secrets: Cache[Secret] = Cache(size, secret_seconds, clock)
        # Of those that there are not, apart: strangers, who fill it, drive nothing else out.
        self._unknown: Cache[bool] = Cache(size, min(state_seconds, _UNKNOWN_SECONDS), clock)
        self._any = False  # whether there is a credential at all, as far as this process has seen

    def create(self, name: str, dialects: tuple[str, ...], policy: str, now: int) -> tuple[Credential, str]:
        """A new credential and its secret, which is shown only here."""
        access_key_id = "TKMS" + "".join(secrets.choice(_ALPHABET) for _ in range(20))
        secret = "".join(secrets.choice(_ALPHABET) for _ in range(40))
        credential = Credential(
            access_key_id=access_key_id,
            name=name,
            sealed=self._parent.seal(secret.encode(), credential_binding(self._tenant, access_key_id)),
            dialects=dialects,
            policy=policy,
            created=now,
        )
        self.store.put_credential(credential, new=True)
        self._any = True
        return credential, secret

    def find(self, access_key_id: str) -> tuple[Credential | None, Secret]:
        """The credential and its secret; for an unknown one a dummy secret, so that verifying costs the same.

        Raises `Unavailable` while the tenant has no credential at all: its first one is on its way.
        """
        credential = self._credentials.fetch(access_key_id, lambda: self._read(access_key_id))
        self._any = self._any or credential is not None or self.store.has_credentials()
        if not self._any:
            raise Unavailable("There is no access key yet.")
        return (credential, self.secret(credential)) if credential else (None, _DUMMY)

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
        secret = self._secrets.fetch((credential.access_key_id, credential.sealed), lambda: self._unseal(credential))
        return secret or Secret()

    def _unseal(self, credential: Credential) -> Secret:
        binding = credential_binding(self._tenant, credential.access_key_id)
        return Secret(self._parent.unseal(credential.sealed, binding).decode())

    @staticmethod
    def admit(credential: Credential | None, dialect: str) -> Credential:
        """`credential` if it may be used in `dialect`: asked only after the signature verified."""
        if credential is None:
            raise UnknownAccessKey
        if not credential.enabled:
            raise CredentialDisabled
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
