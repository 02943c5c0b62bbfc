"""The values of parameters of AWS KMS (docs/protocols.md).

A text that AWS itself was seen to answer is answered in its words: programs look for them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tenantkms import errors as e
from tenantkms.crypto.strings import decode_base64
from tenantkms.model.alias import ALIAS_PREFIX
from tenantkms.model.site import Site
from tenantkms.model.specs import SPEC_USAGES, KeySpec
from tenantkms.model.version import UUID_FORM
from tenantkms.wire import codecs
from tenantkms.wire.dialects.aws import names
from tenantkms.wire.dialects.aws.errors import BadArn, BadTags
from tenantkms.wire.shapes import BOOLEAN, KEY_OR_ALIAS, KEY_OR_ARN, Shape, like, shape_of, shaped
from tenantkms.wire.translate import Codec

_ANY = 10**9
"""More than any length is."""


def member(wire: str) -> str:
    """A parameter's name as AWS's messages have it."""
    return wire[:1].lower() + wire[1:]


def violation(wire: str, constraint: str, value: str | None = None) -> e.InvalidParameter:
    """The refusal of a value: blobs are not repeated in it."""
    said = "Value" if value is None else f"Value '{value}'"
    return e.InvalidParameter(
        f"1 validation error detected: {said} at '{member(wire)}' failed to satisfy constraint: "
        f"Member must {constraint}"
    )


def text(low: int = 0, high: int = _ANY) -> Codec:
    @shaped(Shape("text", low or None, high if high < _ANY else None))
    def codec(wire: str, value: Any) -> str:
        if not isinstance(value, str):
            raise e.MalformedRequest(f"{wire} is not a string.")
        _check_length(wire, len(value), low, high, value)
        return value

    return codec


def _check_length(wire: str, length: int, low: int, high: int, value: str | None = None) -> None:
    if length < low:
        raise violation(wire, f"have length greater than or equal to {low}", value)
    if length > high:
        raise violation(wire, f"have length less than or equal to {high}", value)


def blob(low: int, high: int) -> Codec:
    """Bytes as base64, which is also how they travel in the canonical call."""

    @shaped(Shape("base64", low, high))
    def codec(wire: str, value: Any) -> str:
        if not isinstance(value, str) or decode_base64(value) is None:
            raise e.MalformedRequest(f"{wire} is not encoded with base64.")
        _check_length(wire, len(value) // 4 * 3 - value.count("=", -2), low, high)
        return value

    return codec


def integer(low: int, high: int) -> Codec:
    @shaped(Shape("integer", low, high))
    def codec(wire: str, value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise e.MalformedRequest(f"{wire} is not an integer.")
        if value < low:
            raise violation(wire, f"have value greater than or equal to {low}", str(value)[:20])
        if value > high:
            raise violation(wire, f"have value less than or equal to {high}", str(value)[:20])
        return value

    return codec


@shaped(BOOLEAN)
def boolean(wire: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise e.MalformedRequest(f"{wire} is not a boolean.")
    return value


@shaped(BOOLEAN)
def off(wire: str, value: Any) -> dict[str, Any]:
    """A switch of something that is not offered."""
    if boolean(wire, value):
        raise e.UnsupportedParameter(f"{wire} is not supported here.")
    return {}


def accepted(codec: Codec) -> Codec:
    """What says nothing that is not so anyway, or could only widen what is allowed, and does not."""

    @like(codec)
    def check(wire: str, value: Any) -> dict[str, Any]:
        codec(wire, value)
        return {}

    return check


def texts(codec: Codec, most: int = _ANY, least: int = 0) -> Codec:
    """A list of what `codec` reads."""

    @shaped(Shape("list", least, most if most < _ANY else None, of=shape_of(codec)))
    def each(wire: str, value: Any) -> list[Any]:
        if not isinstance(value, list):
            raise e.MalformedRequest(f"{wire} is not a list.")
        _check_length(wire, len(value), least, most)
        return [codec(wire, item) for item in value]

    return each


_TEXT = text()


def enum(table: Mapping[str, Any], unserved: frozenset[str] = frozenset()) -> Codec:
    """A name of `table`, translated by it; those in `unserved` exist at AWS only."""

    @shaped(Shape("choice", names=(*table,)))
    def codec(wire: str, value: Any) -> Any:
        name = _TEXT(wire, value)
        if name in unserved:
            raise e.UnsupportedParameter(f"{wire} {name} is not supported here.")
        if name not in table:
            raise violation(wire, f"satisfy enum value set: [{', '.join(table)}]", name)
        return table[name]

    return codec


def only(*names: str, unserved: frozenset[str] = frozenset()) -> Codec:
    """One of `names`, which says nothing that is not so anyway."""
    return enum({name: {} for name in names}, unserved)


def context(limit: int) -> Codec:
    codec = codecs.context(limit)

    @like(codec, json=False)
    def strict(wire: str, value: Any) -> Any:
        if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
            raise e.MalformedRequest(f"{wire} is not a map of strings.")
        return codec(wire, value)

    return strict


@shaped(Shape("map", most=0))
def no_context(wire: str, value: Any) -> dict[str, Any]:
    if value != {}:
        raise e.InvalidParameter(f"{wire} is not valid with asymmetric keys.")
    return {}


# -- keys and aliases ----------------------------------------------------------------------------------

_ARN = re.compile(r"arn:aws:kms:[^:]*:[^:]*:(?:key/(?P<key>[^/]+)|(?P<alias>alias/.+))")
_MULTI_REGION = re.compile(r"mrk-[0-9a-f]{32}")
_ALIAS = re.compile(r"alias/[a-zA-Z0-9:/_-]{1,250}")
_ID, _NAME = text(1, 2048), text(1, 256)


@shaped(KEY_OR_ARN)
def managed_key(wire: str, value: Any) -> str:
    """A key by its id or ARN, as whatever changes a key wants it. One of elsewhere is no key here: see `names.ARNS`."""
    said = _ID(wire, value)
    arn = _ARN.fullmatch(said)
    ref: str = arn["key"] or "" if arn else said
    if UUID_FORM.fullmatch(ref.lower()):
        return ref.lower()
    if _MULTI_REGION.fullmatch(ref):
        raise e.KeyNotFound(key=ref)  # there is none: keys are of one region
    raise e.InvalidKeyId(f"Invalid keyId '{said}'")


@shaped(KEY_OR_ALIAS)
def key(wire: str, value: Any) -> str:
    """A key by its id or by an alias, or by the ARN of either."""
    said = _ID(wire, value)
    arn = _ARN.fullmatch(said)
    ref: str = (arn["alias"] or "") if arn else said
    if not ref.startswith(ALIAS_PREFIX):
        return managed_key(wire, value)
    if not _ALIAS.fullmatch(ref):
        raise e.AliasNotFound(key=ref)
    return ref


@shaped(KEY_OR_ALIAS)
def one_key(wire: str, value: Any) -> list[str]:
    return [key(wire, value)]


@shaped(KEY_OR_ARN)
def one_managed_key(wire: str, value: Any) -> list[str]:
    return [managed_key(wire, value)]


PRINCIPALS = ("GranteePrincipal", "RetiringPrincipal")


def check_site(params: Mapping[str, Any], site: Site) -> None:
    """A principal of another account is none here. Raises `BadArn`."""
    for wire in PRINCIPALS:
        value = params.get(wire)
        if (
            isinstance(value, str)
            and value.startswith("arn:")
            and not value.startswith(f"arn:aws:iam::{site.account}:")
        ):
            raise BadArn(f"{wire} is no ARN of an access key of the account {site.account}: '{value[:256]}'")


@shaped(Shape("text", 1, 256, form=_ALIAS.pattern, example="alias/example"))
def alias(wire: str, value: Any) -> str:
    name: str = _NAME(wire, value)
    if not name.startswith(ALIAS_PREFIX):
        raise e.InvalidParameter(f'{wire} must start with the prefix "{ALIAS_PREFIX}".')
    if not _ALIAS.fullmatch(name):
        raise violation(wire, "satisfy regular expression pattern: ^[a-zA-Z0-9:/_-]+$", name)
    return name.removeprefix(ALIAS_PREFIX)


# -- creating and importing ----------------------------------------------------------------------------

spec = enum(names.SPECS, names.UNSERVED_SPECS)
usage_name = enum(codecs.same(*names.USAGES, *names.UNSERVED_USAGES))
origin = enum(names.ORIGINS, names.UNSERVED_ORIGINS)


def put_usage(canonical: dict[str, Any], _call: dict[str, Any], name: str) -> None:
    """The usage of the spec that stands before it."""
    spec = canonical.get("spec", KeySpec.AES_256)
    if names.USAGES.get(name) not in SPEC_USAGES[spec]:
        raise e.InvalidParameter(f"KeyUsage {name} is not compatible with KeySpec {names.SPEC_NAMES[spec]}")
    canonical["usage"] = names.USAGES[name]


def check_one_spec(given: list[str]) -> None:
    if len(given) > 1:
        raise e.InvalidParameter("CustomerMasterKeySpec is the old name of KeySpec: give one of them.")


def invocation(_wire: str, value: Any) -> str:
    """What tells attempts at one call from two calls: see `protocol`."""
    return str(value)[:64]


_TAG_NAME, _TAG_VALUE = text(1, 128), text(0, 256)
_MAX_TAGS = 50


@shaped(Shape("json", example=codecs.TAGS))
def tags(wire: str, value: Any) -> dict[str, str]:
    """A list of `{TagKey, TagValue}`, each key once."""
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise e.MalformedRequest(f"{wire} is not a list of tags.")
    found: dict[str, str] = {}
    for item in value:
        name, content = item.get("TagKey"), item.get("TagValue")
        if name is None or content is None:
            raise e.MissingParameter(f"{wire}: a tag has a TagKey and a TagValue.")
        name, content = _TAG_NAME("TagKey", name), _TAG_VALUE("TagValue", content)
        if name in found:
            raise BadTags("Duplicate tag keys")
        if name.startswith("aws:"):
            raise BadTags("Tag keys that begin with 'aws:' are reserved.")
        found[name] = content
    if len(found) > _MAX_TAGS:
        raise BadTags("Too many tags")
    return found


tag_keys = texts(_TAG_NAME, least=1)


@shaped(Shape("integer", 1, 2**40 - 1))
def valid_to(wire: str, value: Any) -> int:
    """Unix seconds, which SDKs send with their fraction. What is less than one is long ago; 0 would mean never."""
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 2**40:
        raise e.MalformedRequest(f"{wire} is not a time.")
    return max(1, int(value))


def check_valid_to(given: list[str]) -> None:
    if not given:
        raise e.InvalidParameter("A validTo date must be set if the ExpirationModel is KEY_MATERIAL_EXPIRES")


def check_no_valid_to(given: list[str]) -> None:
    if given:
        raise e.InvalidParameter(
            "A validTo date must not be set if the ExpirationModel is KEY_MATERIAL_DOES_NOT_EXPIRE"
        )


def check_size(given: list[str]) -> None:
    if len(given) != 1:
        raise e.InvalidParameter("Please specify either number of bytes or key spec.")
