"""Clients of AWS KMS, unmodified, behind a few words: what one seals is opened by it again, or by a vendor's SDK.

Each is made as its users make it, from the environment that `sdk_aws.environment` describes.
"""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol
from uuid import uuid4

import boto3
import credstash
import tink
from boto3.dynamodb.conditions import Key
from botocore.exceptions import ClientError
from tink.integration import awskms

from kit.sdk_clients import Login

Context = Mapping[str, str]
Wrap = Callable[[bytes, Context], bytes]
"""(plaintext, context) -> a ciphertext that another SDK makes of them."""
SECRET = "hello, 秘密".encode()


@dataclass(frozen=True)
class Wrapped:
    """What a client had the KMS encrypt: the ciphertext, the context that was sent along, and what is in it.

    `plaintext` is None where the client does not show it.
    """

    blob: bytes
    context: Context
    plaintext: bytes | None = None


class AwsClient(Protocol):
    """A client and one key. `seal` and `open` raise `error`, in which `tells(code)` stands for AWS's `code`."""

    def __init__(self, login: Login, key: str) -> None: ...

    def seal(self, context: Context) -> Any:
        """SECRET, sealed; `context` is ignored by a client that has none."""

    def open(self, sealed: Any, context: Context) -> bytes: ...

    def wrapped(self, sealed: Any, context: Context) -> Wrapped: ...

    def adopt(self, wrap: Wrap, context: Context) -> Any:
        """What `seal` makes, but the KMS is asked by `wrap`."""

    def error(self, code: str) -> tuple[type[Exception], ...]: ...

    def told(self, error: Exception) -> str:
        """What a user finds in an exception."""

    def tells(self, code: str) -> str: ...


class Boto3:
    """boto3 itself."""

    def __init__(self, login: Login, key: str) -> None:
        self.kms, self.key = boto3.client("kms"), key

    def seal(self, context: Context) -> bytes:
        sealed = self.kms.encrypt(KeyId=self.key, Plaintext=SECRET, EncryptionContext=dict(context))
        return bytes(sealed["CiphertextBlob"])

    def open(self, sealed: bytes, context: Context) -> bytes:
        return bytes(self.kms.decrypt(CiphertextBlob=sealed, EncryptionContext=dict(context))["Plaintext"])

    def wrapped(self, sealed: bytes, context: Context) -> Wrapped:
        return Wrapped(sealed, context, SECRET)

    def adopt(self, wrap: Wrap, context: Context) -> bytes:
        return wrap(SECRET, context)

    def error(self, code: str) -> tuple[type[Exception], ...]:
        """Of codes that the service's model lacks, as ThrottlingException, boto3 has no class."""
        classes: Mapping[str, type[Exception]] = {c.__name__: c for c in self._classes()}
        return (classes.get(code, ClientError),)

    def _classes(self) -> list[type[Exception]]:
        names = self.kms.meta.service_model.error_shapes
        return [getattr(self.kms.exceptions, shape.name) for shape in names]

    def told(self, error: Exception) -> str:
        return str(error)

    def tells(self, code: str) -> str:
        return code


class _Tink:
    """What both of tink's clients are: an AEAD, whose associated data is the context."""

    aead: Any

    def seal(self, context: Context) -> bytes:
        return bytes(self.aead.encrypt(SECRET, _associated(context)))

    def open(self, sealed: bytes, context: Context) -> bytes:
        return bytes(self.aead.decrypt(sealed, _associated(context)))

    def wrapped(self, sealed: bytes, context: Context) -> Wrapped:
        return Wrapped(sealed, {"associatedData": _associated(context).hex()}, SECRET)

    def adopt(self, wrap: Wrap, context: Context) -> bytes:
        return wrap(SECRET, {"associatedData": _associated(context).hex()})

    def error(self, code: str) -> tuple[type[Exception], ...]:
        return (tink.TinkError,)

    def told(self, error: Exception) -> str:
        return str(error)

    def tells(self, code: str) -> str:
        return code


def _associated(context: Context) -> bytes:
    return json.dumps(context).encode()


class TinkNewClient(_Tink):
    """`awskms.new_client`, which takes a client of boto3."""

    def __init__(self, login: Login, key: str) -> None:
        self.aead = awskms.new_client(boto3_client=boto3.client("kms")).get_aead(f"aws-kms://{key}")


class TinkAwsKmsClient(_Tink):
    """`awskms.AwsKmsClient`, which signs for the region of the key's ARN."""

    def __init__(self, login: Login, key: str) -> None:
        uri = f"aws-kms://{key}"
        self.aead = awskms.AwsKmsClient(uri, None).get_aead(uri)


@cache
def _create_table(endpoint: str) -> None:
    credstash.createDdbTable()


class Credstash:
    """credstash, with its table in the DynamoDB of the environment. Sealed is the name of a secret."""

    def __init__(self, login: Login, key: str) -> None:
        credstash.reset_sessions()
        _create_table(os.environ["AWS_ENDPOINT_URL_DYNAMODB"])
        self.key = key
        self.table = boto3.resource("dynamodb").Table("credential-store")

    def seal(self, context: Context) -> str:
        name = uuid4().hex
        credstash.putSecret(name, SECRET.decode(), version=1, kms_key=self.key, context=dict(context))
        return name

    def open(self, sealed: str, context: Context) -> bytes:
        return str(credstash.getSecret(sealed, context=dict(context))).encode()

    def wrapped(self, sealed: str, context: Context) -> Wrapped:
        row = self.table.query(KeyConditionExpression=Key("name").eq(sealed))["Items"][0]
        return Wrapped(base64.b64decode(row["key"]), context)

    def adopt(self, wrap: Wrap, context: Context) -> str:
        class Foreign:
            def generate_key_data(self, count: int) -> tuple[bytes, bytes]:
                made = os.urandom(count)
                return made, wrap(made, context)

        row = credstash.seal_aes_ctr_legacy(Foreign(), SECRET.decode())
        name = uuid4().hex
        self.table.put_item(Item={"name": name, "version": credstash.paddedInt(1), **row})
        return name

    def error(self, code: str) -> tuple[type[Exception], ...]:
        return (credstash.KmsError,)

    def told(self, error: Exception) -> str:
        return str(error)

    def tells(self, code: str) -> str:
        """It has words of its own for what does not open."""
        return "encryption context provided may not match" if code == "InvalidCiphertextException" else code
