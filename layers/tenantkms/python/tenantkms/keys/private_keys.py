"""Versions of asymmetric keys by the id that a caller names."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from tenantkms.crypto import asymmetric
from tenantkms.errors import InvalidKeyUsage, KeyVersionNotFound
from tenantkms.keys.keyring import Keyring
from tenantkms.model.key import Key, resolve_version


def private_key(keyring: Keyring, key: Key, version_id: str) -> tuple[int, asymmetric.PrivateKey]:
    """(number, private key) of a version; an empty id names the primary one. Raises `KeyVersionNotFound`."""
    number = resolve_version(key, version_id)
    private = keyring.loaded(key, number, asymmetric.load)
    if private is None:
        raise KeyVersionNotFound
    return number, private


def rsa_key(keyring: Keyring, key: Key, version_id: str) -> tuple[int, RSAPrivateKey]:
    """`private_key` of a key that must be RSA."""
    number, private = private_key(keyring, key, version_id)
    if not isinstance(private, RSAPrivateKey):
        raise InvalidKeyUsage
    return number, private


def curve_key(keyring: Keyring, key: Key, version_id: str) -> tuple[int, EllipticCurvePrivateKey]:
    """`private_key` of a key that must be of an elliptic curve."""
    number, private = private_key(keyring, key, version_id)
    if not isinstance(private, EllipticCurvePrivateKey):
        raise InvalidKeyUsage
    return number, private
