"""Import tokens and wrapped material: good for one key of one tenant, a day long, and for the right algorithm only."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from msgspec.structs import replace

from kit.asymmetric_keys import ENCRYPTIONS
from kit.samples import key, key_id
from tenantkms.errors import (
    ExpiredImportToken,
    InvalidImportToken,
    InvalidKeyMaterial,
    InvalidParameter,
    KmsError,
    Unavailable,
    kind,
)
from tenantkms.keys.import_tokens import ImportParameters, new_parameters, open_material
from tenantkms.model.specs import SYMMETRIC, KeySpec, Origin
from tenantkms.parent.aws_kms import AwsParentKey
from tenantkms.parent.file import FileParentKey
from tenantkms.parent.port import IMPORT_DIGEST, Binding, key_binding

NOW = 1_800_000_000
DAY = 86_400
KEY = key(1, origin=Origin.EXTERNAL, primary=None)
PARENT = FileParentKey(bytes(32))
MATERIAL = os.urandom(32)
OAEP = "RSAES_OAEP_SHA_256"


@cache
def parameters(algorithm: str = OAEP) -> ImportParameters:
    """Import parameters of `KEY`, made at `NOW`."""
    return new_parameters(PARENT, "acme", KEY, algorithm, NOW)


def wrapped(made: ImportParameters, algorithm: str, material: bytes) -> bytes:
    """What a user's own program makes of it."""
    public = load_der_public_key(made.public_key)
    assert isinstance(public, RSAPublicKey)
    return public.encrypt(material, ENCRYPTIONS[algorithm])


def brought(**changes: Any) -> bytes:
    """The material as it is unwrapped, with some arguments changed."""
    made = parameters()
    usual = {
        "parent": PARENT,
        "tenant": "acme",
        "key": KEY,
        "sealed": made.token,
        "encrypted": wrapped(made, OAEP, MATERIAL),
        "now": NOW,
    }
    return open_material(**{**usual, **changes})[0]


# -- what works ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("spec", SYMMETRIC)
@pytest.mark.parametrize("algorithm", ENCRYPTIONS)
def test_material_comes_through(algorithm: str, spec: KeySpec) -> None:
    mine = replace(KEY, spec=spec)
    made = new_parameters(PARENT, "acme", mine, algorithm, NOW)
    material = os.urandom(SYMMETRIC[spec].size)
    public = load_der_public_key(made.public_key)
    assert isinstance(public, RSAPublicKey)
    assert (public.key_size, made.expires) == (2048, NOW + DAY)
    opened = open_material(PARENT, "acme", mine, made.token, wrapped(made, algorithm, material), NOW)
    assert opened == (material, algorithm != "RSAES_PKCS1_V1_5", NOW)


def test_each_answer_has_a_key_of_its_own() -> None:
    other = new_parameters(PARENT, "acme", KEY, OAEP, NOW)
    assert other.public_key != parameters().public_key
    with pytest.raises(InvalidKeyMaterial):
        brought(encrypted=wrapped(other, OAEP, MATERIAL))


@pytest.mark.parametrize("algorithm", ["", "SM2PKE", "RSA_AES_KEY_WRAP_SHA_256", "rsaes_oaep_sha_256"])
def test_another_wrapping_algorithm_is_refused(algorithm: str) -> None:
    with pytest.raises(InvalidParameter, match="RSAES_OAEP_SHA_256"):
        new_parameters(PARENT, "acme", KEY, algorithm, NOW)


# -- tokens --------------------------------------------------------------------------------------------


FOREIGN: dict[str, dict[str, Any]] = {
    "another key": {"key": replace(KEY, id=key_id(2))},
    "another tenant": {"tenant": "acme2"},
    "another parent key": {"parent": FileParentKey(b"\1" * 32)},
    "a key of another spec": {"key": replace(KEY, spec=KeySpec.SM4)},
    "key material": {"sealed": PARENT.seal(MATERIAL, key_binding("acme", KEY.id, 1, KEY.spec))},
    "a digest": {"sealed": PARENT.seal(MATERIAL, Binding(IMPORT_DIGEST, "acme", KEY.id, 1, KEY.spec))},
    "nothing": {"sealed": b""},
    "another version": {"sealed": b"\2" + parameters().token[1:]},
    "a byte more": {"sealed": parameters().token + b"\0"},
    "a byte less": {"sealed": parameters().token[:-1]},
    "its beginning": {"sealed": parameters().token[:13]},
    "twice": {"sealed": parameters().token * 2},
}


@pytest.mark.parametrize("changes", FOREIGN.values(), ids=FOREIGN)
def test_the_token_of(changes: dict[str, Any]) -> None:
    assert brought() == MATERIAL
    with pytest.raises(InvalidImportToken) as raised:
        brought(**changes)
    assert raised.value.message == InvalidImportToken.text
    assert not raised.value.retryable


