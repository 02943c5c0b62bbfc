"""GenerateMac: an HMAC over a message."""

from __future__ import annotations

from tenantkms.action.action import action
from tenantkms.action.call import Params, Result
from tenantkms.action.mac import authenticate
from tenantkms.action.scope import Scope
from tenantkms.model.specs import MACS
from tenantkms.model.states import USE
from tenantkms.runtime.lambda_entry import entry


class GenerateMac(Params, frozen=True, kw_only=True):
    key_id: str
    algorithm: str
    message: bytes


class Mac(Result, frozen=True, kw_only=True):
    key_id: str
    algorithm: str
    mac: bytes


@action("GenerateMac", refuses=USE, needs=MACS)
def generate_mac(params: GenerateMac, scope: Scope) -> Mac:
    key = scope.use(params.key_id)
    mac = authenticate(scope, key, params.algorithm, params.message)
    return Mac(key_id=key.id, algorithm=params.algorithm, mac=mac)


handler = entry(generate_mac)
