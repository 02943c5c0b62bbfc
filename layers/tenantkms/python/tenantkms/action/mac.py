"""What GenerateMac and VerifyMac have in common: HMAC with SHA-2. The material is as long as the hash."""

from __future__ import annotations

import hmac

from tenantkms.action.scope import Scope
from tenantkms.errors import InvalidAlgorithm, InvalidParameter
from tenantkms.model.key import Key
from tenantkms.model.specs import HMAC


def authenticate(scope: Scope, key: Key, algorithm: str, message: bytes) -> bytes:
    """The MAC of `message` under the primary version of `key`.

    Raises `InvalidAlgorithm` for one that is not the key's, each spec having the one of its name, and
    `InvalidParameter` for a message longer than the profile's plaintexts.
    """
    if algorithm != key.spec:
        raise InvalidAlgorithm(f"The algorithm of a key of spec {key.spec} is {key.spec}.", spec=key.spec)
    if len(message) > scope.profile.plaintext_limit:
        raise InvalidParameter(f"The message is longer than {scope.profile.plaintext_limit} bytes.")
    return hmac.digest(scope.keyring.primary(key, bytes), message, HMAC[key.spec].name)
