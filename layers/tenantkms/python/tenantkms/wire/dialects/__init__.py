"""The dialects, a folder each, and how a request's own is told."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from tenantkms.errors import Unsigned
from tenantkms.wire.dialects.alibaba.protocol import DIALECT as ALIBABA
from tenantkms.wire.dialects.aws.protocol import DIALECT as AWS
from tenantkms.wire.dialects.tencent.protocol import DIALECT as TENCENT
from tenantkms.wire.dialects.tencent_v2.protocol import DIALECT as TENCENT_V2
from tenantkms.wire.http import Request
from tenantkms.wire.recognise import NO_PARAMETERS, Seen, any_parameter, both, either, header, parameter, unless
from tenantkms.wire.signing import Scheme
from tenantkms.wire.translate import Dialect

DIALECTS = {dialect.name: dialect for dialect in (ALIBABA, TENCENT, TENCENT_V2, AWS)}
"""By name. Here a dialect is registered."""


class Spoken(Struct, frozen=True):
    """The dialect of a request, the scheme it is signed with, and whether a second one is mixed in."""

    dialect: Dialect
    scheme: Scheme
    ambiguous: bool


Rows = list[tuple[Any, Spoken, Spoken]]
"""What is looked for, what it says, and what it says of an ambiguous request."""


def _authorizations() -> Rows:
    rows = [(begin, d, scheme) for d in DIALECTS.values() for begin, scheme in d.authorizations.items()]
    return [(begin, Spoken(d, scheme, False), Spoken(d, scheme, True)) for begin, d, scheme in rows]


def _marks() -> Rows:
    rows = sorted(((mark, d) for d in DIALECTS.values() for mark in d.marks), key=lambda row: row[0].rank)
    return [(mark.holds, Spoken(d, mark.scheme, False), Spoken(d, mark.scheme, True)) for mark, d in rows]


_AUTHORIZATIONS, _MARKS = _authorizations(), _marks()
_FORM_PATHS = frozenset(dialect.form_path for dialect in DIALECTS.values() if dialect.form_path)
# What carries an authentication, beside the header. AWS's presigned requests have many parameters, which are one. Only
# parameters do where there is that header.
_CARRIERS = (
    *map(parameter, dict.fromkeys(dialect.carrier for dialect in DIALECTS.values() if dialect.carrier)),
    either(any_parameter("X-Amz-"), both(header("x-amz-target"), unless(header("authorization")))),
)


def recognise(request: Request) -> Spoken | None:
    """None for a request that shows no mark of any dialect."""
    seen = Seen(request, _FORM_PATHS)
    authorization = seen.authorization
    carriers = 1 if authorization else 0
    if not authorization or seen.raw != NO_PARAMETERS:
        for carries in _CARRIERS:
            if carries(seen):
                carriers += 1
    if authorization:
        for beginning, clear, mixed in _AUTHORIZATIONS:
            if authorization.startswith(beginning):
                return mixed if carriers > 1 else clear
    for holds, clear, mixed in _MARKS:
        if holds(seen):
            return mixed if carriers > 1 else clear
    return None


def check_unambiguous(spoken: Spoken) -> None:
    if spoken.ambiguous:
        raise Unsigned("The request carries more than one authentication.")
