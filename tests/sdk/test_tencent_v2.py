"""qcloudapi-sdk-python (legacy API v2), unmodified, over TLS: it speaks nothing else and checks the certificate."""

from __future__ import annotations

import base64
import time
from typing import Any
from uuid import uuid4

import pytest
from QcloudApi.common.api_exception import ApiClientNetworkException

from kit.sdk_clients import REQUEST_ID, UNKNOWN_KEY, UUID, Login, Qcloud

HELLO = base64.b64encode(b"hello").decode()
CONTEXT = '{"tenant": "blue", "数据": "a=b"}'
SIGNATURES = {
    f"{method} {sign or 'by default'}": {"method": method, **({"SignatureMethod": sign} if sign else {})}
    for method in ("get", "post")
    for sign in ("HmacSHA1", "HmacSHA256", "")
}


@pytest.fixture(params=SIGNATURES)
def options(request: pytest.FixtureRequest) -> dict[str, str]:
    return SIGNATURES[request.param]


def _alias() -> str:
    return f"v{uuid4().hex[:24]}"


def _key(sdk: Qcloud) -> str:
    key_id: str = _ok(sdk.call("CreateKey", alias=_alias()))["keyMetadata"]["keyId"]
    return key_id


def _ok(answer: dict[str, Any]) -> dict[str, Any]:
    assert (answer["code"], answer["message"], answer["codeDesc"]) == (0, "", "Success"), answer
    assert REQUEST_ID.fullmatch(answer["requestId"])
    return answer


def _refused(answer: dict[str, Any], code: int, message: str) -> None:
    assert answer.keys() == {"code", "message", "codeDesc", "requestId"}, answer
    assert (answer["code"], message in answer["message"]) == (code, True), answer
    assert REQUEST_ID.fullmatch(answer["requestId"])
    assert answer["codeDesc"] != "Success"


# -- signatures ----------------------------------------------------------------------------------------


def test_a_key_from_creation_to_decryption(trusted: Login, options: dict[str, str]) -> None:
    sdk = Qcloud(trusted, **options)
    key = _key(sdk)
    sealed = _ok(sdk.call("Encrypt", keyId=key, plaintext=HELLO, encryptionContext=CONTEXT))
    same = '{"数据":"a=b","tenant":"blue"}'
    opened = _ok(sdk.call("Decrypt", ciphertextBlob=sealed["ciphertextBlob"], encryptionContext=same))
    assert (sealed["keyId"], opened["keyId"], opened["plaintext"]) == (key, key, HELLO)
    _refused(
        sdk.call("Decrypt", ciphertextBlob=sealed["ciphertextBlob"]), 4000, "(4000)The CiphertextBlob is not valid"
    )


@pytest.mark.parametrize(
    ("wrong", "code", "text"),
    [
        ({"secret": "no"}, 4100, "(4100)The signature does not match"),
        ({"access_key_id": "AKIDunknown"}, 4104, "(4104)The access key does not exist"),
    ],
    ids=["secret", "access key"],
)
def test_nobody_gets_in_with_a_wrong(
    trusted: Login, options: dict[str, str], wrong: dict[str, str], code: int, text: str
) -> None:
    _refused(Qcloud(trusted.but(**wrong), **options).call("ListKey"), code, text)


def test_a_token_is_refused(trusted: Login, options: dict[str, str]) -> None:
    _refused(Qcloud(trusted, Token="temporary", **options).call("ListKey"), 4105, "(4105)")


def test_with_the_newer_version_it_speaks_the_newer_api(trusted: Login, options: dict[str, str]) -> None:
    answer = Qcloud(trusted, Version="2019-01-18", **options).call("GetRegions")
    assert answer["Response"]["Regions"] == ["cn-hangzhou"]


def test_an_untrusted_certificate_stops_the_sdk(secure: Login) -> None:
    with pytest.raises(ApiClientNetworkException, match="CERTIFICATE_VERIFY_FAILED"):
        Qcloud(secure).call("ListKey")


