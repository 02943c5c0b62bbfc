"""A restore in the audit log: without a line before it nothing is put."""

from __future__ import annotations

import secrets
import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path

from tenantkms.audit.file_log import FileLog
from tenantkms.audit.line import INTENT
from tenantkms.errors import KmsError
from tenantkms.parent.root import Root
from tenantkms.runtime.assemble import AUDIT_FILE, AUDIT_KEY, Settings
from tkms.backup.compare import existing
from tkms.backup.contents import PARENT, STORE
from tkms.backup.restore import Plan
from tkms.backup.rows import file_parent
from tkms.note import Log, note
from tkms.output import Failed, say
from tkms.places import reason

_ACTION = "Restore"


@contextmanager
def announced(plan: Plan, text: str) -> Iterator[Callable[[Settings], None]]:
    """A line with the `text` before the block, and one with the name of the error where it fails. What this gives
    writes the line behind it, with the settings of what is there then.

    The line is under the key of the log that is there; where nothing tells that any more, under the backup's, which is
    that of the log from now on. A log that is new becomes part of what is put. Raises `Unavailable`, and then nothing
    is changed.
    """
    log = FileLog(*_log(plan))
    request_id = secrets.token_hex(16)
    line = Log(plan.unpacked.site.tenant, log.write, _ACTION, request_id)
    line.write([], INTENT, text)
    try:
        yield partial(note, action=_ACTION, outcome="ok", text=text, request_id=request_id)
    except BaseException as e:
        with suppress(KmsError):  # what went wrong is told in any case
            line.write([], type(e).__name__, text)
        log.settle()
        raise


def _log(plan: Plan) -> tuple[Path, Callable[[], bytes]]:
    """Where the line is written, and under which key."""
    new = partial(_key, plan.unpacked.site.tenant, plan.unpacked.store, plan.staged / PARENT)
    if not (plan.replaces or (plan.path / AUDIT_FILE).exists()):
        return plan.staged / AUDIT_FILE, new
    try:
        key = _key(plan.unpacked.site.tenant, plan.path / STORE, plan.path / PARENT)
    except (KmsError, Failed, OSError, sqlite3.Error) as e:
        told = f"What is there does not open ({reason(e)}): the audit log goes on under the key of the backup."
        say(f"tkms: {told}", sys.stderr)
        return plan.path / AUDIT_FILE, new
    return plan.path / AUDIT_FILE, lambda: key


def _key(tenant: str, store: Path, parent: Path) -> bytes:
    """The key of the audit log of a `store` that is left as it is, of whatever release."""
    parents = (file_parent(parent.read_bytes()),)
    with closing(existing(store)) as db:
        row = db.execute("SELECT CAST(sealed AS BLOB) FROM root").fetchone()
    return Root(tenant, lambda: parents, lambda: row[0] if row else None, file_parent).key(AUDIT_KEY)
