"""Message authentication codes: HMAC with SHA-2. The material is as long as the hash."""

from __future__ import annotations

import hashlib
import hmac

from tenantkms.action import Scope
from tenantkms.errors import InvalidParameter, Unavailable
from tenantkms.model import HMAC, Key, KeySpec


def size(spec: KeySpec) -> int:
    """Bytes of a MAC key's material, and of its MACs."""
    return hashlib.new(HMAC[spec]).digest_size


def authenticate(scope: Scope, key: Key, algorithm: str, message: bytes) -> bytes:
    """The MAC of `message` under the primary version of `key`.

    Raises `InvalidParameter` for an algorithm that is not the key's, each spec having the one of its name, and
    for a message longer than the profile's plaintexts.
    """
    if algorithm != key.spec:
        raise InvalidParameter(f"The algorithm of a key of spec {key.spec} is {key.spec}.")
    if len(message) > scope.profile.plaintext_limit:
        raise InvalidParameter(f"The message is longer than {scope.profile.plaintext_limit} bytes.")
    material = scope.deps.keyring.loaded(key, key.primary.number if key.primary else 0, bytes)
    if material is None:
        raise Unavailable("The key has no material.")
    return hmac.digest(material, message, HMAC[key.spec])
