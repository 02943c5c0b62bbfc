"""Ready-made policies of access keys, by name, and where a policy comes from when a credential is created."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from tenantkms.access import policy
from tenantkms.access.conditions import WITH_CONTEXT
from tkms.output import decode


class Ready(Struct, frozen=True):
    """`bound`: what takes an encryption context is denied without one."""

    says: str
    actions: tuple[str, ...]
    bound: bool = False

    @property
    def text(self) -> str:
        statements: list[dict[str, object]] = [{"Effect": "Allow", "Action": self.actions, "Resource": "*"}]
        if self.bound:
            without = {"Null": {"kms:EncryptionContextKeys": "true"}}
            actions = sorted(WITH_CONTEXT)
            statements.append({"Effect": "Deny", "Action": actions, "Resource": "*", "Condition": without})
        return msgspec.json.encode({"Statement": statements}).decode()


_LOOK = ("DescribeKey", "GetPublicKey")
_CRYPTO = (
    "Encrypt",
    "Decrypt",
    "ReEncrypt",
    "Generate*",
    "ExportDataKey",
    "DeriveSharedSecret",
    "Asymmetric*",
    "VerifyMac",
    *_LOOK,
)
READY: Mapping[str, Ready] = {
    "administrator": Ready("everything, as without a policy", ("*",)),
    "crypto-user": Ready("work with every key, and change none", _CRYPTO),
    "context-user": Ready("the same, and no ciphertext or data key without an encryption context", _CRYPTO, bound=True),
    "encrypt-only": Ready(
        "encrypt and make data keys, and open nothing", ("Encrypt", "GenerateDataKey*", "AsymmetricEncrypt", *_LOOK)
    ),
    "decrypt-only": Ready("open ciphertexts, and make none", ("Decrypt", "AsymmetricDecrypt", *_LOOK)),
    "auditor": Ready(
        "read what there is, and work with no key", ("Describe*", "List*", "GetKeyPolicy", "GetPublicKey")
    ),
}


def read(named: str) -> str:
    """The ready-made policy of that name, else the file's. Raises `OSError`, `UnicodeError` and `InvalidPolicy`."""
    if not named:
        return policy.ALLOW_ALL
    text = READY[named].text if named in READY else decode(Path(named).read_bytes())
    return policy.check(text)
