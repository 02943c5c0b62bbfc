"""Elliptic-curve Diffie-Hellman."""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tenantkms.errors import InvalidPublicKey


def agree(key: ec.EllipticCurvePrivateKey, peer: bytes) -> bytes:
    """The x-coordinate that ECDH (SP 800-56A; the cofactor of these curves is 1) has in common with `peer`, a public
    key as SubjectPublicKeyInfo in DER.

    Raises `InvalidPublicKey` for what is no point of the same curve. The point may be in any form of SEC 1, and the
    curve written as its parameters, if they are exactly those of the named one.
    """
    try:
        public = load_der_public_key(peer)
        if not isinstance(public, ec.EllipticCurvePublicKey):
            raise InvalidPublicKey
        return key.exchange(ec.ECDH(), public)
    except (ValueError, UnsupportedAlgorithm):  # of another curve, too
        raise InvalidPublicKey from None
