"""A tenant to call Actions on directly, and for every Action the least it takes to succeed on a key."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from cdk import tenants
from functions.endpoint.dispatch import load
from tenantkms.access.policy import ALLOW_ALL
from tenantkms.action.rule import Rule
from tenantkms.audit.line import Record
from tenantkms.errors import Unavailable
from tenantkms.keys.deps import Deps
from tenantkms.keys.maintenance import JOBS
from tenantkms.model.key import Key
from tenantkms.model.profiles import DAY
from tenantkms.model.specs import AGREEMENTS, MACS, PUBLIC_KEYS, RSA_BLOBS, SIGNATURES, KeySpec, KeyUsage, Need
from tenantkms.model.states import KeyState
from tenantkms.model.watch import Watch
from tenantkms.names import folder
from tenantkms.store.port import KeyStore, PutKey
from tkms.machine.directory import Directory

FUNCTIONS = Path(__file__).parent.parent.parent / "functions"
PLAINTEXT = base64.b64encode(b"plaintext").decode()
DIGEST = base64.b64encode(bytes(32)).decode()

Params = dict[str, Any]


def actions() -> list[str]:
    """The Actions that have a function, by the `@action` line of each handler."""
    return list(tenants.actions().values())


def source(action: str) -> str:
    """The text of an Action's handler."""
    return (FUNCTIONS / folder(action) / "handler.py").read_text("utf-8")


def rules() -> dict[str, Rule]:
    """What each Action says of the keys that it uses."""
    return {name: load(name).rule for name in actions()}


@dataclass
class ListAudit:
    """An audit log in memory. With `broken` it takes no line, with `left` that many more."""

    records: list[Record] = field(default_factory=list)
    broken: bool = False
    left: int = 1_000_000

    def write(self, *records: Record) -> None:
        self.left -= 1
        if self.broken or self.left < 0:
            raise Unavailable("the audit log of the test is broken")
        self.records += records

    def refuse(self, record: Record) -> None:
        self.write(record)


def watch(store: KeyStore, now: int, seconds: int = DAY) -> None:
    """The scheduled work has watched the clock for so long, until now."""
    for job in JOBS.values():
        store.put_watch(job.name, Watch(since=now - seconds, seen=now))


class Refused(Exception):
    """An Action that a test prepared with did not succeed."""


class Tenant:
    """One tenant on SQLite in `path`."""

    def __init__(self, path: Path) -> None:
        settings = Directory(path).make("test")
        self.audit = ListAudit()
        self.deps: Deps = msgspec.structs.replace(settings.deps, audit=self.audit)

    def call(self, action: str, params: Params, *, policy: str = ALLOW_ALL, **changes: Any) -> Params:
        """The canonical call as data."""
        return {
            "v": 1,
            "request_id": str(uuid4()),
            "action": action,
            "principal": {"id": "tester", "policy": policy},
            "profile": "native",
            "params": params,
            **changes,
        }

    def run(self, action: str, params: Params, *, policy: str = ALLOW_ALL, **changes: Any) -> Params:
        """`{"result": ..}` or `{"error": ..}`."""
        return load(action).run(self.call(action, params, policy=policy, **changes), self.deps)

    def outcome(self, action: str, params: Params, *, policy: str = ALLOW_ALL, **changes: Any) -> str:
        """`ok`, or the name of the domain error."""
        answer = self.run(action, params, policy=policy, **changes)
        return str(answer["error"]["type"]) if "error" in answer else "ok"

    def result(self, action: str, params: Params, **changes: Any) -> Params:
        answer = self.run(action, params, **changes)
        if "error" in answer:
            raise Refused(f"{action}: {answer['error']}")
        found: Params = answer["result"]
        return found

    def create(self, **params: Any) -> str:
        """A new key's id."""
        return str(self.result("CreateKey", params)["key"]["id"])

    def alias(self, key_id: str) -> str:
        """A new alias of a key, without the prefix."""
        name = f"alias-{uuid4()}"
        self.result("CreateAlias", {"key_id": key_id, "alias": name})
        return name

    def stored(self, key_id: str) -> Key:
        key = self.deps.keyring.store.get(key_id)
        assert key is not None
        return key

    def put(self, key_id: str, **changes: Any) -> None:
        """Change a key's row behind the Actions' back."""
        key = self.stored(key_id)
        self.deps.keyring.commit([PutKey(msgspec.structs.replace(key, revision=key.revision + 1, **changes))])


