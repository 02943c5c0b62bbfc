"""MongoDB's client-side encryption: pymongocrypt with a key vault in memory, and its requests sent over TLS."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import bson
from bson.binary import Binary
from pymongocrypt.errors import MongoCryptError
from pymongocrypt.explicit_encrypter import ExplicitEncrypter
from pymongocrypt.options import MongoCryptOptions
from pymongocrypt.state_machine import MongoCryptCallback

from kit.aws_clients import SECRET, Context, Wrap, Wrapped
from kit.sdk_clients import Login

_RANDOM = "AEAD_AES_256_CBC_HMAC_SHA_512-Random"


@dataclass
class Vault(MongoCryptCallback):  # type: ignore[misc]
    """What a MongoDB driver does for libmongocrypt. `keys` is the key vault: data keys as BSON.

    A driver waits before what libmongocrypt sends again; this one does not.
    """

    ca: str
    keys: list[bytes] = field(default_factory=list)

    def kms_request(self, kms_context: Any) -> None:
        host, _, port = kms_context.endpoint.partition(":")
        trusted = ssl.create_default_context(cafile=self.ca)
        with (
            socket.create_connection((host, int(port)), 10) as plain,
            trusted.wrap_socket(plain, server_hostname=host) as connection,
        ):
            connection.sendall(kms_context.message)
            while kms_context.bytes_needed > 0:
                data = connection.recv(kms_context.bytes_needed)
                if not data:
                    raise ConnectionError("the answer ended early")
                kms_context.feed(data)

    def fetch_keys(self, filter: Any) -> Iterator[bytes]:  # noqa: A002, its base's name
        yield from self.keys

    def insert_data_key(self, data_key: Any) -> Any:
        self.keys.append(bytes(data_key))
        return bson.decode(data_key)["_id"]

    def bson_encode(self, doc: Any) -> bytes:
        return bson.encode(doc)

    def collection_info(self, database: Any, filter: Any) -> Any:  # noqa: A002, its base's name
        raise NotImplementedError("explicit encryption asks for none")

    def mark_command(self, database: Any, cmd: Any) -> Any:
        raise NotImplementedError("explicit encryption asks for none")

    def close(self) -> None:
        """Nothing is open."""


@dataclass(frozen=True)
class Field:
    """An encrypted field of a document, and the data keys of its vault."""

    value: bytes
    keys: tuple[bytes, ...]


class MongoCrypt:
    """Explicit encryption. It sends no encryption context."""

    def __init__(self, login: Login, key: str) -> None:
        assert login.ca, "libmongocrypt speaks TLS only"
        self.master_key = {"region": "eu-west-1", "key": key, "endpoint": login.host}
        provider = {"accessKeyId": login.access_key_id, "secretAccessKey": login.secret}
        if login.token:
            provider["sessionToken"] = login.token
        self.vault = Vault(login.ca)
        self.encrypter = ExplicitEncrypter(self.vault, MongoCryptOptions({"aws": provider}))

    def seal(self, context: Context) -> Field:
        key_id = self.encrypter.create_data_key("aws", self.master_key)
        return self._field(bytes(key_id))

    def open(self, sealed: Field, context: Context) -> bytes:
        self.vault.keys = [*sealed.keys]
        return bytes(bson.decode(self.encrypter.decrypt(sealed.value))["v"])

    def wrapped(self, sealed: Field, context: Context) -> Wrapped:
        (document,) = (bson.decode(key) for key in sealed.keys)
        return Wrapped(document["keyMaterial"], {})

    def adopt(self, wrap: Wrap, context: Context) -> Field:
        """The field is sealed once the vault has a data key with the other ciphertext in its place."""
        self.encrypter.create_data_key("aws", self.master_key)
        document = bson.decode(self.vault.keys.pop())
        document["keyMaterial"] = wrap(os.urandom(96), {})
        self.vault.keys.append(bson.encode(document))
        return self._field(bytes(document["_id"]))

    def rewrap(self, sealed: Field, key: str) -> Field:
        """The same field, once its data key is encrypted under `key`."""
        self.vault.keys = [*sealed.keys]
        answer = self.encrypter.rewrap_many_data_key({}, "aws", {**self.master_key, "key": key})
        (changes,), (document,) = bson.decode(answer)["v"], map(bson.decode, sealed.keys)
        return replace(sealed, keys=(bson.encode({**document, **changes}),))

    def _field(self, key_id: bytes) -> Field:
        value = bson.encode({"v": Binary(SECRET)})
        return Field(bytes(self.encrypter.encrypt(value, _RANDOM, key_id=key_id)), tuple(self.vault.keys[-1:]))

    def error(self, code: str) -> tuple[type[Exception], ...]:
        return (MongoCryptError,)

    def told(self, error: Exception) -> str:
        return str(error)

    def tells(self, code: str) -> str:
        return code
