"""UpdateRotationPolicy: automatic rotation, on with an interval, or off."""

from __future__ import annotations

from collections.abc import Sequence

from tenantkms.action import Nothing, Params, Scope, action
from tenantkms.keystore import PutKey, Write
from tenantkms.model import Key
from tenantkms.rotation import DEFAULT_INTERVAL, check_interval, check_rotates
from tenantkms.settings import entry


class UpdateRotationPolicy(Params, frozen=True, kw_only=True):
    """`seconds`: the interval; 0: the one that is set, or a year."""

    key_id: str
    enabled: bool
    seconds: int = 0


@action("UpdateRotationPolicy")
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
