"""ARNs in unmodified clients: those that the server prints, and those of a place that an application was moved from."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.aws_clients import SECRET
from kit.aws_encryption_sdk import EncryptionSdk
from kit.sdk_aws import HELLO, Boto
from kit.sdk_clients import Classic, Login, Tea, Tencent, aws_variables, login, refused
from kit.support import Server, run_tkms, serving

MOVED = "cn-beijing:1234567890123456", "eu-west-1:111122223333"


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A new directory whose server takes ARNs of two other places."""
    options = [word for place in MOVED for word in ("--other-arns", place)]
    with serving(tmp_path_factory.mktemp("moved") / "data", *options) as server:
        yield server


@pytest.fixture(scope="module")
def user(moved: Server) -> Login:
    return login(moved, "--name", "moved")


def test_printed_arns_work_as_they_are(user: Login) -> None:
    """A new directory has a region that clients know, which DescribeRegions names first."""
    tea, classic, aws = Tea(user), Classic(user), Boto(user)
    told = tea.ask("DescribeKey", KeyId="alias/default")["KeyMetadata"]
    assert told["Arn"].startswith("acs:kms:cn-hangzhou:")
    arn = aws.client.describe_key(KeyId="alias/default")["KeyMetadata"]["Arn"]
    assert arn == told["Arn"].replace("acs:", "arn:aws:", 1)
    plaintext = base64.b64encode(HELLO).decode()
    for alibaba in (tea, classic):
        blob = alibaba.ask("Encrypt", KeyId=told["Arn"], Plaintext=plaintext)["CiphertextBlob"]
        assert alibaba.ask("Decrypt", CiphertextBlob=blob)["Plaintext"] == plaintext
    made = aws.client.encrypt(KeyId=arn, Plaintext=HELLO)
    opened = aws.client.decrypt(KeyId=arn, CiphertextBlob=made["CiphertextBlob"])
    assert (made["KeyId"], opened["Plaintext"]) == (arn, HELLO)


def test_arns_of_the_old_place_work_where_they_are_listed(user: Login) -> None:
    tea, aws = Tea(user), Boto(user)
    key = tea.ask("DescribeKey", KeyId="alias/default")["KeyMetadata"]["KeyId"]
    plaintext = base64.b64encode(HELLO).decode()
    for place in MOVED:
        for name in (f"key/{key}", "alias/default"):
            made = tea.ask("Encrypt", KeyId=f"acs:kms:{place}:{name}", Plaintext=plaintext)
            assert (made["KeyId"], tea.ask("Decrypt", CiphertextBlob=made["CiphertextBlob"])["Plaintext"]) == (
                key,
                plaintext,
            )
            sealed = aws.client.encrypt(KeyId=f"arn:aws:kms:{place}:{name}", Plaintext=HELLO)
            assert sealed["KeyId"].startswith("arn:aws:kms:cn-hangzhou:")
            assert aws.client.decrypt(CiphertextBlob=sealed["CiphertextBlob"])["Plaintext"] == HELLO


def test_arns_of_elsewhere_are_the_dialect_s_own_refusal(user: Login) -> None:
    tea, classic, tencent, aws = Tea(user), Classic(user), Tencent(user), Boto(user)
    key = tea.ask("DescribeKey", KeyId="alias/default")["KeyMetadata"]["KeyId"]
    for place in ("cn-beijing:111122223333", "eu-west-1:1234567890123456", "cn-hangzhou:1"):
        for name in (f"key/{key}", "alias/default"):
            for alibaba in (tea, classic):
                with refused(alibaba, "Forbidden.KeyNotFound", 404):
                    alibaba.ask("Encrypt", KeyId=f"acs:kms:{place}:{name}", Plaintext="aGVsbG8=")
            with pytest.raises(aws.client.exceptions.NotFoundException, match=f"'arn:aws:kms:{place}:{name}' does not"):
                aws.client.encrypt(KeyId=f"arn:aws:kms:{place}:{name}", Plaintext=HELLO)
        with refused(tencent, "ResourceUnavailable.CmkNotFound"):
            tencent.call("DescribeKey", KeyId=f"acs:kms:{place}:key/{key}")


def test_an_encryption_sdk_wants_the_server_s_own_arn(user: Login, monkeypatch: pytest.MonkeyPatch) -> None:
    """It writes the ARN that it is answered, and looks for the one that it was given: what it encrypts under an ARN of
    the old place opens with the server's own only, as with an alias."""
    for name, value in aws_variables(user).items():
        monkeypatch.setenv(name, value)
    own = Boto(user).client.describe_key(KeyId="alias/default")["KeyMetadata"]["Arn"]
    old = EncryptionSdk(user, own.replace(own[len("arn:aws:kms:") : own.index(":key/")], MOVED[1]))
    sealed = old.seal({"a": "b"})
    assert list(sealed.keys) == [own.encode()]
    with pytest.raises(old.error("")):
        old.open(sealed, {"a": "b"})
    assert EncryptionSdk(user, own).open(sealed, {"a": "b"}) == SECRET


def test_regions_are_those_of_the_arns(user: Login) -> None:
    regions = ["cn-hangzhou", "cn-beijing", "eu-west-1"]
    told = Tea(user).ask("DescribeRegions")["Regions"]["Region"]
    assert [row["RegionId"] for row in told] == Tencent(user).call("GetRegions").Regions == regions


@pytest.mark.parametrize("wrong", ["eu-west-1", "arn:aws:kms:eu-west-1:111122223333", "*:1"])
def test_what_is_no_place_is_refused_before_anything_is_made(wrong: str, tmp_path: Path) -> None:
    answer = run_tkms("serve", "--other-arns", wrong, "--data-dir", str(tmp_path / "data"), check=False)
    assert answer.returncode != 0
    assert f"--other-arns: {wrong!r} is not <region>:<account>" in answer.stderr
    assert not (tmp_path / "data").exists()
