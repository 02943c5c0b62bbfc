"""Asymmetric keys: making, loading, encrypting, signing, and wrapping for a caller's public key.

RSA, elliptic curves, Ed25519 (RFC 8032) and ML-DSA (FIPS 204).

Key material of a version is PKCS#8 in DER, of ML-DSA with the seed alone (RFC 9881). Algorithm names are those of
Alibaba Cloud, or else of AWS; dialects translate. Key specs are named as `model.specs` names them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
    load_pem_public_key,
)
from msgspec import Struct

from tenantkms.errors import (
    InvalidAlgorithm,
    InvalidCiphertext,
    InvalidParameter,
    PlaintextTooLong,
)

if TYPE_CHECKING:  # most functions that are started for RSA or a curve need neither
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA65PrivateKey, MLDSA87PrivateKey

    MlDsaKey = MLDSA44PrivateKey | MLDSA65PrivateKey | MLDSA87PrivateKey
    PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | Ed25519PrivateKey | MlDsaKey

_RSA_BITS: Mapping[str, int] = MappingProxyType({"RSA_2048": 2048, "RSA_3072": 3072, "RSA_4096": 4096})
_RSA = frozenset(_RSA_BITS)
_CURVES: Mapping[str, tuple[type[ec.EllipticCurve], int]] = MappingProxyType(
    {
        "EC_P256": (ec.SECP256R1, 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551),
        "EC_P384": (
            ec.SECP384R1,
            0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
        ),
        "EC_P521": (
            ec.SECP521R1,
            (1 << 521) - 0x5AE79787C40D069948033FEB708F65A2FC44A36477663B851449048E16EC79BF7,
        ),
        "EC_P256K": (ec.SECP256K1, 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141),
    }
)
"""Curve and order of its group (SEC 2)."""
_NAMED = {
    "Ed25519PrivateKey": "ED25519",
    "MLDSA44PrivateKey": "ML_DSA_44",
    "MLDSA65PrivateKey": "ML_DSA_65",
    "MLDSA87PrivateKey": "ML_DSA_87",
}
_SEED = 32
"""Bytes that a key of Ed25519 (RFC 8032) or ML-DSA (FIPS 204) is made of."""


def _seeded(spec: str, seed: bytes) -> Ed25519PrivateKey | MlDsaKey:
    if spec == "ED25519":
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(seed)
    from cryptography.hazmat.primitives.asymmetric import mldsa

    of: Mapping[str, Callable[[bytes], MlDsaKey]] = {
        "ML_DSA_44": mldsa.MLDSA44PrivateKey.from_seed_bytes,
        "ML_DSA_65": mldsa.MLDSA65PrivateKey.from_seed_bytes,
        "ML_DSA_87": mldsa.MLDSA87PrivateKey.from_seed_bytes,
    }
    return of[spec](seed)


def generate(spec: str, random: Callable[[int], bytes]) -> bytes:
    """New key material. All but RSA keys come from `random` alone; RSA primes from OpenSSL's generator."""
    key: PrivateKeyTypes
    if spec in _RSA_BITS:
        key = rsa.generate_private_key(65537, _RSA_BITS[spec])
    elif spec not in _CURVES:
        key = _seeded(spec, random(_SEED))
    else:
        curve, order = _CURVES[spec]
        scalar = 0
        while not 1 <= scalar < order:
            scalar = int.from_bytes(random((order.bit_length() + 7) // 8), "big") % (1 << order.bit_length())
        key = ec.derive_private_key(scalar, curve())
    return material(key)


def material(key: PrivateKeyTypes) -> bytes:
    """How `key` is kept."""
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def spec_of(key: PrivateKeyTypes) -> str:
    """The spec that a key could be of; "" for one of none."""
    if isinstance(key, rsa.RSAPrivateKey):
        return f"RSA_{key.key_size}"
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return next((spec for spec, (curve, _) in _CURVES.items() if isinstance(key.curve, curve)), "")
    return _NAMED.get(type(key).__name__, "")


def load(material: bytes) -> PrivateKey:
    """The private key of a version's material, which `material` made: its consistency needs no second check."""
    return cast("PrivateKey", load_der_private_key(material, None, unsafe_skip_rsa_key_validation=True))


def public_der(key: PrivateKey) -> bytes:
    """SubjectPublicKeyInfo in DER."""
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def public_pem(key: PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


# -- encryption ----------------------------------------------------------------------------------------


def _oaep(hash_: type[hashes.HashAlgorithm]) -> AsymmetricPadding:
    return padding.OAEP(padding.MGF1(hash_()), hash_(), None)


class Encryption(Struct, frozen=True):
    """`overhead`: bytes of the modulus that a plaintext cannot use (RFC 8017)."""

    padding: Callable[[], AsymmetricPadding]
    overhead: int


ENCRYPTIONS: Mapping[str, Encryption] = MappingProxyType(
    {
        "RSAES_OAEP_SHA_256": Encryption(lambda: _oaep(hashes.SHA256), 66),
        "RSAES_OAEP_SHA_1": Encryption(lambda: _oaep(hashes.SHA1), 42),
        "RSAES_PKCS1_V1_5": Encryption(padding.PKCS1v15, 11),
    }
)
SILENT = frozenset({"RSAES_PKCS1_V1_5"})
"""Those that open to other bytes, without an error, what was damaged."""


def _encryption(algorithm: str) -> Encryption:
    row = ENCRYPTIONS.get(algorithm)
    if row is None:
        raise InvalidParameter(f"The algorithm is one of {', '.join(ENCRYPTIONS)}.")
    return row


def encrypt(key: rsa.RSAPublicKey, algorithm: str, plaintext: bytes) -> bytes:
    """Raises `PlaintextTooLong` for more than the key's size allows."""
    row = _encryption(algorithm)
    limit = key.key_size // 8 - row.overhead
    if len(plaintext) > limit:
        raise PlaintextTooLong(f"The Plaintext is longer than {limit} bytes, which {algorithm} allows with this key.")
    return key.encrypt(plaintext, row.padding())


def decrypt(key: rsa.RSAPrivateKey, algorithm: str, ciphertext: bytes) -> bytes:
    """Raises `InvalidCiphertext` for every reason there is.

    With RSAES_PKCS1_V1_5 a damaged ciphertext gives other bytes instead, the same each time, so that nobody can
    learn from errors what its padding was (OpenSSL's implicit rejection).
    """
    row = _encryption(algorithm)
    try:
        return key.decrypt(ciphertext, row.padding())
    except ValueError:
        raise InvalidCiphertext from None


# -- signatures ----------------------------------------------------------------------------------------


class Signing(Struct, frozen=True):
    """`hash`: what is signed is a digest by it; None: a message of any length. `padding`: RSA's.

    `mu`: what is signed is ML-DSA's representative of a message (FIPS 204, 6.2). Signatures of ECDSA are DER (SEC 1).
    """

    specs: frozenset[str]
    hash: type[hashes.HashAlgorithm] | None = None
    padding: Callable[[], AsymmetricPadding] | None = None
    mu: bool = False


def _pss(hash_: type[hashes.HashAlgorithm]) -> AsymmetricPadding:
    """The salt is as long as the digest."""
    return padding.PSS(padding.MGF1(hash_()), hash_().digest_size)


_ML_DSA = "ML_DSA_SHAKE_256"
_ML_DSA_SPECS = frozenset({"ML_DSA_44", "ML_DSA_65", "ML_DSA_87"})
_HASHES: tuple[type[hashes.HashAlgorithm], ...] = (hashes.SHA256, hashes.SHA384, hashes.SHA512)
SIGNINGS: Mapping[str, Signing] = MappingProxyType(
    {
        **{f"RSA_PSS_SHA_{hash_().digest_size * 8}": Signing(_RSA, hash_, partial(_pss, hash_)) for hash_ in _HASHES},
        **{f"RSA_PKCS1_SHA_{hash_().digest_size * 8}": Signing(_RSA, hash_, padding.PKCS1v15) for hash_ in _HASHES},
        "ECDSA_SHA_256": Signing(frozenset({"EC_P256", "EC_P256K"}), hashes.SHA256),
        "ECDSA_SHA_384": Signing(frozenset({"EC_P384"}), hashes.SHA384),
        "ECDSA_SHA_512": Signing(frozenset({"EC_P521"}), hashes.SHA512),
        "ED25519_SHA_512": Signing(frozenset({"ED25519"})),
        _ML_DSA: Signing(_ML_DSA_SPECS),
    }
)
_OF_MU: Mapping[str, Signing] = MappingProxyType({_ML_DSA: Signing(_ML_DSA_SPECS, mu=True)})
_MU_SIZE = 64


def signing(spec: str, algorithm: str, *, mu: bool = False) -> Signing:
    """The row of `algorithm`, if a key of `spec` has it; with `mu` the one that signs the representative of a message.

    Raises `InvalidAlgorithm`, and `InvalidParameter` where there is no such representative.
    """
    row = SIGNINGS.get(algorithm)
    if row is None or spec not in row.specs:
        able = [name for name, row in SIGNINGS.items() if spec in row.specs]
        raise InvalidAlgorithm(f"The algorithm of a key of spec {spec} is one of {', '.join(able)}.", spec=spec)
    if mu and algorithm not in _OF_MU:
        raise InvalidParameter(f"{algorithm} signs no representative of a message (mu).")
    return _OF_MU[algorithm] if mu else row


def digest_of(row: Signing, message: bytes, *, raw: bool) -> bytes:
    """What is signed: the hash of a `raw` message, or the message that is a hash already, or a representative; a `raw`
    message itself where the algorithm takes all of it. Raises `InvalidParameter`.
    """
    if row.hash is None:
        if raw == row.mu:
            what = "a representative of a message (mu), not the message" if raw else "a message, not its digest"
            raise InvalidParameter(f"What is signed is {what}.")
        if row.mu and len(message) != _MU_SIZE:
            raise InvalidParameter(f"The representative of a message (mu) has {_MU_SIZE} bytes.")
        return message
    size = row.hash().digest_size
    if raw:
        hashed = hashes.Hash(row.hash())
        hashed.update(message)
        return hashed.finalize()
    if len(message) != size:
        raise InvalidParameter(f"The digest has {size} bytes.")
    return message


def _hashed(row: Signing) -> utils.Prehashed:
    assert row.hash is not None  # noqa: S101 - `signing` matched the row with the key's spec
    return utils.Prehashed(row.hash())


def _padding(row: Signing) -> AsymmetricPadding:
    assert row.padding is not None  # noqa: S101 - as above
    return row.padding()


def sign(key: PrivateKey, row: Signing, digest: bytes) -> bytes:
    """`digest`: what `digest_of` made."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(digest, _padding(row), _hashed(row))
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(digest, ec.ECDSA(_hashed(row)))
    return cast("MlDsaKey", key).sign_mu(digest) if row.mu else key.sign(digest)


def verify(key: PrivateKey, row: Signing, digest: bytes, signature: bytes) -> bool:
    public = key.public_key()
    try:
        if isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, digest, _padding(row), _hashed(row))
        elif isinstance(public, ec.EllipticCurvePublicKey):
            public.verify(signature, digest, ec.ECDSA(_hashed(row)))
        elif row.mu:
            cast("MlDsaKey", key).public_key().verify_mu(signature, digest)
        else:
            public.verify(signature, digest)
    except (InvalidSignature, ValueError):
        return False
    return True


# -- for a caller --------------------------------------------------------------------------------------


def encrypt_for(public_key: bytes, algorithm: str, secret: bytes) -> bytes:
    """`secret` under a caller's RSA public key (SubjectPublicKeyInfo in DER, or PEM) of 2048 to 4096 bits."""
    try:
        pem = public_key.lstrip().startswith(b"-----BEGIN")
        key = load_pem_public_key(public_key) if pem else load_der_public_key(public_key)
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidParameter("The public key is not an RSA key in PEM, or SubjectPublicKeyInfo in DER.") from None
    if not isinstance(key, rsa.RSAPublicKey) or not 2048 <= key.key_size <= 4096:
        raise InvalidParameter("The public key must be an RSA key of 2048 to 4096 bits.")
    try:
        return encrypt(key, algorithm, secret)
    except PlaintextTooLong:
        raise InvalidParameter("The secret is too long to be wrapped with this public key.") from None
    except ValueError:  # a modulus that is even, say
        raise InvalidParameter("The public key does not encrypt: it is not a valid RSA key.") from None
