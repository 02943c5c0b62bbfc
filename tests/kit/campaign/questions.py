"""Every Action, to be asked of all that a tenant has: what reads is answered, what would change something is tried."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from functools import cache
from typing import Any

from kit.action_samples import DIGEST, PLAINTEXT, SAMPLES
from kit.campaign.machine import caller_key
from kit.campaign.reference import RefBlob, RefKey
from tenantkms.crypto import asymmetric
from tenantkms.model.specs import KeySpec
from tenantkms.model.version import version_id

READ = frozenset(
    "DescribeKey DescribeKeyVersion GenerateMac GetKeyPolicy GetPublicKey ListAliases ListGrants ListKeyVersions"
    " ListKeys ListRetirableGrants ListTagResources".split()
)
"""Whose answers are the same each time. Of the others a dry run says whether they would be a success, or why not."""
_OF_NO_KEY = ("CreateKey", "DescribeService", "GenerateRandom", "IssueSession", "ListKeys", "ListRetirableGrants")
_OF_BLOBS = ("Decrypt", "ReEncrypt", "ExportDataKey")
_NAMED = "shared-0"
"""An alias of the campaign, which some key may have."""
Question = tuple[str, dict[str, Any]]


@cache
def _point() -> str:
    """A peer's public key."""
    made = asymmetric.load(asymmetric.generate(KeySpec.EC_P384, os.urandom))
    return base64.b64encode(asymmetric.public_der(made)).decode()


def _made(key: RefKey) -> Iterator[Question]:
    """Whose parameters `SAMPLES` would have an Action make."""
    long = base64.b64encode(bytes(256)).decode()
    wrap = {"public_key": caller_key()[1]}
    yield "AsymmetricDecrypt", {"algorithm": "RSAES_OAEP_SHA_256", "ciphertext": long}
    yield "AsymmetricVerify", {"algorithm": "ECDSA_SHA_256", "message": DIGEST, "signature": PLAINTEXT}
    yield "DeriveSharedSecret", {"public_key": _point()}
    yield "GenerateAndExportDataKey", {"wrap": wrap}
    yield "ImportKeyMaterial", {"token": PLAINTEXT, "wrapped": long}
    yield "SetKeyPolicy", {"policy": ""}
    for action in ("CreateAlias", "SetKeyAlias", "UpdateAlias"):
        yield action, {"alias": _NAMED}
    yield "VerifyMac", {"algorithm": "HMAC_SHA_256", "message": DIGEST, "mac": DIGEST}
    for number in range(1, max(1, key.versions) + 1):
        yield "DescribeKeyVersion", {"key_version_id": version_id(key.id, number)}
    for grant in [grant for grant, _ in key.grants] or ["a" * 64]:
        yield "RetireGrant", {"grant_id": grant}
        yield "RevokeGrant", {"grant_id": grant}


def questions(keys: list[RefKey], blobs: list[RefBlob], actions: list[str]) -> Iterator[Question]:
    """Of all `actions`, about all `keys` and `blobs`."""
    tenant: Any = None
    for action in _OF_NO_KEY:
        yield action, SAMPLES[action](tenant, "")
    yield "ListKeys", {"limit": 100}
    for key in keys:
        apart = list(_made(key))
        yield from ((action, {"key_id": key.id, **params}) for action, params in apart)
        yield from (("DeleteAlias", {"alias": alias}) for alias in [*key.aliases, _NAMED])
        for action in set(actions) - {action for action, _ in apart} - {*_OF_NO_KEY, *_OF_BLOBS, "DeleteAlias"}:
            yield action, SAMPLES[action](tenant, key.id)
    for blob in blobs[-20:]:
        for action in _OF_BLOBS:
            more = {"wrap": {"public_key": caller_key()[1]}} if action == "ExportDataKey" else {}
            context = "source_context" if action == "ReEncrypt" else "context"
            yield action, {"ciphertext": blob.blob, context: blob.context, **more}
