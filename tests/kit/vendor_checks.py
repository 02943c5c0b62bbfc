"""Checks of single statements about Encrypt, made for any of the three APIs. A check takes a fresh `Kms`."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from functions.endpoint.handler import Endpoint
from kit.captures import by
from kit.fakes import Clock
from kit.support import Kms, Signer
from kit.vendor_api import ALIBABA, HELLO, TENCENT, V2, Api, key_id, to_base64
from tenantkms.model.limits import DEFAULT
from tenantkms.model.states import KeyState
from tenantkms.store.port import PutKey
from tkms.machine.directory import Directory

Check = Callable[[Kms], None]
REQUEST_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
UNKNOWN_KEY = "23e80852-1e38-11e9-b129-5cb9019b4b01"


# -- what Encrypt does ---------------------------------------------------------------------------------


def seals(api: Api) -> Check:
    """The answer does not show the plaintext, and Decrypt gives it back."""

    def check(kms: Kms) -> None:
        sealed = api.encrypt(kms, to_base64(b"a database password"))
        assert b"database" not in base64.b64decode(sealed[api.blob])
        assert api.opens(kms, sealed) == to_base64(b"a database password")

    return check


def takes(api: Api, size: int) -> Check:
    """Any data of that many bytes."""

    def check(kms: Kms) -> None:
        plaintext = to_base64(os.urandom(size))
        assert api.opens(kms, api.encrypt(kms, plaintext)) == plaintext

    return check


def stops_at(api: Api, size: int, code: str) -> Check:
    """That many bytes and not one more."""

    def check(kms: Kms) -> None:
        takes(api, size)(kms)
        assert api.error(api.encrypt(kms, to_base64(os.urandom(size + 1)))) == code

    return check


def takes_an_rsa_key(api: Api) -> Check:
    def check(kms: Kms) -> None:
        pem = rsa.generate_private_key(65537, 2048).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        assert api.opens(kms, api.encrypt(kms, to_base64(pem))) == to_base64(pem)

    return check


def moves_a_data_key(api: Api) -> Check:
    """A data key made in one region, encrypted in another one, opens there what it encrypted."""

    def check(kms: Kms) -> None:
        made = api.ask(kms, "GenerateDataKey", **{api.key: key_id(kms), api.data_key_size: "32"})
        nonce, secret = bytes(12), b"the data that moves"
        data = AESGCM(base64.b64decode(made[api.plaintext])).encrypt(nonce, secret, None)
        with TemporaryDirectory() as folder:
            settings = Directory(Path(folder)).make("other")
            credential = settings.access.store.list_credentials()[0]
            there = Kms(settings, Signer(credential.access_key_id, settings.access.secret(credential)))
            sealed = api.encrypt(there, made[api.plaintext])
            assert api.error(api.decrypt(there, made[api.blob])) != ""
            assert AESGCM(base64.b64decode(api.opens(there, sealed))).decrypt(nonce, data, None) == secret

    return check


def local_encryption(api: Api) -> Check:
    """A data key encrypts on the caller's side; its blob gives it back when the data is to be read."""

    def check(kms: Kms) -> None:
        made = api.ask(kms, "GenerateDataKey", **{api.key: key_id(kms), api.data_key_size: "32"})
        data = AESGCM(base64.b64decode(made[api.plaintext])).encrypt(bytes(12), b"large", None)
        opened = api.decrypt(kms, made[api.blob])[api.plaintext]
        assert AESGCM(base64.b64decode(opened)).decrypt(bytes(12), data, None) == b"large"

    return check


def answers_a_second(api: Api, count: int, code: str) -> Check:
    """With the limits that a server has by itself: that many in a second, and in the next one again."""

    def check(kms: Kms) -> None:
        clock, key = Clock(), key_id(kms)
        clock.now = 1_800_000_000.0
        limited = by(kms, clock, DEFAULT)
        for _ in range(2):
            answers = [api.error(api.encrypt(limited, key=key)) for _ in range(count + 3)]
            assert answers == [""] * count + [code] * 3
            clock.now += 1

    return check


# -- what it is given ----------------------------------------------------------------------------------


def requires(api: Api, field: str, code: str) -> Check:
    """Without the field, or with a blank one, the request is refused."""

    def check(kms: Kms) -> None:
        full = {api.key: key_id(kms), api.plaintext: HELLO}
        assert api.error(api.ask(kms, "Encrypt", **full)) == ""
        for fields in ({name: value for name, value in full.items() if name != field}, {**full, field: ""}):
            assert api.error(api.ask(kms, "Encrypt", **fields)) == code

    return check


def key_ids_are_unique(kms: Kms) -> None:
    made = [kms.alibaba("CreateKey")["KeyMetadata"]["KeyId"] for _ in range(5)]
    made += [kms.tencent("CreateKey", Alias=f"k{n}")["KeyId"] for n in range(5)]
    made += [kms.tencent_v2("CreateKey", alias=f"v{n}")["keyMetadata"]["keyId"] for n in range(5)]
    assert len({*made, key_id(kms)}) == 16


def takes_a_created_key(api: Api) -> Check:
    """The id that CreateKey gave is the one to encrypt with, and the answer repeats it."""

    def check(kms: Kms) -> None:
        made = api.ask(kms, "CreateKey", **{"alias" if api is V2 else "Alias": "new"})
        key = made["keyMetadata"]["keyId"] if api is V2 else made["KeyId"]
        sealed = api.encrypt(kms, key=key)
        assert sealed[api.key] == key
        assert api.opens(kms, sealed) == HELLO

    return check


def takes_an_alias(kms: Kms) -> None:
    sealed = ALIBABA.encrypt(kms, key="alias/default")
    assert sealed["KeyId"] == key_id(kms)
    assert ALIBABA.opens(kms, sealed) == HELLO


