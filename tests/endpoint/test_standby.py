"""An endpoint of the region where nothing is changed: what only reads keys is served, and the rest is to be retried."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from cdk.catalog import CATALOG, changes
from functions.endpoint.dispatch import load
from kit.action_samples import SAMPLES
from kit.captures import at
from kit.catalogue import CONTEXT_TEXT, EXAMPLES, SCHEMES, error_code, prepare
from kit.samples import revised
from kit.support import Kms
from tenantkms.keys import maintenance
from tenantkms.keys.keyring import Keyring
from tenantkms.names import ACTIONS, CHANGING, folder
from tenantkms.store.fence import Active, refuse
from tenantkms.store.port import DeleteKey, PutKey
from tenantkms.wire.dialects import DIALECTS

NOW = 1_800_000_000.0
RETRYABLE = {
    "alibaba": "ServiceUnavailableTemporary",
    "tencent": "ServiceUnavailable",
    "tencent-v2": 6000,
    "aws": "DependencyTimeoutException",
}


class Told:
    """The fence of the region `here`, as one is told."""

    replicated = True
    here = "here"

    def __init__(self, active: Active) -> None:
        self.active = active

    def behind(self) -> bool:
        return self.active.region != self.here

    def check(self, dated: float | None = None) -> None:
        refuse(self.active, self.here, dated)


def fenced(kms: Kms, fence: Told) -> Kms:
    deps = kms.settings.deps
    ring = deps.keyring
    ring = Keyring(ring.tenant, ring.store, ring.parent, clock=deps.clock, state_seconds=0, fence=fence)
    return Kms(replace(kms.settings, deps=replace(deps, fence=fence, keyring=ring)), kms.signer)


@pytest.fixture
def fence() -> Told:
    return Told(Active(region="there", epoch=1, since=int(NOW)))


def test_what_changes_keys_is_what_may_write_them() -> None:
    """The table by which a standby decides, against the rights that the functions have."""
    assert {action for action in ACTIONS if changes(CATALOG[folder(action)])} == CHANGING


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_operation_that_reads_is_served_and_every_other_is_to_be_retried(
    dialect: str, kms: Kms, fence: Told
) -> None:
    then = at(kms, NOW)
    tenant = prepare(then)
    standby = fenced(then, fence)
    served = DIALECTS[dialect].operations
    sign = dict(SCHEMES.values())[dialect]
    for operation, params in EXAMPLES[dialect](tenant).items():
        code = error_code(dialect, standby.send(sign(standby.signer, operation, params)))
        refused = served[operation].action in CHANGING
        assert (code == RETRYABLE[dialect]) is refused, (operation, code)


def test_a_refused_change_keeps_its_nonce_and_one_from_before_is_signed_anew(kms: Kms, fence: Told) -> None:
    standby = fenced(at(kms, NOW), fence)
    request = standby.signer.alibaba_rpc("CreateKey", {})
    for region, served in (("there", False), ("", False), ("here", True), ("here", False)):  # the last is a replay
        fence.active = Active(region=region, epoch=1, since=int(NOW))
        assert (error_code("alibaba", standby.send(request)) is None) is served
    fence.active = Active(region="here", epoch=2, since=int(NOW) + 1)
    request = standby.signer.alibaba_rpc("CreateKey", {})
    assert error_code("alibaba", standby.send(request)) == RETRYABLE["alibaba"]


def test_who_invokes_a_function_is_refused_too(kms: Kms, fence: Told) -> None:
    deps = fenced(kms, fence).settings.deps
    call = {"v": 1, "request_id": "r", "principal": {"id": "tkms", "policy": ""}, "profile": "native"}
    for action in sorted(CHANGING & SAMPLES.keys()):
        answer = load(action).run({**call, "action": action, "params": {}}, deps, native=True)
        assert answer["error"]["type"] == "Unavailable"
        assert "there" in answer["error"]["message"]


def test_what_is_not_here_may_be_on_its_way(kms: Kms, fence: Told) -> None:
    """A key, or a version of it: after a wait it would open. A clear refusal might end in data given up."""
    tenant = prepare(kms)
    store = kms.settings.deps.keyring.store
    key = store.get(tenant.key_id)
    assert key is not None
    assert key.primary is not None

    def told() -> object:
        fresh = fenced(kms, fence)
        answer = fresh.alibaba("Decrypt", CiphertextBlob=tenant.blob, EncryptionContext=CONTEXT_TEXT)
        return "ok" if "Plaintext" in answer else answer["Code"]

    assert told() == "ok"
    later = revised(key, "next", primary=replace(key.primary, number=2))
    store.commit([PutKey(later)])
    assert told() == RETRYABLE["alibaba"]
    fence.active = Active(region="here")
    assert told() == RETRYABLE["alibaba"]  # its older version is known to be
    store.commit([DeleteKey(later)])
    assert told() == "InvalidParameter"
    fence.active = Active(region="there")
    assert told() == RETRYABLE["alibaba"]


def test_nothing_is_swept(kms: Kms, fence: Told) -> None:
    deps = fenced(kms, fence).settings.deps
    for job in maintenance.JOBS.values():
        before = deps.keyring.store.get_watch(job.name)
        report = maintenance.run(job, deps, "sweep")
        assert (report.due, report.done, report.held) == (0, 0, 0)
        assert deps.keyring.store.get_watch(job.name) == before