# -- keys to call on -------------------------------------------------------------------------------------

_MADE: Mapping[Need, Params] = {
    RSA_BLOBS: {"spec": KeySpec.RSA_2048},
    SIGNATURES: {"spec": KeySpec.EC_P256},
    PUBLIC_KEYS: {"spec": KeySpec.EC_P256},
    AGREEMENTS: {"spec": KeySpec.EC_P256, "usage": KeyUsage.KEY_AGREEMENT},
    MACS: {"spec": KeySpec.HMAC_SHA_256},
}
"""How a key is created that an Action needs; any other Action works on one that is created without a word."""
_IMPORTED = ("GetParametersForImport", "ImportKeyMaterial", "DeleteKeyMaterial")


def new_key(tenant: Tenant, action: str) -> str:
    """A key that `action` works on, as it was created."""
    needs = load(action).rule.needs
    return tenant.create(**({"origin": "EXTERNAL"} if action in _IMPORTED else _MADE.get(needs, {}) if needs else {}))


def in_state(tenant: Tenant, key_id: str, state: KeyState) -> None:
    deletion = tenant.deps.clock() + 7 * DAY if state is KeyState.PENDING_DELETION else 0
    tenant.put(key_id, state=state, deletion_date=int(deletion))


# -- what it takes ---------------------------------------------------------------------------------------

_KEY: Callable[[Tenant, str], Params] = lambda _t, key: {"key_id": key}  # noqa: E731
_KEYS: Callable[[Tenant, str], Params] = lambda _t, key: {"key_ids": [key]}  # noqa: E731
_NONE: Callable[[Tenant, str], Params] = lambda _t, _key: {}  # noqa: E731


def _with(**params: Any) -> Callable[[Tenant, str], Params]:
    return lambda _t, key: {"key_id": key, **params}


def _made_by(action: str, field_name: str, **more: Any) -> Callable[[Tenant, str], Params]:
    """What `action` made, as the field of that name; more fields beside it."""

    def params(tenant: Tenant, key: str) -> Params:
        given = SAMPLES[action](tenant, key)
        made = tenant.result(action, given)[field_name]
        kept = {name: value for name, value in given.items() if name in ("key_id", "algorithm", "message")}
        return {**kept, field_name: made, **more}

    return params


def _blob(tenant: Tenant, key: str) -> Params:
    return {"ciphertext": tenant.result("Encrypt", {"key_id": key, "plaintext": PLAINTEXT})["ciphertext"]}


def _receiver(tenant: Tenant) -> Params:
    """A caller's public key."""
    caller = tenant.create(spec=KeySpec.RSA_2048)
    return {"public_key": tenant.result("GetPublicKey", {"key_id": caller})["der"]}


def _version(tenant: Tenant, key: str) -> Params:
    described = tenant.result("DescribeKey", {"key_ids": [key]})["keys"][0]
    return {"key_id": key, "key_version_id": described["primary_version_id"]}


def _grant(tenant: Tenant, key: str) -> Params:
    made = tenant.result("CreateGrant", SAMPLES["CreateGrant"](tenant, key))
    return {"key_id": key, "grant_id": made["grant_id"]}


def _import(tenant: Tenant, key: str) -> Params:
    from tenantkms.crypto import asymmetric

    given = SAMPLES["GetParametersForImport"](tenant, key)
    made = tenant.result("GetParametersForImport", given)
    wrapped = asymmetric.encrypt_for(base64.b64decode(made["public_key"]), given["wrapping_algorithm"], bytes(32))
    return {"key_id": key, "token": made["token"], "wrapped": base64.b64encode(wrapped).decode()}


