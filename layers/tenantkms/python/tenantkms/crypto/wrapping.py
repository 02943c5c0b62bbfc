"""Key material that somebody else made: how it comes wrapped, and what a private key among it must be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import lcm
from types import MappingProxyType

from cryptography.exceptions import InternalError, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap_with_padding
from cryptography.hazmat.primitives.serialization import load_der_private_key
from msgspec import Struct

from tenantkms.crypto import asymmetric
from tenantkms.errors import InvalidCiphertext, InvalidKeyMaterial

_AES_KEY = 32
_NO_KEY = "The key material is not the PKCS #8 of a private key of the key's spec, or its parts do not fit each other."


class Wrapping(Struct, frozen=True):
    """`encryption`: a name of `asymmetric.ENCRYPTIONS`, for the material or, with `aes`, for an AES key before it,
    under which the material is wrapped by RFC 5649."""

    encryption: str
    aes: bool = False


WRAPPINGS: Mapping[str, Wrapping] = MappingProxyType(
    {
        **{name: Wrapping(name) for name in asymmetric.ENCRYPTIONS},
        "RSA_AES_KEY_WRAP_SHA_256": Wrapping("RSAES_OAEP_SHA_256", aes=True),
        "RSA_AES_KEY_WRAP_SHA_1": Wrapping("RSAES_OAEP_SHA_1", aes=True),
    }
)


def unwrap(key: rsa.RSAPrivateKey, algorithm: str, wrapped: bytes) -> bytes:
    """What `wrapped` holds. `algorithm` is a name of `WRAPPINGS`. Raises `InvalidKeyMaterial`."""
    row, size = WRAPPINGS[algorithm], key.key_size // 8
    try:
        if not row.aes:
            return asymmetric.decrypt(key, row.encryption, wrapped)
        aes = asymmetric.decrypt(key, row.encryption, wrapped[:size])
        if len(aes) != _AES_KEY:
            raise InvalidKeyMaterial
        return aes_key_unwrap_with_padding(aes, wrapped[size:])
    except (InvalidCiphertext, InvalidUnwrap):
        raise InvalidKeyMaterial from None


# A SEQUENCE that begins with the version, 0 or 1, and another one: what SEC 1 and PKCS #1 write begins otherwise.
_PKCS8 = re.compile(rb"\x30(?:[\x00-\x7f]|\x81.|\x82..)\x02\x01[\x00\x01]\x30", re.DOTALL)


def private_key(spec: str, pkcs8: bytes) -> bytes:
    """Material of a key of `spec` that is the private key in `pkcs8`, in DER. Of one key there is one material,
    however it was written.

    Raises `InvalidKeyMaterial` for a key of another spec, a weak one, and one whose parts do not fit each other.
    """
    if not _PKCS8.match(pkcs8):
        raise InvalidKeyMaterial(_NO_KEY)
    try:
        key = load_der_private_key(pkcs8, None)  # which checks the parts of RSA keys, and that a point is the scalar's
        if isinstance(key, rsa.RSAPrivateKey):
            key = _one_of(_checked(key.private_numbers()))
    except (ValueError, TypeError, UnsupportedAlgorithm, InternalError):  # the last of a seed of another size
        raise InvalidKeyMaterial(_NO_KEY) from None
    if asymmetric.spec_of(key) != spec:
        raise InvalidKeyMaterial(_NO_KEY)
    return asymmetric.material(key)


def _checked(numbers: rsa.RSAPrivateNumbers) -> rsa.RSAPrivateNumbers:
    """What FIPS 186-5 asks of the exponent and the sizes of the primes. Raises `ValueError`.

    A long exponent is refused as well: it would make each use of the public key slow, and others read none.
    """
    exponent, half = numbers.public_numbers.e, numbers.public_numbers.n.bit_length() // 2
    if not (exponent % 2 and 2**16 < exponent < 2**32):
        raise ValueError("a weak exponent")
    if not numbers.p.bit_length() == numbers.q.bit_length() == half or abs(numbers.p - numbers.q) >> (half - 100) == 0:
        raise ValueError("primes of other sizes, or near to each other")
    return numbers


def _one_of(numbers: rsa.RSAPrivateNumbers) -> rsa.RSAPrivateKey:
    """The key as FIPS 186-5 writes it: some programs have a longer private exponent, or the smaller prime first."""
    public, p, q = numbers.public_numbers, max(numbers.p, numbers.q), min(numbers.p, numbers.q)
    d = pow(public.e, -1, lcm(p - 1, q - 1))
    parts = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)
    return parts.private_key(unsafe_skip_rsa_key_validation=True)
