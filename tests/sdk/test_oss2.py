"""oss2's CryptoBucket with AliKMSProvider, unmodified: objects whose data keys a running server keeps."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator

import pytest

from kit.object_store import Objects, object_store
from kit.sdk_clients import UNKNOWN_KEY, Login, Tea
from kit.sdk_guest import Guest
from kit.speakers import SPEAKERS
from kit.worker import WorkerError

DATA = bytes(range(256)) * 5
KEY = "x-oss-meta-client-side-encryption-key"


@pytest.fixture(scope="module")
def store() -> Iterator[tuple[str, Objects]]:
    with object_store() as store:
        yield store


@pytest.fixture(scope="module")
def bucket(secure: Login, store: tuple[str, Objects]) -> Iterator[Guest]:
    guest = Guest("oss2", secure, store=store[0])
    yield guest
    guest.close()


@pytest.fixture
def key(secure: Login) -> str:
    return str(Tea(secure).call("CreateKey").key_metadata.key_id)


def test_an_object_comes_back_whole_and_in_parts(bucket: Guest, store: tuple[str, Objects], key: str) -> None:
    bucket.call("put", key, "whole", DATA)
    assert store[1]["/bucket/whole"][1] != DATA
    assert bucket.call("get", key, "whole") == DATA
    for first, last in ((0, 0), (15, 33), (1000, len(DATA) - 1)):
        assert bucket.call("get", key, "whole", [first, last]) == DATA[first : last + 1]


def test_the_key_of_an_object_need_not_be_known_to_read_it(bucket: Guest, key: str) -> None:
    bucket.call("put", key, "moved", DATA)
    assert bucket.call("get", "alias/default", "moved") == DATA


def test_a_passphrase_is_the_context(bucket: Guest, key: str) -> None:
    bucket.call("put", key, "said", DATA, "open sesame")
    assert bucket.call("get", key, "said", None, "open sesame") == DATA
    for wrong in (None, "open"):
        with pytest.raises(WorkerError, match="the EncryptionContext differs") as refused:
            bucket.call("get", key, "said", None, wrong)
        assert told(refused.value) == ("oss2.exceptions.OpenApiServerError", 400, "InvalidParameter")


@pytest.mark.parametrize("name", ["tencent tc3", "aws sigv4"])
def test_its_data_keys_cross(bucket: Guest, store: tuple[str, Objects], secure: Login, key: str, name: str) -> None:
    """Its metadata hold base64 of the base64 text that the API answers. Another client opens the data key of an object,
    and encrypts it again.
    """
    other = SPEAKERS[name](secure)
    bucket.call("put", key, "crossing", DATA)
    data_key = other.decrypt(base64.b64decode(bucket.call("headers", "crossing")[KEY]).decode(), {})
    assert data_key
    assert len(base64.b64decode(data_key)) == 32
    metadata, content = store[1]["/bucket/crossing"]
    again = base64.b64encode(other.encrypt(key, data_key, {}).encode()).decode()
    assert again != metadata[KEY]
    store[1]["/bucket/crossing"] = {**metadata, KEY: again}, content
    assert bucket.call("get", key, "crossing") == DATA


# -- refusals ------------------------------------------------------------------------------------------


def told(error: WorkerError) -> tuple[str, int, str]:
    return error.name, error.rest["status"], error.rest["code"]


def test_a_key_that_does_not_encrypt_puts_nothing(
    bucket: Guest, store: tuple[str, Objects], secure: Login, key: str
) -> None:
    bucket.call("put", key, "before", DATA)
    Tea(secure).call("DisableKey", key_id=key)
    for wrong, status, code in ((key, 409, "Rejected.Disabled"), (UNKNOWN_KEY, 404, "Forbidden.KeyNotFound")):
        with pytest.raises(WorkerError) as refused:
            bucket.call("put", wrong, "never", DATA)
        assert told(refused.value) == ("oss2.exceptions.OpenApiServerError", status, code)
    assert "/bucket/never" not in store[1]
    with pytest.raises(WorkerError, match=r"Rejected\.Disabled"):
        bucket.call("get", key, "before")


def test_a_wrong_secret_is_told(secure: Login, store: tuple[str, Objects], other: Callable[..., Guest]) -> None:
    with pytest.raises(WorkerError) as refused:
        other(secure.but(secret="wrong")).call("put", "alias/default", "never", DATA)
    assert refused.value.name == "oss2.exceptions.OpenApiServerError"
    assert "SignatureDoesNotMatch" in refused.value.message


def test_it_takes_no_security_token(bucket: Guest, key: str) -> None:
    """It calls a setter that the SDK under it has not (findings, docs/clients.md): nothing is sent."""
    with pytest.raises(WorkerError, match="has no attribute 'set_STSToken'") as raised:
        bucket.call("put", key, "never", DATA, None, "token")
    assert raised.value.name == "builtins.AttributeError"


@pytest.fixture
def other(request: pytest.FixtureRequest, store: tuple[str, Objects]) -> Callable[..., Guest]:
    def start(login: Login) -> Guest:
        guest = Guest("oss2", login, store=store[0])
        request.addfinalizer(guest.close)
        return guest

    return start
