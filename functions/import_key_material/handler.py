"""ImportKeyMaterial: a key of origin EXTERNAL gets its material, or the same one again, and works.

Other material is refused, unless what is there came in a wrapping that opens to random bytes when it is damaged. Then
it may not be what was meant, and what comes under newer parameters is the key's next version.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from msgspec import field
from msgspec.structs import replace

from tenantkms.action.action import action
from tenantkms.action.call import Params, Result
from tenantkms.action.scope import Scope
from tenantkms.errors import InvalidParameter, KeyDisabled, MaterialMismatch, NotExternal
from tenantkms.keys.import_tokens import open_material
from tenantkms.model.key import Key
from tenantkms.model.specs import ANY_KEY, KeySpec, Origin
from tenantkms.model.states import IMPORT, KeyState
from tenantkms.model.version import KeyVersion, version_id
from tenantkms.parent.port import IMPORT_DIGEST, Binding
from tenantkms.runtime.lambda_entry import entry
from tenantkms.store.port import PutKey, PutVersion, Write

_LATEST = 2_147_443_200
NEXT_VERSION = "other-material-is-the-next-version"
"""The note of the audit lines of material that differs from the one before it."""


class ImportKeyMaterial(Params, frozen=True, kw_only=True):
    """`expires` in Unix seconds; 0: never."""

    key_id: str
    token: bytes
    encrypted: bytes = field(name="wrapped")
    expires: int = 0


class Imported(Result, frozen=True, kw_only=True):
    key_id: str
    key_version_id: str
    spec: KeySpec


@action("ImportKeyMaterial", refuses=IMPORT, needs=ANY_KEY)
def import_key_material(params: ImportKeyMaterial, scope: Scope) -> Imported:
    if params.expires and not scope.now < params.expires <= _LATEST:
        raise InvalidParameter(f"The expiry is 0, or later than now and not later than {_LATEST}.")
    made: list[KeyVersion] = []

    def change(keys: Sequence[Key]) -> list[Write]:
        version, writes = _import(scope, keys, params)
        made[:] = [version]
        return writes

    (key,) = scope.update([params.key_id], change)
    return Imported(key_id=key.id, key_version_id=version_id(key.id, made[0].number), spec=key.spec)


def _import(scope: Scope, keys: Sequence[Key], params: ImportKeyMaterial) -> tuple[KeyVersion, list[Write]]:
    (key,) = keys
    if key.origin is not Origin.EXTERNAL:
        raise NotExternal(key=key.id)
    state = key.state_at(scope.now)
    if state is KeyState.DISABLED and not scope.profile.imports_disabled:
        raise KeyDisabled(key=key.id, state=state)
    keyring = scope.keyring
    opened = open_material(keyring.parent, keyring.tenant, key, params.token, params.encrypted, scope.now)
    material, proven, issued = opened
    # The digest is sealed, since material that a caller chose badly could be found by guessing.
    binding = Binding(IMPORT_DIGEST, keyring.tenant, key.id, 1, key.spec)
    digest = hashlib.sha256(material).digest()
    last, number, imported = key.newest, 1, key.imported
    writes: list[Write] = []
    if last is None:
        imported = keyring.parent.seal(digest, binding)
    elif hmac.compare_digest(keyring.parent.unseal(imported, binding), digest):
        number, proven = last.number, proven or last.proven
    elif _may_follow(last, issued, scope.now):
        number, imported = last.number + 1, keyring.parent.seal(digest, binding)
        writes.append(PutVersion(key.id, last))
        scope.note = NEXT_VERSION
    else:
        raise MaterialMismatch
    version = keyring.seal_version(key.id, key.spec, number, scope.now, material)
    changed = scope.revise(
        key,
        primary=replace(version, proven=proven),
        spent=None,
        imported=imported,
        material_expires=params.expires,
        state=KeyState.ENABLED if state is KeyState.PENDING_IMPORT else state,
    )
    return version, [*writes, PutKey(changed)]


def _may_follow(last: KeyVersion, issued: int, now: int) -> bool:
    """Whether other material may follow the version `last`: not by parameters from before it, as an old call's are.

    A version of the future was dated by a wrong clock, which all parameters are newer than.
    """
    return not last.proven and (issued >= last.created or last.created > now)


handler = entry(import_key_material)
