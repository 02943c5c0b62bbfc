"""GenerateMac: an HMAC over a message."""

from __future__ import annotations

from tenantkms.action import Params, Result, Scope, action
from tenantkms.mac import authenticate
from tenantkms.settings import entry


class GenerateMac(Params, frozen=True, kw_only=True):
    key_id: str
    algorithm: str
    message: bytes


class Mac(Result, frozen=True, kw_only=True):
    key_id: str
    algorithm: str
    mac: bytes


@action("GenerateMac")
def generate_mac(params: GenerateMac, scope: Scope) -> Mac:
    key = scope.use(params.key_id)
    mac = authenticate(scope, key, params.algorithm, params.message)
    return Mac(key_id=key.id, algorithm=params.algorithm, mac=mac)


handler = entry(generate_mac)
