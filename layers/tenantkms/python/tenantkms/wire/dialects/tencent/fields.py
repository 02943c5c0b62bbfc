"""The values of Tencent Cloud KMS, API 3.0: codecs of parameters, and leaves of answers (docs/protocols.md)."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Any

import msgspec

from tenantkms import errors as e
from tenantkms.model.profiles import DAY
from tenantkms.model.specs import KeySpec, KeyUsage, Origin
from tenantkms.model.states import KeyState
from tenantkms.wire import codecs
from tenantkms.wire.arns import Arns
from tenantkms.wire.shapes import Shape, like, shaped
from tenantkms.wire.translate import Out, const

USAGES = {
    "ENCRYPT_DECRYPT": (KeyUsage.ENCRYPT_DECRYPT, KeySpec.AES_256),
    "ASYMMETRIC_DECRYPT_RSA_2048": (KeyUsage.ENCRYPT_DECRYPT, KeySpec.RSA_2048),
    "ASYMMETRIC_SIGN_VERIFY_RSA_2048": (KeyUsage.SIGN_VERIFY, KeySpec.RSA_2048),
    "ASYMMETRIC_SIGN_VERIFY_ECC": (KeyUsage.SIGN_VERIFY, KeySpec.EC_P256),
    "ASYMMETRIC_SIGN_VERIFY_ECDSA384": (KeyUsage.SIGN_VERIFY, KeySpec.EC_P384),
}
_SM2_USAGES = ("ASYMMETRIC_DECRYPT_SM2", "ASYMMETRIC_SIGN_VERIFY_SM2")
_USAGE_NAMES = {row: name for name, row in USAGES.items()}
_USAGE_NAMES[KeyUsage.ENCRYPT_DECRYPT, KeySpec.SM4] = "ENCRYPT_DECRYPT"
_PREFIXES = {KeyUsage.ENCRYPT_DECRYPT: "ASYMMETRIC_DECRYPT_", KeyUsage.SIGN_VERIFY: "ASYMMETRIC_SIGN_VERIFY_"}
ENCRYPTIONS = codecs.same("RSAES_PKCS1_V1_5", "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256")
SIGNINGS = {
    "RSA_PSS_SHA_256": "RSA_PSS_SHA_256",
    "RSA_PKCS1_SHA_256": "RSA_PKCS1_SHA_256",
    "ECC_P256_R1": "ECDSA_SHA_256",
    "ECC_P384_R1": "ECDSA_SHA_384",
}
SIGNING_OF = {
    "ASYMMETRIC_SIGN_VERIFY_RSA_2048": ("RSA_PSS_SHA_256", "RSA_PKCS1_SHA_256"),
    "ASYMMETRIC_SIGN_VERIFY_ECC": ("ECC_P256_R1",),
    "ASYMMETRIC_SIGN_VERIFY_ECDSA384": ("ECC_P384_R1",),
}
ORIGINS = {"TENCENT_KMS": Origin.KMS, "EXTERNAL": Origin.EXTERNAL}
ORIGIN_NAMES = {origin: name for name, origin in ORIGINS.items()}
STATE_NAMES = {**{s: str(s) for s in KeyState}, KeyState.PENDING_DELETION: "PendingDelete"}
_STATES_BY_NUMBER: dict[int, list[KeyState]] = {
    1: [KeyState.ENABLED],
    2: [KeyState.DISABLED],
    3: [KeyState.PENDING_DELETION],
    4: [KeyState.PENDING_IMPORT],
    5: [KeyState.ARCHIVED],
}
LISTED_STATES = [KeyState.ENABLED, KeyState.DISABLED, KeyState.PENDING_IMPORT]


def no_arns(*refs: str) -> Arns:
    """ARNs of the other vendors, in parameters that name keys by their ids."""
    return Arns(
        form=re.compile("(?:acs|arn):"), services=("acs:kms", "arn:aws:kms"), refs=dict.fromkeys(refs, e.KeyNotFound)
    )


ALIAS = codecs.alias(
    r"(?!kms-)[A-Za-z0-9][A-Za-z0-9_-]{0,59}",
    "an alias has 1 to 60 letters, digits, '-' and '_', begins with a letter or digit, and not with 'kms-'.",
)


_SWITCH, _STATE, _TYPE = codecs.integer(0, 1), codecs.integer(0, 5), codecs.integer(1, 2)
_USAGE, _ORIGIN = codecs.choice(USAGES, e.InvalidKeyUsage), codecs.choice(ORIGINS)
_DAYS = codecs.integer(0, 100_000)


@like(_SWITCH, most=0)
def zero(wire: str, value: Any) -> dict[str, Any]:
    """A switch of something that is not offered: only off is accepted."""
    if _SWITCH(wire, value):
        raise e.UnsupportedParameter(f"{wire} is not supported here.")
    return {}


@like(_SWITCH)
def role(wire: str, value: Any) -> dict[str, Any]:
    """0: keys that the user created, which all are; 1: keys of cloud products, of which there are none."""
    return {} if _SWITCH(wire, value) == 0 else {"ids": []}


@like(_STATE)
def key_state(wire: str, value: Any) -> dict[str, Any]:
    number = _STATE(wire, value)
    return {"states": _STATES_BY_NUMBER[number]} if number else {}


@like(_USAGE)
def usage(wire: str, value: Any) -> dict[str, Any]:
    if value in _SM2_USAGES:
        raise e.UnsupportedKeySpec(f"{wire} {value} is not supported here: {codecs.SM2_REASON}")
    usage, spec = _USAGE(wire, value)
    return {"usage": usage, "spec": spec}


@shaped(Shape("choice", names=("ALL", *USAGES)))
def usage_filter(wire: str, value: Any) -> dict[str, Any]:
    text = codecs.text(wire, value)
    if text == "ALL":
        return {"usages": None, "specs": None}
    if text in _SM2_USAGES:
        return {"ids": []}
    if text not in USAGES:
        raise e.InvalidKeyUsage(f"{wire} is ALL or one of {', '.join(USAGES)}.")
    rows = [row for row, name in _USAGE_NAMES.items() if name == text]
    return {"usages": [usage for usage, _ in rows], "specs": [spec for _, spec in rows]}


@like(_TYPE)
def material_type(wire: str, value: Any) -> Origin:
    """1: made here; 2: imported."""
    return (Origin.KMS, Origin.EXTERNAL)[_TYPE(wire, value) - 1]


@shaped(Shape("text"))
def public_key(wire: str, value: Any) -> dict[str, str]:
    """A PEM text, or what stands between its lines."""
    text = codecs.text(wire, value)
    if text.lstrip().startswith("-----BEGIN"):
        return {"public_key": base64.b64encode(text.encode()).decode()}
    return {"public_key": codecs.binary(wire, "".join(text.split()))}


WRAPPING = codecs.algorithm(ENCRYPTIONS, "SM2", "SM2_C1C3C2", "SM2_C1C3C2_ASN1")


@like(WRAPPING)
def receiving(wire: str, value: Any) -> dict[str, str]:
    return {"algorithm": WRAPPING(wire, value)}


@like(_SWITCH)
def descending(wire: str, value: Any) -> bool:
    return bool(_SWITCH(wire, value) == 0)


@like(_DAYS, per=DAY)
def days(wire: str, value: Any) -> int:
    """Seconds."""
    return int(_DAYS(wire, value)) * DAY


@like(codecs.text)
def alias_part(wire: str, value: Any) -> dict[str, str]:
    return {"alias_contains": codecs.text(wire, value)}


@shaped(Shape("choice", names=("ALL", *ORIGINS)))
def origin(wire: str, value: Any) -> dict[str, Any]:
    return {} if value == "ALL" else {"origins": [_ORIGIN(wire, value)]}


@shaped(Shape("json", example='[{"TagKey":"team","TagValue":["payments"]}]'))
def tag_filters(wire: str, value: Any) -> dict[str, Any]:
    try:
        rows = msgspec.convert(value, list[_TagFilter])
    except msgspec.ValidationError:
        raise e.InvalidParameter(f"{wire} is a list of TagKey and a list TagValue.") from None
    return {"tags": [[[row.TagKey], row.TagValue] for row in rows]}


class _TagFilter(msgspec.Struct, forbid_unknown_fields=True):
    TagKey: str
    TagValue: list[str] = []


msgspec.json.Decoder(_TagFilter)  # built on import, not by the first request: see action.call.prepare


def first_alias(result: Mapping[str, Any], _view: object) -> str:
    """The alias that Tencent's clients know; empty: none."""
    return result["aliases"][0] if result["aliases"] else ""


def usage_out(result: Mapping[str, Any], _view: object) -> str:
    """The usage in Tencent's names; for a spec of other vendors a name made in the same way."""
    usage, spec = KeyUsage(result["usage"]), KeySpec(result["spec"])
    return _USAGE_NAMES.get((usage, spec)) or (_PREFIXES[usage] + spec if usage in _PREFIXES else usage)


def pairs(*rows: tuple[str, str]) -> Out:
    return const([{"KeyUsage": usage, "Algorithm": algorithm} for usage, algorithm in rows])


_MAX_MESSAGE = 4096


@shaped(Shape("base64", most=_MAX_MESSAGE))
def message(wire: str, value: Any) -> str:
    text: str = codecs.binary(wire, value)
    if len(text) // 4 * 3 - text.count("=") > _MAX_MESSAGE:
        raise e.InvalidParameter(f"{wire} is longer than {_MAX_MESSAGE} bytes.")
    return text
