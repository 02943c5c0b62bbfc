"""CreateKeyVersion: new material becomes the primary version; what older versions encrypted keeps decrypting."""

from __future__ import annotations

from collections.abc import Sequence

from tenantkms.action.action import action
from tenantkms.action.call import Params, Result
from tenantkms.action.scope import Scope
from tenantkms.errors import RotationTooSoon
from tenantkms.keys.rotation import check_rotates, rotation
from tenantkms.model.key import Key
from tenantkms.model.specs import ANY_KEY
from tenantkms.model.states import ROTATE
from tenantkms.model.version import KeyVersion, version_id
from tenantkms.model.watch import SKEW
from tenantkms.runtime.lambda_entry import entry
from tenantkms.store.port import Write


class CreateKeyVersion(Params, frozen=True, kw_only=True):
    key_id: str


class Version(Result, frozen=True, kw_only=True):
    """`created` in Unix seconds."""

    key_id: str
    key_version_id: str
    created: int


@action("CreateKeyVersion", refuses=ROTATE, needs=ANY_KEY)
def create_key_version(params: CreateKeyVersion, scope: Scope) -> Version:
    made: list[KeyVersion] = []

    def change(keys: Sequence[Key]) -> list[Write]:
        (key,) = keys
        check_rotates(key, asymmetric=scope.profile.rotates_asymmetric)
        pause = scope.profile.rotation_pause
        # Without a pause nothing is too soon. A rotation that a clock dated in the future puts none off.
        if pause and key.last_rotation and -SKEW <= scope.now - key.last_rotation < pause:
            raise RotationTooSoon
        version, writes = rotation(scope.keyring, scope.random, key, scope.revise(key), scope.now, scheduled=False)
        made[:] = [version]
        return writes

    (key,) = scope.update([params.key_id], change)
    number = made[0].number
    return Version(key_id=key.id, key_version_id=version_id(key.id, number), created=scope.now)


handler = entry(create_key_version)
