"""What a request makes goes with its answer: nothing of it stays until somebody looks for garbage.

Where something does, it has what the request had, plaintexts among it, for as long as nobody looks; and who looks stops
all others.
"""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kit.catalogue import SCHEMES
from kit.connections import Wire, listening, request_bytes
from kit.support import Kms, Signer
from tenantkms.names import DIALECTS
from tkms.machine.app import App
from tkms.machine.gathering import Gathering

MANY = 1_000
FEW = 50
Event = Mapping[str, Any]
Send = Callable[[Event], int]
"""Sends a request; the status of its answer."""


@pytest.fixture
def app(kms: Kms) -> App:
    gathering = Gathering(kms.endpoint, kms.settings.deps)
    return App(kms.endpoint, {"store": kms.settings.access.store.has_credentials}, gathering=gathering)


@pytest.fixture(params=["endpoint", "connection", "connections"])
def send(request: pytest.FixtureRequest, kms: Kms, app: App) -> Iterator[Send]:
    """To the endpoint, on a connection that stays open, and on one for each request."""
    if request.param == "endpoint":
        yield lambda event: int(kms.send(event)["statusCode"])
        return
    with listening(app) as port, Wire(port) as wire:

        def asked(event: Event, wire: Wire | None = None) -> int:
            if wire is None:
                with Wire(port) as once:
                    return asked(event, once)
            wire.send(request_bytes(event))
            return wire.answer()[0]

        yield partial(asked, wire=wire if request.param == "connection" else None)


def leaves(send: Send, events: list[Event], status: int) -> int:
    """How many objects nobody has, once all are answered."""
    assert send(events.pop()) == status  # what is made once, and stays
    gc.collect()
    gc.disable()
    try:
        assert {send(event) for event in events} == {status}
        return gc.collect()
    finally:
        gc.enable()


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_call_leaves_no_garbage(scheme: str, send: Send, kms: Kms) -> None:
    (key,) = kms.aws("ListKeys")["Keys"]
    sign = SCHEMES[scheme][1]
    fields = {"KeyId": key["KeyId"], "Plaintext": "aGVsbG8="}
    assert leaves(send, [sign(kms.signer, "Encrypt", fields) for _ in range(MANY)], 200) == 0


def _refused(kms: Kms) -> Signer:
    """An access key that may do nothing."""
    settings = kms.settings
    credential, secret = settings.access.create("none", DIALECTS, '{"Statement": []}', int(settings.deps.clock()))
    return Signer(credential.access_key_id, secret)


_PAIR = {"KeyPairSpec": "ECC_NIST_P256"}
REFUSED: dict[str, tuple[int, Callable[[Kms, Signer], Event]]] = {
    "a policy": (400, lambda _, nobody: nobody.aws("Encrypt", {"KeyId": "alias/default", "Plaintext": "aGVsbG8="})),
    "a policy, of a listing": (400, lambda _, nobody: nobody.aws("ListKeys")),
    "no such key": (400, lambda kms, _: kms.signer.aws("Encrypt", {"KeyId": "alias/none", "Plaintext": "aGVsbG8="})),
    "another ciphertext": (400, lambda kms, _: kms.signer.aws("Decrypt", {"CiphertextBlob": "A" * 400})),
    "no JSON": (400, lambda kms, _: kms.signer.aws("Encrypt", body=b"{")),
    "no such Action": (404, lambda kms, _: kms.signer.alibaba_rpc("Nonsense")),
    "another signature": (400, lambda kms, _: Signer(kms.signer.access_key_id, "no").alibaba_rpc("ListKeys")),
    "a stranger": (404, lambda *_: Signer("LTAI5tNobodyAtAll", "no").alibaba_acs3("ListKeys")),
    "of Tencent's": (200, lambda kms, _: kms.signer.tencent("Encrypt", {"KeyId": "alias/none", "Plaintext": "YQ=="})),
    "of its legacy API": (200, lambda kms, _: kms.signer.tencent_v2("Encrypt", {"keyId": "none"})),
    "not at all, in a thread": (
        200,
        lambda kms, _: kms.signer.aws("GenerateDataKeyPair", {"KeyId": "alias/default", **_PAIR}),
    ),
    "in a thread": (400, lambda kms, _: kms.signer.aws("GenerateDataKeyPair", {"KeyId": "alias/none", **_PAIR})),
}


@pytest.mark.parametrize("why", REFUSED)
def test_nor_does_one_that_is_refused(why: str, send: Send, kms: Kms) -> None:
    (status, make), nobody = REFUSED[why], _refused(kms)
    assert leaves(send, [make(kms, nobody) for _ in range(FEW)], status) == 0


def test_nor_does_one_that_finds_a_row_that_is_not_believed(send: Send, kms: Kms, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "data" / "kms.sqlite3", isolation_level=None)) as db:
        db.execute("UPDATE credentials SET mac = 'another'")
    assert leaves(send, [kms.signer.aws("ListKeys") for _ in range(FEW)], 503) == 0
