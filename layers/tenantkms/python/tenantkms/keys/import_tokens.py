"""Import parameters (BYOK): a one-time RSA key, and a token that holds it until the material comes.

The token is the private key with what it may be used for, sealed by the parent key: nothing is stored, and
nothing but this tenant's parent opens it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import rsa
from msgspec import Struct, msgpack

from tenantkms.crypto import asymmetric, wrapping
from tenantkms.errors import (
    ExpiredImportToken,
    InvalidImportToken,
    InvalidKeyMaterial,
    InvalidParameter,
)
from tenantkms.model.key import Key
from tenantkms.model.profiles import DAY
from tenantkms.model.specs import ASYMMETRIC, RSA, SIZES, SYMMETRIC, KeySpec
from tenantkms.model.watch import SKEW
from tenantkms.parent.port import IMPORT_TOKEN, Binding, ParentKey, SealBroken

_LONGEST_TOKEN = 6144
"""Bytes that AWS KMS decrypts; a token has about 1,500, with an RSA key of 4096 bits 2,600."""
_SHORT = frozenset(KeySpec) - RSA
FITS: Mapping[str, frozenset[KeySpec]] = MappingProxyType(
    {
        "RSAES_OAEP_SHA_256": _SHORT,
        "RSAES_OAEP_SHA_1": _SHORT,
        "RSAES_PKCS1_V1_5": frozenset(SYMMETRIC),
        "RSA_AES_KEY_WRAP_SHA_256": ASYMMETRIC,
        "RSA_AES_KEY_WRAP_SHA_1": ASYMMETRIC,
    }
)
"""Wrapping algorithm -> specs of the keys whose material comes in it. What tells of no damage is for keys alone that
may get a next version."""
LIFETIME = DAY
"""Seconds that import parameters are good for."""


class ImportParameters(NamedTuple):
    """`public_key` is SubjectPublicKeyInfo in DER; `expires` in Unix seconds."""

    public_key: bytes
    token: bytes
    expires: int


class _Token(Struct, frozen=True, array_like=True):
    expires: int
    algorithm: str
    private_key: bytes


def _binding(tenant: str, key: Key) -> Binding:
    return Binding(IMPORT_TOKEN, tenant, key.id, 1, key.spec)


def new_parameters(
    parent: ParentKey, tenant: str, key: Key, algorithm: str, now: int, spec: str = KeySpec.RSA_2048
) -> ImportParameters:
    """`spec`: of the RSA key. Raises `InvalidParameter` for a wrapping algorithm that the key's material has not."""
    if key.spec not in FITS.get(algorithm, ()):
        able = [name for name, specs in FITS.items() if key.spec in specs]
        raise InvalidParameter(f"WrappingAlgorithm is one of {', '.join(able)}.")
    material = asymmetric.generate(spec, lambda _n: b"")
    token = _Token(now + LIFETIME, algorithm, material)
    sealed = parent.seal(msgpack.encode(token), _binding(tenant, key))
    return ImportParameters(asymmetric.public_der(asymmetric.load(material)), sealed, token.expires)


def open_material(
    parent: ParentKey, tenant: str, key: Key, sealed: bytes, encrypted: bytes, now: int
) -> tuple[bytes, bool, int]:
    """The material that a caller encrypted, whether its wrapping would have told of damage, and the time of its token.

    Raises `InvalidImportToken`, `ExpiredImportToken`, `InvalidKeyMaterial`.
    """
    if len(sealed) > _LONGEST_TOKEN:
        raise InvalidImportToken
    try:
        token = msgpack.decode(parent.unseal(sealed, _binding(tenant, key)), type=_Token)
    except SealBroken as e:
        raise InvalidImportToken from e
    if not now < token.expires <= now + LIFETIME + SKEW:  # one of the future was made by a clock that was ahead
        raise ExpiredImportToken
    private = asymmetric.load(token.private_key)
    if not isinstance(private, rsa.RSAPrivateKey):
        raise InvalidImportToken
    material = wrapping.unwrap(private, token.algorithm, encrypted)
    if key.spec in ASYMMETRIC:
        material = wrapping.private_key(key.spec, material)
    elif len(material) != SIZES[key.spec]:
        raise InvalidKeyMaterial
    return material, token.algorithm not in asymmetric.SILENT, token.expires - LIFETIME
