"""SetDeletionProtection: while it is on, no deletion can be scheduled."""

from __future__ import annotations

from tenantkms.action import Nothing, Params, Scope, action
from tenantkms.keystore import PutKey
from tenantkms.settings import entry


class SetDeletionProtection(Params, frozen=True, kw_only=True):
    key_id: str
    enabled: bool
    description: str = ""


@action("SetDeletionProtection")
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
