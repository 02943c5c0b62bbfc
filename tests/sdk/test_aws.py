"""boto3 against a running server: its own exception classes, its paginators, sessions, and keys of a life's length."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
)

from kit.asymmetric_keys import wrap
from kit.catalogue import IAM_POLICY
from kit.sdk_aws import HELLO, Aws, Boto
from kit.sdk_clients import UNKNOWN_KEY, Login, login, session
from kit.support import Server


@pytest.fixture(scope="module")
def user(plain: Login) -> Aws:
    return Aws(Boto(plain))


def test_each_refusal_is_a_class_of_its_own(user: Aws) -> None:
    errors, key = user.sdk.client.exceptions, user.key()
    blob = user.blob(key)
    with pytest.raises(errors.InvalidCiphertextException):
        user.ask("Decrypt", CiphertextBlob=blob, EncryptionContext={"a": "b"})
    with pytest.raises(errors.IncorrectKeyException):
        user.ask("Decrypt", CiphertextBlob=blob, KeyId=user.key())
    with pytest.raises(errors.NotFoundException, match=f"{UNKNOWN_KEY}' does not exist"):
        user.ask("Encrypt", KeyId=UNKNOWN_KEY, Plaintext=HELLO)
    with pytest.raises(errors.DisabledException, match=r"key/.* is disabled"):
        user.ask("Encrypt", KeyId=user.disabled(), Plaintext=HELLO)
    with pytest.raises(errors.KMSInvalidStateException, match="is pending deletion"):
        user.ask("Encrypt", KeyId=user.scheduled(), Plaintext=HELLO)
    with pytest.raises(errors.KMSInvalidStateException, match="is pending deletion"):
        user.ask("ScheduleKeyDeletion", KeyId=user.scheduled())
    with pytest.raises(errors.InvalidKeyUsageException, match="key usage is GENERATE_VERIFY_MAC"):
        user.ask("Encrypt", KeyId=user.hmac(), Plaintext=HELLO)
    with pytest.raises(errors.DryRunOperationException):
        user.ask("Encrypt", KeyId=key, Plaintext=HELLO, DryRun=True)
    signed = user.signed()
    with pytest.raises(errors.KMSInvalidSignatureException):
        user.ask("Verify", **{**signed, "Message": b"other"})
    with pytest.raises(ClientError, match="ValidationException"):
        user.ask("GenerateDataKey", KeyId=key)


def test_paginators_end(user: Aws) -> None:
    made = {user.key() for _ in range(3)}
    pages = user.sdk.client.get_paginator("list_keys").paginate(PaginationConfig={"PageSize": 2})
    assert made <= {row["KeyArn"] for page in pages for row in page["Keys"]}
    key = made.pop()
    names = {f"alias/p-{key[-6:]}-{n}" for n in range(5)}
    for name in names:
        user.ask("CreateAlias", AliasName=name, TargetKeyId=key)
    aliases = user.sdk.client.get_paginator("list_aliases").paginate(KeyId=key, PaginationConfig={"PageSize": 2})
    assert {row["AliasName"] for page in aliases for row in page["Aliases"]} == names


def test_dates_are_dates(user: Aws) -> None:
    key = user.key()
    made = user.ask("DescribeKey", KeyId=key)["KeyMetadata"]["CreationDate"]
    gone = user.ask("ScheduleKeyDeletion", KeyId=key)["DeletionDate"]
    assert timedelta(days=29) < gone - made < timedelta(days=31)
    assert abs(made - datetime.now(UTC)) < timedelta(minutes=1)


def test_a_session_is_taken(server: Server, plain: Login) -> None:
    user = Aws(Boto(session(server, "--name", "sdk")))
    assert user.ask("Decrypt", CiphertextBlob=user.blob(user.key()))["Plaintext"] == HELLO


def test_a_grant_lets_another_access_key_in(server: Server, plain: Login, tmp_path: Path) -> None:
    """Whose own policy allows it nothing."""
    owner = Aws(Boto(plain))
    nothing = tmp_path / "policy.json"
    nothing.write_text('{"Statement":[{"Effect":"Allow","Action":"ListKeys","Resource":"*"}]}', "utf-8")
    other = login(server, "--policy", str(nothing))
    guest, id_ = Aws(Boto(other)), other.access_key_id
    key, context = owner.key(), {"app": "shop"}
    with pytest.raises(ClientError, match="AccessDeniedException"):
        guest.ask("GenerateDataKey", KeyId=key, KeySpec="AES_256", EncryptionContext=context)
    how = {
        "KeyId": key,
        "GranteePrincipal": owner.principal(key, id_),
        "RetiringPrincipal": owner.principal(key, id_),
        "Operations": ["GenerateDataKey", "Decrypt"],
        "Constraints": {"EncryptionContextSubset": context},
        "Name": "guest",
    }
    made = owner.ask("CreateGrant", **how)
    assert owner.ask("CreateGrant", **how)["GrantId"] == made["GrantId"]
    tokens = {"GrantTokens": [made["GrantToken"]]}
    sealed = guest.ask("GenerateDataKey", KeyId=key, KeySpec="AES_256", EncryptionContext=context, **tokens)
    opened = guest.ask("Decrypt", CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=context)
    assert opened["Plaintext"] == sealed["Plaintext"]
    with pytest.raises(ClientError, match="AccessDeniedException"):
        guest.ask("GenerateDataKey", KeyId=key, KeySpec="AES_256", **tokens)
    pages = owner.sdk.client.get_paginator("list_grants").paginate(KeyId=key, PaginationConfig={"PageSize": 1})
    (row,) = [row for page in pages for row in page["Grants"]]
    assert row["GranteePrincipal"] == how["GranteePrincipal"]
    assert row["Constraints"] == how["Constraints"]
    assert abs(row["CreationDate"] - datetime.now(UTC)) < timedelta(minutes=1)
    retirable = owner.sdk.client.get_paginator("list_retirable_grants").paginate(
        RetiringPrincipal=how["RetiringPrincipal"], PaginationConfig={"PageSize": 1}
    )
    assert [row["GrantId"] for page in retirable for row in page["Grants"]] == [made["GrantId"]]
    guest.ask("RetireGrant", GrantToken=made["GrantToken"])
    assert owner.ask("ListGrants", KeyId=key)["Grants"] == []


def test_a_policy_is_put_and_shown(user: Aws) -> None:
    key, errors = user.key(), user.sdk.client.exceptions
    user.ask("PutKeyPolicy", KeyId=key, PolicyName="default", Policy=IAM_POLICY)
    assert user.ask("GetKeyPolicy", KeyId=key)["Policy"] == IAM_POLICY
    with pytest.raises(errors.MalformedPolicyDocumentException):
        user.ask("PutKeyPolicy", KeyId=key, Policy="{}")
    with pytest.raises(errors.NotFoundException, match="No such policy exists"):
        user.ask("GetKeyPolicy", KeyId=key, PolicyName="other")
    text = IAM_POLICY.replace("kms:*", "kms:Decrypt")
    with pytest.raises(errors.MalformedPolicyDocumentException, match="in the future"):
        user.ask("CreateKey", Policy=text)
    assert user.ask("CreateKey", Policy=text, BypassPolicyLockoutSafetyCheck=True)["KeyMetadata"]["Enabled"]


def test_a_wrong_secret_is_one_attempt(plain: Login) -> None:
    user = Aws(Boto(plain.but(secret="wrong")))
    with pytest.raises(ClientError, match="InvalidSignatureException") as refused:
        user.ask("ListKeys")
    assert refused.value.response["ResponseMetadata"]["RetryAttempts"] == 0


def test_two_calls_of_one_second_are_two(user: Aws) -> None:
    """boto3 signs both alike."""
    assert len({user.key(Description="the same") for _ in range(5)}) == 5


# -- keys of other kinds -----------------------------------------------------------------------------------


def public_key(user: Aws, key: str) -> Any:
    return load_der_public_key(user.ask("GetPublicKey", KeyId=key)["PublicKey"])


def test_two_keys_and_a_stranger_agree(user: Aws) -> None:
    errors = user.sdk.client.exceptions
    one, other = user.agreeing(), user.agreeing()
    how = {"KeyAgreementAlgorithm": "ECDH"}
    here, there = (
        user.ask("DeriveSharedSecret", KeyId=a, PublicKey=user.ask("GetPublicKey", KeyId=b)["PublicKey"], **how)
        for a, b in ((one, other), (other, one))
    )
    assert here["SharedSecret"] == there["SharedSecret"]
    stranger = ec.generate_private_key(ec.SECP256R1())
    peer = stranger.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    secret = user.ask("DeriveSharedSecret", KeyId=one, PublicKey=peer, **how)["SharedSecret"]
    assert secret == stranger.exchange(ec.ECDH(), public_key(user, one))
    with pytest.raises(ClientError, match="ValidationException"):
        user.ask("DeriveSharedSecret", KeyId=user.agreeing("ECC_NIST_P521"), PublicKey=peer, **how)
    signing = user.key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")
    with pytest.raises(errors.InvalidKeyUsageException, match="SIGN_VERIFY which is not valid for DeriveSharedSecret"):
        user.ask("DeriveSharedSecret", KeyId=signing, PublicKey=peer, **how)


@pytest.mark.parametrize(
    ("spec", "algorithm"),
    [
        ("ECC_NIST_EDWARDS25519", "ED25519_SHA_512"),
        ("ML_DSA_44", "ML_DSA_SHAKE_256"),
        ("ML_DSA_65", "ML_DSA_SHAKE_256"),
        ("ML_DSA_87", "ML_DSA_SHAKE_256"),
    ],
)
def test_a_message_is_signed_as_it_is(user: Aws, spec: str, algorithm: str) -> None:
    errors, key = user.sdk.client.exceptions, user.key(KeySpec=spec, KeyUsage="SIGN_VERIFY")
    how = {"KeyId": key, "Message": HELLO, "SigningAlgorithm": algorithm}
    signature = user.ask("Sign", **how)["Signature"]
    public_key(user, key).verify(signature, HELLO)
    assert user.ask("Verify", **how, Signature=signature)["SignatureValid"] is True
    with pytest.raises(errors.KMSInvalidSignatureException):
        user.ask("Verify", **{**how, "Message": b"other"}, Signature=signature)
    with pytest.raises(ClientError, match="ValidationException"):
        user.ask("Sign", **{**how, "Message": bytes(64)}, MessageType="DIGEST")


def test_a_long_message_is_signed_by_its_representative(user: Aws) -> None:
    key, message = user.key(KeySpec="ML_DSA_65", KeyUsage="SIGN_VERIFY"), bytes(100_000)
    public = public_key(user, key)
    tr = hashlib.shake_256(public.public_bytes_raw()).digest(64)
    mu = hashlib.shake_256(tr + b"\0\0" + message).digest(64)
    how = {"KeyId": key, "SigningAlgorithm": "ML_DSA_SHAKE_256", "MessageType": "EXTERNAL_MU"}
    public.verify(user.ask("Sign", **how, Message=mu)["Signature"], message)


def test_an_rsa_key_is_brought_and_used(user: Aws) -> None:
    errors = user.sdk.client.exceptions
    own = rsa.generate_private_key(65537, 3072)
    key = user.key(KeySpec="RSA_3072", KeyUsage="ENCRYPT_DECRYPT", Origin="EXTERNAL")
    algorithm = "RSA_AES_KEY_WRAP_SHA_256"

    def bring(what: rsa.RSAPrivateKey) -> None:
        made = user.ask("GetParametersForImport", KeyId=key, WrappingAlgorithm=algorithm, WrappingKeySpec="RSA_4096")
        outer = load_der_public_key(made["PublicKey"])
        assert isinstance(outer, rsa.RSAPublicKey)
        material = what.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        user.ask(
            "ImportKeyMaterial",
            KeyId=key,
            ImportToken=made["ImportToken"],
            EncryptedKeyMaterial=wrap(outer, algorithm, material),
            ValidTo=datetime.now(UTC) + timedelta(days=1),
        )

    with pytest.raises(errors.InvalidCiphertextException):
        bring(rsa.generate_private_key(65537, 2048))
    bring(own)
    with pytest.raises(errors.IncorrectKeyMaterialException):
        bring(rsa.generate_private_key(65537, 3072))
    assert public_key(user, key) == own.public_key()
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    sealed, symmetric = own.public_key().encrypt(HELLO, oaep), user.key()
    moved = user.ask(
        "ReEncrypt",
        CiphertextBlob=sealed,
        SourceKeyId=key,
        SourceEncryptionAlgorithm="RSAES_OAEP_SHA_256",
        DestinationKeyId=symmetric,
        DestinationEncryptionContext={"a": "b"},
    )
    assert (moved["SourceKeyId"], moved["KeyId"]) == (key, symmetric)
    opened = user.ask("Decrypt", CiphertextBlob=moved["CiphertextBlob"], EncryptionContext={"a": "b"})
    assert opened["Plaintext"] == HELLO