def base64_comes_back(api: Api) -> Check:
    def check(kms: Kms) -> None:
        for data in (b"\x00", bytes(range(256)), base64.b64encode(b"encoded twice")):
            assert api.opens(kms, api.encrypt(kms, to_base64(data))) == to_base64(data)

    return check


def only_base64(api: Api, code: str) -> Check:
    def check(kms: Kms) -> None:
        for plaintext in ("aGVsbG8", "aGVsbG9=", "a b=", "密码", "_-_-", "aGVs\nbG8="):
            assert api.error(api.encrypt(kms, plaintext)) == code, plaintext

    return check


def context_is_optional(api: Api) -> Check:
    def check(kms: Kms) -> None:
        assert api.opens(kms, api.encrypt(kms)) == HELLO

    return check


def context_binds(api: Api) -> Check:
    """Decrypt needs the same pairs, in any order; any other context is refused."""

    def check(kms: Kms) -> None:
        sealed = api.encrypt(kms, context='{"a":"1","b":"2"}')
        assert api.opens(kms, sealed, '{ "b": "2", "a": "1" }') == HELLO
        for wrong in ("", "{}", '{"a":"1"}', '{"a":"2","b":"1"}', '{"a":"1","b":"2","c":"3"}', '{"A":"1","b":"2"}'):
            assert api.error(api.decrypt(kms, sealed[api.blob], wrong)) != "", wrong

    return check


def context_is_json(api: Api, code: str) -> Check:
    """A JSON object of strings, and nothing else."""

    def check(kms: Kms) -> None:
        assert api.error(api.encrypt(kms, context='{"Example":"Example"}')) == ""
        for context in (
            "Example=Example",
            '["Example"]',
            '{"Example":1}',
            '{"Example":null}',
            '{"Example"',
            '"Example"',
        ):
            assert api.error(api.encrypt(kms, context=context)) == code, context

    return check


def context_has_at_most(api: Api, size: int, code: str) -> Check:
    def check(kms: Kms) -> None:
        longest = '{"k":"' + "v" * (size - 8) + '"}'
        assert len(longest) == size
        assert api.opens(kms, api.encrypt(kms, context=longest), longest) == HELLO
        assert api.error(api.encrypt(kms, context=longest.replace("v", "vv", 1))) == code

    return check


# -- what it answers -----------------------------------------------------------------------------------


def answers_with(api: Api, *fields: str) -> Check:
    """Every field is there and is a text."""

    def check(kms: Kms) -> None:
        answer = api.encrypt(kms)
        assert all(isinstance(answer[name], str) for name in fields)

    return check


def blob_is_base64(api: Api) -> Check:
    def check(kms: Kms) -> None:
        blob = api.encrypt(kms)[api.blob]
        assert to_base64(base64.b64decode(blob, validate=True)) == blob

    return check


def request_ids_are_unique(api: Api) -> Check:
    """Successes and refusals alike have one."""

    def check(kms: Kms) -> None:
        answers = [api.encrypt(kms), api.encrypt(kms), api.encrypt(kms, key=UNKNOWN_KEY), api.ask(kms, "Nothing")]
        ids = [answer[api.request_id] for answer in answers]
        assert all(REQUEST_ID.fullmatch(id_) for id_ in ids)
        assert len(set(ids)) == len(ids)

    return check


def answers_in_xml(kms: Kms) -> None:
    request = kms.signer.alibaba_rpc("Encrypt", {"KeyId": "alias/default", "Plaintext": HELLO}, Format="XML")
    answer = ET.fromstring(kms.send(request)["body"])
    assert answer.tag == "KMS"
    assert {"KeyId", "CiphertextBlob", "RequestId"} <= {child.tag for child in answer}
    assert ALIBABA.opens(kms, {child.tag: child.text for child in answer}) == HELLO


# -- what it refuses -----------------------------------------------------------------------------------


def refuses(api: Api, code: str, *, key: str = "", plaintext: str = HELLO, context: str = "") -> Check:
    def check(kms: Kms) -> None:
        assert api.error(api.encrypt(kms, plaintext, context, key)) == code

    return check


def refuses_in_state(state: KeyState, code: str) -> Check:
    def check(kms: Kms) -> None:
        keyring = kms.settings.deps.keyring
        key = keyring.key(key_id(kms), fresh=True)
        assert key
        keyring.commit([PutKey(msgspec.structs.replace(key, state=state, revision=key.revision + 1, token="test"))])
        assert TENCENT.error(TENCENT.encrypt(kms)) == code

    return check


def refuses_without_permission(kms: Kms) -> None:
    policy = '{"Statement":[{"Effect":"Allow","Action":["DescribeKey","Decrypt"]}]}'
    credential, secret = kms.settings.access.create("weak", ("alibaba", "tencent"), policy, 0)
    weak = Kms(kms.settings, Signer(credential.access_key_id, secret))
    assert TENCENT.error(TENCENT.encrypt(weak)) == "UnauthorizedOperation"
    assert TENCENT.error(TENCENT.encrypt(kms)) == ""


def tells_of_an_internal_error(kms: Kms) -> None:
    """An unforeseen fault behind the endpoint: the code says so and nothing of the fault leaves."""

    def broken(_call: Mapping[str, Any]) -> Mapping[str, Any]:
        raise RuntimeError("secret detail")

    fields = {"KeyId": key_id(kms), "Plaintext": HELLO}
    answer = Endpoint(kms.settings, broken)(kms.signer.tencent("Encrypt", fields))
    assert answer["statusCode"] == 200
    assert json.loads(answer["body"])["Response"]["Error"]["Code"] == "InternalError"
    assert "secret detail" not in str(answer)
