"""The parent key on AWS: a key of AWS KMS."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from tenantkms.errors import Unavailable
from tenantkms.parent.port import CREDENTIAL, Binding, SealBroken, content

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient


def _key_id(arn: str) -> str:
    """The same for a multi-Region key and its replicas."""
    return arn.rpartition("/")[2]


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
        # AWS KMS refuses what another key has sealed; who stands in for it may not.
        if _key_id(answer.get("KeyId", self._key_arn)) != _key_id(self._key_arn):
            raise SealBroken("Sealed material does not open under this parent key.")
        return content(answer["Plaintext"], binding.header())
