"""From a dialect's parameters to the canonical call and from its result to the dialect's fields, by table.

A dialect is data: `Operation` rows of `In` fields and an `out` template. Nothing in this file knows a vendor.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

from msgspec import Struct

from tenantkms.errors import InvalidParameter, KmsError, MissingParameter, UnknownParameter, UnsupportedParameter
from tenantkms.model.limits import Rate
from tenantkms.model.site import Site
from tenantkms.wire.arns import NO_ARNS, Arns
from tenantkms.wire.http import Request, Response
from tenantkms.wire.parse import Parameters
from tenantkms.wire.recognise import Mark
from tenantkms.wire.signing import Scheme

Codec = Callable[[str, Any], Any]
"""(wire name, wire value) -> canonical value; raises a domain error that names the parameter."""


class Target(Struct, frozen=True):
    """Where a decoded value goes, if not to the canonical parameter that a plain name says.

    `put(canonical, call, value)` puts it there; `name` is what it is a part of.
    """

    name: str
    put: Callable[[dict[str, Any], dict[str, Any], Any], None]


SPREAD = Target("", lambda canonical, _call, value: canonical.update(value))
"""The codec answers several canonical parameters as a dict."""


def into(name: str) -> Target:
    """The codec answers some fields of the canonical object `name` as a dict."""

    def put(canonical: dict[str, Any], _call: dict[str, Any], value: Any) -> None:
        canonical[name] = {**canonical.get(name, {}), **value}

    return Target(name, put)


def call(name: str) -> Target:
    """A field of the call itself."""

    def put(_canonical: dict[str, Any], call: dict[str, Any], value: Any) -> None:
        call[name] = value

    return Target(name, put)


class In(Struct, frozen=True):
    """One parameter. A blank value is an absent one, except where `blank` says that it has a meaning."""

    wire: str
    to: str | Target
    codec: Codec
    required: bool = False
    blank: bool = False

    def given(self, params: Mapping[str, Any]) -> bool:
        value = params.get(self.wire)
        return not (value is None or (value == "" and not self.blank))


class Rule(Struct, frozen=True):
    """What parameters must be given with each other; `check` is told which of `wires` are, and raises.

    `exclusive`: not two of them are let through.
    """

    wires: tuple[str, ...]
    check: Callable[[list[str]], None]
    exclusive: bool = False


def one_of(*wires: str, required: bool = False) -> Rule:
    """At most one of these is given; exactly one if `required`."""

    def check(given: list[str]) -> None:
        if len(given) > 1:
            raise InvalidParameter(f"{' and '.join(given)} exclude each other: give one of them.")
        if required and not given:
            raise MissingParameter(f"{' or '.join(wires)} is required.")

    return Rule(wires, check, exclusive=True)


def together(leader: str, *others: str) -> Rule:
    """The others are given only with `leader`."""

    def check(given: list[str]) -> None:
        if given and leader not in given:
            raise MissingParameter(f"{leader} is required with {' and '.join(given)}.")

    return Rule((leader, *others), check)


def _refuse(wire: str, value: Any) -> Any:
    if value in ([], {}):
        return {}
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

    `constant` are canonical parameters that the name of the operation implies; `rules` say which parameters go with
    which. `variants` take its place for some values of the parameter `by`.
    """

    action: str
    params: tuple[In, ...] = ()
    out: Mapping[str, Any] = {}
    constant: Mapping[str, Any] = {}
    rules: tuple[Rule, ...] = ()
    by: str = ""
    variants: Mapping[str, Operation] = {}

    def of(self, params: Mapping[str, Any]) -> Operation:
        """This operation, or its variant for these parameters."""
        if not self.by:
            return self
        value = params.get(self.by)
        return self.variants.get(value, self) if isinstance(value, str) else self

    @cached_property
    def wires(self) -> frozenset[str]:
        """The names of its parameters."""
        return frozenset(field.wire for field in self.params)

    @cached_property
    def needs(self) -> frozenset[str]:
        """The names of those that must be given."""
        return frozenset(field.wire for field in self.params if field.required)

    def named(self, error: KmsError) -> KmsError:
        """`error`, with this operation's own names of the canonical parameters that it is about."""
        if error.field:
            about = error.field.split(" or ")
            names = ((row.wire, row.to if isinstance(row.to, str) else row.to.name) for row in self.params)
            error.field = " or ".join(wire for wire, name in names if name in about) or "A parameter"
        return error


