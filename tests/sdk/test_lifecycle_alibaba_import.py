"""Bringing keys to Alibaba's API, through both of its SDKs."""

from __future__ import annotations

import base64
import calendar
import os
import time
from typing import Any

import pytest

from kit.asymmetric_keys import ENCRYPTIONS
from kit.sdk_alibaba import HELLO, MATERIAL, OAEP, Alibaba
from kit.sdk_clients import Classic, Tea, refused


@pytest.fixture(params=["tea", "classic"])
def user(request: pytest.FixtureRequest, tea: Tea, classic: Classic) -> Alibaba:
    return Alibaba(tea if request.param == "tea" else classic)


@pytest.fixture
def key(user: Alibaba) -> str:
    return user.key(Origin="EXTERNAL")


@pytest.mark.parametrize("algorithm", ENCRYPTIONS)
def test_a_key_is_brought_taken_away_and_brought_again(user: Alibaba, key: str, algorithm: str) -> None:
    described = user.described(key)
    assert (described["KeyState"], described["Origin"]) == ("PendingImport", "EXTERNAL")
    with refused(user, "Rejected.PendingImport", 409):
        user.blob(key)
    user.ask("ImportKeyMaterial", **user.imported(key, algorithm=algorithm))
    described = user.described(key)
    assert (described["KeyState"], described.get("MaterialExpireTime", "")) == ("Enabled", "")
    blob = user.blob(key)
    user.ask("DeleteKeyMaterial", KeyId=key)
    assert user.state(key) == "PendingImport"
    with refused(user, "Rejected.PendingImport", 409):
        user.ask("Decrypt", CiphertextBlob=blob)
    if algorithm != "RSAES_PKCS1_V1_5":  # which tells of no damage, so that what came by it may be followed
        with refused(user, "InvalidKeyMaterial", 400, "only the same"):
            user.ask("ImportKeyMaterial", **user.imported(key, os.urandom(32), algorithm))
    user.ask("ImportKeyMaterial", **user.imported(key, algorithm=algorithm))
    assert user.ask("Decrypt", CiphertextBlob=blob)["Plaintext"] == HELLO


def test_an_sm4_key_has_16_bytes(user: Alibaba) -> None:
    key = user.key(Origin="EXTERNAL", KeySpec="Aliyun_SM4")
    with refused(user, "InvalidKeyMaterial", 400):
        user.ask("ImportKeyMaterial", **user.imported(key))
    user.ask("ImportKeyMaterial", **user.imported(key, MATERIAL[:16]))
    assert user.ask("Decrypt", CiphertextBlob=user.blob(key))["Plaintext"] == HELLO


def test_what_a_user_reads_of_import_parameters(user: Alibaba, key: str) -> None:
    made = user.ask("GetParametersForImport", KeyId=key, WrappingAlgorithm=OAEP, WrappingKeySpec="RSA_2048")
    until = calendar.timegm(time.strptime(made["TokenExpireTime"], "%Y-%m-%dT%H:%M:%SZ"))
    assert abs(until - time.time() - 86_400) < 60
    assert made["KeyId"] == key
    for field in ("PublicKey", "ImportToken"):
        assert base64.b64encode(base64.b64decode(made[field])).decode() == made[field]


def test_material_expires_when_it_was_told_to(tea: Tea) -> None:
    user = Alibaba(tea)
    key = user.key(Origin="EXTERNAL")
    expires = int(time.time()) + 2
    user.ask("ImportKeyMaterial", **{**user.imported(key), "KeyMaterialExpireUnix": expires})
    said = user.described(key)["MaterialExpireTime"]
    assert said == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(expires))
    blob = user.blob(key)
    time.sleep(max(0.0, expires - time.time()) + 0.05)
    with refused(user, "Rejected.PendingImport", 409):
        user.ask("Decrypt", CiphertextBlob=blob)
    forever = user.imported(key)
    del forever["KeyMaterialExpireUnix"]  # as the npm client leaves it out
    user.ask("ImportKeyMaterial", **forever)
    assert user.described(key)["MaterialExpireTime"] == ""
    assert user.ask("Decrypt", CiphertextBlob=blob)["Plaintext"] == HELLO


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "a changed token": ({"ImportToken": base64.b64encode(os.urandom(64)).decode()}, "InvalidImportToken"),
    "a token that is no base64": ({"ImportToken": "!"}, "InvalidImportToken"),
    "material that is no base64": ({"EncryptedKeyMaterial": "!"}, "InvalidKeyMaterial"),
    "material that is not wrapped": (
        {"EncryptedKeyMaterial": base64.b64encode(MATERIAL).decode()},
        "InvalidKeyMaterial",
    ),
    "an expiry in the past": ({"KeyMaterialExpireUnix": 1_500_000_000}, "InvalidParameter"),
    "an expiry that is no time": ({"KeyMaterialExpireUnix": "tomorrow"}, "InvalidParameter"),
}


@pytest.mark.parametrize(("change", "code"), BAD.values(), ids=BAD)
def test_a_bad_import_is_refused_and_nothing_changes(
    user: Alibaba, key: str, change: dict[str, Any], code: str
) -> None:
    with refused(user, code, 400):
        user.ask("ImportKeyMaterial", **{**user.imported(key), **change})
    assert user.state(key) == "PendingImport"


def test_a_token_of_another_key_is_refused(user: Alibaba, key: str) -> None:
    with refused(user, "InvalidImportToken", 400):
        user.ask("ImportKeyMaterial", **{**user.imported(user.key(Origin="EXTERNAL")), "KeyId": key})


WRAPPINGS = {
    "SM2PKE": ("SM2PKE", "RSA_2048", "UnsupportedOperation"),
    "an SM2 key": (OAEP, "EC_SM2", "UnsupportedOperation"),
    "another algorithm": ("RSAES_OAEP_SHA_512", "RSA_2048", "InvalidParameter"),
    "a larger key": (OAEP, "RSA_4096", "InvalidParameter"),
}


@pytest.mark.parametrize(("algorithm", "spec", "code"), WRAPPINGS.values(), ids=WRAPPINGS)
def test_wrappings_that_are_not_served(user: Alibaba, key: str, algorithm: str, spec: str, code: str) -> None:
    with refused(user, code, 400):
        user.ask("GetParametersForImport", KeyId=key, WrappingAlgorithm=algorithm, WrappingKeySpec=spec)


def test_a_key_that_was_made_here_takes_no_material(user: Alibaba, key: str) -> None:
    fields, made_here = user.imported(key), user.key()
    with refused(user, "Unsupported.Origin", 400):
        user.ask("GetParametersForImport", KeyId=made_here, WrappingAlgorithm=OAEP, WrappingKeySpec="RSA_2048")
    with refused(user, "Unsupported.Origin", 400):
        user.ask("ImportKeyMaterial", **{**fields, "KeyId": made_here})
    with refused(user, "Unsupported.Origin", 400):
        user.ask("DeleteKeyMaterial", KeyId=made_here)
