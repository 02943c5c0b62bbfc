"""ImportKeyMaterial: a key of origin EXTERNAL gets its material, or the same one again, and works."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from msgspec import field

from tenantkms.action.action import action
from tenantkms.action.call import Nothing, Params
from tenantkms.action.scope import Scope
from tenantkms.errors import InvalidParameter, KeyDisabled, MaterialMismatch, NotExternal
from tenantkms.keys.import_tokens import open_material
from tenantkms.model.key import Key
from tenantkms.model.specs import ANY_KEY, Origin
from tenantkms.model.states import IMPORT, KeyState
from tenantkms.parent.port import IMPORT_DIGEST, Binding
from tenantkms.runtime.lambda_entry import entry
from tenantkms.store.port import PutKey, Write

_LATEST = 2_147_443_200


class ImportKeyMaterial(Params, frozen=True, kw_only=True):
    """`expires` in Unix seconds; 0: never."""

    key_id: str
    token: bytes
    encrypted: bytes = field(name="wrapped")
    expires: int = 0


@action("ImportKeyMaterial", refuses=IMPORT, needs=ANY_KEY)
def import_key_material(params: ImportKeyMaterial, scope: Scope) -> Nothing:
    if params.expires and not scope.now < params.expires <= _LATEST:
        raise InvalidParameter(f"The expiry is 0, or later than now and not later than {_LATEST}.")
    scope.update([params.key_id], lambda keys: _import(scope, keys, params))
    return Nothing()


def _import(scope: Scope, keys: Sequence[Key], params: ImportKeyMaterial) -> list[Write]:
    (key,) = keys
    if key.origin is not Origin.EXTERNAL:
        raise NotExternal
    if key.state is KeyState.DISABLED and not scope.profile.imports_disabled:
        raise KeyDisabled
    keyring = scope.keyring
    material = open_material(keyring.parent, keyring.tenant, key, params.token, params.encrypted, scope.now)
    # The digest is sealed, since material that a caller chose badly could be found by guessing.
    binding = Binding(IMPORT_DIGEST, keyring.tenant, key.id, 1, key.spec)
    digest = hashlib.sha256(material).digest()
    if key.imported and not hmac.compare_digest(keyring.parent.unseal(key.imported, binding), digest):
        raise MaterialMismatch
    changed = scope.revise(
        key,
        primary=keyring.seal_version(key.id, key.spec, 1, scope.now, material),
        imported=key.imported or keyring.parent.seal(digest, binding),
        material_expires=params.expires,
        state=KeyState.ENABLED if key.state is KeyState.PENDING_IMPORT else key.state,
    )
    return [PutKey(changed)]


handler = entry(import_key_material)
