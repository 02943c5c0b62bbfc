"""The reference that the page searches and makes forms of: the dialects' tables, as JSON, with words for people.

A new operation appears by itself; `words.json` has a line of its Action, or a test fails.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from functions.endpoint.explorer.refusals import ALWAYS, errors_of
from tenantkms import __version__
from tenantkms import errors as e
from tenantkms.model.profiles import DAY, PROFILES, Profile
from tenantkms.model.site import Site
from tenantkms.names import ALIBABA, AWS, TENCENT, TENCENT_V2
from tenantkms.wire.dialects import DIALECTS
from tenantkms.wire.http import Request
from tenantkms.wire.shapes import Shape, shape_of
from tenantkms.wire.translate import Dialect, In, Operation, View, refused

CODES: Mapping[str, tuple[tuple[str, ...], ...]] = {
    ALIBABA: (("Code",),),
    TENCENT: (("Response", "Error", "Code"),),
    TENCENT_V2: (("code",), ("codeDesc",)),
    AWS: (("__type",),),
}
"""Where an answer's error code stands, by dialect. The first one of a success is not there, or 0."""

_EXAMPLES = {
    "encryptioncontext": '{"purpose":"example"}',
    "keyspec": "AES_256",
    "numberofbytes": "32",
    "pendingwindowindays": "7",
    "plaintext": "aGVsbG8=",
    "name": "example",
    "tagkey": "team",
    "tagkeys": "team",
}
"""Of parameters whose shape has none, by their names in lower case."""
_KEY_SPEC, _IMPORT = ("KeySpec",), ("ExpirationModel",)
_FILLED: Mapping[tuple[str, str], tuple[str, ...]] = {
    (ALIBABA, "SetDeletionProtection"): ("KeyId",),
    (ALIBABA, "UntagResources"): ("TagKey",),
    (TENCENT, "GenerateDataKey"): _KEY_SPEC,
    (TENCENT_V2, "GenerateDataKey"): ("keySpec",),
    (AWS, "GenerateDataKey"): _KEY_SPEC,
    (AWS, "GenerateDataKeyWithoutPlaintext"): _KEY_SPEC,
    (AWS, "ImportKeyMaterial"): _IMPORT,
    (AWS, "RetireGrant"): ("KeyId", "GrantId"),
}
"""What a form fills in besides what is required: one of several is, or a default asks for more."""
_EXAMPLE_OF = {(AWS, "ExpirationModel"): "KEY_MATERIAL_DOES_NOT_EXPIRE"}
_BY_KIND = {"boolean": "false", "base64": "aGVsbG8=", "map": '{"purpose":"example"}', "text": "example"}
_NO_LINE, _NO_ADVICE = ("", ""), ("", "", "")
"""What somebody has forgotten to say leaves a page that works."""
_REFUSE = refused("")[0].codec
_HEADER = "-"
"""Only what travels as a header has it in its name."""
_MANY = 10**6
"""A bound above it says nothing to people."""


class _Words(Struct, frozen=True):
    """By name: (English, Chinese); of errors: (their meaning in Chinese, the way out in English, in Chinese)."""

    actions: dict[str, tuple[str, str]]
    operations: dict[str, tuple[str, str]]
    errors: dict[str, tuple[str, str, str]]
    parameters: dict[str, tuple[str, str]]


def words() -> _Words:
    return msgspec.json.decode(Path(__file__).with_name("words.json").read_bytes(), type=_Words)


def build() -> bytes:
    """The reference, as JSON. It is of this version, not of a tenant: it is shown to everybody."""
    said = words()
    names = list(e.ERRORS)
    reference = {
        "version": __version__,
        "errors": [[name, e.ERRORS[name].text, *said.errors.get(name, _NO_ADVICE)] for name in names],
        "always": [n for n, name in enumerate(names) if e.ERRORS[name] in ALWAYS],
        "parameters": said.parameters,
        "dialects": [_dialect(dialect, said) for dialect in DIALECTS.values()],
    }
    return msgspec.json.encode(reference)


def _dialect(dialect: Dialect, said: _Words) -> dict[str, Any]:
    return {
        "name": dialect.name,
        "title": dialect.title,
        "version": dialect.version,
        "codes": CODES[dialect.name],
        "errors": [_code(dialect, error) for error in e.ERRORS.values()],
        "operations": [_operation(dialect, name, said) for name in sorted(dialect.operations)],
        "unsupported": dialect.unsupported,
    }


