"""Wycheproof's vectors: what is almost right, of each algorithm that is parsed, opened or verified here.

`vectors/wycheproof` has a choice of them; `make wycheproof` takes all. A family says of one vector whether our code
took it, and whether it must: None where Wycheproof leaves it open, or where a vector says nothing about what we do.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import load_der_public_key

from kit.asymmetric_keys import rsa_private
from tenantkms.crypto import agreement, asymmetric, ciphers, wrapping
from tenantkms.errors import InvalidCiphertext, InvalidKeyMaterial, InvalidPublicKey

Document = Mapping[str, Any]
Group = Mapping[str, Any]
Case = Mapping[str, Any]
Judge = Callable[[Mapping[str, Any], Mapping[str, Any]], "Verdict | None"]


class Verdict(NamedTuple):
    took: bool
    must: bool | None

    @property
    def right(self) -> bool:
        return self.must is None or self.took == self.must


class _Holder(NamedTuple):
    """Of a public key: `asymmetric.verify` takes the private one, of which it uses no more than this."""

    key: Any

    def public_key(self) -> Any:
        return self.key


def _bytes(row: Mapping[str, Any], name: str) -> bytes:
    return bytes.fromhex(row[name])


def _must(case: Case, *, ours: bool = True) -> bool | None:
    """`ours`: with the parameters that are used here. What is valid with others must not be taken."""
    if not ours:
        return False if case["result"] == "valid" else None
    return {"valid": True, "invalid": False, "acceptable": None}[case["result"]]


# -- signatures ------------------------------------------------------------------------------------------

_CURVES = {"secp256r1": "EC_P256", "secp384r1": "EC_P384", "secp521r1": "EC_P521", "secp256k1": "EC_P256K"}


def _verified(group: Group, case: Case, spec: str, algorithm: str) -> bool:
    try:
        key = load_der_public_key(_bytes(group, "publicKeyDer"))
    except ValueError:  # there is no such key
        return False
    row = asymmetric.signing(spec, algorithm)
    digest = asymmetric.digest_of(row, _bytes(case, "msg"), raw=True)
    return asymmetric.verify(_Holder(key), row, digest, _bytes(case, "sig"))  # type: ignore[arg-type]


def _bits(group: Group, name: str = "sha") -> str:
    return str(group[name]).removeprefix("SHA-")


def _ecdsa(group: Group, case: Case) -> Verdict:
    spec = _CURVES[group["publicKey"]["curve"]]
    return Verdict(_verified(group, case, spec, f"ECDSA_SHA_{_bits(group)}"), _must(case))


def _rsa_pkcs1(group: Group, case: Case) -> Verdict:
    spec = f"RSA_{group['keySize']}"
    return Verdict(_verified(group, case, spec, f"RSA_PKCS1_SHA_{_bits(group)}"), _must(case))


def _rsa_pss(group: Group, case: Case) -> Verdict:
    """The salt is as long as the digest here, and both hashes are the same."""
    ours = group["sLen"] * 8 == int(_bits(group)) and group["mgfSha"] == group["sha"]
    took = _verified(group, case, f"RSA_{group['keySize']}", f"RSA_PSS_SHA_{_bits(group)}")
    return Verdict(took, _must(case, ours=ours))


def _ed25519(group: Group, case: Case) -> Verdict:
    return Verdict(_verified(group, case, "ED25519", "ED25519_SHA_512"), _must(case))


def _ml_dsa(bits: str) -> Judge:
    def judge(group: Group, case: Case) -> Verdict:
        """There is no context here."""
        took = _verified(group, case, f"ML_DSA_{bits}", "ML_DSA_SHAKE_256")
        return Verdict(took, _must(case, ours=not case.get("ctx")))

    return judge


# -- agreement and wrapping ------------------------------------------------------------------------------


def _ecdh(group: Group, case: Case) -> Verdict:
    """What is invalid must give nothing at all."""
    curve = {"secp256r1": ec.SECP256R1, "secp384r1": ec.SECP384R1, "secp521r1": ec.SECP521R1}[group["curve"]]
    key = ec.derive_private_key(int(case["private"], 16), curve())
    try:
        shared = agreement.agree(key, _bytes(case, "public"))
    except InvalidPublicKey:
        return Verdict(took=False, must=_must(case))
    return Verdict(shared == _bytes(case, "shared") or case["result"] == "invalid", _must(case))


def _aes_kwp(group: Group, case: Case) -> Verdict | None:
    """As the second half of what comes wrapped by RSA_AES_KEY_WRAP."""
    if group["keySize"] != 256:
        return None
    key = rsa_private()
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    wrapped = key.public_key().encrypt(_bytes(case, "key"), oaep) + _bytes(case, "ct")
    try:
        opened = wrapping.unwrap(key, "RSA_AES_KEY_WRAP_SHA_256", wrapped)
    except InvalidKeyMaterial:
        return Verdict(took=False, must=_must(case))
    return Verdict(opened == _bytes(case, "msg") or case["result"] == "invalid", _must(case))


# -- ciphertexts -----------------------------------------------------------------------------------------


@contextmanager
def _nonce(nonce: bytes) -> Iterator[None]:
    """Messages have one nonce here, since each has a key of its own; the vectors have others."""
    kept = ciphers._NONCE
    try:
        ciphers._NONCE = nonce
        yield
    finally:
        ciphers._NONCE = kept


def _aes_gcm(group: Group, case: Case) -> Verdict | None:
    if (group["keySize"], group["ivSize"], group["tagSize"]) != (256, 96, 128):
        return None
    sealed = _bytes(case, "ct") + _bytes(case, "tag")
    with _nonce(_bytes(case, "iv")):
        try:
            opened = ciphers.SUITES[ciphers.AES_256_GCM].open(_bytes(case, "key"), sealed, _bytes(case, "aad"))
        except ciphers.InvalidTag:
            return Verdict(took=False, must=_must(case))
    return Verdict(opened == _bytes(case, "msg"), _must(case))


def _decrypted(group: Group, case: Case, algorithm: str) -> bytes | None:
    key: Any = asymmetric.load(_bytes(group, "privateKeyPkcs8"))
    try:
        return asymmetric.decrypt(key, algorithm, _bytes(case, "ct"))
    except InvalidCiphertext:
        return None


def _rsa_oaep(group: Group, case: Case) -> Verdict | None:
    """Both hashes are the same here, and there is no label."""
    if group["keySize"] < 2048 or _bits(group) not in ("1", "256"):
        return None
    opened = _decrypted(group, case, f"RSAES_OAEP_SHA_{_bits(group)}")
    ours = group["mgfSha"] == group["sha"] and not case["label"]
    took = opened == _bytes(case, "msg") if case["result"] == "valid" and ours else opened is not None
    return Verdict(took, _must(case, ours=ours))


def _rsaes_pkcs1(group: Group, case: Case) -> Verdict:
    """What is damaged opens to other bytes, the same each time, or not at all."""
    opened = _decrypted(group, case, "RSAES_PKCS1_V1_5")
    if case["result"] == "valid":
        return Verdict(opened == _bytes(case, "msg"), must=True)
    return Verdict(opened == _decrypted(group, case, "RSAES_PKCS1_V1_5"), must=True)


FAMILIES: Mapping[str, tuple[str, Judge]] = {
    "AES-256-GCM": (r"aes_gcm_test", _aes_gcm),
    "RSAES-OAEP": (r"rsa_oaep_(misc|\d+_sha(1|256)_mgf1sha\w+)_test", _rsa_oaep),
    "RSAES-PKCS1-v1_5": (r"rsa_pkcs1_(2048|3072|4096)_test", _rsaes_pkcs1),
    "ECDSA": (
        r"ecdsa_(secp256r1_sha256|secp256k1_sha256|secp384r1_sha384|secp521r1_sha512)_test",
        _ecdsa,
    ),
    "RSASSA-PKCS1-v1_5": (r"rsa_signature_(2048|3072|4096)_sha(256|384|512)_test", _rsa_pkcs1),
    "Ed25519": (r"ed25519_test", _ed25519),
    **{f"ML-DSA-{bits}": (rf"mldsa_{bits}_verify_test", _ml_dsa(bits)) for bits in ("44", "65", "87")},
    "ECDH": (r"ecdh_secp(256|384|521)r1_test", _ecdh),
    "AES-256-KWP": (r"aes_kwp_test", _aes_kwp),
    "RSASSA-PSS": (r"rsa_pss_(2048|3072|4096)_sha(256|384|512)_mgf1(sha1)?_\d+_test", _rsa_pss),
}
"""Algorithm -> names of files, and what is done with a vector; None: its parameters cannot be had here."""


def family(stem: str) -> str:
    """The algorithm that a file is about; "" if it is none of ours."""
    return next((name for name, (form, _) in FAMILIES.items() if re.fullmatch(form, stem)), "")


def verdicts(name: str, document: Document) -> Iterator[tuple[Case, Verdict]]:
    """Of all vectors of a file of the family `name` that concern us."""
    judge = FAMILIES[name][1]
    for group in document["testGroups"]:
        for case in group["tests"]:
            verdict = judge(group, case)
            if verdict is not None:
                yield case, verdict


_USED = ("keySize", "ivSize", "tagSize", "sha", "mgfSha", "sLen", "publicKeyDer", "privateKeyPkcs8", "curve")
_KEPT = 2
_KEPT_LARGE = 1
"""Of ML-DSA, whose keys and signatures are of thousands of bytes."""


def choice(name: str, document: Document) -> dict[str, Any]:
    """The first vectors of each result for each set of flags, with what `verdicts` needs."""
    most = _KEPT_LARGE if name.startswith("ML-DSA") else _KEPT
    seen: dict[tuple[str, ...], int] = {}
    groups = []
    for group in document["testGroups"]:
        kept = []
        for case in group["tests"]:
            kind = (case["result"], *case["flags"])
            seen[kind] = seen.get(kind, 0) + (FAMILIES[name][1](group, case) is not None)
            if seen[kind] <= most and FAMILIES[name][1](group, case) is not None:
                kept.append(case)
        if kept:
            about = {field: group[field] for field in _USED if field in group}
            if "curve" in group.get("publicKey", {}):
                about["publicKey"] = {"curve": group["publicKey"]["curve"]}
            groups.append({**about, "tests": kept})
    return {"algorithm": document["algorithm"], "testGroups": groups}
