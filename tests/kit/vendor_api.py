"""The three APIs that have an Encrypt, spoken in the same words."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from kit.support import Kms

HELLO = base64.b64encode(b"hello").decode()


class Api(NamedTuple):
    """One API: how to ask, what it calls things, and how an answer tells its error (empty: none)."""

    ask: Callable[..., dict[str, Any]]
    key: str
    plaintext: str
    blob: str
    context: str
    data_key_size: str
    request_id: str
    error: Callable[[Mapping[str, Any]], str]

    def encrypt(self, kms: Kms, plaintext: str = HELLO, context: str = "", key: str = "") -> dict[str, Any]:
        fields = {self.key: key or key_id(kms), self.plaintext: plaintext}
        return self.ask(kms, "Encrypt", **fields, **({self.context: context} if context else {}))

    def decrypt(self, kms: Kms, blob: str, context: str = "") -> dict[str, Any]:
        return self.ask(kms, "Decrypt", **{self.blob: blob}, **({self.context: context} if context else {}))

    def opens(self, kms: Kms, sealed: Mapping[str, Any], context: str = "") -> str:
        """The plaintext of what Encrypt answered."""
        assert self.error(sealed) == "", sealed
        opened = self.decrypt(kms, sealed[self.blob], context)
        assert self.error(opened) == "", opened
        plaintext: str = opened[self.plaintext]
        return plaintext


def _tencent_error(answer: Mapping[str, Any]) -> str:
    return str(answer.get("Error", {}).get("Code", ""))


ALIBABA = Api(
    lambda kms, action, **fields: kms.alibaba(action, **fields),
    *("KeyId", "Plaintext", "CiphertextBlob", "EncryptionContext", "NumberOfBytes", "RequestId"),
    error=lambda answer: answer.get("Code", ""),
)
TENCENT = Api(
    lambda kms, action, **fields: kms.tencent(action, **fields),
    *("KeyId", "Plaintext", "CiphertextBlob", "EncryptionContext", "NumberOfBytes", "RequestId"),
    error=_tencent_error,
)
V2 = Api(
    lambda kms, action, **fields: kms.tencent_v2(action, **fields),
    *("keyId", "plaintext", "ciphertextBlob", "encryptionContext", "numberOfBytes", "requestId"),
    error=lambda answer: str(answer["code"] or ""),
)


def key_id(kms: Kms) -> str:
    answer: str = kms.alibaba("DescribeKey", KeyId="alias/default")["KeyMetadata"]["KeyId"]
    return answer


def to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
