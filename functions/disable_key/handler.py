"""DisableKey: one key or up to a hundred, all or none. A key that is disabled already stays so."""

from __future__ import annotations

from tenantkms.action.action import action
from tenantkms.action.call import KeyRefs, Nothing
from tenantkms.action.scope import Scope
from tenantkms.model.specs import ANY_KEY
from tenantkms.model.states import SWITCH, KeyState
from tenantkms.runtime.lambda_entry import entry


@action("DisableKey", refuses=SWITCH, needs=ANY_KEY)
def disable_key(params: KeyRefs, scope: Scope) -> Nothing:
    scope.switch(params.key_ids, KeyState.DISABLED)
    return Nothing()


handler = entry(disable_key)
