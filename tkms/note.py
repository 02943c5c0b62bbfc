"""What an operator does with a place as a whole, in its audit log."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from tenantkms.audit.line import INTENT, Record
from tenantkms.errors import KmsError
from tenantkms.names import NATIVE
from tenantkms.runtime.assemble import Settings, SettingsError

OPERATOR = "tkms"


class Log:
    """Lines of the audit log, of the operator."""

    def __init__(self, tenant: str, write: Callable[[Record], None], action: str, request_id: str) -> None:
        self._tenant, self._write, self._action = tenant, write, action
        self.request_id = request_id

    def write(self, keys: Sequence[str], outcome: str, text: str = "") -> None:
        """Raises `Unavailable`."""
        self._write(
            Record(
                time=time.time(),
                request_id=self.request_id,
                tenant=self._tenant,
                action=self._action,
                profile=NATIVE,
                principal=OPERATOR,
                outcome=outcome,
                keys=tuple(keys),
                note=text,
            )
        )


def note(settings: Settings, action: str, outcome: str, text: str = "", request_id: str = "") -> None:
    """A line of a data directory's audit log. Raises `Unavailable`."""
    log = Log(settings.site.tenant, settings.deps.audit.write, action, request_id or secrets.token_hex(16))
    log.write([], outcome, text)
    if settings.log:
        settings.log.close()


@contextmanager
def noted(opened: Callable[[], Settings], action: str, text: str) -> Iterator[Callable[[str], None]]:
    """Lines before and behind the block: `intent`, and then `ok` with the text that the block has handed over, or the
    name of the error. `opened` gives the settings for each line: nothing is open meanwhile. Raises `Unavailable`.
    """
    request_id, said = secrets.token_hex(16), [text]
    note(opened(), action, INTENT, text, request_id)
    try:
        yield said.append
    except BaseException as e:
        with suppress(KmsError, SettingsError):  # what went wrong is told in any case
            note(opened(), action, type(e).__name__, text, request_id)
        raise
    note(opened(), action, "ok", said[-1], request_id)
