"""AWS KMS, by botocore: endpoints that the environment names are this service's, so only `--endpoint` counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from tenantkms.crypto.strings import decode_base64
from tenantkms.model.alias import ALIAS_PREFIX
from tenantkms.model.profiles import DAY
from tenantkms.model.specs import KeyUsage
from tenantkms.runtime.assemble import SettingsError
from tenantkms.wire.dialects.aws.names import SPECS
from tkms.each import Stopped
from tkms.moving.vendor import Opened, TheirKey, Where, fault, lacks, unreachable

_PASSING = ("Throttl", "TooManyRequests", "KMSInternal", "DependencyTimeout", "KeyUnavailable", "RequestLimit")
_FINAL = (
    "UnrecognizedClient InvalidClientTokenId InvalidSignature SignatureDoesNotMatch ExpiredToken IncompleteSignature"
    " MissingAuthenticationToken OptInRequired"
).split()


@contextmanager
def _errors() -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    from botocore.exceptions import ConnectionError as Unconnected

    try:
        yield
    except ClientError as e:
        told, status = e.response["Error"], e.response["ResponseMetadata"]["HTTPStatusCode"]
        raise fault(told["Code"], told.get("Message", ""), status, _PASSING, tuple(_FINAL)) from None
    except (HTTPClientError, Unconnected) as e:
        raise unreachable(e) from None
    except BotoCoreError as e:
        raise Stopped(str(e)) from None
    except KeyError as e:
        raise lacks(str(e.args[0])) from None


class Aws:
    def __init__(self, where: Where) -> None:
        import botocore.session
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        settings: dict[str, Any] = {
            "connect_timeout": 5,
            "read_timeout": 30,
            "retries": {"total_max_attempts": 1},
            "max_pool_connections": 32,
            "ignore_configured_endpoint_urls": True,
        }
        try:
            session = botocore.session.Session(profile=where.profile or None)
            self._client: Any = session.create_client(
                "kms", region_name=where.region or None, endpoint_url=where.endpoint or None, config=Config(**settings)
            )
        except (BotoCoreError, ValueError) as e:
            raise SettingsError(f"AWS cannot be asked: {e}") from e

    @_errors()
    def decrypt(self, sealed: bytes, context: Mapping[str, str], key: str) -> Opened:
        blob = decode_base64(sealed.decode("ascii", "replace").strip()) or sealed
        of = {"KeyId": key} if key else {}
        answer = self._client.decrypt(CiphertextBlob=blob, EncryptionContext=dict(context), **of)
        return Opened(plaintext=answer["Plaintext"], key=answer["KeyId"])

    def _pages(self, operation: str, rows: str, **given: str) -> Iterator[dict[str, Any]]:
        with _errors():
            for page in self._client.get_paginator(operation).paginate(**given):
                yield from page[rows]

    def keys(self) -> Iterator[str]:
        for row in self._pages("list_keys", "Keys"):
            yield row["KeyArn"]

    @cached_property
    def _aliases(self) -> Mapping[str, list[str]]:
        found = defaultdict(list)
        for row in self._pages("list_aliases", "Aliases"):
            found[row.get("TargetKeyId", "")].append(row["AliasName"].removeprefix(ALIAS_PREFIX))
        return found

    @_errors()
    def describe(self, name: str) -> TheirKey | None:
        meta = self._client.describe_key(KeyId=name)["KeyMetadata"]
        if meta["KeyManager"] != "CUSTOMER" or meta["KeyState"] == "PendingDeletion":
            return None
        spec, usage = meta["KeySpec"], meta["KeyUsage"]
        tags = {row["TagKey"]: row["TagValue"] for row in self._pages("list_resource_tags", "Tags", KeyId=name)}
        days = 0
        if spec == "SYMMETRIC_DEFAULT" and meta["Origin"] == "AWS_KMS":
            status = self._client.get_key_rotation_status(KeyId=name)
            days = status.get("RotationPeriodInDays", 365) if status["KeyRotationEnabled"] else 0
        return TheirKey(
            name=name,
            kind=f"{spec}, {usage}",
            spec=SPECS.get(spec),
            usage=KeyUsage(usage) if usage in {*KeyUsage} else None,
            state=meta["KeyState"],
            imported=meta["Origin"] != "AWS_KMS",
            description=meta.get("Description", ""),
            tags={tag: value for tag, value in tags.items() if not tag.startswith("aws:")},
            aliases=tuple(self._aliases.get(meta["KeyId"], ())),
            rotation_seconds=days * DAY,
        )
