"""Data keys: what GenerateDataKey and its siblings have in common."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from tenantkms.action.call import Params
from tenantkms.action.scope import Scope
from tenantkms.crypto.envelope import BYTES
from tenantkms.errors import InvalidParameter, MissingParameter
from tenantkms.model.version import version_id

_SIZES = {"AES_256": 32, "AES_128": 16}
_MAX_SIZE = 1024


class Receiver(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who a secret is for: an RSA public key (DER or PEM), and the algorithm to encrypt under it."""

    public_key: bytes
    algorithm: str = "RSAES_OAEP_SHA_256"


def for_receiver(receiver: Receiver, secret: bytes) -> bytes:
    """`secret` for the one who has the private key. Raises `InvalidParameter`."""
    from tenantkms.crypto import asymmetric  # most callers never need it

    return asymmetric.encrypt_for(receiver.public_key, receiver.algorithm, secret)


class DataKeyParams(Params, frozen=True, kw_only=True):
    """`number_of_bytes` (1 to 1024) wins over `key_spec` (AES_256, AES_128); neither: the profile's default."""

    key_id: str
    number_of_bytes: int | None = None
    key_spec: str = ""
    context: dict[str, str] = {}


class DataKey(NamedTuple):
    key_id: str
    key_version_id: str
    plaintext: bytes
    ciphertext: bytes


def _size(params: DataKeyParams, default: int | None) -> int:
    if params.key_spec and params.key_spec not in _SIZES:
        raise InvalidParameter(f"is one of {', '.join(_SIZES)}.", field="key_spec")
    size = params.number_of_bytes
    if size is None:
        size = _SIZES.get(params.key_spec, default)
    if size is None:
        raise MissingParameter("is required.", field="key_spec or number_of_bytes")
    if not 1 <= size <= _MAX_SIZE:
        raise InvalidParameter(f"is from 1 to {_MAX_SIZE}.", field="number_of_bytes")
    return size


def new_data_key(params: DataKeyParams, scope: Scope) -> DataKey:
    """A data key of the size that was asked for, and its blob under the key that `params` names."""
    size = _size(params, scope.profile.data_key_default)
    key = scope.use(params.key_id, context=params.context)
    plaintext = scope.random(size)
    number, blob = scope.seal(key, plaintext, content=BYTES, context=params.context)
    return DataKey(key.id, version_id(key.id, number), plaintext, blob)
