"""EnableKey: one key or up to a hundred, all or none. A key that is enabled already stays so."""

from __future__ import annotations

from tenantkms.action.action import action
from tenantkms.action.call import KeyRefs, Nothing
from tenantkms.action.scope import Scope
from tenantkms.model.specs import ANY_KEY
from tenantkms.model.states import SWITCH, KeyState
from tenantkms.runtime.lambda_entry import entry


@action("EnableKey", refuses=SWITCH, needs=ANY_KEY)
def enable_key(params: KeyRefs, scope: Scope) -> Nothing:
    scope.switch(params.key_ids, KeyState.ENABLED)
    return Nothing()


handler = entry(enable_key)
