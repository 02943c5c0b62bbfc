"""The dialects, a folder each, and how a request's own is told."""

from __future__ import annotations

from msgspec import Struct

from tenantkms.errors import Unsigned
from tenantkms.wire.dialects.alibaba.protocol import DIALECT as ALIBABA
from tenantkms.wire.dialects.tencent.protocol import DIALECT as TENCENT
from tenantkms.wire.dialects.tencent_v2.protocol import DIALECT as TENCENT_V2
from tenantkms.wire.http import Request
from tenantkms.wire.recognise import Condition, Mark, Seen
from tenantkms.wire.signing import Scheme
from tenantkms.wire.translate import Dialect

DIALECTS = {dialect.name: dialect for dialect in (ALIBABA, TENCENT, TENCENT_V2)}
"""By name. Here a dialect is registered."""


class Spoken(Struct, frozen=True):
    """The dialect of a request, the scheme it is signed with, and whether a second one is mixed in."""

    dialect: Dialect
    scheme: Scheme
    ambiguous: bool


def _ranked() -> list[tuple[Condition, Spoken, Spoken]]:
    """Each mark's condition, what it says, and what it says of an ambiguous request."""
    marks: list[tuple[Mark, Dialect]] = [(mark, dialect) for dialect in DIALECTS.values() for mark in dialect.marks]
    marks.sort(key=lambda row: row[0].rank)
    return [
        (mark.holds, Spoken(dialect, mark.scheme, False), Spoken(dialect, mark.scheme, True)) for mark, dialect in marks
    ]


_MARKS = _ranked()
_FORM_PATHS = frozenset(dialect.form_path for dialect in DIALECTS.values() if dialect.form_path)
# Parameters that carry an authentication: each group is one carrier. What AWS's presigned requests have is one, too.
_CARRIERS = (
    *dict.fromkeys((dialect.carrier,) for dialect in DIALECTS.values()),
    ("X-Amz-Signature", "X-Amz-Credential"),
)


def recognise(request: Request) -> Spoken | None:
    """None for a request that shows no mark of any dialect."""
    seen = Seen(request, _FORM_PATHS)
    carriers = sum(any(map(seen.has, names)) for names in _CARRIERS)
    ambiguous = carriers + (bool(seen.authorization) or "x-amz-target" in seen.headers) > 1
    for holds, clear, mixed in _MARKS:
        if holds(seen):
            return mixed if ambiguous else clear
    return None


def check_unambiguous(spoken: Spoken) -> None:
    if spoken.ambiguous:
        raise Unsigned("The request carries more than one authentication.")
