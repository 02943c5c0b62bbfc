"""The AWS Encryption SDK's keyrings: which message each opens, and what of it the other vendors' SDKs open."""

from __future__ import annotations

import base64
from typing import Any

import aws_encryption_sdk
import boto3
import pytest
from aws_cryptographic_material_providers.mpl.errors import ComAmazonawsKms
from aws_cryptographic_material_providers.mpl.models import (
    CreateAwsKmsDiscoveryKeyringInput,
    CreateAwsKmsEcdhKeyringInput,
    CreateAwsKmsKeyringInput,
    CreateAwsKmsMultiKeyringInput,
    CreateAwsKmsRsaKeyringInput,
    DiscoveryFilter,
    KmsEcdhStaticConfigurationsKmsPrivateKeyToStaticPublicKey,
    KmsEcdhStaticConfigurationsKmsPublicKeyDiscovery,
    KmsPrivateKeyToStaticPublicKeyInput,
    KmsPublicKeyDiscoveryInput,
)
from aws_encryption_sdk.exceptions import AWSEncryptionSDKClientError
from aws_encryption_sdk.identifiers import AlgorithmSuite

from kit.aws_clients import SECRET
from kit.aws_encryption_sdk import MPL, SDK, open_, seal
from kit.sdk_aws import Aws, Boto
from kit.sdk_clients import Login, Tea, Tencent
from kit.speakers import SPEAKERS

CONTEXT = {"tenant": "blue", "数据": "ключ 🔑"}
UNSIGNED = AlgorithmSuite.AES_256_GCM_HKDF_SHA512_COMMIT_KEY
OAEP = "RSAES_OAEP_SHA_256"


pytestmark = pytest.mark.usefixtures("aws_environment")


@pytest.fixture(scope="module")
def user(secure: Login) -> Aws:
    return Aws(Boto(secure))


def strict(key: str) -> Any:
    return MPL.create_aws_kms_keyring(CreateAwsKmsKeyringInput(kms_key_id=key, kms_client=boto3.client("kms")))


def multi(generator: str, *others: str) -> Any:
    """It makes its clients itself, by the regions of the ARNs."""
    return MPL.create_aws_kms_multi_keyring(CreateAwsKmsMultiKeyringInput(generator=generator, kms_key_ids=[*others]))


def discovery(account: str = "", partition: str = "aws") -> Any:
    chosen = DiscoveryFilter(account_ids=[account], partition=partition) if account else None
    return MPL.create_aws_kms_discovery_keyring(
        CreateAwsKmsDiscoveryKeyringInput(kms_client=boto3.client("kms"), discovery_filter=chosen)
    )


def account(arn: str) -> str:
    return arn.split(":")[4]


def test_each_key_of_a_multi_keyring_opens_alone(user: Aws, secure: Login) -> None:
    first, second = user.key(), user.key()
    message = seal(multi(first, second), CONTEXT)
    assert message.keys.keys() == {first.encode(), second.encode()}
    tea = SPEAKERS["alibaba acs3"](secure)
    assert len({tea.decrypt(base64.b64encode(blob).decode(), message.context) for blob in message.keys.values()}) == 1
    for keyring in (strict(first), strict(second), multi(first, second)):
        assert open_(keyring, message, CONTEXT) == SECRET
    user.ask("DisableKey", KeyId=first)
    assert open_(multi(first, second), message, CONTEXT) == SECRET
    with pytest.raises(AWSEncryptionSDKClientError):
        open_(strict(first), message, CONTEXT)


def test_discovery_opens_what_the_tenant_s_keys_sealed(user: Aws) -> None:
    key = user.key()
    message = seal(strict(key), CONTEXT)
    for keyring in (discovery(), discovery(account(key))):
        assert open_(keyring, message, CONTEXT) == SECRET


