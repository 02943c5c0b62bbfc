"""The AWS Encryption SDK's keyrings: which message each opens, and what of it the other vendors' SDKs open."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import aws_encryption_sdk
import boto3
import pytest
from aws_cryptographic_material_providers.keystore.client import KeyStore
from aws_cryptographic_material_providers.keystore.config import KeyStoreConfig
from aws_cryptographic_material_providers.keystore.errors import ComAmazonawsKms as KeyStoreKmsError
from aws_cryptographic_material_providers.keystore.models import (
    CreateKeyInput,
    CreateKeyStoreInput,
    GetActiveBranchKeyInput,
    KMSConfigurationKmsKeyArn,
    VersionKeyInput,
)
from aws_cryptographic_material_providers.mpl.errors import KeyStore as KeyStoreError
from aws_cryptographic_material_providers.mpl.models import (
    CreateAwsKmsDiscoveryKeyringInput,
    CreateAwsKmsHierarchicalKeyringInput,
    CreateAwsKmsKeyringInput,
    CreateAwsKmsMultiKeyringInput,
    CreateAwsKmsRsaKeyringInput,
    DiscoveryFilter,
)
from aws_encryption_sdk.exceptions import AWSEncryptionSDKClientError
from aws_encryption_sdk.identifiers import AlgorithmSuite

from kit.aws_clients import SECRET, environment
from kit.aws_encryption_sdk import MPL, SDK, open_, seal
from kit.sdk_aws import Aws, Boto
from kit.sdk_clients import Login, Tea, Tencent
from kit.speakers import SPEAKERS

CONTEXT = {"tenant": "blue", "数据": "ключ 🔑"}
UNSIGNED = AlgorithmSuite.AES_256_GCM_HKDF_SHA512_COMMIT_KEY
OTHERS = ["alibaba acs3", "tencent tc3"]
OAEP = "RSAES_OAEP_SHA_256"


@pytest.fixture(autouse=True)
def _environment(secure: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environment(secure).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)


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
    assert message.keys.keys() == {first, second}
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
    assert message.keys.keys() == {key}
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
    blob, key_id = base64.b64encode(message.keys[key]).decode(), key.rpartition("/")[2]
    opened = user.ask("Decrypt", KeyId=key, CiphertextBlob=message.keys[key], EncryptionAlgorithm=OAEP)["Plaintext"]
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


# -- branch keys ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Branch:
    """A key store on a table and a key of its own, with one branch key."""

    store: KeyStore
    table: Any
    key: str
    name: str

    @classmethod
    def made(cls, key: str) -> Branch:
        table = f"branch-keys-{uuid4().hex}"
        config = KeyStoreConfig(
            ddb_table_name=table,
            logical_key_store_name=table,
            kms_configuration=KMSConfigurationKmsKeyArn(key),
            ddb_client=boto3.client("dynamodb"),
            kms_client=boto3.client("kms"),
        )
        store = KeyStore(config=config)
        store.create_key_store(CreateKeyStoreInput())
        name = store.create_key(CreateKeyInput(branch_key_identifier="blue", encryption_context={"tenant": "blue"}))
        return cls(store, boto3.resource("dynamodb").Table(table), key, name.branch_key_identifier)

    def keyring(self) -> Any:
        """A new one, with nothing in its cache."""
        return MPL.create_aws_kms_hierarchical_keyring(
            CreateAwsKmsHierarchicalKeyringInput(key_store=self.store, branch_key_id=self.name, ttl_seconds=600)
        )

    def rows(self) -> list[dict[str, Any]]:
        """What the table holds: ciphertexts in `enc`, and beside them their contexts."""
        return list(self.table.scan()["Items"])

    def active(self) -> bytes:
        found = self.store.get_active_branch_key(GetActiveBranchKeyInput(branch_key_identifier=self.name))
        return bytes(found.branch_key_materials.branch_key)


@pytest.fixture
def branch(user: Aws, dynamodb: str, monkeypatch: pytest.MonkeyPatch) -> Branch:
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb)
    return Branch.made(user.key())


def test_a_branch_key_opens_what_its_versions_sealed(branch: Branch) -> None:
    before, first = seal(branch.keyring(), CONTEXT), branch.active()
    branch.store.version_key(VersionKeyInput(branch_key_identifier=branch.name))
    after = seal(branch.keyring(), CONTEXT)
    assert branch.active() != first
    assert [open_(branch.keyring(), message, CONTEXT) for message in (before, after)] == [SECRET, SECRET]


@pytest.mark.parametrize("reader", OTHERS)
def test_a_branch_key_opens_elsewhere(branch: Branch, secure: Login, reader: str) -> None:
    speaker, opened = SPEAKERS[reader](secure), {}
    for row in branch.rows():
        context = {name: str(value) for name, value in row.items() if name != "enc"}
        blob = base64.b64encode(bytes(row["enc"])).decode()
        opened[row["type"]] = speaker.decrypt(blob, {**context, "tablename": branch.table.name})
        assert speaker.decrypt(blob, context) is None
    assert len(opened) == 3
    assert base64.b64decode(opened["branch:ACTIVE"] or "") == branch.active()


def test_a_branch_key_of_a_disabled_key_does_not_open(branch: Branch, user: Aws) -> None:
    message = seal(branch.keyring(), CONTEXT)
    user.ask("DisableKey", KeyId=branch.key)
    with pytest.raises(KeyStoreError, match="is disabled"):
        seal(branch.keyring(), CONTEXT)
    with pytest.raises(AWSEncryptionSDKClientError) as raised:
        open_(branch.keyring(), message, CONTEXT)
    assert "is disabled" in repr(raised.value)
    with pytest.raises(KeyStoreKmsError, match="is disabled"):
        branch.store.version_key(VersionKeyInput(branch_key_identifier=branch.name))


def test_a_changed_row_of_the_key_store_does_not_open(branch: Branch) -> None:
    active = next(row for row in branch.rows() if row["type"] == "branch:ACTIVE")
    branch.table.put_item(Item={**active, "aws-crypto-ec:tenant": "red"})
    with pytest.raises(KeyStoreKmsError):
        branch.active()
