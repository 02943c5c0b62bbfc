"""Keys to fail, race and destroy: made by Actions, judged by what a user has left of them."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from functions.endpoint.dispatch import load
from kit.action_samples import SAMPLES, Params, Tenant
from kit.campaign.world import DAY, World
from tenantkms.crypto import envelope
from tenantkms.crypto.ciphers import AES_256_GCM
from tenantkms.crypto.context import canonical
from tenantkms.model.key import KeyFilter
from tenantkms.model.specs import KeySpec
from tenantkms.model.states import KeyState
from tenantkms.store.port import MAX_WRITES, KeyStore, PutVersion

PLAINTEXT = base64.b64encode(b"plaintext").decode()
Hook = Callable[[], object]


class Process(Tenant):
    """A fresh process on a world, to call Actions in. `wrap` puts something between it and the key store."""

    def __init__(self, world: World, wrap: Callable[[KeyStore], Any] | None = None, **how: Any) -> None:
        self.world = world
        self.audit = world.audit
        self.deps = world.settings(wrap=wrap, **how).deps

    def act(self, action: str, params: Params) -> str:
        """`ok`, or the name of the domain error."""
        call = self.call(action, params, request_id=str(uuid4()))
        answer = load(action).run(call, self.deps)
        return str(answer["error"]["type"]) if "error" in answer else "ok"

    def blob(self, key_id: str) -> str:
        return str(self.result("Encrypt", {"key_id": key_id, "plaintext": PLAINTEXT})["ciphertext"])

    def opens(self, blob: str) -> str:
        """`ok` if the blob decrypts to what it was made of, or the name of the domain error."""
        answer = self.run("Decrypt", {"ciphertext": blob})
        if "error" in answer:
            return str(answer["error"]["type"])
        assert answer["result"]["plaintext"] == PLAINTEXT
        return "ok"

    def versioned(self, count: int = 3, aliases: int = 2) -> tuple[str, list[str]]:
        """A key with so many versions: its id, and a blob under each."""
        key_id = self.create()
        blobs = [self.blob(key_id)]
        for _ in range(count - 1):
            self.result("CreateKeyVersion", {"key_id": key_id})
            blobs.append(self.blob(key_id))
        for _ in range(aliases):
            self.alias(key_id)
        return key_id, blobs

    def imported(self, **more: Any) -> str:
        """A key with imported material."""
        key_id = self.create(origin="EXTERNAL")
        self.result("ImportKeyMaterial", {**SAMPLES["ImportKeyMaterial"](self, key_id), **more})
        return key_id

    def leaving(self, key_id: str) -> None:
        """Its deletion is scheduled, and the window has been over for a day that was watched."""
        self.result("ScheduleKeyDeletion", {"key_id": key_id, "days": 7})
        self.world.clock.now += 8 * DAY
        self.world.watch()


class Interrupted:
    """A store before whose `at`-th call (from 1) something else happens, once."""

    def __init__(self, inner: object, at: int, hook: Hook) -> None:
        self._inner, self._at, self._hook = inner, at, hook
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        inner = getattr(self._inner, name)

        def call(*args: object, **kwargs: object) -> object:
            self.calls += 1
            if self.calls == self._at:
                self._hook()
            return inner(*args, **kwargs)

        return call


def deepen(process: Process, key_id: str, count: int) -> list[str]:
    """Make a key of one version have `count`, in as few transactions as can be; a blob under each."""
    key, ring = process.stored(key_id), process.deps.keyring
    materials = [os.urandom(32) for _ in range(count)]
    versions = [ring.seal_version(key_id, key.spec, n, n, material) for n, material in enumerate(materials, 1)]
    for first in range(0, count - 1, MAX_WRITES):
        older = versions[first : min(first + MAX_WRITES, count - 1)]
        ring.commit([PutVersion(key_id, version) for version in older])
    process.put(key_id, primary=versions[-1])
    return [
        base64.b64encode(
            envelope.seal_blob(
                envelope.derive(material),
                suite=AES_256_GCM,
                content=envelope.BYTES,
                key_id=key_id,
                version=number,
                salt=os.urandom(envelope.SALT_SIZE),
                plaintext=b"plaintext",
                context=canonical({}),
            )
        ).decode()
        for number, material in enumerate(materials, 1)
    ]


def assert_whole(world: World) -> None:
    """Every key is usable; versions have no gaps; aliases and the keys' lists of them agree."""
    process, store = Process(world), world.keys
    _, keys = store.list_keys(KeyFilter(), now=0, offset=0, limit=100_000)
    listed = sorted((name, key.id) for key in keys for name in key.aliases)
    _, aliases = store.list_aliases(offset=0, limit=100_000)
    assert [(alias.name, alias.key_id) for alias in aliases] == listed
    for key in keys:
        last = key.primary_number
        assert [version.number for version in store.list_versions(key.id, 1, 100_000)] == list(range(1, last))
        assert not key.destroying
        if key.state is KeyState.ENABLED and key.spec is KeySpec.AES_256:
            assert process.opens(process.blob(key.id)) == "ok"


def assert_gone(world: World, key_id: str, blobs: list[str]) -> None:
    """Nothing is left of a key."""
    assert world.keys.get(key_id) is None
    assert world.keys.list_versions(key_id, 1, 100_000) == []
    assert {Process(world).opens(blob) for blob in blobs} == {"InvalidCiphertext"}


def assert_kept(world: World, key_id: str, blobs: list[str]) -> None:
    """All of a key is there, and works when it is enabled."""
    process = Process(world)
    process.result("EnableKey", {"key_ids": [key_id]})
    assert {process.opens(blob) for blob in blobs} == {"ok"}
    assert_whole(world)
