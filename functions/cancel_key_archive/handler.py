"""CancelKeyArchive: an archived key is enabled again."""

from __future__ import annotations

from tenantkms.action.action import action
from tenantkms.action.call import KeyRefs, Nothing
from tenantkms.action.scope import Scope
from tenantkms.model.specs import ANY_KEY
from tenantkms.model.states import CANCEL_ARCHIVE, KeyState
from tenantkms.runtime.lambda_entry import entry


@action("CancelKeyArchive", refuses=CANCEL_ARCHIVE, needs=ANY_KEY)
def cancel_key_archive(params: KeyRefs, scope: Scope) -> Nothing:
    scope.switch(params.key_ids, KeyState.ENABLED)
    return Nothing()


handler = entry(cancel_key_archive)