SAMPLES: Mapping[str, Callable[[Tenant, str], Params]] = {
    "ArchiveKey": _KEYS,
    "AsymmetricDecrypt": _made_by("AsymmetricEncrypt", "ciphertext"),
    "AsymmetricEncrypt": _with(algorithm="RSAES_OAEP_SHA_256", plaintext=PLAINTEXT),
    "AsymmetricSign": _with(algorithm="ECDSA_SHA_256", message=DIGEST),
    "AsymmetricVerify": _made_by("AsymmetricSign", "signature"),
    "CancelKeyArchive": _KEYS,
    "CancelKeyDeletion": _KEY,
    "CreateAlias": lambda _t, key: {"key_id": key, "alias": f"alias-{uuid4()}"},
    "CreateGrant": _with(grantee="TKMSsomebody", operations=["RetireGrant"]),
    "CreateKey": _NONE,
    "CreateKeyVersion": _KEY,
    "Decrypt": _blob,
    "DeleteAlias": lambda t, key: {"alias": t.alias(key)},
    "DeleteKeyMaterial": _KEY,
    "DeriveSharedSecret": lambda t, key: {
        "key_id": key,
        "public_key": t.result("GetPublicKey", {"key_id": key})["der"],
    },
    "DescribeKey": _KEYS,
    "DescribeKeyVersion": _version,
    "DescribeService": _NONE,
    "DisableKey": _KEYS,
    "EnableKey": _KEYS,
    "Encrypt": _with(plaintext=PLAINTEXT),
    "ExportDataKey": lambda t, key: {**_blob(t, key), "wrap": _receiver(t)},
    "GenerateAndExportDataKey": lambda t, key: {"key_id": key, "wrap": _receiver(t)},
    "GenerateDataKey": _KEY,
    "GenerateDataKeyPair": _with(pair_spec="EC_P256"),
    "GenerateDataKeyPairWithoutPlaintext": _with(pair_spec="EC_P256"),
    "GenerateDataKeyWithoutPlaintext": _KEY,
    "GenerateMac": _with(algorithm="HMAC_SHA_256", message=DIGEST),
    "GenerateRandom": lambda _t, _key: {"number_of_bytes": 16},
    "GetKeyPolicy": _KEY,
    "GetParametersForImport": _with(wrapping_algorithm="RSAES_OAEP_SHA_256", wrapping_key_spec="RSA_2048"),
    "GetPublicKey": _KEY,
    "ImportKeyMaterial": _import,
    "IssueSession": lambda _t, _key: {"credential": "first"},
    "ListAliases": _KEY,
    "ListGrants": _KEY,
    "ListKeyVersions": _KEY,
    "ListKeys": _NONE,
    "ListRetirableGrants": lambda _t, _key: {"retiring": "TKMSsomebody"},
    "ListTagResources": _KEYS,
    "ReEncrypt": _blob,
    "RetireGrant": _grant,
    "RevokeGrant": _grant,
    "ScheduleKeyDeletion": _with(days=7),
    "SetDeletionProtection": _with(enabled=True),
    "SetKeyAlias": lambda _t, key: {"key_id": key, "alias": f"alias-{uuid4()}"},
    "SetKeyPolicy": lambda t, key: {"key_id": key, "policy": t.result("GetKeyPolicy", {"key_id": key})["policy"]},
    "TagResources": lambda _t, key: {"key_ids": [key], "tags": {"name": "value"}},
    "UntagResources": lambda _t, key: {"key_ids": [key], "all": True},
    "UpdateAlias": lambda t, key: {"key_id": key, "alias": t.alias(t.create())},
    "UpdateKeyDescription": _with(description="described"),
    "UpdateRotationPolicy": _with(enabled=True),
    "VerifyMac": _made_by("GenerateMac", "mac"),
}
"""Action -> (tenant, key id) -> parameters that succeed on an enabled key; made while the key is enabled."""
