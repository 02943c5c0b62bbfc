"""Elliptic-curve Diffie-Hellman."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tenantkms.errors import InvalidPublicKey


def agree(key: ec.EllipticCurvePrivateKey, peer: bytes) -> bytes:
    """The x-coordinate that ECDH (SP 800-56A; the cofactor of these curves is 1) has in common with `peer`, a public
    key as SubjectPublicKeyInfo in DER.

    Raises `InvalidPublicKey` for what is no point of the same curve, or not written as named curve and point.
    """
    try:
        public = load_der_public_key(peer)
        if not isinstance(public, ec.EllipticCurvePublicKey):
            raise InvalidPublicKey
        return key.exchange(ec.ECDH(), public)
    except (ValueError, UnsupportedAlgorithm):  # of another curve, too
        raise InvalidPublicKey from None
