"""DisableKey: one key or up to a hundred, all or none. A key that is disabled already stays so."""

from __future__ import annotations

from tenantkms.action import KeyRefs, Nothing, Scope, action
from tenantkms.model import KeyState
from tenantkms.settings import entry


@action("DisableKey")
def disable_key(params: KeyRefs, scope: Scope) -> Nothing:
    scope.switch(params.key_ids, KeyState.DISABLED)
    return Nothing()


handler = entry(disable_key)
