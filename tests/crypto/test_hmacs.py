"""HMACs under keys that are prepared once."""

from __future__ import annotations

import hmac
import os

import pytest

from tenantkms.crypto.hmacs import Hmac


@pytest.mark.parametrize("name", ["sha1", "sha256", "sha512"])
@pytest.mark.parametrize("key", [0, 1, 32, 64, 65, 128, 129])
def test_they_are_those_of_the_standard_library(name: str, key: int) -> None:
    secret = os.urandom(key)
    mac = Hmac(secret, name)
    for size in (0, 1, 55, 64, 65, 5_000):
        message = os.urandom(size)
        assert mac(message) == hmac.digest(secret, message, name)


def test_nothing_of_the_key_is_shown() -> None:
    assert "736563726574" not in repr(Hmac(b"secret"))
    assert "secret" not in repr(Hmac(b"secret"))
