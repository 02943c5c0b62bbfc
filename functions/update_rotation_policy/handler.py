"""UpdateRotationPolicy: automatic rotation, on with an interval, or off."""

from __future__ import annotations

from collections.abc import Sequence

from tenantkms.action.action import action
from tenantkms.action.call import Nothing, Params
from tenantkms.action.scope import Scope
from tenantkms.keys.rotation import DEFAULT_INTERVAL, check_interval, check_rotates
from tenantkms.model.key import Key
from tenantkms.model.specs import ANY_KEY
from tenantkms.model.states import ROTATE
from tenantkms.runtime.lambda_entry import entry
from tenantkms.store.port import PutKey, Write


class UpdateRotationPolicy(Params, frozen=True, kw_only=True):
    """`seconds`: the interval; 0: the one that is set, or a year."""

    key_id: str
    enabled: bool
    seconds: int = 0


@action("UpdateRotationPolicy", refuses=ROTATE, needs=ANY_KEY)
def update_rotation_policy(params: UpdateRotationPolicy, scope: Scope) -> Nothing:
    if params.enabled and params.seconds:
        check_interval(params.seconds, scope.profile)

    def change(keys: Sequence[Key]) -> list[Write]:
        (key,) = keys
        check_rotates(key, asymmetric=False)
        seconds = (params.seconds or key.rotation_seconds or DEFAULT_INTERVAL) if params.enabled else 0
        return [PutKey(scope.revise(key, rotation_seconds=seconds))]

    scope.update([params.key_id], change)
    return Nothing()


handler = entry(update_rotation_policy)