# -- keys ----------------------------------------------------------------------------------------------


def test_what_a_user_reads_of_a_new_key(qcloud: Qcloud) -> None:
    alias = _alias()
    made = _ok(qcloud.call("CreateKey", alias=alias, description="first", keyUsage="ENCRYPT/DECRYPT"))
    key = _ok(qcloud.call("GetKeyAttributes", keyId=made["keyMetadata"]["keyId"]))["keyMetadata"]
    assert key == made["keyMetadata"]
    assert UUID.fullmatch(key.pop("keyId"))
    assert abs(key.pop("createTime") - time.time()) < 60
    assert key == {
        "description": "first",
        "keyState": "Enabled",
        "keyUsage": "ENCRYPT/DECRYPT",
        "alias": alias,
        "deleteTime": 0,
    }


def test_the_alias_changes(qcloud: Qcloud) -> None:
    key, alias = _key(qcloud), _alias()
    _ok(qcloud.call("SetKeyAttributes", keyId=key, alias=alias))
    assert _ok(qcloud.call("GetKeyAttributes", keyId=key))["keyMetadata"]["alias"] == alias
    _refused(qcloud.call("CreateKey", alias=alias), 4000, "The alias already exists")


def test_listing_keys_by_page(qcloud: Qcloud) -> None:
    made = {_key(qcloud) for _ in range(3)}
    total = _ok(qcloud.call("ListKey"))["totalCount"]
    pages = [_ok(qcloud.call("ListKey", offset=at, limit=2)) for at in range(0, total, 2)]
    assert [(page["offset"], page["limit"]) for page in pages] == [(at, 2) for at in range(0, total, 2)]
    listed = [row["keyId"] for page in pages for row in page["keys"]]
    assert len(set(listed)) == len(listed) == total
    assert made <= set(listed)


def test_a_disabled_key_is_refused_until_it_is_enabled(qcloud: Qcloud) -> None:
    key = _key(qcloud)
    blob = _ok(qcloud.call("Encrypt", keyId=key, plaintext=HELLO))["ciphertextBlob"]
    _ok(qcloud.call("DisableKey", keyId=key))
    assert _ok(qcloud.call("GetKeyAttributes", keyId=key))["keyMetadata"]["keyState"] == "Disabled"
    for action, fields in {
        "Encrypt": {"keyId": key, "plaintext": HELLO},
        "Decrypt": {"ciphertextBlob": blob},
        "GenerateDataKey": {"keyId": key, "keySpec": "AES_256"},
    }.items():
        _refused(qcloud.call(action, **fields), 5100, "(5100)The key is disabled")
    _ok(qcloud.call("EnableKey", keyId=key))
    assert _ok(qcloud.call("Decrypt", ciphertextBlob=blob))["plaintext"] == HELLO


# -- data ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_plaintext_of_4096_bytes_and_not_one_more(trusted: Login, method: str) -> None:
    sdk = Qcloud(trusted, method=method)
    key, plaintext = _key(sdk), base64.b64encode(b"\xff" * 4096).decode()
    blob = _ok(sdk.call("Encrypt", keyId=key, plaintext=plaintext))["ciphertextBlob"]
    assert _ok(sdk.call("Decrypt", ciphertextBlob=blob))["plaintext"] == plaintext
    longer = base64.b64encode(b"\xff" * 4097).decode()
    _refused(sdk.call("Encrypt", keyId=key, plaintext=longer), 4560, "(10660)encryption failed")


def test_a_context_of_1024_characters_and_not_one_more(qcloud: Qcloud) -> None:
    key, context = _key(qcloud), '{"k":"' + "v" * 1016 + '"}'
    blob = _ok(qcloud.call("Encrypt", keyId=key, plaintext=HELLO, encryptionContext=context))["ciphertextBlob"]
    assert _ok(qcloud.call("Decrypt", ciphertextBlob=blob, encryptionContext=context))["plaintext"] == HELLO
    longer = context[:-2] + 'v"}'
    answer = qcloud.call("Encrypt", keyId=key, plaintext=HELLO, encryptionContext=longer)
    _refused(answer, 4540, "(10640)illegal encryptionContext")


