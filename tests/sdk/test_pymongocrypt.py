"""What MongoDB's client-side encryption does besides `test_aws_clients`: other keys, and temporary access keys."""

from __future__ import annotations

import bson
import pytest

from kit.aws_clients import SECRET
from kit.mongo_crypt import MongoCrypt
from kit.sdk_aws import Aws, Boto
from kit.sdk_clients import Login, session
from kit.support import Server


@pytest.fixture
def user(secure: Login) -> Aws:
    return Aws(Boto(secure))


def test_data_keys_move_to_another_key(user: Aws, secure: Login) -> None:
    first, second = user.key(), user.key()
    sealed = MongoCrypt(secure, first).seal({})
    moved = MongoCrypt(secure, first).rewrap(sealed, second)
    assert [bson.decode(key)["masterKey"]["key"] for key in moved.keys] == [second]
    user.ask("DisableKey", KeyId=first)
    assert MongoCrypt(secure, second).open(moved, {}) == SECRET


def test_a_data_key_opens_after_its_key_was_rotated(user: Aws, secure: Login) -> None:
    client = MongoCrypt(secure, user.key())
    sealed = client.seal({})
    user.ask("RotateKeyOnDemand", KeyId=client.master_key["key"])
    assert MongoCrypt(secure, client.master_key["key"]).open(sealed, {}) == SECRET


def test_a_session_is_taken(user: Aws, secure_server: Server, secure: Login) -> None:
    secure_server.credential("--name", "mongo")
    client = MongoCrypt(session(secure_server, "--name", "mongo", ca=secure.ca), user.key())
    assert client.open(client.seal({}), {}) == SECRET
