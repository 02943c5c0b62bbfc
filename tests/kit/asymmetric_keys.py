"""Asymmetric keys for tests, one of each spec and process, and what other implementations do with them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import cast

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
from cryptography.hazmat.primitives.keywrap import aes_key_wrap_with_padding
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tenantkms.crypto import asymmetric
from tenantkms.model.specs import ML_DSA, KeySpec

Hash = type[hashes.HashAlgorithm]

PAIRS: dict[tuple[KeySpec, str], Hash] = {
    **{
        (spec, f"{name}_{hash_.__name__.removeprefix('SHA')}"): hash_
        for spec in (KeySpec.RSA_2048, KeySpec.RSA_3072, KeySpec.RSA_4096)
        for name in ("RSA_PSS_SHA", "RSA_PKCS1_SHA")
        for hash_ in (hashes.SHA256, hashes.SHA384, hashes.SHA512)
    },
    (KeySpec.EC_P256, "ECDSA_SHA_256"): hashes.SHA256,
    (KeySpec.EC_P256K, "ECDSA_SHA_256"): hashes.SHA256,
    (KeySpec.EC_P384, "ECDSA_SHA_384"): hashes.SHA384,
    (KeySpec.EC_P521, "ECDSA_SHA_512"): hashes.SHA512,
}
"""The signing algorithms of each spec, and their hash."""

WHOLE = {KeySpec.ED25519: "ED25519_SHA_512", **dict.fromkeys(sorted(ML_DSA), "ML_DSA_SHAKE_256")}
"""The signing algorithm of each spec that signs messages, not digests."""

SMALL = {pair: hash_ for pair, hash_ in PAIRS.items() if pair[0] not in (KeySpec.RSA_3072, KeySpec.RSA_4096)}
"""Those of one RSA spec and of every curve."""


def oaep(hash_: Hash, label: bytes | None = None) -> AsymmetricPadding:
    return padding.OAEP(padding.MGF1(hash_()), hash_(), label)


ENCRYPTIONS: dict[str, AsymmetricPadding] = {
    "RSAES_OAEP_SHA_256": oaep(hashes.SHA256),
    "RSAES_OAEP_SHA_1": oaep(hashes.SHA1),
    "RSAES_PKCS1_V1_5": padding.PKCS1v15(),
}


@cache
def material(spec: KeySpec) -> bytes:
    """What the system would keep of a key of `spec`, made once."""
    return asymmetric.generate(spec, os.urandom)


def private(spec: KeySpec) -> asymmetric.PrivateKey:
    return asymmetric.load(material(spec))


def rsa_private(spec: KeySpec = KeySpec.RSA_2048) -> rsa.RSAPrivateKey:
    return cast("rsa.RSAPrivateKey", private(spec))


def ec_private(spec: KeySpec) -> ec.EllipticCurvePrivateKey:
    return cast("ec.EllipticCurvePrivateKey", private(spec))


@cache
def caller() -> rsa.RSAPrivateKey:
    """A key of somebody outside, whose public half secrets are wrapped for."""
    return rsa.generate_private_key(65537, 2048)


def caller_public() -> bytes:
    return caller().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def caller_pem() -> str:
    return caller().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def wrap(public: rsa.RSAPublicKey, algorithm: str, material: bytes) -> bytes:
    """`material` wrapped as its owner does it before it is imported."""
    if algorithm in ENCRYPTIONS:
        return public.encrypt(material, ENCRYPTIONS[algorithm])
    assert algorithm.startswith("RSA_AES_KEY_WRAP"), algorithm
    aes = os.urandom(32)
    padded = oaep(hashes.SHA1 if algorithm.endswith("SHA_1") else hashes.SHA256)
    return public.encrypt(aes, padded) + aes_key_wrap_with_padding(aes, material)


def pss(salt: int, hash_: Hash = hashes.SHA256) -> AsymmetricPadding:
    return padding.PSS(padding.MGF1(hash_()), salt)


def _padded(algorithm: str, hash_: Hash) -> AsymmetricPadding:
    return pss(hash_().digest_size, hash_) if "PSS" in algorithm else padding.PKCS1v15()


def their_signature(spec: KeySpec, algorithm: str, message: bytes) -> bytes:
    """`message` signed by plain `cryptography`."""
    key, hash_ = private(spec), PAIRS[spec, algorithm]
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(message, ec.ECDSA(hash_()))
    return key.sign(message, _padded(algorithm, hash_), hash_())


def their_verification(spec: KeySpec, algorithm: str, message: bytes, signature: bytes) -> None:
    """Raises `InvalidSignature` where plain `cryptography` does."""
    key, hash_ = private(spec).public_key(), PAIRS[spec, algorithm]
    if isinstance(key, ec.EllipticCurvePublicKey):
        key.verify(signature, message, ec.ECDSA(hash_()))
    else:
        key.verify(signature, message, _padded(algorithm, hash_), hash_())


class OpenSsl:
    """The command line of `openssl`, with the key of a spec in files of `folder`."""

    def __init__(self, folder: Path, spec: KeySpec) -> None:
        self.folder, key = folder, private(spec)
        self.write("key.pem", key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self.write("public.pem", asymmetric.public_pem(key).encode())

    def write(self, name: str, data: bytes) -> None:
        (self.folder / name).write_bytes(data)

    def run(self, *args: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(["openssl", *args], cwd=self.folder, capture_output=True, check=False, timeout=30)

    def output(self, *args: str) -> bytes:
        done = self.run(*args)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @staticmethod
    def signing(algorithm: str) -> Sequence[str]:
        """Options of `openssl dgst`."""
        pss_options = ("-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:digest")
        return (f"-sha{algorithm[-3:]}", *(pss_options if "PSS" in algorithm else ()))

    @staticmethod
    def encryption(algorithm: str) -> Sequence[str]:
        """Options of `openssl pkeyutl`."""
        if algorithm == "RSAES_PKCS1_V1_5":
            return ("-pkeyopt", "rsa_padding_mode:pkcs1")
        hash_ = "sha256" if algorithm.endswith("256") else "sha1"
        options = ("rsa_padding_mode:oaep", f"rsa_oaep_md:{hash_}", f"rsa_mgf1_md:{hash_}")
        return [word for option in options for word in ("-pkeyopt", option)]


# -- DER, right or wrong ---------------------------------------------------------------------------------


def tlv(tag: int, content: bytes) -> bytes:
    size = len(content)
    digits = size.to_bytes((size.bit_length() + 7) // 8, "big")
    length = bytes([size]) if size < 128 else bytes([0x80 + len(digits)]) + digits
    return bytes([tag]) + length + content


def integer(value: int) -> bytes:
    return tlv(2, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def sequence(*parts: bytes) -> bytes:
    return tlv(0x30, b"".join(parts))


def raw(value: int, size: int = 66) -> bytes:
    return value.to_bytes(size, "big")
