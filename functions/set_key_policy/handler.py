"""SetKeyPolicy: who may do what with a key, besides what their own policies say."""

from __future__ import annotations

from collections.abc import Sequence

from tenantkms.access import key_policy
from tenantkms.action.action import action
from tenantkms.action.call import Nothing, Params
from tenantkms.action.scope import Scope
from tenantkms.model.key import Key
from tenantkms.model.specs import ANY_KEY
from tenantkms.model.states import EDIT
from tenantkms.runtime.lambda_entry import entry
from tenantkms.store.port import PutKey, Write


class SetKeyPolicy(Params, frozen=True, kw_only=True):
    """`policy`: None takes away what there is, which no dialect says.

    `bypass_policy_lockout_safety_check`: even if the caller could not set another one later (AWS calls it so).
    """

    key_id: str
    policy: str | None
    bypass_policy_lockout_safety_check: bool = False


@action("SetKeyPolicy", refuses=EDIT, needs=ANY_KEY)
def set_key_policy(params: SetKeyPolicy, scope: Scope) -> Nothing:
    text = params.policy
    if text is not None:
        key_policy.check(text, scope.profile.policy_form, scope.account)

    def change(keys: Sequence[Key]) -> list[Write]:
        (key,) = keys
        if text is not None and not params.bypass_policy_lockout_safety_check:
            scope.check_lockout(text, key.tags)
        return [PutKey(scope.revise(key, policy=text or ""))]

    scope.update([params.key_id], change)
    return Nothing()


handler = entry(set_key_policy)