def _code(dialect: Dialect, error: type[e.KmsError]) -> tuple[int, str]:
    """(HTTP status, code) as the dialect answers it."""
    request = Request(method="POST", path="/", query="", headers={"authorization": "-"}, body=b"")
    answer = dialect.failure(request, "", error(), "", View(Site(tenant="-")))
    body = msgspec.json.decode(answer.body)
    return answer.status, " ".join(str(_at(body, path)) for path in CODES[dialect.name])


def _at(body: Any, path: Iterable[str]) -> Any:
    for name in path:
        body = body[name]
    return body


def _operation(dialect: Dialect, name: str, said: _Words) -> dict[str, Any]:
    operation, profile = dialect.operations[name], PROFILES[dialect.name]
    actions = frozenset({operation.action, *(variant.action for variant in operation.variants.values())})
    order = {error: n for n, error in enumerate(e.ERRORS.values())}
    taken = [row for row in _rows(operation) if row.codec is not _REFUSE]
    return {
        "name": name,
        "actions": sorted(actions),
        "say": said.operations.get(name) or said.actions.get(operation.action, _NO_LINE),
        "rate": dialect.rates.get(name, dialect.other_rate).per_second,
        "params": [_parameter(dialect.name, name, operation, row, profile) for row in taken],
        "refused": [row.wire for row in _rows(operation) if row.codec is _REFUSE],
        "exclusive": [rule.wires for rule in operation.rules if rule.exclusive],
        "answers": sorted(_answered(operation.out)),
        "errors": [order[error] for error in errors_of(operation, actions, profile) if error not in ALWAYS],
    }


def _rows(operation: Operation) -> Iterator[In]:
    return (row for row in operation.params if _HEADER not in row.wire)


def _answered(out: Mapping[str, Any]) -> Iterator[str]:
    """The names of an answer's fields, as far as they stand in the table itself."""
    for name, leaf in out.items():
        yield name
        if isinstance(leaf, dict):
            yield from _answered(leaf)


def _parameter(dialect: str, name: str, operation: Operation, row: In, profile: Profile) -> dict[str, Any]:
    shape = shape_of(row.codec)
    least, most = _limits(operation, row, shape, profile)
    default = _default(operation, row, shape, profile)
    filled = row.required or row.wire in _FILLED.get((dialect, name), ())
    # A limit of a plaintext that is a text counts its bytes, and an empty text may be a value.
    example = _EXAMPLE_OF.get((dialect, row.wire)) or _example(row, shape, least)
    rows = {
        "name": row.wire,
        "kind": shape.kind,
        "required": row.required,
        "filled": filled,
        "blank": row.required and row.blank and shape.kind == "text" and not (shape.least or shape.form),
        "bytes": row.to == "string",
        "least": least,
        "most": most if most is not None and most <= _MANY else None,
        "names": shape.names,
        "form": shape.form,
        "json": shape.json,
        "of": _item(shape.of),
        "default": default,
        "example": example,
    }
    return {key: value for key, value in rows.items() if value not in (None, "", False, ())}


def _item(of: Shape | None) -> dict[str, Any] | None:
    return msgspec.to_builtins(of) if of else None


def _limits(operation: Operation, row: In, shape: Shape, profile: Profile) -> tuple[int | None, int | None]:
    """The shape's, or the provider's where the Action asks the profile."""
    to = row.to if isinstance(row.to, str) else ""
    if to in ("plaintext", "string") and operation.action == "Encrypt":
        return shape.least, profile.plaintext_limit
    if to == "description":
        return shape.least, profile.description_limit
    if to == "days":
        return profile.deletion_window
    if to == "seconds" and shape.per == DAY:
        return profile.rotation_days
    return shape.least, shape.most


def _default(operation: Operation, row: In, shape: Shape, profile: Profile) -> int | None:
    """The number that a parameter left out stands for, where a table has it."""
    to = row.to if isinstance(row.to, str) else ""
    if to == "number_of_bytes" and operation.action.startswith("GenerateDataKey"):
        return profile.data_key_default
    value = operation.constant.get(to)
    return value // shape.per if shape.kind == "integer" and type(value) is int else None


def _example(row: In, shape: Shape, least: int | None) -> str:
    named = shape.example or _EXAMPLES.get(row.wire.lower(), "")
    if named and (not shape.names or named in shape.names):
        return named
    if shape.names:
        return shape.names[0]
    if shape.kind == "integer":
        return str(least or 0)
    if shape.kind == "list" and shape.of:
        return shape.of.example or (shape.of.names or ("",))[0]
    if shape.form and shape.kind == "text":
        return ""
    return _BY_KIND.get(shape.kind, "")