@pytest.mark.parametrize("change", [{"account": "123456789012"}, {"partition": "aws-cn"}], ids=["account", "partition"])
def test_a_discovery_filter_leaves_others_out(user: Aws, change: dict[str, str]) -> None:
    key = user.key()
    message = seal(strict(key), CONTEXT)
    with pytest.raises(AWSEncryptionSDKClientError, match="No Encrypted Data Keys found to match"):
        open_(discovery(**{"account": account(key), **change}), message, CONTEXT)


def test_a_message_opens_after_its_key_was_rotated(user: Aws) -> None:
    key = user.key()
    before = seal(strict(key), CONTEXT)
    user.ask("RotateKeyOnDemand", KeyId=key)
    after = seal(strict(key), CONTEXT)
    assert [open_(strict(key), message, CONTEXT) for message in (before, after)] == [SECRET, SECRET]


def test_another_key_does_not_open_it(user: Aws) -> None:
    message = seal(strict(user.key()), CONTEXT)
    with pytest.raises(AWSEncryptionSDKClientError, match="No Encrypted Data Keys found to match"):
        open_(strict(user.key()), message, CONTEXT)


def test_a_context_that_is_not_the_message_s_is_refused(user: Aws) -> None:
    keyring = strict(user.key())
    message = seal(keyring, CONTEXT)
    assert open_(keyring, message, {"tenant": "blue"}) == SECRET
    with pytest.raises(AWSEncryptionSDKClientError, match="does not match reproduced encryption context"):
        open_(keyring, message, {"tenant": "red"})


def test_an_alias_seals_what_only_its_key_s_arn_opens(user: Aws) -> None:
    """As at AWS: docs/clients.md tells it."""
    name = user.alias()
    key = user.ask("DescribeKey", KeyId=name)["KeyMetadata"]["Arn"]
    arn = f"{key.rpartition(':')[0]}:{name}"
    message = seal(strict(arn), CONTEXT)
    assert message.keys.keys() == {key.encode()}
    assert open_(strict(key), message, CONTEXT) == SECRET
    with pytest.raises(AWSEncryptionSDKClientError, match="Alias cannot be used for Decrypt"):
        open_(strict(arn), message, CONTEXT)


def test_the_older_master_key_provider_and_a_keyring_share_messages(user: Aws) -> None:
    key = user.key()
    provider = aws_encryption_sdk.StrictAwsKmsMasterKeyProvider(key_ids=[key])
    assert SDK.decrypt(source=seal(strict(key), CONTEXT).data, key_provider=provider)[0] == SECRET
    data, _ = SDK.encrypt(source=SECRET, key_provider=provider, encryption_context=CONTEXT)
    assert SDK.decrypt(source=data, keyring=strict(key), encryption_context=CONTEXT)[0] == SECRET


# -- RSA -----------------------------------------------------------------------------------------------


def rsa(key: str, public: bytes | None = None) -> Any:
    """With the public key it encrypts without the KMS."""
    pem = b"-----BEGIN PUBLIC KEY-----\n%s-----END PUBLIC KEY-----\n" % base64.encodebytes(public) if public else None
    return MPL.create_aws_kms_rsa_keyring(
        CreateAwsKmsRsaKeyringInput(
            kms_key_id=key,
            encryption_algorithm=OAEP,
            public_key=pem,
            kms_client=None if public else boto3.client("kms"),
        )
    )


def test_an_rsa_keyring_seals_with_the_public_key_alone(user: Aws, secure: Login) -> None:
    key = user.key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
    public = user.ask("GetPublicKey", KeyId=key)["PublicKey"]
    message = seal(rsa(key, public), CONTEXT, algorithm=UNSIGNED)
    assert open_(rsa(key), message, CONTEXT) == SECRET
    blob, key_id = base64.b64encode(message.keys[key.encode()]).decode(), key.rpartition("/")[2]
    opened = user.ask("Decrypt", KeyId=key, CiphertextBlob=message.keys[key.encode()], EncryptionAlgorithm=OAEP)[
        "Plaintext"
    ]
    tea = Tea(secure)
    version = tea.ask("ListKeyVersions", KeyId=key_id)["KeyVersions"]["KeyVersion"][0]["KeyVersionId"]
    read = tea.ask("AsymmetricDecrypt", KeyId=key_id, KeyVersionId=version, Algorithm=OAEP, CiphertextBlob=blob)
    assert base64.b64decode(read["Plaintext"]) == opened
    told = Tencent(secure).call("AsymmetricRsaDecrypt", KeyId=key_id, Ciphertext=blob, Algorithm=OAEP)
    assert base64.b64decode(told.Plaintext) == opened


