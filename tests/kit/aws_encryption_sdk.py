"""The AWS Encryption SDK with keyrings of the material providers library (MPL)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aws_encryption_sdk
import boto3
from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig
from aws_cryptographic_material_providers.mpl.errors import ComAmazonawsKms
from aws_cryptographic_material_providers.mpl.models import (
    CreateAwsKmsKeyringInput,
    EncryptedDataKey,
    OnDecryptInput,
    OnDecryptOutput,
    OnEncryptInput,
    OnEncryptOutput,
)
from aws_cryptographic_material_providers.mpl.references import IKeyring
from aws_encryption_sdk.exceptions import AWSEncryptionSDKClientError

from kit.aws_clients import SECRET, Context, Wrap, Wrapped
from kit.sdk_clients import Login

MPL = AwsCryptographicMaterialProviders(config=MaterialProvidersConfig())
SDK = aws_encryption_sdk.EncryptionSDKClient()
_TEXTS = {
    "InvalidCiphertextException": "ComAmazonawsKms('')",
    "DisabledException": "is disabled",
    "KMSInvalidStateException": "is pending deletion",
    "NotFoundException": "does not exist",
}
"""MPL keeps the texts of errors and drops the names that the service's model has; AWS has no text for the first."""


@dataclass(frozen=True)
class Message:
    """What the SDK made of SECRET. `keys`: the encrypted data keys by provider's information, a key's ARN for most.

    `context` has the SDK's own entries too.
    """

    data: bytes
    keys: Mapping[bytes, bytes]
    context: Context


def seal(keyring: Any, context: Context, **more: Any) -> Message:
    data, header = SDK.encrypt(source=SECRET, keyring=keyring, encryption_context=dict(context), **more)
    keys = {key.key_provider.key_info: key.encrypted_data_key for key in header.encrypted_data_keys}
    return Message(data, keys, dict(header.encryption_context))


def open_(keyring: Any, message: Message, context: Context) -> bytes:
    """`context` must be part of the message's own."""
    plaintext, _ = SDK.decrypt(source=message.data, keyring=keyring, encryption_context=dict(context))
    return bytes(plaintext)


class _Foreign(IKeyring):  # type: ignore[misc]
    """Has new data keys encrypted by `wrap`, in the name of `key`."""

    def __init__(self, key: str, wrap: Wrap) -> None:
        self.key, self.wrap = key, wrap

    def on_encrypt(self, param: OnEncryptInput) -> OnEncryptOutput:
        materials = param.materials
        materials.plaintext_data_key = os.urandom(32)
        blob = self.wrap(materials.plaintext_data_key, materials.encryption_context)
        materials.encrypted_data_keys = [
            EncryptedDataKey(key_provider_id="aws-kms", key_provider_info=self.key.encode(), ciphertext=blob)
        ]
        return OnEncryptOutput(materials=materials)

    def on_decrypt(self, param: OnDecryptInput) -> OnDecryptOutput:
        raise NotImplementedError


class EncryptionSdk:
    """With a strict keyring of one key."""

    def __init__(self, login: Login, key: str) -> None:
        self.key = key
        self.keyring = MPL.create_aws_kms_keyring(
            CreateAwsKmsKeyringInput(kms_key_id=key, kms_client=boto3.client("kms"))
        )

    def seal(self, context: Context) -> Message:
        return seal(self.keyring, context)

    def open(self, sealed: Message, context: Context) -> bytes:
        return open_(self.keyring, sealed, context)

    def wrapped(self, sealed: Message, context: Context) -> Wrapped:
        assert context.items() <= sealed.context.items()
        return Wrapped(sealed.keys[self.key.encode()], sealed.context)

    def adopt(self, wrap: Wrap, context: Context) -> Message:
        return seal(_Foreign(self.key, wrap), context)

    def error(self, code: str) -> tuple[type[Exception], ...]:
        """The first when it encrypts, the second when it decrypts."""
        return ComAmazonawsKms, AWSEncryptionSDKClientError

    def told(self, error: Exception) -> str:
        """The text of a decryption's error has no reason (docs/clients.md)."""
        return repr(error)

    def tells(self, code: str) -> str:
        return _TEXTS.get(code, code)
