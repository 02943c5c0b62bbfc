"""Nacos' filter that encrypts configurations with a KMS (nacos-sdk-python), unmodified, against a running server."""

from __future__ import annotations

import base64
from collections.abc import Iterator

import pytest

from kit.sdk_clients import UNKNOWN_KEY, Login, Tea
from kit.sdk_guest import Guest
from kit.speakers import SPEAKERS
from kit.support import Server
from kit.worker import WorkerError

CLIENT_EXCEPTION = "alibabacloud_tea_openapi.exceptions._client.ClientException"
CONTENTS = ["hello: 数据\n", "password", "x" * 48, "a=1&b=2 +%20*~"]


@pytest.fixture(scope="module")
def nacos(secure: Login) -> Iterator[Guest]:
    guest = Guest("nacos", secure)
    yield guest
    guest.close()


@pytest.fixture
def key(secure: Login) -> str:
    return str(Tea(secure).call("CreateKey").key_metadata.key_id)


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize("data_id", ["cipher-kms-aes-128-app", "cipher-kms-aes-256-app", "cipher-app"])
def test_a_configuration_comes_back(nacos: Guest, key: str, data_id: str, content: str) -> None:
    made = nacos.call("publish", data_id, content, key)
    assert content not in made["content"]
    assert bool(made["data_key"]) is data_id.startswith("cipher-kms")
    assert nacos.call("read", data_id, made["content"], made["data_key"]) == content


@pytest.mark.parametrize("name", ["tencent tc3", "aws sigv4"])
def test_its_data_keys_cross(nacos: Guest, secure: Login, key: str, name: str) -> None:
    other = SPEAKERS[name](secure)
    made = nacos.call("publish", "cipher-kms-aes-256-app", "hello", key)
    data_key = other.decrypt(made["data_key"], {})
    assert data_key
    assert len(base64.b64decode(data_key)) == 32
    again = other.encrypt(key, data_key, {})
    assert nacos.call("read", "cipher-kms-aes-256-app", made["content"], again) == "hello"


def test_equal_blocks_of_a_configuration_stay_equal(nacos: Guest, key: str) -> None:
    """The filter's own cipher is AES in ECB mode (findings, docs/clients.md): the KMS has no part in that."""
    made = nacos.call("publish", "cipher-kms-aes-256-app", "x" * 48, key)
    sealed = base64.b64decode(made["content"])
    assert sealed[:16] == sealed[16:32] == sealed[32:48]


# -- refusals ------------------------------------------------------------------------------------------


def told(error: WorkerError) -> tuple[str, str]:
    return error.name, error.rest["code"]


@pytest.mark.parametrize("data_id", ["cipher-kms-aes-128-app", "cipher-app"])
def test_a_key_that_does_not_encrypt_is_told(nacos: Guest, secure: Login, key: str, data_id: str) -> None:
    made = nacos.call("publish", data_id, "hello", key)
    Tea(secure).call("DisableKey", key_id=key)
    for wrong, code in ((key, "Rejected.Disabled"), (UNKNOWN_KEY, "Forbidden.KeyNotFound")):
        with pytest.raises(WorkerError) as refused:
            nacos.call("publish", data_id, "hello", wrong)
        assert told(refused.value) == (CLIENT_EXCEPTION, code)
    with pytest.raises(WorkerError) as refused:
        nacos.call("read", data_id, made["content"], made["data_key"])
    assert told(refused.value) == (CLIENT_EXCEPTION, "Rejected.Disabled")


def test_what_was_encrypted_under_a_context_does_not_open(nacos: Guest, secure: Login, key: str) -> None:
    """The filter has none."""
    blob = SPEAKERS["aws sigv4"](secure).encrypt(key, base64.b64encode(b"hello").decode(), {"app": "web"})
    with pytest.raises(WorkerError, match="the EncryptionContext differs") as refused:
        nacos.call("read", "cipher-app", blob, "")
    assert told(refused.value) == (CLIENT_EXCEPTION, "InvalidParameter")


def test_a_wrong_secret_is_told(secure: Login) -> None:
    guest = Guest("nacos", secure.but(secret="wrong"))
    with pytest.raises(WorkerError) as refused:
        guest.call("publish", "cipher-app", "hello", "alias/default")
    guest.close()
    assert told(refused.value) == (CLIENT_EXCEPTION, "SignatureDoesNotMatch")


# -- the alias that it takes where it is told no key ----------------------------------------------------


def test_without_a_key_it_takes_the_alias_that_an_operator_made(
    nacos: Guest, secure: Login, secure_server: Server
) -> None:
    """`alias/acs/mse`, whose prefix is reserved at Alibaba Cloud: no caller can make it."""
    secure_server.tkms("key", "create", "--alias", "acs/mse")
    made = nacos.call("publish", "cipher-kms-aes-256-app", "hello")
    assert nacos.call("read", "cipher-kms-aes-256-app", made["content"], made["data_key"]) == "hello"
    whole = nacos.call("publish", "cipher-app", "hello")
    assert nacos.call("read", "cipher-app", whole["content"], "") == "hello"
    key = Tea(secure).call("DescribeKey", key_id="alias/acs/mse").key_metadata.key_id
    assert key == Tea(secure).call("Decrypt", ciphertext_blob=whole["content"]).key_id
