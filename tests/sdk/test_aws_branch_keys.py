"""Branch keys of the AWS Encryption SDK, in a key store on DynamoDB: the KMS encrypts them, they encrypt messages."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

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
from aws_cryptographic_material_providers.mpl.models import CreateAwsKmsHierarchicalKeyringInput
from aws_encryption_sdk.exceptions import AWSEncryptionSDKClientError

from kit.aws_clients import SECRET
from kit.aws_encryption_sdk import MPL, open_, seal
from kit.sdk_aws import Aws, Boto
from kit.sdk_clients import Login
from kit.speakers import SPEAKERS

CONTEXT = {"tenant": "blue", "数据": "ключ 🔑"}
OTHERS = ["alibaba acs3", "tencent tc3"]


pytestmark = pytest.mark.usefixtures("aws_environment")


@pytest.fixture(scope="module")
def user(secure: Login) -> Aws:
    return Aws(Boto(secure))


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
