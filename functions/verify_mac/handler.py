"""VerifyMac: whether an HMAC is of a message."""

from __future__ import annotations

import hmac

from tenantkms.action.action import action
from tenantkms.action.call import Params, Result
from tenantkms.action.mac import authenticate
from tenantkms.action.scope import Scope
from tenantkms.model.specs import MACS
from tenantkms.model.states import OPEN
from tenantkms.runtime.lambda_entry import entry


class VerifyMac(Params, frozen=True, kw_only=True):
    key_id: str
    algorithm: str
    message: bytes
    mac: bytes


class Verified(Result, frozen=True, kw_only=True):
    key_id: str
    algorithm: str
    valid: bool


@action("VerifyMac", refuses=OPEN, needs=MACS)
def verify_mac(params: VerifyMac, scope: Scope) -> Verified:
    key = scope.use(params.key_id)
    mac = authenticate(scope, key, params.algorithm, params.message)
    return Verified(key_id=key.id, algorithm=params.algorithm, valid=hmac.compare_digest(mac, params.mac))


handler = entry(verify_mac)
