"""What tink's client of AWS KMS does besides `test_aws_clients`: aliases, no associated data, credentials of a file."""

from __future__ import annotations

import base64
from pathlib import Path

import boto3
import pytest
import tink
from tink import aead
from tink.integration import awskms

from kit.aws_clients import SECRET
from kit.sdk_aws import Aws, Boto
from kit.sdk_clients import Login
from kit.speakers import SPEAKERS

pytestmark = pytest.mark.usefixtures("aws_environment")


@pytest.fixture(scope="module")
def user(secure: Login) -> Aws:
    return Aws(Boto(secure))


def remote(arn: str) -> aead.Aead:
    return awskms.new_client(boto3_client=boto3.client("kms")).get_aead(f"aws-kms://{arn}")


def test_an_alias_is_named_by_its_arn(user: Aws) -> None:
    name = user.alias()
    key = user.ask("DescribeKey", KeyId=name)["KeyMetadata"]["Arn"]
    sealed = remote(f"{key.rpartition(':')[0]}:{name}").encrypt(SECRET, b"data")
    assert remote(key).decrypt(sealed, b"data") == SECRET


@pytest.mark.parametrize("reader", ["alibaba acs3", "tencent tc3"])
def test_without_associated_data_there_is_no_context(user: Aws, secure: Login, reader: str) -> None:
    sealed = remote(user.key()).encrypt(SECRET, b"")
    assert SPEAKERS[reader](secure).decrypt(base64.b64encode(sealed).decode(), {}) == base64.b64encode(SECRET).decode()


def test_other_associated_data_are_refused(user: Aws) -> None:
    key = user.key()
    with pytest.raises(tink.TinkError, match="InvalidCiphertextException"):
        remote(key).decrypt(remote(key).encrypt(SECRET, b"data"), b"other")


def test_an_envelope_has_its_data_keys_encrypted(user: Aws) -> None:
    aead.register()
    key = user.key()
    sealed = aead.KmsEnvelopeAead(aead.aead_key_templates.AES256_GCM, remote(key)).encrypt(SECRET, b"data")
    reader = aead.KmsEnvelopeAead(aead.aead_key_templates.AES256_GCM, remote(key))
    assert reader.decrypt(sealed, b"data") == SECRET
    user.ask("DisableKey", KeyId=key)
    with pytest.raises(tink.TinkError, match="DisabledException"):
        reader.decrypt(sealed, b"data")


def test_credentials_may_stand_in_a_file(
    user: Aws, secure: Login, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    file, uri = tmp_path / "credentials.ini", f"aws-kms://{user.key()}"
    lines = f"aws_access_key_id = {secure.access_key_id}\naws_secret_access_key = {secure.secret}\n"
    file.write_text(f"[default]\n{lines}")
    client = awskms.AwsKmsClient(uri, str(file)).get_aead(uri)
    assert client.decrypt(client.encrypt(SECRET, b"data"), b"data") == SECRET
