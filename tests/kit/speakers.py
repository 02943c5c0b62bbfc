"""The vendors' SDKs behind three words, so that what one of them made is read by another."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from kit.sdk_aws import Boto
from kit.sdk_clients import Classic, Login, Qcloud, Refusal, Tea, Tencent


class Sdk(Protocol):
    """A client whose `ask` takes and answers the names of Alibaba's API, which are those of Tencent's API 3.0, too."""

    error: Any

    def ask(self, action: str, **fields: Any) -> dict[str, Any]: ...

    def read(self, error: Any) -> Refusal: ...


class Named:
    """Such a client behind three words: strings in, strings out."""

    def __init__(self, sdk: Sdk) -> None:
        self.sdk = sdk

    def encrypt(self, key: str, plaintext: str, context: Mapping[str, str]) -> str:
        sealed = self.sdk.ask("Encrypt", KeyId=key, Plaintext=plaintext, EncryptionContext=dict(context))
        return str(sealed["CiphertextBlob"])

    def decrypt(self, blob: str, context: Mapping[str, str]) -> str | None:
        """None: the SDK's own exception said no."""
        try:
            opened = self.sdk.ask("Decrypt", CiphertextBlob=blob, EncryptionContext=dict(context))
        except self.sdk.error:
            return None
        return str(opened["Plaintext"])

    def data_key(self, key: str, context: Mapping[str, str]) -> tuple[str, str]:
        made = self.sdk.ask("GenerateDataKey", KeyId=key, KeySpec="AES_128", EncryptionContext=dict(context))
        return made["Plaintext"], made["CiphertextBlob"]


class TencentTwo:
    def __init__(self, sdk: Qcloud) -> None:
        self.sdk = sdk

    def encrypt(self, key: str, plaintext: str, context: Mapping[str, str]) -> str:
        text = json.dumps(context, ensure_ascii=False)
        return str(self.sdk.call("Encrypt", keyId=key, plaintext=plaintext, encryptionContext=text)["ciphertextBlob"])

    def decrypt(self, blob: str, context: Mapping[str, str]) -> str | None:
        text = json.dumps(context, ensure_ascii=False)
        answer = self.sdk.call("Decrypt", ciphertextBlob=blob, encryptionContext=text)
        return answer.get("plaintext")

    def data_key(self, key: str, context: Mapping[str, str]) -> tuple[str, str]:
        text = json.dumps(context, ensure_ascii=False)
        made = self.sdk.call("GenerateDataKey", keyId=key, keySpec="AES_128", encryptionContext=text)
        return made["plaintext"], made["ciphertextBlob"]


class AwsSdk:
    def __init__(self, sdk: Boto) -> None:
        self.sdk = sdk

    def encrypt(self, key: str, plaintext: str, context: Mapping[str, str]) -> str:
        sealed = self.sdk.ask(
            "Encrypt", KeyId=key, Plaintext=base64.b64decode(plaintext), EncryptionContext=dict(context)
        )
        return base64.b64encode(sealed["CiphertextBlob"]).decode()

    def decrypt(self, blob: str, context: Mapping[str, str]) -> str | None:
        try:
            opened = self.sdk.ask("Decrypt", CiphertextBlob=base64.b64decode(blob), EncryptionContext=dict(context))
        except self.sdk.error:
            return None
        return base64.b64encode(opened["Plaintext"]).decode()

    def data_key(self, key: str, context: Mapping[str, str]) -> tuple[str, str]:
        made = self.sdk.ask("GenerateDataKey", KeyId=key, KeySpec="AES_128", EncryptionContext=dict(context))
        return base64.b64encode(made["Plaintext"]).decode(), base64.b64encode(made["CiphertextBlob"]).decode()


Speaker = Named | TencentTwo | AwsSdk
SPEAKERS: dict[str, Callable[[Login], Speaker]] = {
    "alibaba acs3": lambda at: Named(Tea(at)),
    "alibaba acs4": lambda at: Named(Tea(at, signature_version="v4")),
    "alibaba rpc": lambda at: Named(Classic(at)),
    "tencent tc3": lambda at: Named(Tencent(at)),
    "tencent v1": lambda at: Named(Tencent(at, "HmacSHA1", "GET")),
    "tencent-v2": lambda at: TencentTwo(Qcloud(at)),
    "aws sigv4": lambda at: AwsSdk(Boto(at)),
}
