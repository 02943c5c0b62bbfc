"""EnableKey: one key or up to a hundred, all or none. A key that is enabled already stays so."""

from __future__ import annotations

from tenantkms.action import KeyRefs, Nothing, Scope, action
from tenantkms.model import KeyState
from tenantkms.settings import entry


@action("EnableKey")
def enable_key(params: KeyRefs, scope: Scope) -> Nothing:
    scope.switch(params.key_ids, KeyState.ENABLED)
    return Nothing()


handler = entry(enable_key)
