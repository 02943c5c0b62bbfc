"""An answer of the AWS dialect is whole or an error: clients take a success without a field for an empty value."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from functions.endpoint.dispatch import InlineDispatcher
from functions.endpoint.handler import Endpoint
from kit.support import Kms

Fields = dict[str, Any]
HELLO = base64.b64encode(b"hello").decode()
OAEP = {"EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}


def key(kms: Kms, **spec: str) -> str:
    return str(kms.aws("CreateKey", **spec)["KeyMetadata"]["Arn"])


def to_encrypt(kms: Kms) -> Fields:
    return {"KeyId": "alias/default", "Plaintext": HELLO}


def to_encrypt_by_rsa(kms: Kms) -> Fields:
    return {"KeyId": key(kms, KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT"), "Plaintext": HELLO, **OAEP}


def to_decrypt(kms: Kms) -> Fields:
    return {"CiphertextBlob": kms.aws("Encrypt", **to_encrypt(kms))["CiphertextBlob"]}


def to_decrypt_by_rsa(kms: Kms) -> Fields:
    fields = to_encrypt_by_rsa(kms)
    return {"KeyId": fields["KeyId"], "CiphertextBlob": kms.aws("Encrypt", **fields)["CiphertextBlob"], **OAEP}


def a_data_key(kms: Kms) -> Fields:
    return {"KeyId": "alias/default", "KeySpec": "AES_256"}


def to_re_encrypt(kms: Kms) -> Fields:
    return {**to_decrypt(kms), "DestinationKeyId": "alias/default"}


def a_pair(kms: Kms) -> Fields:
    return {"KeyId": "alias/default", "KeyPairSpec": "ECC_NIST_P256"}


def to_sign(kms: Kms) -> Fields:
    signing = key(kms, KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    return {"KeyId": signing, "Message": HELLO, "SigningAlgorithm": "ECDSA_SHA_256"}


def to_authenticate(kms: Kms) -> Fields:
    mac = key(kms, KeySpec="HMAC_256", KeyUsage="GENERATE_VERIFY_MAC")
    return {"KeyId": mac, "Message": HELLO, "MacAlgorithm": "HMAC_SHA_256"}


_SEALED = frozenset({"CiphertextBlob", "KeyId"})
ANSWERS: Mapping[str, tuple[str, Callable[[Kms], Fields], frozenset[str]]] = {
    "Encrypt": ("Encrypt", to_encrypt, _SEALED | {"EncryptionAlgorithm"}),
    "Encrypt, RSA": ("Encrypt", to_encrypt_by_rsa, _SEALED | {"EncryptionAlgorithm"}),
    "Decrypt": ("Decrypt", to_decrypt, frozenset({"Plaintext", "KeyId", "EncryptionAlgorithm"})),
    "Decrypt, RSA": ("Decrypt", to_decrypt_by_rsa, frozenset({"Plaintext", "KeyId", "EncryptionAlgorithm"})),
    "GenerateDataKey": ("GenerateDataKey", a_data_key, _SEALED | {"Plaintext"}),
    "GenerateDataKeyWithoutPlaintext": ("GenerateDataKeyWithoutPlaintext", a_data_key, _SEALED),
    "ReEncrypt": ("ReEncrypt", to_re_encrypt, _SEALED | {"SourceKeyId"}),
    "GenerateDataKeyPair": (
        "GenerateDataKeyPair",
        a_pair,
        frozenset({"PrivateKeyPlaintext", "PrivateKeyCiphertextBlob", "PublicKey", "KeyId"}),
    ),
    "GenerateRandom": ("GenerateRandom", lambda _kms: {"NumberOfBytes": 32}, frozenset({"Plaintext"})),
    "Sign": ("Sign", to_sign, frozenset({"Signature", "KeyId"})),
    "GenerateMac": ("GenerateMac", to_authenticate, frozenset({"Mac", "KeyId"})),
}
"""(operation, its fields, those of the answer that clients read)"""


class Losing:
    """A dispatcher that loses one field of what an Action answered, or has null there."""

    def __init__(self, kms: Kms) -> None:
        self._inline = InlineDispatcher(kms.settings.deps)
        self.had: list[str] = []
        self.field, self.null = "", False

    def __call__(self, call: Mapping[str, Any]) -> Mapping[str, Any]:
        result = dict(self._inline(call)["result"])
        self.had = [*result]
        if result.pop(self.field, None) is not None and self.null:
            result[self.field] = None
        return {"result": result}


@pytest.mark.parametrize(("operation", "fields", "expected"), ANSWERS.values(), ids=ANSWERS)
@pytest.mark.parametrize("null", [False, True], ids=["missing", "null"])
def test_a_result_that_lost_a_field_is_a_fault_or_not_missed(
    kms: Kms, operation: str, fields: Callable[[Kms], Fields], expected: frozenset[str], null: bool
) -> None:
    params, losing = fields(kms), Losing(kms)
    kms.endpoint = Endpoint(kms.settings, losing)
    whole = kms.aws(operation, **params)
    assert {one for one in expected if whole.get(one)} == expected
    statuses = set()
    for name in losing.had.copy():
        losing.field, losing.null = name, null
        answer = kms.send(kms.signer.aws(operation, params))
        body = json.loads(answer["body"])
        statuses.add(answer["statusCode"])
        if answer["statusCode"] == 200:
            assert {one for one in expected if body.get(one)} == expected, name
            assert body.get("KeyId") == whole.get("KeyId")
        else:
            assert (answer["statusCode"], body["__type"]) == (500, "KMSInternalException")
    assert 500 in statuses


def test_a_dry_run_tells_what_is_not_valid(kms: Kms) -> None:
    """As the call itself would have: only what is right would have succeeded."""
    for fields, make, verify, made, wrong in (
        (to_sign(kms), "Sign", "Verify", "Signature", "KMSInvalidSignatureException"),
        (to_authenticate(kms), "GenerateMac", "VerifyMac", "Mac", "KMSInvalidMacException"),
    ):
        right = {**fields, made: kms.aws(make, **fields)[made]}
        assert kms.aws(verify, **right, DryRun=True)["__type"] == "DryRunOperationException"
        other = {**right, "Message": base64.b64encode(b"another").decode()}
        assert kms.aws(verify, **other, DryRun=True) == kms.aws(verify, **other) == {"__type": wrong}
