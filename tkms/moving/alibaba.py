"""Alibaba Cloud KMS, by its Python SDK, with the credentials that its own default chain finds."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tenantkms.model.alias import ALIAS_PREFIX
from tenantkms.model.profiles import PROFILES
from tenantkms.names import ALIBABA
from tenantkms.runtime.assemble import SettingsError
from tenantkms.wire.dialects.alibaba.fields import SPECS, USAGES
from tkms.each import Stopped
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

_PASSING = ("Throttling", "ServiceUnavailable", "InternalFailure", "InternalError")
_FINAL = ("InvalidAccessKeyId", "SignatureDoesNotMatch", "IncompleteSignature", "InvalidSecurityToken", "MissingSecur")
_SERVICES = PROFILES[ALIBABA].reserved_aliases
"""How the aliases begin of keys that Alibaba Cloud's own services have made."""
_PAGE = 100


@contextmanager
def _errors() -> Iterator[None]:
    from alibabacloud_credentials.exceptions import CredentialException
    from Tea.exceptions import RetryError, TeaException, UnretryableException

    try:
        yield
    except (UnretryableException, RetryError) as e:
        inner = getattr(e, "inner_exception", None)
        if isinstance(inner, CredentialException):
            raise Stopped(str(inner)) from None
        if not isinstance(inner, TeaException):
            raise unreachable(inner or e) from None
        raise _refusal(inner) from None
    except TeaException as e:
        raise _refusal(e) from None
    except CredentialException as e:
        raise Stopped(str(e)) from None
    except OSError as e:  # those of requests are
        raise unreachable(e) from None


def _refusal(error: Any) -> Exception:
    if not error.code:
        return unreachable(error)
    told = error.data if isinstance(error.data, dict) else {}
    status = int(told.get("statusCode") or 0)
    return fault(str(error.code), str(told.get("Message") or error.message or ""), status, _PASSING, _FINAL)


class Alibaba:
    def __init__(self, where: Where) -> None:
        from alibabacloud_credentials.client import Client as Credentials
        from alibabacloud_credentials.exceptions import CredentialException
        from alibabacloud_kms20160120 import models
        from alibabacloud_kms20160120.client import Client
        from alibabacloud_tea_openapi.models import Config

        region = where.region or "cn-hangzhou"
        scheme, host = host_of(where, f"kms.{region}.aliyuncs.com")
        logging.getLogger("credentials").addHandler(logging.NullHandler())  # it writes tracebacks
        try:
            credentials = Credentials()
            credentials.get_credential()
        except CredentialException as e:
            raise SettingsError(
                "Alibaba Cloud's SDK finds no credentials: ALIBABA_CLOUD_ACCESS_KEY_ID, ALIBABA_CLOUD_ACCESS_KEY_SECRET"
            ) from e
        self._models: Any = models
        self._client: PerThread[Any] = PerThread(
            lambda: Client(Config(credential=credentials, endpoint=host, protocol=scheme, region_id=region))
        )

    def decrypt(self, sealed: bytes, context: Mapping[str, str], key: str) -> Opened:
        request = self._models.DecryptRequest(
            ciphertext_blob=text_of(sealed), encryption_context=dict(context) if context else None
        )
        with _errors():
            answer = self._client().decrypt(request).body
        found = Opened(plaintext=there(answer.plaintext, "Plaintext"), key=there(answer.key_id, "KeyId"))
        must_be(found.key, key)
        return found

    def keys(self) -> Iterator[str]:
        number, seen = 1, 0
        while True:
            with _errors():
                page = self._client().list_keys(self._models.ListKeysRequest(page_number=number, page_size=_PAGE)).body
            rows = there(page.keys, "Keys").key
            yield from (row.key_id for row in rows)
            number, seen = number + 1, seen + len(rows)
            if not rows or seen >= (page.total_count or 0):
                return

    def describe(self, name: str) -> TheirKey | None:
        client, models = self._client(), self._models
        with _errors():
            meta = there(client.describe_key(models.DescribeKeyRequest(key_id=name)).body.key_metadata, "KeyMetadata")
            named = client.list_aliases_by_key_id(models.ListAliasesByKeyIdRequest(key_id=name, page_size=_PAGE)).body
            tagged = client.list_resource_tags(models.ListResourceTagsRequest(key_id=name)).body
        aliases = [row.alias_name.removeprefix(ALIAS_PREFIX) for row in (named.aliases.alias if named.aliases else [])]
        if meta.key_state == "PendingDeletion" or any(alias.startswith(_SERVICES) for alias in aliases):
            return None
        interval = re.fullmatch(r"(\d+)s", meta.rotation_interval or "")
        return TheirKey(
            name=name,
            kind=f"{meta.key_spec}, {meta.key_usage}",
            spec=SPECS.get(meta.key_spec),
            usage=USAGES.get(meta.key_usage),
            state=meta.key_state,
            imported=meta.origin != "Aliyun_KMS",
            description=meta.description or "",
            tags={row.tag_key: row.tag_value for row in (tagged.tags.tag if tagged.tags else [])},
            aliases=tuple(aliases),
            rotation_seconds=int(interval[1]) if interval and meta.automatic_rotation == "Enabled" else 0,
        )
