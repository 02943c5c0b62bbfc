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
    """`policy`: for who is not asked for a form, an empty one takes away what there is.

    `bypass_policy_lockout_safety_check`: even if the caller could not set another one later (AWS calls it so).
    """

    key_id: str
    policy: str
    bypass_policy_lockout_safety_check: bool = False


@action("SetKeyPolicy", refuses=EDIT, needs=ANY_KEY)
def set_key_policy(params: SetKeyPolicy, scope: Scope) -> Nothing:
    if params.policy or scope.profile.policy_form:
        key_policy.check(params.policy, scope.profile.policy_form, scope.account)

    def change(keys: Sequence[Key]) -> list[Write]:
        (key,) = keys
        if not params.bypass_policy_lockout_safety_check:
            scope.check_lockout(params.policy, key.tags)
        return [PutKey(scope.revise(key, policy=params.policy))]

    scope.update([params.key_id], change)
    return Nothing()


handler = entry(set_key_policy)
