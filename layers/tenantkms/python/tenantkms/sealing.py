"""Sealing: how key material and secrets rest. The parent key is a port with two adapters.

What is sealed begins with its own name (kind, tenant, key id, version, spec), compared after unsealing,
so that a sealed blob that was moved to another row does not open there, whatever the parent checks itself.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct

from tenantkms.errors import Unavailable

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

_MAGIC = b"TKS1"
_LAYOUT = struct.Struct(">4sB16sI")
KEY_MATERIAL, CREDENTIAL, IMPORT_TOKEN, IMPORT_DIGEST = 1, 2, 3, 4
_NIL = "00000000-0000-0000-0000-000000000000"


class SealBroken(Unavailable):
    """What was sealed does not open here: it is damaged, or belongs to another row, tenant or parent key."""


class Binding(Struct, frozen=True):
    """What a sealed secret belongs to. For a credential `key_id` is nil and `spec` its access key id."""

    kind: int
    tenant: str
    key_id: str
    version: int
    spec: str

    def header(self) -> bytes:
        """`"TKS1" || kind u8 || key id 16 || version u32 || u8 length, tenant || u8 length, spec`."""
        names = b"".join(bytes([len(n)]) + n for n in (self.tenant.encode(), self.spec.encode()))
        return _LAYOUT.pack(_MAGIC, self.kind, UUID(self.key_id).bytes, self.version) + names


def key_binding(tenant: str, key_id: str, version: int, spec: str) -> Binding:
    return Binding(KEY_MATERIAL, tenant, key_id, version, spec)


def credential_binding(tenant: str, access_key_id: str) -> Binding:
    return Binding(CREDENTIAL, tenant, _NIL, 1, access_key_id)


class ParentKey(Protocol):
    """The key that seals all others of a tenant. Every fault of it is `Unavailable`, never a wrong answer."""

    def seal(self, secret: bytes, binding: Binding) -> bytes: ...

    def unseal(self, sealed: bytes, binding: Binding) -> bytes: ...


def _unwrap(plaintext: bytes, binding: Binding) -> bytes:
    header = binding.header()
    if plaintext[: len(header)] != header:
        raise SealBroken("Sealed material does not belong to the row it was found in.")
    return plaintext[len(header) :]


class FileParentKey:
    """The parent key of one machine: 32 bytes in a file that only its owner can read.

    Sealed form: `0x01 || nonce 12 || AES-256-GCM`. A random nonce is safe for 2^32 seals.
    """

    _VERSION = b"\x01"

    def __init__(self, key: bytes, random: Callable[[int], bytes] = os.urandom) -> None:
        self._aead = AESGCM(key)
        self._random = random

    @classmethod
    def load(cls, path: Path) -> FileParentKey:
        """Raises `Unavailable` with what to do when the file is missing, damaged, or open to others."""
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            key = path.read_bytes()
        except OSError as e:
            raise Unavailable(f"The parent key {path} cannot be read: {e.strerror}.") from e
        if mode & 0o077:
            raise Unavailable(f"The parent key {path} is open to others (mode {mode:04o}): chmod 600 it.")
        if len(key) != 32:
            raise Unavailable(f"The parent key {path} is not 32 bytes long: restore it from your backup.")
        return cls(key)

    def seal(self, secret: bytes, binding: Binding) -> bytes:
        nonce = self._random(12)
        header = binding.header()
        return self._VERSION + nonce + self._aead.encrypt(nonce, header + secret, header)

    def unseal(self, sealed: bytes, binding: Binding) -> bytes:
        if sealed[:1] != self._VERSION:
            raise SealBroken("Sealed material has an unknown version.")
        try:
            plaintext = self._aead.decrypt(sealed[1:13], sealed[13:], binding.header())
        except (InvalidTag, ValueError):
            raise SealBroken("Sealed material does not open under this parent key.") from None
        return _unwrap(plaintext, binding)


class AwsParentKey:
    """A symmetric AWS KMS key. The binding is its EncryptionContext too, so key policies can demand the tenant."""

    def __init__(self, client: KMSClient, key_arn: str) -> None:
        self._client = client
        self._key_arn = key_arn

    @staticmethod
    def _context(binding: Binding) -> dict[str, str]:
        # AWS logs the context; an access key's id is not secret, but its digest is enough to bind to.
        spec = binding.spec
        if binding.kind == CREDENTIAL:
            spec = hashlib.sha256(spec.encode()).hexdigest()
        return {
            "tenant": binding.tenant,
            "kind": str(binding.kind),
            "key": binding.key_id,
            "version": str(binding.version),
            "spec": spec,
        }

    def seal(self, secret: bytes, binding: Binding) -> bytes:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = self._client.encrypt(
                KeyId=self._key_arn, Plaintext=binding.header() + secret, EncryptionContext=self._context(binding)
            )
        except (BotoCoreError, ClientError) as e:
            raise Unavailable("The parent key did not seal.") from e
        return answer["CiphertextBlob"]

    def unseal(self, sealed: bytes, binding: Binding) -> bytes:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            answer = self._client.decrypt(
                KeyId=self._key_arn, CiphertextBlob=sealed, EncryptionContext=self._context(binding)
            )
        except ClientError as e:
            if e.response["Error"]["Code"] in ("InvalidCiphertextException", "IncorrectKeyException"):
                raise SealBroken("Sealed material does not open under this parent key.") from e
            raise Unavailable("The parent key did not unseal.") from e
        except BotoCoreError as e:
            raise Unavailable("The parent key did not unseal.") from e
        return _unwrap(answer["Plaintext"], binding)
