"""oss2 and nacos-sdk-python, unmodified, for kit/sdk_guest.py: run by the Python of `.clients`.

A line of standard input is a call, a line of standard output its answer, as kit/worker.py has them.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable
from typing import Any

Ask = Callable[..., Any]


def oss(at: dict[str, str]) -> dict[str, Ask]:
    """A CryptoBucket whose data keys are those of the KMS. `store`: the URL of the object store."""
    import oss2  # type: ignore[import-not-found]
    from aliyunsdkcore.profile import region_provider  # type: ignore[import-not-found]

    region_provider.modify_point("Kms", "cn-hangzhou", at["host"])
    bucket = oss2.Bucket(oss2.Auth("store", "store"), at["store"], "bucket")

    def crypto(key: str, passphrase: str | None, token: str | None = None) -> Any:
        provider = oss2.crypto.AliKMSProvider(
            at["id"], at["secret"], "cn-hangzhou", key, sts_token=token, passphrase=passphrase
        )
        return oss2.CryptoBucket(oss2.Auth("store", "store"), at["store"], "bucket", provider)

    def put(key: str, name: str, data: bytes, passphrase: str | None = None, token: str | None = None) -> None:
        crypto(key, passphrase, token).put_object(name, data)

    def get(key: str, name: str, span: list[int] | None = None, passphrase: str | None = None) -> bytes:
        answer: bytes = crypto(key, passphrase).get_object(name, tuple(span) if span else None).read()
        return answer

    def headers(name: str) -> dict[str, str]:
        return {
            word: value for word, value in bucket.head_object(name).headers.items() if word.startswith("x-oss-meta")
        }

    return {"put": put, "get": get, "headers": headers}


def nacos(at: dict[str, str]) -> dict[str, Ask]:
    """The filter that encrypts and decrypts the content of a configuration on its way."""
    from v2.nacos.common.client_config import ClientConfig, KMSConfig  # type: ignore[import-not-found]
    from v2.nacos.config.filter.config_encryption_filter import ConfigEncryptionFilter  # type: ignore[import-not-found]
    from v2.nacos.config.model.config_param import ConfigParam, UsageType  # type: ignore[import-not-found]

    config = ClientConfig(server_addresses="127.0.0.1:1")
    config.kms_config = KMSConfig(enabled=True, endpoint=at["host"], access_key=at["id"], secret_key=at["secret"])
    encryption = ConfigEncryptionFilter(config)

    def publish(data_id: str, content: str, key: str = "") -> dict[str, str]:
        param = ConfigParam(data_id=data_id, content=content, kms_key_id=key, usage_type=UsageType.request_type.value)
        encryption.do_filter(param)
        return {"content": param.content, "data_key": param.encrypted_data_key}

    def read(data_id: str, content: str, data_key: str) -> str:
        param = ConfigParam(
            data_id=data_id, content=content, encrypted_data_key=data_key, usage_type=UsageType.response_type.value
        )
        encryption.do_filter(param)
        return str(param.content)

    return {"publish": publish, "read": read}


def told(error: Exception) -> dict[str, Any]:
    kind = type(error)
    return {
        "name": f"{kind.__module__}.{kind.__qualname__}",
        "message": str(error),
        "code": getattr(error, "code", None),
        "status": getattr(error, "status", None),
    }


def pack(value: Any) -> Any:
    return {"$bytes": base64.b64encode(value).decode()} if isinstance(value, bytes) else value


def unpack(value: dict[str, Any]) -> Any:
    return base64.b64decode(value["$bytes"]) if "$bytes" in value else value


def main() -> None:
    calls = {"oss2": oss, "nacos": nacos}[sys.argv[1]](json.loads(sys.argv[2]))
    for line in sys.stdin:
        name, *given = json.loads(line, object_hook=unpack)
        try:
            answer = {"value": pack(calls[name](*given))}
        except Exception as error:  # noqa: BLE001 - whatever it is, the test is told
            answer = {"error": told(error)}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
