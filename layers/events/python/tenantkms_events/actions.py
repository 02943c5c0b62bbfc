"""The Actions, called by invoking their functions as AWS principals do: natively, in the name `events`.

The functions that events start have no right to a key's row or to the parent key; what they may do with keys is what
IAM lets them invoke, and what the policy says that they bring (`policy`).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from tenantkms.access.policy import ALLOW_ALL
from tenantkms.errors import AliasExists, AliasNotFound
from tenantkms.runtime.invoke import Dispatcher, ask
from tenantkms_events.names import CALLER, QUARANTINE_KEY, UNWRAP_ALGORITHM, WRAPPING_KEY


class Sealed(Struct, frozen=True, kw_only=True):
    key_id: str
    key_version_id: str
    ciphertext: bytes


class DataKey(Struct, frozen=True, kw_only=True):
    """`ciphertext` is the data key as a blob under the CMK."""

    key_id: str
    key_version_id: str
    plaintext: bytes
    ciphertext: bytes


class _Opened(Struct, frozen=True):
    plaintext: bytes


_QUARANTINE = {
    "alias": QUARANTINE_KEY.removeprefix("alias/"),
    "description": "Seals what was rejected of events, and what their table must not show",
    "rotate": True,
}
R = TypeVar("R", Sealed, DataKey, _Opened)


def policy(keys: Sequence[str], *actions: str) -> str:
    """The policy that allows `actions` on `keys`, which are resources of policies: `*`, `key/..` or `alias/..`; on
    `QUARANTINE_KEY` what these functions do with it; and on `WRAPPING_KEY` the opening of what was wrapped for them.
    """
    statements = [
        {"Effect": "Allow", "Action": list(actions), "Resource": list(keys)},
        {"Effect": "Allow", "Action": ["GenerateDataKey", "Decrypt"], "Resource": [QUARANTINE_KEY]},
        {"Effect": "Allow", "Action": ["AsymmetricDecrypt"], "Resource": [WRAPPING_KEY]},
    ]
    return msgspec.json.encode({"Statement": statements}).decode()


def request_id(tenant: str, event: str) -> str:
    """What audit lines of all calls for one event have in common, however often it is delivered."""
    return hashlib.sha256(f"{tenant}:{event}".encode()).hexdigest()[:32]


class Actions:
    """Each raises the Action's domain error, whose `retryable` says whether to come again. What cannot be invoked,
    is throttled or does not answer is `Unavailable`. `request`: the id of the request in audit lines.
    """

    def __init__(self, dispatch: Dispatcher, policy: str) -> None:
        self._dispatch = dispatch
        self._policy = policy

    def encrypt(self, request: str, key: str, plaintext: bytes, context: dict[str, str]) -> Sealed:
        return self._ask(Sealed, request, "Encrypt", key_id=key, plaintext=_text(plaintext), context=context)

    def generate_data_key(self, request: str, key: str, context: dict[str, str]) -> DataKey:
        """256 bits."""
        return self._ask(DataKey, request, "GenerateDataKey", key_id=key, number_of_bytes=32, context=context)

    def quarantine_key(self, request: str, context: dict[str, str]) -> DataKey:
        """A data key under the quarantine CMK, which the first one who needs it makes."""
        try:
            return self.generate_data_key(request, QUARANTINE_KEY, context)
        except AliasNotFound:
            with suppress(AliasExists):
                ask(self._dispatch, CALLER, ALLOW_ALL, request, "CreateKey", _QUARANTINE)
            return self.generate_data_key(request, QUARANTINE_KEY, context)

    def decrypt(self, request: str, ciphertext: bytes, context: dict[str, str]) -> bytes:
        return self._ask(_Opened, request, "Decrypt", ciphertext=_text(ciphertext), context=context).plaintext

    def unwrap(self, request: str, wrapped: bytes) -> bytes:
        """What was encrypted with RSAES_OAEP_SHA_256 under the public key of the wrapping key's primary version."""
        params = {"key_id": WRAPPING_KEY, "algorithm": UNWRAP_ALGORITHM, "ciphertext": _text(wrapped)}
        return self._ask(_Opened, request, "AsymmetricDecrypt", **params).plaintext

    def _ask(self, kind: type[R], request: str, action: str, **params: Any) -> R:
        answer = ask(self._dispatch, CALLER, self._policy, request, action, params)
        return msgspec.convert(answer, kind)


def _text(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")
