"""From a dialect's parameters to the canonical call and from its result to the dialect's fields, by table.

A dialect is data: `Operation` rows of `In` fields and an `out` template. Nothing in this file knows a vendor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from msgspec import Struct

from tenantkms.errors import KmsError, MissingParameter, UnknownParameter, UnsupportedParameter
from tenantkms.model.site import Site
from tenantkms.wire.http import Request, Response
from tenantkms.wire.signing import Scheme

Codec = Callable[[str, Any], Any]
"""(wire name, wire value) -> canonical value; raises a domain error that names the parameter."""

SPREAD = ""
"""As a canonical name: the codec answers several canonical parameters as a dict."""

MERGE = "+"
"""First character of a canonical name that is an object: the codec answers some of its fields."""

CALL = "@"
"""First character of a canonical name that is a field of the call itself."""


class In(Struct, frozen=True):
    """One parameter. A blank value is an absent one, except where `blank` says that it has a meaning."""

    wire: str
    to: str
    codec: Codec
    required: bool = False
    blank: bool = False


def _refuse(wire: str, _value: Any) -> Any:
    raise UnsupportedParameter(f"{wire} is not supported here.")


def refused(*names: str) -> tuple[In, ...]:
    """Parameters that ask for something that is not served: accepted only when blank."""
    return tuple(In(name, SPREAD, _refuse) for name in names)


Out = Callable[[Mapping[str, Any], "View"], Any]
"""A leaf of an `out` template: (canonical result, view) -> wire value; None leaves the field out."""


class View(Struct, frozen=True):
    """What rendering knows besides the result."""

    site: Site


class Operation(Struct, frozen=True, dict=True):
    """One Action of a dialect: the canonical Action that serves it, its parameters, its response fields.

    `constant` are canonical parameters that the name of the operation implies.
    """

    action: str
    params: tuple[In, ...] = ()
    out: Mapping[str, Any] = {}
    constant: Mapping[str, Any] = {}

    @cached_property
    def wires(self) -> frozenset[str]:
        """The names of its parameters."""
        return frozenset(field.wire for field in self.params)


class Dialect(Struct, frozen=True, kw_only=True):
    """Everything that makes one vendor's protocol, as tables and four small functions.

    `common`: parameters that every operation may carry. `unsupported`: Actions of the vendor that are not
    served, with the reason. `parse` gives the Action, and its parameters nested; it is called with the flat
    parameters that the signature covers.
    """

    name: str
    operations: Mapping[str, Operation]
    unsupported: Mapping[str, str]
    common: frozenset[str]
    flat: Callable[[Request, Scheme], dict[str, str]]
    parse: Callable[[Request, Scheme, dict[str, str]], tuple[str, dict[str, Any]]]
    errors: Mapping[type[KmsError], Any]
    success: Callable[[Request, str, Mapping[str, Any], str], Response]
    failure: Callable[[Request, str, KmsError, str], Response]


def decode(
    operation: Operation, params: Mapping[str, Any], common: frozenset[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(canonical parameters, fields of the call). Raises the codecs' errors, `MissingParameter`, `UnknownParameter`."""
    canonical: dict[str, Any] = dict(operation.constant)
    call: dict[str, Any] = {}
    for field in operation.params:
        value = params.get(field.wire)
        if value is None or (value == "" and not field.blank):
            if field.required:
                raise MissingParameter(f"{field.wire} is required.")
            continue
        decoded = field.codec(field.wire, value)
        kind, name = field.to[:1], field.to[1:]
        if kind == SPREAD:
            canonical.update(decoded)
        elif kind == MERGE:
            canonical[name] = {**canonical.get(name, {}), **decoded}
        elif kind == CALL:
            call[name] = decoded
        else:
            canonical[field.to] = decoded
    if unknown := params.keys() - common - operation.wires:
        for name, value in params.items():
            if name in unknown and value is not None:
                raise UnknownParameter(f"The parameter {name[:64]!r} is not known.")
    return canonical, call


def encode(out: Mapping[str, Any], result: Mapping[str, Any], view: View) -> dict[str, Any]:
    """The response fields of a canonical result."""
    fields: dict[str, Any] = {}
    for name, leaf in out.items():
        value = encode(leaf, result, view) if isinstance(leaf, dict) else leaf(result, view)
        if value is not None:
            fields[name] = value
    return fields


# -- leaves of out templates ---------------------------------------------------------------------------


def get(name: str) -> Out:
    """The canonical field itself."""
    return lambda result, _view: result[name]


def const(value: Any) -> Out:
    return lambda _result, _view: value


def one(name: str, out: Mapping[str, Any]) -> Out:
    """The object in the canonical field `name`, rendered with `out`."""
    return lambda result, view: encode(out, result[name], view)


def first(name: str, out: Mapping[str, Any]) -> Out:
    """The first object of the canonical list `name`, rendered with `out`."""
    return lambda result, view: encode(out, result[name][0], view)


def each(name: str, out: Mapping[str, Any]) -> Out:
    """A list: each object of the canonical list `name`, rendered with `out`."""
    return lambda result, view: [encode(out, item, view) for item in result[name]]


def listed(name: str, table: Mapping[Any, str]) -> Out:
    """The wire name of a canonical enumeration's value."""
    return lambda result, _view: table[result[name]]
