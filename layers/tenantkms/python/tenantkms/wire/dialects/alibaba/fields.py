"""The values of Alibaba Cloud KMS, 2016-01-20: codecs of parameters, and leaves of answers (docs/protocols.md)."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any

import msgspec

from tenantkms import errors as e
from tenantkms.model.alias import ALIAS_PREFIX, check_alias
from tenantkms.model.profiles import DAY
from tenantkms.model.specs import EC, HMAC, RSA, KeySpec, KeyUsage, Origin
from tenantkms.model.states import KeyState
from tenantkms.wire import codecs, places
from tenantkms.wire.arns import Arns
from tenantkms.wire.parse import parse_json
from tenantkms.wire.shapes import BASE64, KEY_OR_ALIAS, TEXT, Shape, like, shaped
from tenantkms.wire.translate import Out, View

SPECS = {
    "Aliyun_AES_256": KeySpec.AES_256,
    "Aliyun_SM4": KeySpec.SM4,
    **{str(spec): spec for spec in sorted(RSA | EC - {KeySpec.EC_P521} | frozenset(HMAC))},
}
USAGES = {
    "ENCRYPT/DECRYPT": KeyUsage.ENCRYPT_DECRYPT,
    "SIGN/VERIFY": KeyUsage.SIGN_VERIFY,
    "GENERATE/VERIFY/MAC": KeyUsage.GENERATE_VERIFY_MAC,
}
STATES = {str(s): s for s in (KeyState.ENABLED, KeyState.DISABLED, KeyState.PENDING_DELETION, KeyState.PENDING_IMPORT)}
ORIGINS = {"Aliyun_KMS": Origin.KMS, "EXTERNAL": Origin.EXTERNAL}
# A key of a spec or a usage that this provider has not goes by its own name.
SPEC_NAMES = {**{spec: str(spec) for spec in KeySpec}, **{spec: name for name, spec in SPECS.items()}}
USAGE_NAMES = {**{usage: str(usage) for usage in KeyUsage}, **{usage: name for name, usage in USAGES.items()}}
ORIGIN_NAMES = {origin: name for name, origin in ORIGINS.items()}
# Archived is Tencent's: to Alibaba's clients such a key looks like one that may not be used.
STATE_NAMES = {**{s: str(s) for s in KeyState}, KeyState.ARCHIVED: "Disabled"}


_ARN = re.compile(r"acs:kms:[a-z0-9-]*:[0-9]*:(?:key/(?P<key>.+)|(?P<alias>alias/.+))")
ARNS = Arns(
    form=_ARN,
    services=("acs:kms",),
    refs={
        **dict.fromkeys(("KeyId", "DestinationKeyId", "ProtectedResourceArn"), e.KeyNotFound),
        "ResourceId": e.ResourceNotFound,
    },
)
_ROWS = re.compile(r"[0-9]{1,9}")
_OPAQUE = re.compile(r"[A-Za-z0-9_-]{1,128}")
_ALIAS = re.compile(r"alias/[A-Za-z0-9_/-]{1,255}")
TAG_LIST = '[{"Key":"team","Value":"payments"}]'


@shaped(KEY_OR_ALIAS)
def key(wire: str, value: Any) -> str:
    """A CMK's id, an alias, or the ARN of either."""
    if not isinstance(value, str):
        raise e.InvalidParameter(f"{wire} is not a string.")
    arn = _ARN.fullmatch(value)
    ref: str = (arn["key"] or arn["alias"]) if arn else value
    if ref.startswith(ALIAS_PREFIX):
        try:
            check_alias(ref.removeprefix(ALIAS_PREFIX))
        except e.InvalidAlias:
            raise e.AliasNotFound from None
        return ref
    try:
        return codecs.key_id(wire, ref)
    except e.InvalidKeyId:
        if _OPAQUE.fullmatch(ref):
            raise e.KeyNotFound from None  # the provider's own ids have other forms too
        raise e.InvalidParameter(f"{wire} is not a key id, an alias or an ARN.") from None


@shaped(KEY_OR_ALIAS)
def keys(wire: str, value: Any) -> list[str]:
    return [key(wire, value)]


