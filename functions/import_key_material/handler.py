"""ImportKeyMaterial: a key of origin EXTERNAL gets its material, or the same one again, and works."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence

from tenantkms.action import Nothing, Params, Scope, action
from tenantkms.errors import InvalidParameter, KeyDisabled, MaterialMismatch, NotExternal
from tenantkms.keystore import PutKey, Write
from tenantkms.model import Key, KeyState, Origin
from tenantkms.sealing import IMPORT_DIGEST, Binding
from tenantkms.settings import entry
from tenantkms.wrapping import unwrap

_LATEST = 2_147_443_200


class ImportKeyMaterial(Params, frozen=True, kw_only=True):
    """`expires` in Unix seconds; 0: never."""

    key_id: str
    token: bytes
    wrapped: bytes
    expires: int = 0


@action("ImportKeyMaterial")
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
    tenant, keyring = scope.deps.tenant, scope.deps.keyring
    material = unwrap(keyring.parent, tenant, key, params.token, params.wrapped, scope.now)
    # The digest is sealed, since material that a caller chose badly could be found by guessing.
    binding = Binding(IMPORT_DIGEST, tenant, key.id, 1, key.spec)
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
