"""ImportKeyMaterial and its siblings as Actions: states, expiry, the same material again, refusals without effect."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from functions.import_key_material.handler import NEXT_VERSION
from kit.action_samples import PLAINTEXT, Params, Tenant, watch
from kit.asymmetric_keys import ENCRYPTIONS, wrap
from kit.fakes import Clock
from tenantkms.errors import Unavailable
from tenantkms.keys.destruction import without_material
from tenantkms.keys.maintenance import DESTROY, run
from tenantkms.model.specs import KeySpec
from tenantkms.model.states import KeyState
from tenantkms.model.version import version_id
from tenantkms.parent.port import Binding, ParentKey

MATERIAL = bytes(range(32))
OTHER = os.urandom(32)
LATEST = 2_147_443_200


@pytest.fixture(scope="module")
def clock() -> Clock:
    made = Clock()
    made.now = 1_800_000_000
    return made


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory, clock: Clock) -> Tenant:
    made = Tenant(tmp_path_factory.mktemp("import") / "data")
    made.deps = msgspec.structs.replace(made.deps, clock=clock)
    return made


@pytest.fixture
def key(tenant: Tenant) -> str:
    return tenant.create(origin="EXTERNAL")


def brought(tenant: Tenant, key: str, material: bytes, algorithm: str = "RSAES_OAEP_SHA_256") -> Params:
    """What ImportKeyMaterial is given."""
    made = tenant.result(
        "GetParametersForImport",
        {"key_id": key, "wrapping_algorithm": algorithm, "wrapping_key_spec": "RSA_2048"},
    )
    public = load_der_public_key(base64.b64decode(made["public_key"]))
    assert isinstance(public, RSAPublicKey)
    sealed = base64.b64encode(wrap(public, algorithm, material)).decode()
    return {"key_id": key, "token": made["token"], "wrapped": sealed}


def bring(tenant: Tenant, key: str, material: bytes = MATERIAL, **more: Any) -> str:
    """The outcome of importing `material`."""
    return tenant.outcome("ImportKeyMaterial", {**brought(tenant, key, material), **more})


def encrypt(tenant: Tenant, key: str) -> Params:
    return {"ciphertext": tenant.result("Encrypt", {"key_id": key, "plaintext": PLAINTEXT})["ciphertext"]}


def state(tenant: Tenant, key: str) -> str:
    return str(tenant.result("DescribeKey", {"key_ids": [key]})["keys"][0]["state"])


def test_a_key_waits_for_its_material_and_works_with_it(tenant: Tenant, key: str) -> None:
    params = {"key_id": key, "plaintext": PLAINTEXT}
    assert (state(tenant, key), tenant.outcome("Encrypt", params)) == ("PendingImport", "KeyPendingImport")
    assert bring(tenant, key) == "ok"
    assert state(tenant, key) == "Enabled"
    assert tenant.result("Decrypt", encrypt(tenant, key))["plaintext"] == PLAINTEXT


@pytest.mark.parametrize(("spec", "size"), [(KeySpec.AES_256, 32), (KeySpec.SM4, 16)])
@pytest.mark.parametrize("algorithm", ENCRYPTIONS)
def test_each_spec_through_each_wrapping(tenant: Tenant, algorithm: str, spec: KeySpec, size: int) -> None:
    key = tenant.create(origin="EXTERNAL", spec=spec)
    for wrong in (size - 1, size + 1, 48 - size):
        params = brought(tenant, key, bytes(wrong), algorithm)
        assert tenant.outcome("ImportKeyMaterial", params) == "InvalidKeyMaterial"
    assert tenant.outcome("ImportKeyMaterial", brought(tenant, key, os.urandom(size), algorithm)) == "ok"
    assert tenant.result("Decrypt", encrypt(tenant, key))["plaintext"] == PLAINTEXT


def test_two_keys_with_the_same_material_do_not_open_each_others(tenant: Tenant) -> None:
    one, other = (tenant.create(origin="EXTERNAL") for _ in range(2))
    assert [bring(tenant, one), bring(tenant, other)] == ["ok", "ok"]
    blob = bytearray(base64.b64decode(encrypt(tenant, one)["ciphertext"]))
    blob[4:20] = bytes.fromhex(other.replace("-", ""))
    assert tenant.outcome("Decrypt", {"ciphertext": base64.b64encode(blob).decode()}) == "InvalidCiphertext"


# -- again ---------------------------------------------------------------------------------------------


def test_only_the_same_material_comes_back(tenant: Tenant, key: str) -> None:
    bring(tenant, key)
    blob = encrypt(tenant, key)
    assert bring(tenant, key, OTHER) == "MaterialMismatch"
    assert bring(tenant, key) == "ok"
    tenant.result("DeleteKeyMaterial", {"key_id": key})
    assert state(tenant, key) == "PendingImport"
    assert tenant.outcome("Decrypt", blob) == "KeyPendingImport"
    assert bring(tenant, key, OTHER) == "MaterialMismatch"
    assert tenant.outcome("Decrypt", blob) == "KeyPendingImport"
    assert bring(tenant, key) == "ok"
    assert tenant.result("Decrypt", blob)["plaintext"] == PLAINTEXT


def test_deleting_material_that_is_not_there_changes_nothing(tenant: Tenant, key: str) -> None:
    before = tenant.stored(key)
    assert tenant.outcome("DeleteKeyMaterial", {"key_id": key}) == "ok"
    assert tenant.stored(key) == before


def test_the_same_parameters_serve_twice(tenant: Tenant, key: str) -> None:
    params = brought(tenant, key, MATERIAL)
    assert [tenant.outcome("ImportKeyMaterial", params) for _ in range(2)] == ["ok", "ok"]


def test_what_was_imported_does_not_stand_in_the_row(tenant: Tenant, key: str) -> None:
    bring(tenant, key)
    stored = msgspec.json.encode(tenant.stored(key))
    for secret in (MATERIAL, hashlib.sha256(MATERIAL).digest()):
        assert base64.b64encode(secret)[:-4] not in stored


# -- expiry --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expires", "outcome"),
    [
        (lambda now: 0, "ok"),
        (lambda now: now + 1, "ok"),
        (lambda now: LATEST, "ok"),
        (lambda now: now, "InvalidParameter"),
        (lambda now: now - 1, "InvalidParameter"),
        (lambda now: 1, "InvalidParameter"),
        (lambda now: -1, "InvalidParameter"),
        (lambda now: LATEST + 1, "InvalidParameter"),
    ],
    ids=["never", "soon", "latest", "now", "just past", "long past", "negative", "too late"],
)
def test_the_expiry_is_in_the_future(
    expires: Callable[[int], int], outcome: str, tenant: Tenant, clock: Clock, key: str
) -> None:
    assert bring(tenant, key, expires=expires(int(clock.now))) == outcome
    assert state(tenant, key) == ("Enabled" if outcome == "ok" else "PendingImport")


def test_expired_material_stops_at_once_and_may_come_back(tenant: Tenant, clock: Clock, key: str) -> None:
    bring(tenant, key, expires=int(clock.now) + 10)
    blob = encrypt(tenant, key)
    clock.now += 9
    assert tenant.outcome("Decrypt", blob) == "ok"
    clock.now += 1
    assert tenant.outcome("Decrypt", blob) == "KeyPendingImport"
    assert tenant.outcome("Encrypt", {"key_id": key, "plaintext": PLAINTEXT}) == "KeyPendingImport"
    assert bring(tenant, key, OTHER) == "MaterialMismatch"
    assert bring(tenant, key) == "ok"
    assert tenant.outcome("Decrypt", blob) == "ok"


def test_parameters_expire_after_a_day(tenant: Tenant, clock: Clock, key: str) -> None:
    params = brought(tenant, key, MATERIAL)
    clock.now += 86_400
    assert tenant.outcome("ImportKeyMaterial", params) == "ExpiredImportToken"
    assert state(tenant, key) == "PendingImport"
    clock.now -= 1
    assert tenant.outcome("ImportKeyMaterial", params) == "ok"


# -- refusals ------------------------------------------------------------------------------------------


def test_a_token_of_another_key_is_refused_and_nothing_changes(tenant: Tenant, key: str) -> None:
    params = brought(tenant, tenant.create(origin="EXTERNAL"), MATERIAL)
    before = tenant.stored(key)
    assert tenant.outcome("ImportKeyMaterial", {**params, "key_id": key}) == "InvalidImportToken"
    assert tenant.stored(key) == before


@pytest.mark.parametrize("action", ["GetParametersForImport", "ImportKeyMaterial", "DeleteKeyMaterial"])
def test_a_key_whose_material_was_made_here_takes_no_other(action: str, tenant: Tenant, key: str) -> None:
    params = {
        "GetParametersForImport": {"wrapping_algorithm": "RSAES_OAEP_SHA_256", "wrapping_key_spec": "RSA_2048"},
        "ImportKeyMaterial": brought(tenant, key, MATERIAL),
        "DeleteKeyMaterial": {},
    }[action]
    made_here = tenant.create()
    assert tenant.outcome(action, {**params, "key_id": made_here}) == "NotExternal"
    assert tenant.stored(made_here).primary is not None


@pytest.mark.parametrize(("profile", "outcome"), [("alibaba", "ok"), ("tencent", "KeyDisabled")])
def test_a_disabled_key_stays_so(tenant: Tenant, key: str, profile: str, outcome: str) -> None:
    bring(tenant, key)
    tenant.result("DisableKey", {"key_ids": [key]})
    params = brought(tenant, key, MATERIAL)
    assert tenant.outcome("ImportKeyMaterial", params, profile=profile) == outcome
    assert state(tenant, key) == "Disabled"


@pytest.mark.parametrize("profile", ["alibaba", "tencent", "tencent-v2"])
@pytest.mark.parametrize("spec", [KeySpec.RSA_2048, KeySpec.EC_P256, KeySpec.HMAC_SHA_256, KeySpec.ML_DSA_44])
def test_only_symmetric_keys_are_imported_where_the_vendor_has_no_others(
    tenant: Tenant, spec: KeySpec, profile: str
) -> None:
    params = {"origin": "EXTERNAL", "spec": spec}
    answer = tenant.run("CreateKey", params, profile=profile)
    assert answer["error"]["message"] == "Only symmetric keys can be of origin EXTERNAL."


@pytest.mark.parametrize("action", ["CreateKeyVersion", "UpdateRotationPolicy"], ids=["by hand", "automatically"])
def test_an_imported_key_is_not_rotated(action: str, tenant: Tenant, key: str) -> None:
    bring(tenant, key)
    assert tenant.outcome(action, {"key_id": key, **({"enabled": True} if "Policy" in action else {})}) == (
        "ExternalOrigin"
    )


def test_cancelling_a_deletion_leads_back_to_where_the_material_is(tenant: Tenant, key: str) -> None:
    for _ in range(2):
        tenant.result("ScheduleKeyDeletion", {"key_id": key, "days": 7})
        assert bring(tenant, key) == "KeyPendingDeletion"
        tenant.result("CancelKeyDeletion", {"key_id": key})
        assert state(tenant, key) == ("Enabled" if tenant.stored(key).primary else "PendingImport")
        assert bring(tenant, key) == "ok"


class Down:
    """A parent key that cannot be reached."""

    def seal(self, secret: bytes, binding: Binding) -> bytes:
        raise Unavailable("The parent key did not seal.")

    unseal = seal


def test_an_import_while_the_parent_is_down_may_be_tried_again(tenant: Tenant, key: str) -> None:
    params, before = brought(tenant, key, MATERIAL), tenant.stored(key)
    keyring = tenant.deps.keyring
    parent: ParentKey = keyring.parent
    try:
        keyring.parent = Down()
        assert tenant.outcome("ImportKeyMaterial", params) == "Unavailable"
    finally:
        keyring.parent = parent
    assert tenant.stored(key) == before
    assert tenant.outcome("ImportKeyMaterial", params) == "ok"
    assert tenant.stored(key).state is KeyState.ENABLED


# -- a wrapping that does not tell of damage -------------------------------------------------------------

PKCS1 = "RSAES_PKCS1_V1_5"


def damaged(tenant: Tenant, key: str) -> None:
    """Bytes that are no wrapping at all, until OpenSSL makes 32 random bytes of them; under one set of parameters."""
    params = brought(tenant, key, MATERIAL, PKCS1)
    for _ in range(20_000):
        params["wrapped"] = base64.b64encode(b"\0" + os.urandom(255)).decode()
        outcome = tenant.outcome("ImportKeyMaterial", params)
        if outcome == "ok":
            return
        assert outcome == "InvalidKeyMaterial"
    raise AssertionError("no random bytes were taken for material")


def opened(tenant: Tenant, *blobs: Params) -> list[str]:
    return [tenant.result("Decrypt", blob)["plaintext"] for blob in blobs]


@pytest.mark.parametrize("algorithm", ENCRYPTIONS)
def test_random_bytes_that_were_taken_for_material_are_no_dead_end(
    tenant: Tenant, clock: Clock, key: str, algorithm: str
) -> None:
    damaged(tenant, key)
    meanwhile = encrypt(tenant, key)
    clock.now += 1
    tenant.audit.records.clear()
    right = brought(tenant, key, MATERIAL, algorithm)
    assert tenant.outcome("ImportKeyMaterial", right) == "ok"
    said = [(line.outcome, line.note) for line in tenant.audit.records if line.action == "ImportKeyMaterial"]
    assert said == [("intent", NEXT_VERSION), ("ok", NEXT_VERSION)]
    after = encrypt(tenant, key)
    assert opened(tenant, meanwhile, after) == [PLAINTEXT] * 2
    assert tenant.outcome("ImportKeyMaterial", right) == "ok"  # the same again is no version of its own
    shown = tenant.result("DescribeKey", {"key_ids": [key]})["keys"][0]
    versions = tenant.result("ListKeyVersions", {"key_id": key})
    ids = [version_id(key, number) for number in (1, 2)]
    assert (versions["total"], [v["key_version_id"] for v in versions["versions"]]) == (2, ids)
    assert (shown["primary_version_id"], shown["last_rotation"]) == (ids[1], 0)
    assert [tenant.outcome("DescribeKeyVersion", {"key_id": key, "key_version_id": id_}) for id_ in ids] == ["ok"] * 2
    # From now on it depends on the wrapping again.
    clock.now += 1
    outcome = bring(tenant, key, OTHER)
    assert outcome == ("ok" if algorithm == PKCS1 else "MaterialMismatch")
    assert opened(tenant, meanwhile, after) == [PLAINTEXT] * 2


def test_what_came_in_a_wrapping_that_tells_is_never_followed(tenant: Tenant, clock: Clock, key: str) -> None:
    bring(tenant, key)
    clock.now += 1
    assert (
        tenant.outcome("ImportKeyMaterial", brought(tenant, key, MATERIAL, PKCS1)) == "ok"
    )  # the same: it stays proven
    clock.now += 1
    assert tenant.outcome("ImportKeyMaterial", brought(tenant, key, OTHER, PKCS1)) == "MaterialMismatch"
    assert tenant.stored(key).primary_number == 1


def test_older_parameters_do_not_bring_other_material_back(tenant: Tenant, clock: Clock, key: str) -> None:
    old = brought(tenant, key, OTHER, PKCS1)
    assert tenant.outcome("ImportKeyMaterial", old) == "ok"
    clock.now += 1
    assert tenant.outcome("ImportKeyMaterial", brought(tenant, key, MATERIAL, PKCS1)) == "ok"
    assert tenant.outcome("ImportKeyMaterial", old) == "MaterialMismatch"
    assert tenant.stored(key).primary_number == 2


def test_material_that_was_destroyed_has_had_its_number(tmp_path: Path, clock: Clock) -> None:
    """Other material after it is the next version; the same comes back to the number that its ciphertexts name."""

    def process() -> Tenant:
        made = Tenant(tmp_path / "data")
        made.deps = msgspec.structs.replace(made.deps, clock=clock)
        return made

    tenant = process()
    key = tenant.create(origin="EXTERNAL")
    damaged(tenant, key)
    lost = encrypt(tenant, key)
    tenant.put(key, **_gone(tenant, key))
    clock.now += 1
    assert tenant.outcome("ImportKeyMaterial", brought(tenant, key, MATERIAL, PKCS1)) == "ok"
    blob = encrypt(tenant, key)
    tenant = process()
    assert tenant.outcome("Decrypt", lost) == "InvalidCiphertext"
    assert tenant.result("ListKeyVersions", {"key_id": key})["total"] == 2
    tenant.put(key, **_gone(tenant, key))
    assert tenant.result("ListKeyVersions", {"key_id": key})["total"] == 1
    assert bring(tenant, key) == "ok"
    assert tenant.stored(key).primary_number == 2
    assert opened(tenant, blob) == [PLAINTEXT]
    tenant.put(key, state=KeyState.PENDING_DELETION, **_gone(tenant, key, state=False), deletion_date=1)
    watch(tenant.deps.keyring.store, int(clock()))
    assert run(DESTROY, tenant.deps, "sweep").done == 1
    store = tenant.deps.keyring.store
    assert (store.get(key), store.list_versions(key, 1, 9)) == (None, [])


def test_a_key_of_before_whose_material_is_gone_may_get_other(tenant: Tenant, clock: Clock, key: str) -> None:
    """What an older release wrote does not say how its material was wrapped, nor that it is gone."""
    bring(tenant, key)
    stored = tenant.stored(key)
    tenant.put(key, primary=None, state=KeyState.PENDING_IMPORT)
    clock.now += 1
    assert bring(tenant, key) == "ok"
    assert tenant.stored(key).primary_number == 1
    tenant.put(key, primary=None, state=KeyState.PENDING_IMPORT, imported=stored.imported)
    clock.now += 1
    assert bring(tenant, key, OTHER) == "ok"
    assert tenant.stored(key).primary_number == 2


def _gone(tenant: Tenant, key: str, *, state: bool = True) -> dict[str, Any]:
    """The row of a key whose material the sweeper has destroyed."""
    changed = without_material(tenant.stored(key), "sweep")
    names = ("primary", "spent", "material_expires", *(["state"] if state else []))
    return {name: getattr(changed, name) for name in names}
