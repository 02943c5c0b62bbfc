"""What AWS KMS calls things: specs, usages, algorithms, states, and ARNs."""

from __future__ import annotations

import re

from tenantkms import errors as e
from tenantkms.model.alias import ALIAS_PREFIX
from tenantkms.model.site import Site
from tenantkms.model.specs import EC, EDWARDS, HMAC, ML_DSA, RSA, KeySpec, KeyUsage, Origin
from tenantkms.model.states import KeyState
from tenantkms.wire import codecs
from tenantkms.wire.arns import Arns

SPECS = {
    "SYMMETRIC_DEFAULT": KeySpec.AES_256,
    **{str(spec): spec for spec in sorted(RSA)},
    "ECC_NIST_P256": KeySpec.EC_P256,
    "ECC_NIST_P384": KeySpec.EC_P384,
    "ECC_NIST_P521": KeySpec.EC_P521,
    "ECC_SECG_P256K1": KeySpec.EC_P256K,
    "ECC_NIST_EDWARDS25519": KeySpec.ED25519,
    **{str(spec): spec for spec in sorted(ML_DSA)},
    **{spec.replace("HMAC_SHA_", "HMAC_"): spec for spec in sorted(HMAC)},
}
UNSERVED_SPECS = frozenset("SM2 ML_KEM_512 ML_KEM_768 ML_KEM_1024".split())
# Keys of SM4 are made through another dialect; they encrypt like those of the default.
SPEC_NAMES = {**{spec: name for name, spec in SPECS.items()}, KeySpec.SM4: "SYMMETRIC_DEFAULT"}
USAGES = {str(usage): usage for usage in KeyUsage}
UNSERVED_USAGES = ("ENCAPSULATE_DECAPSULATE",)
ORIGINS = {"AWS_KMS": Origin.KMS, "EXTERNAL": Origin.EXTERNAL}
UNSERVED_ORIGINS = frozenset({"AWS_CLOUDHSM", "EXTERNAL_KEY_STORE"})
ORIGIN_NAMES = {origin: name for name, origin in ORIGINS.items()}
# Archived is Tencent's: to AWS's clients such a key looks like one that may not be used.
STATE_NAMES = {**{state: str(state) for state in KeyState}, KeyState.ARCHIVED: "Disabled"}
STATE_WORDS = {
    KeyState.DISABLED: "disabled",
    KeyState.PENDING_DELETION: "pending deletion",
    KeyState.PENDING_IMPORT: "pending import",
    KeyState.ARCHIVED: "archived",  # else who enables what looks disabled is told that it is disabled
}
PAIRS = {name: spec for name, spec in SPECS.items() if spec in RSA | EC | EDWARDS}
UNSERVED_PAIRS = UNSERVED_SPECS
ENCRYPTIONS = codecs.same("RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256")
WRAPPINGS = {**ENCRYPTIONS, **codecs.same("RSA_AES_KEY_WRAP_SHA_1", "RSA_AES_KEY_WRAP_SHA_256")}
SIGNINGS = {
    **{f"RSASSA_PSS_SHA_{bits}": f"RSA_PSS_SHA_{bits}" for bits in (256, 384, 512)},
    **{f"RSASSA_PKCS1_V1_5_SHA_{bits}": f"RSA_PKCS1_SHA_{bits}" for bits in (256, 384, 512)},
    **codecs.same("ECDSA_SHA_256", "ECDSA_SHA_384", "ECDSA_SHA_512", "ED25519_SHA_512", "ML_DSA_SHAKE_256"),
}
UNSERVED_SIGNINGS = frozenset({"SM2DSA", "ED25519_PH_SHA_512"})
MESSAGES = {"RAW": {"raw": True}, "DIGEST": {"raw": False}, "EXTERNAL_MU": {"raw": False, "mu": True}}
MACS = codecs.same(*map(str, sorted(HMAC)))
_ONE_SIGNING = {
    KeySpec.EC_P256: "ECDSA_SHA_256",
    KeySpec.EC_P384: "ECDSA_SHA_384",
    KeySpec.EC_P521: "ECDSA_SHA_512",
    KeySpec.EC_P256K: "ECDSA_SHA_256",
    KeySpec.ED25519: "ED25519_SHA_512",
    **dict.fromkeys(ML_DSA, "ML_DSA_SHAKE_256"),
}


def encryptions(spec: KeySpec, usage: KeyUsage) -> list[str] | None:
    if usage is not KeyUsage.ENCRYPT_DECRYPT:
        return None
    return [*ENCRYPTIONS] if spec in RSA else ["SYMMETRIC_DEFAULT"]


def signings(spec: KeySpec, usage: KeyUsage) -> list[str] | None:
    if usage is not KeyUsage.SIGN_VERIFY:
        return None
    return [name for name in SIGNINGS if name.startswith("RSA")] if spec in RSA else [_ONE_SIGNING[spec]]


def agreements(_spec: KeySpec, usage: KeyUsage) -> list[str] | None:
    return ["ECDH"] if usage is KeyUsage.KEY_AGREEMENT else None


def macs(spec: KeySpec, usage: KeyUsage) -> list[str] | None:
    return [str(spec)] if usage is KeyUsage.GENERATE_VERIFY_MAC else None


_REFS = ("KeyId", "SourceKeyId", "DestinationKeyId", "TargetKeyId")
ARNS = Arns(form=re.compile("arn:"), services=("arn:aws:kms",), refs=dict.fromkeys(_REFS, e.KeyNotFound))
"""Another partition or service is elsewhere, too."""


def named_arn(ref: str, site: Site) -> str:
    """Of a key's id, or of `alias/<name>`; what is an ARN already stays."""
    if ref.startswith("arn:"):
        return ref
    return ARNS.home(site) + (ref if ref.startswith(ALIAS_PREFIX) else f"key/{ref}")
