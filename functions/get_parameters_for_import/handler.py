"""GetParametersForImport: a public key to wrap material with, and the token that comes back with it."""

from __future__ import annotations

from tenantkms.action.action import action
from tenantkms.action.call import Params, Result
from tenantkms.action.scope import Scope
from tenantkms.errors import InvalidParameter, NotExternal
from tenantkms.keys.import_tokens import new_parameters
from tenantkms.model.specs import ANY_KEY, RSA, Origin
from tenantkms.model.states import NOTHING
from tenantkms.runtime.lambda_entry import entry


class GetParametersForImport(Params, frozen=True, kw_only=True):
    key_id: str
    wrapping_algorithm: str
    wrapping_key_spec: str


class Parameters(Result, frozen=True, kw_only=True):
    """`public_key` is SubjectPublicKeyInfo in DER; `expires` in Unix seconds."""

    key_id: str
    public_key: bytes
    token: bytes
    expires: int


@action("GetParametersForImport", refuses=NOTHING, needs=ANY_KEY)
def get_parameters_for_import(params: GetParametersForImport, scope: Scope) -> Parameters:
    key = scope.use(params.key_id)
    if key.origin is not Origin.EXTERNAL:
        raise NotExternal(key=key.id)
    if params.wrapping_key_spec not in RSA:
        raise InvalidParameter(f"is one of {', '.join(sorted(RSA))}.", field="wrapping_key_spec")
    keyring = scope.keyring
    made = new_parameters(
        keyring.parent, keyring.tenant, key, params.wrapping_algorithm, scope.now, params.wrapping_key_spec
    )
    return Parameters(key_id=key.id, public_key=made.public_key, token=made.token, expires=made.expires)


handler = entry(get_parameters_for_import)
