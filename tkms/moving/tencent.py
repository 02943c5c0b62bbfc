"""Tencent Cloud KMS, by its Python SDK, with the credentials that its own default chain finds."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tenantkms.crypto.strings import decode_base64
from tenantkms.model.profiles import DAY
from tenantkms.runtime.assemble import SettingsError
from tenantkms.wire.dialects.tencent.fields import USAGES
from tkms.moving.vendor import (
    Opened,
    PerThread,
    TheirKey,
    Where,
    fault,
    host_of,
    must_be,
    text_of,
    there,
    unreachable,
)
from tkms.output import NotDone

_PASSING = ("InternalError", "RequestLimitExceeded", "ServerNetworkError")
_FINAL = ("AuthFailure", "ClientSideError", "UnsupportedRegion", "JSONDecodeError")
"""The last is of a page that is no answer of the API's."""
_PAGE = 200


@contextmanager
def _errors() -> Iterator[None]:
    from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

    try:
        yield
    except TencentCloudSDKException as e:
        if e.code == "ClientNetworkError":
            raise unreachable(e) from None
        raise fault(str(e.code), str(e.message or ""), 0, _PASSING, _FINAL) from None
    except OSError as e:
        raise unreachable(e) from None


class Tencent:
    def __init__(self, where: Where) -> None:
        from tencentcloud.common.credential import DefaultCredentialProvider
        from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
        from tencentcloud.common.profile.client_profile import ClientProfile
        from tencentcloud.common.profile.http_profile import HttpProfile
        from tencentcloud.kms.v20190118 import models
        from tencentcloud.kms.v20190118.kms_client import KmsClient

        scheme, host = host_of(where, "kms.tencentcloudapi.com")
        profile = ClientProfile(httpProfile=HttpProfile(protocol=scheme, endpoint=host, reqTimeout=30))
        try:
            credentials = DefaultCredentialProvider().get_credential()
        except (TencentCloudSDKException, OSError) as e:  # its last provider raises the latter
            raise SettingsError(
                "Tencent Cloud's SDK finds no credentials: TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY"
            ) from e
        self._models: Any = models
        self._client: PerThread[Any] = PerThread(
            lambda: KmsClient(credentials, where.region or "ap-guangzhou", profile)
        )

    def _ask(self, action: str, **fields: object) -> Any:
        request = getattr(self._models, f"{action}Request")()
        request.from_json_string(json.dumps(fields))
        with _errors():
            return getattr(self._client(), action)(request)

    def decrypt(self, sealed: bytes, context: Mapping[str, str], key: str) -> Opened:
        given = {"EncryptionContext": json.dumps(dict(context))} if context else {}
        answer = self._ask("Decrypt", CiphertextBlob=text_of(sealed), **given)
        plaintext = decode_base64(there(answer.Plaintext, "Plaintext"))
        if plaintext is None:
            raise NotDone("was answered with a Plaintext that is no base64")
        found = Opened(plaintext=plaintext, key=there(answer.KeyId, "KeyId"))
        must_be(found.key, key)
        return found

    def keys(self) -> Iterator[str]:
        seen = 0
        while True:
            page = self._ask("ListKeyDetail", Offset=seen, Limit=_PAGE, KeyUsage="ALL")
            rows = there(page.KeyMetadatas, "KeyMetadatas")
            yield from (row.KeyId for row in rows)
            seen += len(rows)
            if not rows or seen >= page.TotalCount:
                return

    def describe(self, name: str) -> TheirKey | None:
        """Tags are another service's there."""
        meta = there(self._ask("DescribeKey", KeyId=name).KeyMetadata, "KeyMetadata")
        if meta.Owner != "user" or meta.KeyState == "PendingDelete":
            return None
        usage, spec = USAGES.get(meta.KeyUsage, (None, None))
        return TheirKey(
            name=name,
            kind=meta.KeyUsage,
            spec=spec,
            usage=usage,
            state=meta.KeyState,
            imported=meta.Origin != "TENCENT_KMS",
            description=meta.Description or "",
            aliases=(meta.Alias,) if meta.Alias else (),
            rotation_seconds=(meta.RotateDays or 365) * DAY if meta.KeyRotationEnabled else 0,
        )
