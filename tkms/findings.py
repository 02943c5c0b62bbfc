"""What `tkms doctor` finds, and what it finds in the rows of any place."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from tenantkms.runtime.assemble import Settings
from tkms.anchor import check_rows, has_rows

OK, WARNING, PROBLEM = "ok", "warning", "problem"


class Finding(Struct, frozen=True):
    """What one look found. `advice` is what to do, where something is to be done."""

    check: str
    status: str
    found: str
    advice: str = ""


Found = Iterator[tuple[str, str, str]]
"""(status, what was found, advice)"""

ARNS, ROWS = "arns", "rows"
_SHOWN = 20
_REPAIR = 'Somebody wrote to the store. docs/operations.md, "Rows that are not believed", says how to repair it.'
_NO_ROOT = "After an upgrade: tkms take-over. Else somebody took the root secret away: restore it from a backup."


def examine_arns(settings: Settings) -> Found:
    """How the ARNs of the place begin."""
    from tenantkms.wire.dialects.aws.names import home  # the dialects are not the other commands' to load

    yield OK, f"{home(settings.site)} stands in messages of encryption SDKs, for ever", ""


def examine_rows(settings: Settings) -> Found:
    """Every row of the place, and each that is not believed by its name."""
    if not settings.root.exists():
        if has_rows(settings):
            yield PROBLEM, "there is no root secret, so no row is believed", _NO_ROOT
        else:
            yield OK, "there is none yet", ""
        return
    count = bad = 0
    for fault in check_rows(settings):
        count += 1
        if fault:
            bad += 1
            if bad <= _SHOWN:
                yield PROBLEM, fault.details, _REPAIR
    if bad > _SHOWN:
        yield PROBLEM, f"and {bad - _SHOWN} more", _REPAIR
    if not bad:
        yield OK, f"{count} are authentic", ""
