"""What an operator does with a data directory as a whole, in its audit log."""

from __future__ import annotations

import secrets

from tenantkms.audit.line import Record
from tenantkms.names import NATIVE
from tenantkms.runtime.assemble import Settings


def note(settings: Settings, action: str, outcome: str) -> None:
    """A line of the audit log."""
    settings.deps.audit.write(
        Record(
            time=settings.deps.clock(),
            request_id=secrets.token_hex(16),
            tenant=settings.site.tenant,
            action=action,
            profile=NATIVE,
            principal="tkms",
            outcome=outcome,
        )
    )
    if settings.log:
        settings.log.close()