SIZES: dict[str, tuple[dict[str, Any], int]] = {
    "AES_256": ({"keySpec": "AES_256"}, 32),
    "AES_128": ({"keySpec": "AES_128"}, 16),
    "1024 bytes": ({"numberOfBytes": 1024}, 1024),
    "both": ({"keySpec": "AES_128", "numberOfBytes": 64}, 64),
}


@pytest.mark.parametrize(("fields", "size"), SIZES.values(), ids=SIZES)
def test_data_keys(qcloud: Qcloud, fields: dict[str, Any], size: int) -> None:
    key = _key(qcloud)
    made = _ok(qcloud.call("GenerateDataKey", keyId=key, encryptionContext=CONTEXT, **fields))
    assert len(base64.b64decode(made["plaintext"])) == size
    opened = _ok(qcloud.call("Decrypt", ciphertextBlob=made["ciphertextBlob"], encryptionContext=CONTEXT))
    assert (opened["plaintext"], opened["keyId"]) == (made["plaintext"], key)


REFUSALS: dict[str, tuple[str, dict[str, Any], int, str]] = {
    "unknown key": ("Encrypt", {"keyId": UNKNOWN_KEY, "plaintext": HELLO}, 5000, "The key does not exist"),
    "key id": ("Encrypt", {"keyId": "kms-30slkdf", "plaintext": HELLO}, 4000, "The KeyId is not valid"),
    "no plaintext": ("Encrypt", {"keyId": UNKNOWN_KEY}, 4000, "plaintext is required"),
    "plaintext": (
        "Encrypt",
        {"keyId": UNKNOWN_KEY, "plaintext": "-"},
        4590,
        "(10690)plaintext is not encoded with base64",
    ),
    "file": ("Encrypt", {"keyId": UNKNOWN_KEY, "plaintext": "@/etc/passwd"}, 4000, "begins with '@'"),
    "context": (
        "Encrypt",
        {"keyId": UNKNOWN_KEY, "plaintext": HELLO, "encryptionContext": "a=b"},
        4540,
        "(10640)illegal encryptionContext",
    ),
    "ciphertext": ("Decrypt", {"ciphertextBlob": "-"}, 4000, "not encoded with base64"),
    "data key": ("GenerateDataKey", {"keyId": UNKNOWN_KEY}, 4000, "numberOfBytes is required"),
    "no alias": ("CreateKey", {}, 4000, "alias is required"),
    "alias": ("CreateKey", {"alias": "a" * 33}, 4000, "1 to 32"),
    "usage": ("CreateKey", {"alias": "a", "keyUsage": "SIGN/VERIFY"}, 4000, "keyUsage"),
    "describe": ("GetKeyAttributes", {"keyId": UNKNOWN_KEY}, 5000, "The key does not exist"),
    "attributes": ("SetKeyAttributes", {"keyId": UNKNOWN_KEY, "alias": "a"}, 5000, "The key does not exist"),
    "enable": ("EnableKey", {"keyId": UNKNOWN_KEY}, 5000, "The key does not exist"),
    "disable": ("DisableKey", {"keyId": UNKNOWN_KEY}, 5000, "The key does not exist"),
    "limit": ("ListKey", {"limit": 201}, 4000, "limit is a number from 1 to 200"),
    "unknown parameter": ("ListKey", {"colour": "red"}, 4000, "'colour'"),
    "unknown action": ("Explode", {}, 4000, "The Action does not exist"),
}


@pytest.mark.parametrize(("action", "fields", "code", "message"), REFUSALS.values(), ids=REFUSALS)
def test_refused(qcloud: Qcloud, action: str, fields: dict[str, Any], code: int, message: str) -> None:
    _refused(qcloud.call(action, **fields), code, message)
