"""Specs of keys: what a key may be of, which usages it may then have, and what an Action asks of both."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from msgspec import Struct

from tenantkms.crypto.ciphers import AES_256_GCM, SM4_128_GCM


class KeyUsage(StrEnum):
    ENCRYPT_DECRYPT = "ENCRYPT_DECRYPT"
    SIGN_VERIFY = "SIGN_VERIFY"
    GENERATE_VERIFY_MAC = "GENERATE_VERIFY_MAC"
    KEY_AGREEMENT = "KEY_AGREEMENT"


class KeySpec(StrEnum):
    AES_256 = "AES_256"
    SM4 = "SM4_128"
    RSA_2048 = "RSA_2048"
    RSA_3072 = "RSA_3072"
    RSA_4096 = "RSA_4096"
    EC_P256 = "EC_P256"
    EC_P384 = "EC_P384"
    EC_P521 = "EC_P521"
    EC_P256K = "EC_P256K"
    """secp256k1"""
    ED25519 = "ED25519"
    ML_DSA_44 = "ML_DSA_44"
    ML_DSA_65 = "ML_DSA_65"
    ML_DSA_87 = "ML_DSA_87"
    HMAC_SHA_224 = "HMAC_SHA_224"
    HMAC_SHA_256 = "HMAC_SHA_256"
    HMAC_SHA_384 = "HMAC_SHA_384"
    HMAC_SHA_512 = "HMAC_SHA_512"


class Origin(StrEnum):
    KMS = "KMS"
    EXTERNAL = "EXTERNAL"


class Symmetric(Struct, frozen=True, kw_only=True):
    """A key spec whose material is random bytes: how many, and the envelope suite that it encrypts with."""

    size: int
    suite: int


SYMMETRIC: Mapping[KeySpec, Symmetric] = MappingProxyType(
    {
        KeySpec.AES_256: Symmetric(size=32, suite=AES_256_GCM),
        KeySpec.SM4: Symmetric(size=16, suite=SM4_128_GCM),
    }
)
RSA = frozenset({KeySpec.RSA_2048, KeySpec.RSA_3072, KeySpec.RSA_4096})
NIST = frozenset({KeySpec.EC_P256, KeySpec.EC_P384, KeySpec.EC_P521})
EC = NIST | {KeySpec.EC_P256K}
EDWARDS = frozenset({KeySpec.ED25519})
ML_DSA = frozenset({KeySpec.ML_DSA_44, KeySpec.ML_DSA_65, KeySpec.ML_DSA_87})
ASYMMETRIC = RSA | EC | EDWARDS | ML_DSA


class Hashed(Struct, frozen=True):
    """A key spec of MACs: the hash (a name of hashlib's), and how many bytes the material and the MACs have."""

    name: str
    size: int


HMAC: Mapping[KeySpec, Hashed] = MappingProxyType(
    {
        KeySpec.HMAC_SHA_224: Hashed("sha224", 28),
        KeySpec.HMAC_SHA_256: Hashed("sha256", 32),
        KeySpec.HMAC_SHA_384: Hashed("sha384", 48),
        KeySpec.HMAC_SHA_512: Hashed("sha512", 64),
    }
)

SIZES: Mapping[KeySpec, int] = MappingProxyType(
    {**{spec: row.size for spec, row in SYMMETRIC.items()}, **{spec: row.size for spec, row in HMAC.items()}}
)
"""Bytes of material that may be any bytes."""

SPEC_USAGES: Mapping[KeySpec, tuple[KeyUsage, ...]] = MappingProxyType(
    {
        **dict.fromkeys(SYMMETRIC, (KeyUsage.ENCRYPT_DECRYPT,)),
        **dict.fromkeys(RSA, (KeyUsage.ENCRYPT_DECRYPT, KeyUsage.SIGN_VERIFY)),
        **dict.fromkeys(EC | EDWARDS | ML_DSA, (KeyUsage.SIGN_VERIFY,)),
        **dict.fromkeys(NIST, (KeyUsage.SIGN_VERIFY, KeyUsage.KEY_AGREEMENT)),
        **dict.fromkeys(HMAC, (KeyUsage.GENERATE_VERIFY_MAC,)),
    }
)
"""The usages that a key of a spec may have; the first is the default."""


class Need(Struct, frozen=True):
    """What an Action needs of a key: the usage (None: any), and the specs that it may be of."""

    usage: KeyUsage | None
    specs: frozenset[KeySpec]


ANY_KEY = Need(None, frozenset(KeySpec))
BLOBS = Need(KeyUsage.ENCRYPT_DECRYPT, frozenset(SYMMETRIC))
RSA_BLOBS = Need(KeyUsage.ENCRYPT_DECRYPT, RSA)
SIGNATURES = Need(KeyUsage.SIGN_VERIFY, ASYMMETRIC)
AGREEMENTS = Need(KeyUsage.KEY_AGREEMENT, NIST)
PUBLIC_KEYS = Need(None, ASYMMETRIC)
MACS = Need(KeyUsage.GENERATE_VERIFY_MAC, frozenset(HMAC))