def _positions() -> Iterator[int]:
    size = len(parameters().token)
    yield from {0, 1, 12, 13, size - 17, size - 16, size - 1, *range(0, size, 97)}


def test_no_byte_of_a_token_may_change() -> None:
    token = parameters().token
    for at in _positions():
        with pytest.raises(InvalidImportToken):
            brought(sealed=token[:at] + bytes([token[at] ^ 1]) + token[at + 1 :])


def test_a_token_is_good_for_24_hours_and_not_a_second_more() -> None:
    assert brought(now=NOW + DAY - 1) == MATERIAL
    for late in (NOW + DAY, NOW + 2 * DAY):
        with pytest.raises(ExpiredImportToken):
            brought(now=late)


# -- material ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["RSAES_OAEP_SHA_1", "RSAES_PKCS1_V1_5"])
def test_material_in_another_wrapping_than_was_asked_for_is_refused(algorithm: str) -> None:
    with pytest.raises(InvalidKeyMaterial):
        brought(encrypted=wrapped(parameters(), algorithm, MATERIAL))


def test_material_is_never_what_another_wrapping_held() -> None:
    """PKCS1 v1.5 does not tell a wrong padding from a right one: it gives other bytes, which seldom have the length."""
    made = parameters("RSAES_PKCS1_V1_5")
    assert brought(sealed=made.token, encrypted=wrapped(made, "RSAES_PKCS1_V1_5", MATERIAL)) == MATERIAL
    try:
        found = brought(sealed=made.token, encrypted=wrapped(made, OAEP, MATERIAL))
    except InvalidKeyMaterial:
        return
    assert found != MATERIAL


@pytest.mark.parametrize("algorithm", ENCRYPTIONS)
@pytest.mark.parametrize(
    ("spec", "size"),
    [(KeySpec.AES_256, size) for size in (0, 1, 16, 24, 31, 33, 64)] + [(KeySpec.SM4, n) for n in (0, 15, 17, 32)],
)
def test_material_of_another_length_is_refused(algorithm: str, spec: KeySpec, size: int) -> None:
    made, mine = _of_spec(algorithm, spec)
    with pytest.raises(InvalidKeyMaterial):
        open_material(PARENT, "acme", mine, made.token, wrapped(made, algorithm, bytes(size)), NOW)


@cache
def _of_spec(algorithm: str, spec: KeySpec) -> tuple[ImportParameters, Any]:
    mine = replace(KEY, spec=spec)
    return new_parameters(PARENT, "acme", mine, algorithm, NOW), mine


@pytest.mark.parametrize("data", [b"", bytes(32), bytes(255), bytes(256), bytes(257), b"\xff" * 256])
def test_what_is_not_wrapped_at_all_is_refused(data: bytes) -> None:
    with pytest.raises(InvalidKeyMaterial) as raised:
        brought(encrypted=data)
    assert raised.value.message == InvalidKeyMaterial.text


# -- faults of the parent key ---------------------------------------------------------------------------


class FakeKms:
    """An AWS KMS client whose every Decrypt fails with `fault`."""

    def __init__(self, fault: Exception) -> None:
        self.fault = fault

    def decrypt(self, **_: object) -> None:
        raise self.fault


def _client_error(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "no"}}, "Decrypt")


FAULTS: dict[str, tuple[Exception, type[KmsError]]] = {
    "a damaged token": (_client_error("InvalidCiphertextException"), InvalidImportToken),
    "a token of another tenant's parent": (_client_error("IncorrectKeyException"), InvalidImportToken),
    "throttled": (_client_error("ThrottlingException"), Unavailable),
    "disabled": (_client_error("DisabledException"), Unavailable),
    "pending deletion": (_client_error("KMSInvalidStateException"), Unavailable),
    "no permission": (_client_error("AccessDeniedException"), Unavailable),
    "failing": (_client_error("KMSInternalException"), Unavailable),
    "silent": (ReadTimeoutError(endpoint_url="kms"), Unavailable),
}


@pytest.mark.parametrize(("fault", "error"), FAULTS.values(), ids=FAULTS)
def test_a_fault_of_the_parent_is_not_the_tokens(fault: Exception, error: type[KmsError]) -> None:
    parent = AwsParentKey(cast("Any", FakeKms(fault)), "arn:aws:kms:eu-central-1:123456789012:key/parent")
    with pytest.raises(error) as raised:
        brought(parent=parent)
    assert kind(raised.value) is error
    assert raised.value.retryable is (error is Unavailable)


class DownParent(FileParentKey):
    """A parent key that cannot be reached."""

    def unseal(self, sealed: bytes, binding: Binding) -> bytes:
        raise Unavailable("The parent key did not unseal.")


def test_nothing_of_a_caller_is_blamed_while_the_parent_is_down() -> None:
    with pytest.raises(Unavailable) as raised:
        brought(parent=DownParent(bytes(32)), sealed=b"anything", encrypted=b"anything")
    assert kind(raised.value) is Unavailable
