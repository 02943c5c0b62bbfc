"""ArchiveKey: the key decrypts only. A key that is archived already stays so."""

from __future__ import annotations

from tenantkms.action import KeyRefs, Nothing, Scope, action
from tenantkms.model import KeyState
from tenantkms.settings import entry


@action("ArchiveKey")
def archive_key(params: KeyRefs, scope: Scope) -> Nothing:
    scope.switch(params.key_ids, KeyState.ARCHIVED)
    return Nothing()


handler = entry(archive_key)
