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
    """`[{"Key": .., "Values": [..]}]`, at most 10: values of one Key are alternatives, Keys must all match."""
    asked = _asked(wire, value)
    where: dict[str, Any] = {}
    for name, field in _FILTER_FIELDS.items():
        if name in asked:
            table = _FILTER_VALUES.get(name)
            where[field] = [table[v] for v in asked[name] if table[v]] if table else asked[name]
    if "aliases" in where:
        where["aliases"] = [v.removeprefix(ALIAS_PREFIX) for v in where["aliases"]]
    if "TagKey" in asked or "TagValue" in asked:
        where["tags"] = [[asked.get("TagKey", []), asked.get("TagValue", [])]]
    if any(name in asked and ours not in asked[name] for name, ours in _FILTER_CONSTANTS.items()):
        where["ids"] = []
    return where


def _asked(wire: str, value: Any) -> dict[str, list[str]]:
    """Each Key, as `_FILTERS` spells it, with all its values."""
    try:
        rows = msgspec.convert(parse_json(value), list[_Filter])
    except (e.MalformedRequest, msgspec.ValidationError, TypeError):
        raise e.InvalidParameter(f"{wire} is not the JSON text of a list of Key and Values.") from None
    if len(rows) > 10:
        raise e.InvalidParameter(f"{wire} has at most 10 rows.")
    asked: dict[str, list[str]] = {}
    for row in rows:
        name = _FILTERS.get(row.Key.lower())
        if name is None:
            raise e.InvalidParameter(f"{wire}: the Key {row.Key[:64]!r} is none of {', '.join(_FILTERS.values())}.")
        known = _FILTER_VALUES.get(name)
        strange = next((v for v in row.Values if v not in known), None) if known else None
        if known and strange is not None:
            raise e.InvalidParameter(f"{wire}: the {name} {strange[:64]!r} is none of {', '.join(known)}.")
        asked.setdefault(name, []).extend(row.Values)
    return asked


class _Filter(msgspec.Struct, forbid_unknown_fields=True):
    Key: str
    Values: list[str]


msgspec.json.Decoder(_Filter)  # built on import, not by the first request: see action.call.prepare


_FILTER_FIELDS = {
    "KeyState": "states",
    "KeySpec": "specs",
    "KeyUsage": "usages",
    "keyId": "ids",
    "AliasName": "aliases",
    "Creator": "creators",
}
_FILTER_CONSTANTS = {"ProtectionLevel": "SOFTWARE", "CreatorType": "User", "DKMSInstanceId": ""}
"""What is the same of all keys."""
_FILTERS = {name.lower(): name for name in (*_FILTER_FIELDS, *_FILTER_CONSTANTS, "TagKey", "TagValue")}
_FILTER_VALUES: Mapping[str, Mapping[str, str]] = {
    "KeyState": STATES,
    # What DescribeKey tells. The provider has more, which no key is here: ''.
    "KeySpec": {**{name: spec for spec, name in SPEC_NAMES.items()}, "EC_SM2": ""},
    "KeyUsage": {name: usage for usage, name in USAGE_NAMES.items()},
    "ProtectionLevel": {"SOFTWARE": "SOFTWARE", "HSM": ""},
    "CreatorType": {"User": "User", "Service": ""},
}
"""Of a Key whose values are closed: each with what it is here."""


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