@shaped(Shape("text", example="hello"))
def string(wire: str, value: Any) -> str:
    """A plaintext: any string that UTF-8 can encode."""
    if not isinstance(value, str):
        raise e.InvalidPlaintext(f"The {wire} is not a string.")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise e.InvalidPlaintext(f"The {wire} holds a character that UTF-8 cannot encode.") from None
    return value


@shaped(Shape("text", form=_ALIAS.pattern, example="alias/example"))
def alias(wire: str, value: Any) -> str:
    if not isinstance(value, str) or not _ALIAS.fullmatch(value):
        raise e.InvalidAlias(f"{wire} is 'alias/' and 1 to 255 letters, digits, '-', '_' and '/'.")
    return value.removeprefix(ALIAS_PREFIX)


@shaped(Shape("json", json=True, example='[{"Key":"KeyState","Values":["Enabled"]}]'))
def filters(wire: str, value: Any) -> dict[str, Any]:
    """`[{"Key": .., "Values": [..]}]`, at most 10: values are alternatives, keys must all match."""
    try:
        rows = msgspec.convert(parse_json(value), list[_Filter])
    except (e.MalformedRequest, msgspec.ValidationError, TypeError):
        raise e.InvalidParameter(f"{wire} is not the JSON text of a list of Key and Values.") from None
    names = [row.Key.lower() for row in rows]
    if len(rows) > 10 or len(set(names)) != len(names):
        raise e.InvalidParameter(f"{wire} has at most 10 rows, each Key once.")
    asked = {row.Key.lower(): row.Values for row in rows}
    where: dict[str, Any] = {}
    for name, values in asked.items():
        if name in _FILTER_ENUMS:
            field, table = _FILTER_ENUMS[name]
            where[field] = [table[v] for v in values if v in table]
        elif name in _FILTER_CONSTANTS:
            if _FILTER_CONSTANTS[name] not in values:
                where["ids"] = []
        elif name == "keyid":
            where["ids"] = values
        elif name == "creator":
            where["creators"] = values
        elif name == "aliasname":
            where["aliases"] = [v.removeprefix(ALIAS_PREFIX) for v in values]
        elif name not in ("tagkey", "tagvalue"):
            raise e.InvalidParameter(f"{wire}: the Key {name[:64]!r} is not known.")
    if "tagkey" in asked or "tagvalue" in asked:
        where["tags"] = [[asked.get("tagkey", []), asked.get("tagvalue", [])]]
    return where


class _Filter(msgspec.Struct, forbid_unknown_fields=True):
    Key: str
    Values: list[str]


msgspec.json.Decoder(_Filter)  # built on import, not by the first request: see action.call.prepare


_FILTER_ENUMS: dict[str, tuple[str, Mapping[str, str]]] = {
    "keystate": ("states", STATES),
    "keyspec": ("specs", SPECS),
    "keyusage": ("usages", USAGES),
}
_FILTER_CONSTANTS = {"protectionlevel": "SOFTWARE", "creatortype": "User", "dkmsinstanceid": ""}


_INTERVAL = re.compile(r"([0-9]{1,9})([dhms])")
_SECONDS = {"d": DAY, "h": 3_600, "m": 60, "s": 1}


@shaped(Shape("text", form=_INTERVAL.pattern, example="365d"))
def interval(wire: str, value: Any) -> int:
    """A number and its unit: `365d`, `8760h`."""
    match = _INTERVAL.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise e.InvalidParameter(f"{wire} is a number and one of the units d, h, m, s.")
    return int(match[1]) * _SECONDS[match[2]]


_SPEC = codecs.choice(SPECS, e.UnsupportedKeySpec)


@like(_SPEC)
def spec(wire: str, value: Any) -> KeySpec:
    if value == "EC_SM2":
        raise e.UnsupportedKeySpec(f"{wire} EC_SM2 is not supported here: {codecs.SM2_REASON}")
    spec: KeySpec = _SPEC(wire, value)
    return spec


