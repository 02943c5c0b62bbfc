"""ArchiveKey: the key decrypts only. A key that is archived already stays so."""

from __future__ import annotations

from tenantkms.action.action import action
from tenantkms.action.call import KeyRefs, Nothing
from tenantkms.action.scope import Scope
from tenantkms.model.specs import ANY_KEY
from tenantkms.model.states import ARCHIVE, KeyState
from tenantkms.runtime.lambda_entry import entry


@action("ArchiveKey", refuses=ARCHIVE, needs=ANY_KEY)
def archive_key(params: KeyRefs, scope: Scope) -> Nothing:
    scope.switch(params.key_ids, KeyState.ARCHIVED)
    return Nothing()


handler = entry(archive_key)