_FITTING = 1000
"""How many answers are remembered, and of how many characters each."""


class Dialect(Struct, frozen=True, kw_only=True, dict=True):
    """Everything that makes one vendor's protocol, as tables and four small functions.

    `authorizations`: beginnings of the Authorization header, which decides where there is one, and their schemes.
    `marks`: how its requests are known otherwise. `carrier`: the parameter that names an access key. `version`: the
    only one, "" where none is sent. `form_path`: where a body is a form whatever its content type says. `common`:
    parameters that every operation may carry. `unsupported`: Actions of the vendor that are not served, with the
    reason. `parameters` reads what the signature may cover, flat; `parse` gives the Action and the version, which are
    not yet checked, and the parameters nested. `rates`: how often the vendor lets an operation be called, and
    `other_rate` all that is not there. `arns` says what names keys by ARN, if anything does, and `no_arns` what is one
    where nothing does: only refused ids ask it. `check_site` refuses what else names something of another site.
    """

    name: str
    title: str
    authorizations: Mapping[str, Scheme]
    marks: tuple[Mark, ...]
    carrier: str
    version: str = ""
    form_path: str = ""
    operations: Mapping[str, Operation]
    unsupported: Mapping[str, str]
    common: frozenset[str]
    parameters: Callable[[Request, Scheme], Parameters]
    parse: Callable[[Request, Scheme, Parameters], tuple[str, str, dict[str, Any]]]
    errors: Mapping[type[KmsError], Any]
    rates: Mapping[str, Rate]
    other_rate: Rate
    success: Callable[[Request, str, Mapping[str, Any], str], Response]
    failure: Callable[[Request, str, KmsError, str, View], Response]
    arns: Arns | None = None
    no_arns: Arns = NO_ARNS
    check_site: Callable[[Mapping[str, Any], Site], None] = lambda _params, _site: None

    @cached_property
    def _bits(self) -> dict[str, int]:
        """Operation -> its bit."""
        return {action: 1 << n for n, action in enumerate(self.operations)}

    @cached_property
    def _knowing(self) -> dict[str, int]:
        """Parameter -> the bits of the operations that know it."""
        found = dict.fromkeys(self.common, -1)
        for action, operation in self.operations.items():
            for wire in operation.wires:
                found[wire] = found.get(wire, 0) | self._bits[action]
        return found

    def operation(self, action: str, params: Mapping[str, Any]) -> Operation | None:
        found = self.operations.get(action)
        return found.of(params) if found else None

    def fits_another(self, action: str, params: Mapping[str, Any]) -> bool:
        """Whether another operation than `action` takes parameters of these names, which it may refuse by their values.

        It is asked for every request of some schemes, so answers are remembered: SDKs send the same few names.
        """
        if None in params.values():
            names = (action, *(name for name, value in params.items() if value is not None))
        else:
            names = (action, *params)
        fits = self._fitting.get(names)
        if fits is None:
            fits = self._fits(*names)
            if len(self._fitting) < _FITTING and sum(map(len, names)) < _FITTING:
                self._fitting[names] = fits
        return fits

    @cached_property
    def _fitting(self) -> dict[tuple[str, ...], bool]:
        return {}

    def _fits(self, action: str, *names: str) -> bool:
        knowing, others = self._knowing, ~self._bits.get(action, 0)
        for name in names:
            others &= knowing.get(name, 0)
        if not others:
            return False
        given = {*names}
        return any(others & bit and self.operations[other].needs <= given for other, bit in self._bits.items())


def decode(
    operation: Operation, params: Mapping[str, Any], common: frozenset[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(canonical parameters, fields of the call). Raises the codecs' errors, `MissingParameter`, `UnknownParameter`."""
    canonical: dict[str, Any] = dict(operation.constant)
    call: dict[str, Any] = {}
    for field in operation.params:
        value = params.get(field.wire)
        if value is None or (value == "" and not field.blank):  # as `In.given`, in the loop of every request
            if field.required:
                raise MissingParameter(f"{field.wire} is required.", parameter=field.wire)
            continue
        decoded, to = field.codec(field.wire, value), field.to
        if isinstance(to, str):
            canonical[to] = decoded
        else:
            to.put(canonical, call, decoded)
    for rule in operation.rules:
        rule.check([field.wire for field in operation.params if field.wire in rule.wires and field.given(params)])
    if not operation.wires.issuperset(params):
        for name, value in params.items():
            if value is not None and name not in operation.wires and name not in common:
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