@shaped(Shape("list", 1, 50, of=KEY_OR_ALIAS))
def resource_ids(wire: str, value: Any) -> list[str]:
    if not isinstance(value, list) or not 1 <= len(value) <= 50:
        raise e.InvalidParameter(f"{wire} is a list of 1 to 50 key ids: {wire}.1, {wire}.2 and so on.")
    if len(set(value)) != len(value):
        raise e.InvalidParameter(f"{wire} names a key twice.")
    try:
        return [key(wire, item) for item in value]
    except e.KeyNotFound:
        raise e.ResourceNotFound from None


def _tag_list(wire: str, value: Any) -> list[tuple[str, str]]:
    """`Tag.N.Key` and `Tag.N.Value`, each key once."""
    if not isinstance(value, list) or not 1 <= len(value) <= 20:
        raise e.InvalidParameter(f"{wire} is a list of 1 to 20 tags.")
    pairs: list[tuple[str, str]] = []
    for item in value:
        if not isinstance(item, dict) or not item.keys() <= {"Key", "Value"} or not item.get("Key"):
            raise e.InvalidParameter(f"{wire}: a tag has a Key and a Value.")
        pairs.append((codecs.text(wire, item["Key"]), codecs.text(wire, item.get("Value", ""))))
    if len({name for name, _ in pairs}) != len(pairs):
        raise e.InvalidParameter(f"{wire} names a Key twice.")
    return pairs


@shaped(Shape("json", example=TAG_LIST))
def tag_map(wire: str, value: Any) -> dict[str, str]:
    return dict(_tag_list(wire, value))


@shaped(Shape("json", example=TAG_LIST))
def tag_filter(wire: str, value: Any) -> list[tuple[str, list[str]]]:
    return [(name, [content] if content else []) for name, content in _tag_list(wire, value)]


@shaped(Shape("text", 1, 1024))
def tags_token(wire: str, value: Any) -> dict[str, Any]:
    """A NextToken of ListTagResources. A number is how many rows to pass over: releases before this one told it."""
    said = codecs.text(wire, value)
    if _ROWS.fullmatch(said):
        return {"start": int(said)}
    place = places.place_of("ListTagResources", said)
    if place is None:
        raise e.InvalidParameter(f"{wire} is none that ListTagResources has answered.")
    return {"after": place}


@shaped(Shape("text", example='["team"]'))
def tag_keys(wire: str, value: Any) -> list[str]:
    """A JSON array of names, or names joined by commas: both are documented."""
    text = codecs.text(wire, value)
    if not text.startswith("["):
        return [name.strip() for name in text.split(",")]
    try:
        return msgspec.convert(parse_json(text), list[str])
    except (e.MalformedRequest, msgspec.ValidationError):
        raise e.InvalidParameter(f"{wire} is not the JSON text of a list of names.") from None


@shaped(Shape("list", 0, 20, of=TEXT))
def names(wire: str, value: Any) -> list[str]:
    if not isinstance(value, list) or len(value) > 20:
        raise e.InvalidParameter(f"{wire} is a list of at most 20 names.")
    return [codecs.text(wire, item) for item in value]


WRAPPING = codecs.algorithm(codecs.same("RSAES_PKCS1_V1_5", "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256"), "SM2PKE")


@shaped(BASE64)
def public_key(wire: str, value: Any) -> dict[str, str]:
    return {"public_key": codecs.binary(wire, value)}


@like(WRAPPING)
def receiving(wire: str, value: Any) -> dict[str, str]:
    return {"algorithm": WRAPPING(wire, value)}


def iso(name: str) -> Out:
    """Unix seconds as ISO 8601 in UTC; empty for 0, which is never."""

    def leaf(result: Mapping[str, Any], _view: View) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(result[name])) if result[name] else ""

    return leaf


def automatic_rotation(result: Mapping[str, Any], _view: View) -> str:
    if not result["rotation_seconds"]:
        return "Disabled"
    return "Enabled" if result["state"] == KeyState.ENABLED else "Suspended"


def arn(kind: str, name: str) -> Out:
    return lambda result, view: f"{ARNS.home(view.site)}{kind}/{result[name]}"
