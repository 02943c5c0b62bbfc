"""What a seed says comes true in a data directory: what is not there yet is made, and what is there stays as it is.

All of it is checked before anything is written. Keys and aliases are one commit; who is stopped between them and the
access keys finds the rest made by the next start.
"""

from __future__ import annotations

import hmac
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from uuid import uuid4

from tenantkms.access import key_policy
from tenantkms.access.credentials import MAX_ACTIVE
from tenantkms.action.limits import check_limits
from tenantkms.audit.line import INTENT, Record
from tenantkms.errors import AliasExists, KmsError, LimitExceeded
from tenantkms.keys.rotation import new_material
from tenantkms.model.alias import ALIAS_PREFIX, Alias
from tenantkms.model.key import Key
from tenantkms.model.specs import Origin
from tenantkms.model.states import KeyState
from tenantkms.names import NATIVE
from tenantkms.parent.port import key_binding
from tenantkms.runtime.assemble import Settings, SettingsError
from tenantkms.store.port import PutAlias, PutKey, RevisionConflict, Write
from tkms.output import counted, say
from tkms.seed.file import SeedCredential, SeedFile, SeedKey

_OPERATOR = "tkms"
NOTE = "seed"
"""The note of the audit lines of keys that a seed made."""


class Seed:
    """The file `path`. Raises `SettingsError` that names what is wrong in it."""

    def __init__(self, path: Path) -> None:
        self._file = SeedFile(path)
        for exposed in self._file.exposed:
            say(f"tkms: warning: {exposed} has secrets, and others can read it: chmod 600", sys.stderr)

    def check(self, account: str) -> None:
        """What depends on the `account` that the directory has in its ARNs."""
        for key in self._file.keys:
            if key.policy:
                try:
                    key_policy.check(key.policy, account=account)
                except KmsError as e:
                    raise self._file.wrong(f"{key.where}.policy", str(e)) from None

    def apply(self, settings: Settings) -> None:
        """Raises `SettingsError` where it contradicts what is there; then nothing is changed."""
        new_keys = [key for key in self._file.keys if not self._has_key(settings, key)]
        new_credentials = [row for row in self._file.credentials if not self._has_credential(settings, row)]
        self._check_room(settings, new_credentials)
        try:
            self._make_keys(settings, new_keys)
            for row in new_credentials:
                settings.access.create(
                    row.name, row.dialects, row.policy, int(settings.deps.clock()), given=(row.id, row.secret)
                )
        except (AliasExists, RevisionConflict):
            raise SettingsError(
                f"{self._file.path}: something of it was made by somebody else just now: try again."
            ) from None
        made, of = (len(new_keys), len(new_credentials)), (len(self._file.keys), len(self._file.credentials))
        say(
            f"seed {self._file.path}: {counted(made[0], 'key')} and {counted(made[1], 'access key')} made,"
            f" {of[0] - made[0]} and {of[1] - made[1]} were there"
        )

    def _stays(self, where: str, differing: dict[str, bool]) -> None:
        """Say which things of what is there are not as the seed has them: nothing that is there is changed."""
        if names := [name for name, differs in differing.items() if differs]:
            say(f"tkms: {self._file.path}: {where} is there with other {', '.join(names)}: it stays so", sys.stderr)

    # -- keys --

    def _has_key(self, settings: Settings, seed: SeedKey) -> bool:
        there = settings.deps.keyring.store.get(seed.id)
        if there is None:
            self._check_aliases(settings, seed)
            return False
        for name, has, wanted in (
            ("spec", there.spec, seed.spec),
            ("usage", there.usage, seed.usage),
            ("origin", there.origin, Origin.KMS),
        ):
            if has != wanted:
                raise self._file.wrong(seed.where, f"the key {seed.id} is there with the {name} {has}, not {wanted}.")
        if seed.material is not None and not hmac.compare_digest(_first_material(settings, there), seed.material):
            raise self._file.wrong(seed.where, f"the key {seed.id} is there with other material.")
        self._stays(
            seed.where,
            {
                "aliases": not set(seed.aliases) <= set(there.aliases),
                "tags": not seed.tags.items() <= there.tags.items(),
                "description": seed.description not in ("", there.description),
                "policy": bool(seed.policy) and not _alike(seed.policy, there.policy),
                "state": there.state is not KeyState.ENABLED,
            },
        )
        return True

    def _check_aliases(self, settings: Settings, seed: SeedKey) -> None:
        for name in seed.aliases:
            alias = settings.deps.keyring.store.get_alias(name)
            if alias:
                raise self._file.wrong(f"{seed.where}.aliases", f"{ALIAS_PREFIX}{name} is of the key {alias.key_id}.")

    def _make_keys(self, settings: Settings, seeds: Sequence[SeedKey]) -> None:
        if not seeds:
            return
        request_id, limits, keyring = str(uuid4()), settings.deps.limits, settings.deps.keyring
        keys = [_new_key(settings, seed, request_id) for seed in seeds]
        for seed, key in zip(seeds, keys, strict=True):
            try:
                check_limits(limits, keyring.store, NATIVE, [], [PutKey(key)])
            except LimitExceeded as e:
                raise self._file.wrong(seed.where, str(e)) from None
        writes: list[Write] = [PutKey(key) for key in keys]
        writes += [PutAlias(Alias(name=name, key_id=key.id), expect=None) for key in keys for name in key.aliases]
        for outcome in (INTENT, "ok"):
            for key in keys:
                settings.deps.audit.write(_line(settings, key, request_id, outcome))
            if outcome == INTENT:
                keyring.commit(writes)

    # -- access keys --

    def _has_credential(self, settings: Settings, seed: SeedCredential) -> bool:
        there = settings.access.store.get_credential(seed.id)
        if there is None:
            return False
        if not hmac.compare_digest(settings.access.secret(there).encode(), seed.secret.encode()):
            raise self._file.wrong(seed.where, f"the access key {seed.id} is there with another secret.")
        self._stays(
            seed.where,
            {
                "name": seed.name != there.name,
                "dialects": set(seed.dialects) != set(there.dialects),
                "policy": not _alike(seed.policy, there.policy),
                "state": not there.active(settings.deps.clock()),
            },
        )
        return True

    def _check_room(self, settings: Settings, new: list[SeedCredential]) -> None:
        """`Access.create` would refuse a name's third only when others are made already."""
        now = settings.deps.clock()
        store = settings.access.store
        names = {seed.name for seed in new if seed.name}
        active = Counter({name: sum(row.active(now) for row in store.credentials_named(name)) for name in names})
        for seed in new:
            active[seed.name] += 1
            if seed.name and active[seed.name] > MAX_ACTIVE:
                raise self._file.wrong(seed.where, f"{seed.name} has {MAX_ACTIVE} active access keys already.")


