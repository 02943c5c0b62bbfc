"""SetDeletionProtection: while it is on, no deletion can be scheduled."""

from __future__ import annotations

from tenantkms.action.action import action
from tenantkms.action.call import Nothing, Params
from tenantkms.action.scope import Scope
from tenantkms.model.specs import ANY_KEY
from tenantkms.model.states import EDIT
from tenantkms.runtime.lambda_entry import entry
from tenantkms.store.port import PutKey


class SetDeletionProtection(Params, frozen=True, kw_only=True):
    key_id: str
    enabled: bool
    description: str = ""


@action("SetDeletionProtection", refuses=EDIT, needs=ANY_KEY)
def set_deletion_protection(params: SetDeletionProtection, scope: Scope) -> Nothing:
    description = params.description if params.enabled else ""
    scope.update(
        [params.key_id],
        lambda keys: [
            PutKey(scope.revise(key, deletion_protection=params.enabled, protection_description=description))
            for key in keys
        ],
    )
    return Nothing()


handler = entry(set_deletion_protection)
