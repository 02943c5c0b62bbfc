"""Sessions: temporary access keys that no store knows. A session's security token holds, sealed, all there is to know.

    token   base64url of  0x01 || salt 24 || AES-256-GCM of "<access key id> <expiry> <policy>"
            under HMAC-SHA-256(key "session token", 0x01 || salt), with these 25 bytes as associated data
    id      "TKMT" || base32 of the salt's first 15 bytes
    secret  HMAC-SHA-256(key "session secret", token) in hex: base64url may begin with `-`, an option to a command line

The two keys are derived from the tenant's root secret; after a reseal also from the one before, as long as a session of
it may last. Another token than the one that was issued makes another secret,
so that a token that travels unsigned, as `X-TC-Token` does, is bound to the signature all the same.
"""

from __future__ import annotations

import base64
import hmac
from collections.abc import Callable, Iterator
from contextlib import suppress

import msgspec
from msgspec.structs import replace

from tenantkms.access import policy as policies
from tenantkms.access.credentials import called
from tenantkms.crypto.ciphers import AES_256_GCM, SUITES, InvalidTag
from tenantkms.errors import (
    CredentialDisabled,
    InvalidParameter,
    InvalidPolicy,
    InvalidSecurityToken,
    MismatchedSecurityToken,
    UnknownAccessKey,
)
from tenantkms.keys.cache import Cache
from tenantkms.model.credential import Credential, Secret, Session
from tenantkms.parent.root import Root
from tenantkms.store.port import AccessStore

SHORTEST, LONGEST = 15 * 60, 12 * 3600
"""Seconds that a session lasts, at least and at most; less only where its access key expires before."""
MAX_POLICY = 2_048
"""Bytes of a session's policy without white space: with it a token has at most `MAX_TOKEN` characters."""
MAX_TOKEN = 3_072
_TOKEN, _SECRET = "session token", "session secret"
"""Of the keys, as the root secret's are told apart."""
_PREFIX = "TKMT"
_LACKING = "The access key is a session's: its security token must be sent with each request."
_VERSION = b"\x01"
_SALT_SIZE = 24
_BODY = len(_VERSION) + _SALT_SIZE
_SUITE = SUITES[AES_256_GCM]


def lacking(access_key_id: str) -> str:
    """What to tell about an unknown access key that came without a token: "" unless it is called as sessions are."""
    return _LACKING if access_key_id.startswith(_PREFIX) else ""


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _narrowed(text: str) -> str:
    """The policy of a session without white space, "" for none. Raises `InvalidPolicy`."""
    if not text:
        return ""
    if policies.rates(text):
        raise InvalidPolicy("The policy of a session has no Limits: it counts towards those of its access key.")
    compact = msgspec.json.format(policies.check(text), indent=-1)
    if len(compact.encode()) > MAX_POLICY:
        raise InvalidPolicy(f"The policy of a session is longer than {MAX_POLICY} bytes: it travels in a header.")
    return compact


class Sessions:
    """Issues sessions of a tenant's access keys, and opens their tokens; what was opened is kept for `seconds`."""

    def __init__(
        self,
        store: AccessStore,
        root: Root,
        random: Callable[[int], bytes],
        *,
        clock: Callable[[], float],
        seconds: float = 300,
        size: int = 1_000,
    ) -> None:
        self._store = store
        self._root = root
        self._random = random
        self._opened: Cache[Session] = Cache(size, seconds, clock, sized=lambda opened: (opened.token, opened.policy))
        self.forget = self._opened.clear

    def issue(self, credential: str, duration: int, policy: str, now: int) -> Session:
        """A session of `duration` seconds for the access key with that id, or the newest active one of that name.

        It may do what the access key's policy and `policy` both allow; "" narrows nothing. Raises `InvalidParameter`,
        `InvalidPolicy`, and `UnknownAccessKey` or `CredentialDisabled`.
        """
        if not SHORTEST <= duration <= LONGEST:
            raise InvalidParameter(f"is from {SHORTEST} to {LONGEST} seconds.", field="duration")
        parent = self._parent(credential, now)
        expires = min(now + duration, parent.expires or now + duration)
        content = f"{parent.access_key_id} {expires} {_narrowed(policy)}".encode()
        header = _VERSION + self._random(_SALT_SIZE)
        key = hmac.digest(self._root.key(_TOKEN), header, "sha256")
        token = _base64(header + _SUITE.seal(key, content, header))
        return self._session(header, token, content, self._root.key(_SECRET))

    def _parent(self, wanted: str, now: float) -> Credential:
        found = called(self._store, wanted)
        if not found:
            raise UnknownAccessKey(f"There is no access key {wanted}.")
        active = [credential for credential in found if credential.active(now)]
        if not active:
            raise CredentialDisabled(f"The access key {wanted} is disabled, or has expired.")
        return active[-1]  # they are listed by age

    def open(self, token: str, access_key_id: str) -> Session:
        """The session that `token` is of: it says nothing yet of whether that has expired, or its access key works.

        Raises `InvalidSecurityToken`, and `MismatchedSecurityToken` if its access key id is another one.
        """
        session = self._opened.get(token)
        if session is None:
            session = self._open(token)
            self._opened.put(token, session)
        if session.access_key_id != access_key_id:
            raise MismatchedSecurityToken
        return session

    def _open(self, token: str) -> Session:
        if len(token) > MAX_TOKEN:
            raise InvalidSecurityToken
        try:
            raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
            header = raw[:_BODY]
            if header[:1] != _VERSION or len(header) != _BODY or _base64(raw) != token:
                raise InvalidSecurityToken
        except ValueError:  # not base64
            raise InvalidSecurityToken from None
        for key, secret, until in self._keys():
            with suppress(InvalidTag, ValueError):  # not long enough, not of this tenant, or not under this secret
                content = _SUITE.open(hmac.digest(key, header, "sha256"), raw[_BODY:], header)
                session = self._session(header, token, content, secret)
                return replace(session, expires=min(session.expires, until or session.expires))
        raise InvalidSecurityToken

    def _keys(self) -> Iterator[tuple[bytes, bytes, int]]:
        """(key of tokens, key of secrets, until when sessions of them are good; 0: as long as they say): what is known
        first, and then what has come since."""
        root = self._root
        for anew in (False, True):
            if anew and not root.renew():
                return
            yield root.key(_TOKEN), root.key(_SECRET), 0
            for (token, until), (secret, _) in zip(root.for_sessions(_TOKEN), root.for_sessions(_SECRET), strict=False):
                if until:
                    yield token, secret, until

    @staticmethod
    def _session(header: bytes, token: str, content: bytes, key: bytes) -> Session:
        parent, expires, policy = content.decode().split(" ", 2)
        return Session(
            access_key_id=_PREFIX + base64.b32encode(header[len(_VERSION) :][:15]).decode(),
            secret=Secret(hmac.digest(key, token.encode(), "sha256").hex()),
            token=token,
            parent=parent,
            expires=int(expires),
            policy=policy,
        )