def _first_material(settings: Settings, key: Key) -> bytes:
    """Of version 1, which a seed gives, however often the key was rotated since."""
    keyring = settings.deps.keyring
    version = keyring.version(key, 1)
    if version is None:
        return b""
    return keyring.parent.unseal(version.sealed, key_binding(keyring.tenant, key.id, 1, key.spec))


def _new_key(settings: Settings, seed: SeedKey, request_id: str) -> Key:
    deps, now = settings.deps, int(settings.deps.clock())
    material = seed.material or new_material(seed.spec, deps.random)
    return Key(
        id=seed.id,
        spec=seed.spec,
        usage=seed.usage,
        origin=Origin.KMS,
        state=KeyState.ENABLED,
        created=now,
        creator=_OPERATOR,
        description=seed.description,
        aliases=seed.aliases,
        primary=deps.keyring.seal_version(seed.id, seed.spec, 1, now, material),
        tags=seed.tags,
        policy=seed.policy,
        token=request_id,
    )


def _line(settings: Settings, key: Key, request_id: str, outcome: str) -> Record:
    return Record(
        time=settings.deps.clock(),
        request_id=request_id,
        tenant=settings.site.tenant,
        action="CreateKey",
        profile=NATIVE,
        principal=_OPERATOR,
        outcome=outcome,
        keys=(key.id,),
        note=NOTE,
    )


def _alike(one: str, other: str) -> bool:
    """Whether two policies are the same document, however they are spelled."""
    return one == other or (bool(other) and json.loads(one) == json.loads(other))
