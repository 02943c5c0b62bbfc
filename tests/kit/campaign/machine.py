"""What all rules of the state machine share: a world and its model side by side, signed requests, invariants."""

from __future__ import annotations

import base64
import json
import shutil
import tempfile
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any
from uuid import uuid4

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from functions.endpoint.dispatch import load
from kit.campaign.codes import ALIBABA, AWS, TENCENT, TENCENT_V2, code
from kit.campaign.reference import RefBlob, Reference, RefKey, refusal
from kit.campaign.world import DAY, make_world
from tenantkms.access.policy import ALLOW_ALL
from tenantkms.keys import maintenance
from tenantkms.model.alias import Alias

ANY = st.integers(0, 255)
"""Picks one of what there is at that moment."""
DIALECTS = st.sampled_from([ALIBABA, TENCENT, TENCENT_V2])
TWO = st.sampled_from([ALIBABA, TENCENT])
THREE = st.sampled_from([ALIBABA, TENCENT, AWS])
CONTEXTS = st.sampled_from([{}, {"a": "b"}, {"b": "", "a": "bb", "ключ": "値"}])
ALIASES = st.sampled_from([f"shared-{n}" for n in range(6)])
_UNTIL = ["rotate", "expire", "destroy", "token"]


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


class Machine(RuleBasedStateMachine):
    """`store` is one of `world.STORES`. `whole_every`: how many steps until all of the store is compared again."""

    store = "sqlite"
    whole_every = 1
    steps = 0
    seen: Counter[tuple[str, str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self._path = Path(tempfile.mkdtemp(prefix="lifecycle-"))
        self.world = make_world(self.store, self._path)
        self.kms = self.world.process()
        self.ref = Reference()
        self._turn = 0

    @property
    def now(self) -> int:
        return int(self.world.clock())

    # -- requests --

    def ask(self, dialect: str, operation: str, wrong: str, /, **params: Any) -> dict[str, Any]:
        """The answer to a signed request, which must be a success or the dialect's code for what is `wrong`."""
        type(self).seen[dialect, operation] += 1
        answer: dict[str, Any]
        if dialect == ALIBABA:
            answer = self.kms.alibaba(operation, **params)
            told = answer.get("Code", "")
        elif dialect == TENCENT:
            answer = self.kms.tencent(operation, **params)
            told = answer.get("Error", {}).get("Code", "")
        elif dialect == AWS:
            answer = self.kms.aws(operation, **params)
            told = answer.get("__type", "")
        else:
            lower = {name[0].lower() + name[1:]: value for name, value in params.items()}
            answer = self.kms.tencent_v2(operation, **lower)
            told = answer["code"]
        assert told == code(dialect, operation, wrong), (
            f"{dialect} {operation} {params}: {wrong or 'success'} expected: {answer}"
        )
        return answer

    def native(self, action: str, params: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
        """The answer of an Action to the operator."""
        call = {
            "v": 1,
            "request_id": str(uuid4()),
            "action": action,
            "principal": {"id": "operator", "policy": ALLOW_ALL},
            "profile": "native",
            "params": params,
            "dry_run": dry_run,
        }
        return load(action).run(call, self.kms.settings.deps)

    # -- picks --

    def pick(self, number: int, kind: str = "") -> RefKey:
        """A key, mostly one that is there and of `kind`; sometimes one that is gone or never was."""
        if number >= 248:
            gone = [key for key in self.ref.keys if key.gone]
            return gone[number % len(gone)] if gone else RefKey(str(uuid4()), "AES_256", 0, gone=True)
        live = self.ref.live
        of_kind = [key for key in live if kind == key.kind]
        if of_kind and number % 8:
            live = of_kind
        return live[number % len(live)] if live else self.pick(255)

    def name(self, dialect: str, key: RefKey, number: int) -> str:
        """A name of `key`: Alibaba's and AWS's APIs take aliases and ARNs too."""
        if dialect == AWS:
            what = f"alias/{key.aliases[number % len(key.aliases)]}" if number % 3 == 1 and key.aliases else ""
            what = what or (key.id if number % 2 else f"key/{key.id}")
            return what if what.startswith("alias") == (number % 2 == 0) or what == key.id else self.arn(what)
        if dialect != ALIBABA or number % 3 == 0:
            return key.id
        if number % 3 == 1 and key.aliases:
            return f"alias/{key.aliases[number % len(key.aliases)]}"
        return f"acs:kms:local:000000000000:key/{key.id}"

    def arn(self, what: str) -> str:
        """AWS's, of `key/<id>` or `alias/<name>`."""
        site = self.kms.settings.site
        return f"arn:aws:kms:{site.region}:{site.account}:{what}"

    def new_key(self, key_id: str, spec: str, **about: Any) -> RefKey:
        key = RefKey(key_id, spec, self.now, **about)
        if key.external:
            key.state, key.versions = "PendingImport", 0
        self.ref.keys.append(key)
        return key

    def refused(self, key: RefKey, row: str, **how: str) -> str:
        return refusal(key, self.now, row, **how)

    # -- time --

    @rule(seconds=st.sampled_from([0.25, 1, 59, 3_600, DAY - 1, DAY, 7 * DAY, 8 * DAY, 31 * DAY]))
    def wait(self, seconds: float) -> None:
        self.world.clock.now += seconds

    @rule(what=st.sampled_from(_UNTIL), number=ANY, offset=st.sampled_from([-1, 0, 1]))
    def wait_until(self, what: str, number: int, offset: int) -> None:
        """Until a deadline, to the second; what it ends has ended in that second."""
        keys = self.ref.live
        times = {
            "rotate": [key.rotates_at() for key in keys],
            "expire": [key.destroys_at() for key in keys],
            "destroy": [at + DAY for key in keys if (at := key.destroys_at())],
            "token": [key.token[2] for key in keys if key.token],
        }
        ahead = sorted({at + offset for at in times[what] if at + offset > self.now})
        if ahead:
            self.world.clock.now = float(ahead[number % len(ahead)])
            for blob in self.ref.blobs[-40:]:
                self.check_blob(blob)

    @rule(
        job=st.sampled_from(list(maintenance.JOBS)),
        times=st.sampled_from([1, 1, 2]),
        dry_run=st.booleans(),
        trust=st.booleans(),
    )
    def maintain(self, job: str, times: int, dry_run: bool, trust: bool) -> None:
        for _ in range(times):
            report = maintenance.run(
                maintenance.JOBS[job], self.kms.settings.deps, uuid4().hex, dry_run=dry_run, trust_clock=trust
            )
            due, done, held = self.ref.sweep(job, self.now, dry_run=dry_run, trust=trust)
            assert (report.due, report.done, report.failed, report.held) == (due, done, 0, held)

    @rule()
    def keep_running(self) -> None:
        """Somebody has seen to it that the sweepers ran all day."""
        self.world.watch()
        self.ref.watched = (self.now - DAY, self.now)

    @precondition(lambda self: len(self.world.audit.records) > 150)
    @rule()
    def another_process(self) -> None:
        """Nothing that matters is in a process's memory."""
        self.world.audit.records.clear()
        self.kms = self.world.process()

    # -- what is always true --

    @invariant()
    def ciphertexts_open(self) -> None:
        """The next few of all that were ever handed out; at the end, all."""
        blobs = self.ref.blobs
        for _ in range(min(3, len(blobs))):
            self._turn += 1
            self.check_blob(blobs[self._turn % len(blobs)])

    def check_blob(self, blob: RefBlob) -> None:
        answer = self.native("Decrypt", {"ciphertext": blob.blob, "context": blob.context})
        wrong = self.ref.opens(blob, self.now)
        if wrong:
            assert answer.get("error", {}).get("type") == wrong
        else:
            assert answer["result"]["plaintext"] == b64(blob.plaintext)

    @invariant()
    def store_agrees(self) -> None:
        type(self).steps += 1
        if type(self).steps % self.whole_every == 0:
            self.check_store()

    def check_store(self) -> None:
        store = self.world.keys
        for key in self.ref.keys:
            self.check_row(key)
        names = sorted(Alias(name=alias, key_id=key.id).name for key in self.ref.live for alias in key.aliases)
        total, found = store.list_aliases(offset=0, limit=1000)
        assert (total, [alias.name for alias in found]) == (len(names), names)
        assert all((owner := self.ref.owner(alias.name)) and owner.id == alias.key_id for alias in found)

    def check_row(self, key: RefKey) -> None:
        row = self.world.keys.get(key.id)
        older = self.world.keys.list_versions(key.id, 1, 10_000)
        if key.gone:
            assert row is None
            assert not older
            return
        assert row is not None
        assert [version.number for version in older] == list(range(1, key.versions))
        assert row.primary_number == key.versions
        later = [version.scheduled for version in (*older, row.primary) if version and version.number > 1]
        assert later == [how == "AUTOMATIC" for how in key.rotations]
        assert (str(row.state), list(row.aliases), row.tags) == (key.state, key.aliases, key.tags)
        assert (row.description, row.deletion_date) == (key.description, key.deletion_date)
        assert (row.deletion_protection, row.destroying) == (key.protected, False)
        assert (row.rotation_seconds, row.last_rotation) == (key.rotation, key.last_rotation)
        assert row.material_expires == key.expires
        assert [(grant.id, grant.name) for grant in row.grants] == key.grants

    def teardown(self) -> None:
        self.check_store()
        for blob in self.ref.blobs:
            self.check_blob(blob)
        shutil.rmtree(self._path, ignore_errors=True)


@cache
def caller_key() -> tuple[Any, str]:
    """An RSA key pair of a caller's own: the private key, and the public one in base64."""
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    private = rsa.generate_private_key(65537, 2048)
    return private, b64(private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def json_text(value: object) -> str:
    return json.dumps(value)
