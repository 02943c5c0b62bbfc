"""`without_nonce`: requests of harmless Actions are served again, and nothing else is."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from kit.captures import at
from kit.catalogue import SCHEMES, error_code
from kit.edits import Event
from kit.support import Kms
from tenantkms.names import ACTIONS, CHANGING, SAFE_AGAIN

NOW = 1_800_000_000.0
SIGNED_ACTION = [scheme for scheme in SCHEMES if scheme not in ("tencent-tc3", "aws-sigv4")]


class Counted:
    """An access store that counts the nonces it is told."""

    def __init__(self, store: Any) -> None:
        self._store, self.nonces = store, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def use_nonce(self, nonce: bytes, **how: Any) -> bool:
        self.nonces += 1
        return bool(self._store.use_nonce(nonce, **how))


@pytest.fixture
def lenient(kms: Kms) -> Kms:
    then = at(kms, NOW)
    counted: Any = Counted(then.settings.access.store)
    then.settings.access.store = counted
    return Kms(replace(then.settings, without_nonce=frozenset({"Encrypt"})), then.signer)


def signed(kms: Kms, scheme: str, action: str, **params: str) -> Event:
    dialect, sign = SCHEMES[scheme]
    spelled = params if dialect != "tencent-v2" else {name[0].lower() + name[1:]: v for name, v in params.items()}
    return sign(kms.signer, action, spelled)


def code(kms: Kms, scheme: str, request: Event) -> str | int | None:
    found: str | int | None = error_code(SCHEMES[scheme][0], kms.send(request))
    return found


def nonces(kms: Kms) -> int:
    store: Any = kms.settings.access.store
    return int(store.nonces)


@pytest.mark.parametrize("scheme", SIGNED_ACTION)
def test_an_encrypt_is_served_again_without_a_write_while_its_time_is_good(scheme: str, lenient: Kms) -> None:
    key = lenient.alibaba("CreateKey")["KeyMetadata"]["KeyId"]
    before = nonces(lenient)
    request = signed(lenient, scheme, "Encrypt", KeyId=key, Plaintext="eA==")
    assert [code(lenient, scheme, request) for _ in range(3)] == [None] * 3
    assert nonces(lenient) == before
    late = Kms(replace(lenient.settings, deps=at(lenient, NOW + 901).settings.deps), lenient.signer)
    assert code(late, scheme, request) is not None


@pytest.mark.parametrize("action", ["ListKeys", "CreateKey"])
@pytest.mark.parametrize("scheme", ["alibaba-rpc", "alibaba-acs3", "tencent-v1"])
def test_every_other_action_is_served_once(scheme: str, action: str, lenient: Kms) -> None:
    params = {"Alias": "made"} if (scheme, action) == ("tencent-v1", "CreateKey") else {}
    request = signed(lenient, scheme, action, **params)
    assert code(lenient, scheme, request) is None
    assert code(lenient, scheme, request) in ("SignatureNonceUsed", "AuthFailure.SignatureFailure")
    assert nonces(lenient) == 2


def test_what_is_refused_is_remembered_too_if_it_might_be_another_action(lenient: Kms) -> None:
    request = signed(lenient, "alibaba-rpc", "NoSuchAction", KeyId="alias/default", Plaintext="eA==")
    assert code(lenient, "alibaba-rpc", request) == "InvalidAction.NotFound"
    assert code(lenient, "alibaba-rpc", request) == "SignatureNonceUsed"


def test_only_what_changes_nothing_may_be_named() -> None:
    assert set(ACTIONS) >= SAFE_AGAIN
    assert not SAFE_AGAIN & CHANGING
