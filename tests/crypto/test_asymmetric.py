"""RSA and elliptic-curve keys: what we sign and encrypt others accept, and the other way round; every limit."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_der_public_key, load_pem_public_key

from kit.asymmetric_keys import (
    ENCRYPTIONS,
    PAIRS,
    SMALL,
    WHOLE,
    Hash,
    OpenSsl,
    ec_private,
    material,
    private,
    pss,
    rsa_private,
    their_signature,
    their_verification,
)
from tenantkms.crypto import asymmetric
from tenantkms.errors import InvalidAlgorithm, InvalidParameter, PlaintextTooLong
from tenantkms.model.specs import EC, RSA, KeySpec

MESSAGE = "what is signed: данные 数据".encode()
openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="the openssl command line is not installed")


def by_pair(row: tuple[KeySpec, str]) -> str:
    return f"{row[0]}-{row[1]}"


# -- keys ----------------------------------------------------------------------------------------------

SIZES = {KeySpec.RSA_2048: 2048, KeySpec.RSA_3072: 3072, KeySpec.RSA_4096: 4096}
CURVES: dict[KeySpec, tuple[str, int, int, int, int]] = {
    KeySpec.EC_P256: (
        "secp256r1",
        2**256 - 2**224 + 2**192 + 2**96 - 1,
        -3,
        0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
        0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    ),
    KeySpec.EC_P384: (
        "secp384r1",
        2**384 - 2**128 - 2**96 + 2**32 - 1,
        -3,
        0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
        2**384 - 1388124618062372383947042015309946732620727252194336364173,
    ),
    KeySpec.EC_P521: (
        "secp521r1",
        2**521 - 1,
        -3,
        0x51953EB9618E1C9A1F929A21A0B68540EEA2DA725B99B315F3B8B489918EF109E156193951EC7E937B1652C0BD3BB1BF073573DF883D2C34F1EF451FD46B503F00,
        2**521 - 657877501894328237357444332315020117536923257219387276263472201219398408051703,
    ),
    KeySpec.EC_P256K: ("secp256k1", 2**256 - 2**32 - 977, 0, 7, 2**256 - 432420386565659656852420866394968145599),
}
"""SEC 2: name, prime, a, b, and the order of the group."""


@pytest.mark.parametrize("spec", SIZES)
def test_an_rsa_key_is_of_its_size_and_consistent(spec: KeySpec) -> None:
    numbers = rsa_private(spec).private_numbers()
    assert (rsa_private(spec).key_size, numbers.public_numbers.e) == (SIZES[spec], 65537)
    assert numbers.p * numbers.q == numbers.public_numbers.n
    load_der_private_key(material(spec), None)


@pytest.mark.parametrize("spec", CURVES)
def test_an_ec_key_is_the_scalar_that_was_drawn_and_its_point_on_the_curve(spec: KeySpec) -> None:
    name, p, a, b, order = CURVES[spec]
    size = (order.bit_length() + 7) // 8
    scalar = int.from_bytes(hashlib.sha512(name.encode()).digest()[:size], "big") % order
    drawn: list[int] = []

    def random(n: int) -> bytes:
        drawn.append(n)
        return scalar.to_bytes(n, "big")

    made = asymmetric.generate(spec, random)
    assert made == asymmetric.generate(spec, random)
    assert drawn == [size, size]
    key = load_der_private_key(made, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    numbers = key.private_numbers()
    assert (numbers.private_value, key.curve.name) == (scalar, name)
    point = numbers.public_numbers
    assert (point.y**2 - (point.x**3 + a * point.x + b)) % p == 0
    assert ec_private(spec).curve.name == name


@pytest.mark.parametrize("spec", CURVES)
@pytest.mark.parametrize("taken", ["least", "most"])
def test_scalars_out_of_range_are_drawn_again(spec: KeySpec, taken: str) -> None:
    order = CURVES[spec][-1]
    size = (order.bit_length() + 7) // 8
    right = 1 if taken == "least" else order - 1
    draws = iter([0, order, order + 1, 2 ** (8 * size) - 1, right])
    key = asymmetric.load(asymmetric.generate(spec, lambda n: next(draws).to_bytes(n, "big")))
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.private_numbers().private_value == right
    assert next(draws, None) is None


@pytest.mark.parametrize("spec", [KeySpec.RSA_2048, *CURVES])
def test_a_public_key_reads_alike_in_both_forms(spec: KeySpec) -> None:
    key = private(spec)
    assert load_der_public_key(asymmetric.public_der(key)) == key.public_key()
    assert load_pem_public_key(asymmetric.public_pem(key).encode()) == key.public_key()


# -- signatures ----------------------------------------------------------------------------------------


def ours(spec: KeySpec, algorithm: str, message: bytes = MESSAGE) -> bytes:
    row = asymmetric.signing(spec, algorithm)
    return asymmetric.sign(private(spec), row, asymmetric.digest_of(row, message, raw=True))


def verified(spec: KeySpec, algorithm: str, signature: bytes, message: bytes = MESSAGE) -> bool:
    row = asymmetric.signing(spec, algorithm)
    return asymmetric.verify(private(spec), row, asymmetric.digest_of(row, message, raw=True), signature)


@pytest.mark.parametrize("pair", PAIRS, ids=by_pair)
def test_others_accept_what_we_sign_and_we_what_others_sign(pair: tuple[KeySpec, str]) -> None:
    their_verification(*pair, MESSAGE, ours(*pair))
    with pytest.raises(InvalidSignature):
        their_verification(*pair, MESSAGE + b".", ours(*pair))
    assert verified(*pair, their_signature(*pair, MESSAGE))
    assert not verified(*pair, their_signature(*pair, MESSAGE + b"."))


@openssl
@pytest.mark.parametrize("pair", PAIRS, ids=by_pair)
def test_openssl_accepts_what_we_sign_and_we_what_it_signs(pair: tuple[KeySpec, str], tmp_path: Path) -> None:
    tool, options = OpenSsl(tmp_path, pair[0]), OpenSsl.signing(pair[1])
    tool.write("message", MESSAGE)
    tool.write("signature", ours(*pair))
    verify = ("dgst", *options, "-verify", "public.pem", "-signature", "signature", "message")
    assert tool.output(*verify).strip() == b"Verified OK"
    assert verified(*pair, tool.output("dgst", *options, "-sign", "key.pem", "message"))
    tool.write("message", MESSAGE + b".")
    assert tool.run(*verify).returncode == 1


@pytest.mark.parametrize(("pair", "hash_"), SMALL.items(), ids=map(by_pair, SMALL))
def test_a_message_and_its_digest_are_signed_alike(pair: tuple[KeySpec, str], hash_: Hash) -> None:
    row = asymmetric.signing(*pair)
    digest = hashlib.new(hash_().name, MESSAGE).digest()
    assert asymmetric.digest_of(row, digest, raw=False) == asymmetric.digest_of(row, MESSAGE, raw=True) == digest
    their_verification(*pair, MESSAGE, asymmetric.sign(private(pair[0]), row, digest))


@pytest.mark.parametrize("spec", sorted(EC))
def test_ec_signatures_are_der_and_differ_each_time(spec: KeySpec) -> None:
    pair = next(pair for pair in PAIRS if pair[0] is spec)
    one, other = ours(*pair), ours(*pair)
    assert one != other
    assert one[0] == 0x30
    # From 128 bytes on, a length has a byte before it that says so.
    assert one[1:3] == bytes([0x81, len(one) - 3]) if spec is KeySpec.EC_P521 else one[1] == len(one) - 2


@pytest.mark.parametrize("salt", [0, 20, 31, 33, 222])
def test_a_pss_salt_of_another_length_is_refused(salt: int) -> None:
    pair = (KeySpec.RSA_2048, "RSA_PSS_SHA_256")
    assert verified(*pair, rsa_private().sign(MESSAGE, pss(32), hashes.SHA256()))
    assert not verified(*pair, rsa_private().sign(MESSAGE, pss(salt), hashes.SHA256()))


NAMES = [
    *asymmetric.SIGNINGS,
    "SM2DSA",
    "",
    "ECDSA_SHA_512",
    "ED25519_PH_SHA_512",
    "rsa_pss_sha_256",
    "RSAES_OAEP_SHA_256",
]


@pytest.mark.parametrize("algorithm", NAMES)
@pytest.mark.parametrize("spec", KeySpec)
def test_a_spec_has_its_algorithms_and_no_others(spec: KeySpec, algorithm: str) -> None:
    if (spec, algorithm) in PAIRS:
        assert asymmetric.signing(spec, algorithm).hash is PAIRS[spec, algorithm]
        return
    if WHOLE.get(spec) == algorithm:
        assert asymmetric.signing(spec, algorithm).hash is None
        return
    with pytest.raises(InvalidAlgorithm, match=str(spec)):
        asymmetric.signing(spec, algorithm)


@pytest.mark.parametrize("size", [0, 1, 20, 28, 31, 32, 33, 47, 48, 49, 64])
@pytest.mark.parametrize(("pair", "hash_"), SMALL.items(), ids=map(by_pair, SMALL))
def test_a_digest_has_the_length_of_its_hash(pair: tuple[KeySpec, str], hash_: Hash, size: int) -> None:
    row = asymmetric.signing(*pair)
    if size == hash_().digest_size:
        assert asymmetric.digest_of(row, bytes(size), raw=False) == bytes(size)
        return
    with pytest.raises(InvalidParameter, match=f"{hash_().digest_size} bytes"):
        asymmetric.digest_of(row, bytes(size), raw=False)


# -- encryption ----------------------------------------------------------------------------------------

LIMITS = {
    (KeySpec.RSA_2048, "RSAES_OAEP_SHA_256"): 190,
    (KeySpec.RSA_2048, "RSAES_OAEP_SHA_1"): 214,
    (KeySpec.RSA_2048, "RSAES_PKCS1_V1_5"): 245,
    (KeySpec.RSA_3072, "RSAES_OAEP_SHA_256"): 318,
    (KeySpec.RSA_3072, "RSAES_OAEP_SHA_1"): 342,
    (KeySpec.RSA_3072, "RSAES_PKCS1_V1_5"): 373,
    (KeySpec.RSA_4096, "RSAES_OAEP_SHA_256"): 446,
    (KeySpec.RSA_4096, "RSAES_OAEP_SHA_1"): 470,
    (KeySpec.RSA_4096, "RSAES_PKCS1_V1_5"): 501,
}
"""The longest plaintexts, as both vendors document them."""


@pytest.mark.parametrize(("pair", "limit"), LIMITS.items(), ids=map(by_pair, LIMITS))
def test_a_plaintext_of_the_longest_length_and_not_one_byte_more(pair: tuple[KeySpec, str], limit: int) -> None:
    key, algorithm = rsa_private(pair[0]), pair[1]
    for size in (0, 1, limit):
        plaintext = os.urandom(size)
        sealed = asymmetric.encrypt(key.public_key(), algorithm, plaintext)
        assert len(sealed) == SIZES[pair[0]] // 8
        assert key.decrypt(sealed, ENCRYPTIONS[algorithm]) == plaintext
        theirs = key.public_key().encrypt(plaintext, ENCRYPTIONS[algorithm])
        assert asymmetric.decrypt(key, algorithm, theirs) == plaintext
    with pytest.raises(PlaintextTooLong, match=f"{limit} bytes"):
        asymmetric.encrypt(key.public_key(), algorithm, bytes(limit + 1))


@openssl
@pytest.mark.parametrize("algorithm", ENCRYPTIONS)
def test_openssl_decrypts_what_we_encrypt_and_we_what_it_encrypts(algorithm: str, tmp_path: Path) -> None:
    tool, options = OpenSsl(tmp_path, KeySpec.RSA_2048), OpenSsl.encryption(algorithm)
    key = rsa_private()
    tool.write("sealed", asymmetric.encrypt(key.public_key(), algorithm, MESSAGE))
    tool.write("message", MESSAGE)
    assert tool.output("pkeyutl", "-decrypt", "-inkey", "key.pem", "-in", "sealed", *options) == MESSAGE
    theirs = tool.output("pkeyutl", "-encrypt", "-pubin", "-inkey", "public.pem", "-in", "message", *options)
    assert asymmetric.decrypt(key, algorithm, theirs) == MESSAGE


@pytest.mark.parametrize("algorithm", ["", "SM2PKE", "RSAES_OAEP_SHA_512", "RSA_PSS_SHA_256"])
def test_another_encryption_is_refused(algorithm: str) -> None:
    with pytest.raises(InvalidParameter, match="RSAES_OAEP_SHA_256"):
        asymmetric.encrypt(rsa_private().public_key(), algorithm, b"")
    with pytest.raises(InvalidParameter, match="RSAES_OAEP_SHA_256"):
        asymmetric.decrypt(rsa_private(), algorithm, bytes(256))


def test_the_specs_are_covered() -> None:
    assert {spec for spec, _ in LIMITS} == RSA
    assert {algorithm for _, algorithm in LIMITS} == asymmetric.ENCRYPTIONS.keys()
    assert set(CURVES) == EC