def test_an_rsa_keyring_checks_the_context(user: Aws) -> None:
    """The data key is sealed with the context's digest, since RSA takes none."""
    key = user.key(KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")
    message = seal(rsa(key, user.ask("GetPublicKey", KeyId=key)["PublicKey"]), CONTEXT, algorithm=UNSIGNED)
    with pytest.raises(AWSEncryptionSDKClientError, match="does not match reproduced encryption context"):
        open_(rsa(key), message, {"tenant": "red"})


# -- ECDH ----------------------------------------------------------------------------------------------


def ecdh(curve: str, scheme: Any) -> Any:
    return MPL.create_aws_kms_ecdh_keyring(
        CreateAwsKmsEcdhKeyringInput(curve_spec=curve, key_agreement_scheme=scheme, kms_client=boto3.client("kms"))
    )


def between(curve: str, sender: str, recipient: bytes) -> Any:
    """Of a sender whose key is here, to a public key. It asks for the sender's own."""
    pair = KmsPrivateKeyToStaticPublicKeyInput(sender_kms_identifier=sender, recipient_public_key=recipient)
    return ecdh(curve, KmsEcdhStaticConfigurationsKmsPrivateKeyToStaticPublicKey(pair))


def recipient_s(curve: str, key: str) -> Any:
    """Of a recipient whose key is here, from whomever the message names."""
    own = KmsPublicKeyDiscoveryInput(recipient_kms_identifier=key)
    return ecdh(curve, KmsEcdhStaticConfigurationsKmsPublicKeyDiscovery(own))


CURVES = ["ECC_NIST_P256", "ECC_NIST_P384", "ECC_NIST_P521"]


@pytest.mark.parametrize("curve", CURVES)
def test_two_keys_agree_on_what_seals_and_opens(user: Aws, curve: str) -> None:
    sender, recipient, stranger = (user.key(KeySpec=curve, KeyUsage="KEY_AGREEMENT") for _ in range(3))
    public = user.ask("GetPublicKey", KeyId=recipient)["PublicKey"]
    message = seal(between(curve, sender, public), CONTEXT)
    for keyring in (between(curve, sender, public), recipient_s(curve, recipient)):
        assert open_(keyring, message, CONTEXT) == SECRET
    with pytest.raises(AWSEncryptionSDKClientError):
        open_(recipient_s(curve, stranger), message, CONTEXT)


def test_an_ecdh_keyring_tells_of_a_disabled_key(user: Aws) -> None:
    curve = CURVES[0]
    sender, recipient = (user.key(KeySpec=curve, KeyUsage="KEY_AGREEMENT") for _ in range(2))
    keyring = between(curve, sender, user.ask("GetPublicKey", KeyId=recipient)["PublicKey"])
    message, theirs = seal(keyring, CONTEXT), recipient_s(curve, recipient)
    for key in (sender, recipient):
        user.ask("DisableKey", KeyId=key)
    with pytest.raises(ComAmazonawsKms, match="is disabled"):
        seal(keyring, CONTEXT)
    with pytest.raises(AWSEncryptionSDKClientError) as raised:
        open_(theirs, message, CONTEXT)
    assert "is disabled" in repr(raised.value)
    with pytest.raises(ComAmazonawsKms, match="is disabled"):
        recipient_s(curve, recipient)
