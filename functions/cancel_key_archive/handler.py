"""CancelKeyArchive: an archived key is enabled again."""

from __future__ import annotations

from tenantkms.action import KeyRefs, Nothing, Scope, action
from tenantkms.model import KeyState
from tenantkms.settings import entry


@action("CancelKeyArchive")
def cancel_key_archive(params: KeyRefs, scope: Scope) -> Nothing:
    scope.switch(params.key_ids, KeyState.ENABLED)
    return Nothing()


handler = entry(cancel_key_archive)
