"""The choice of adapters: a complete environment gives a working deployment, an incomplete one says what to do."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import botocore.session
import pytest
from botocore.exceptions import ConnectionClosedError
from moto import mock_aws

from kit.moto_aws import Fault, Tables, Wire, WiredSession, create_tables, kms_client, refusal
from kit.support import Kms, Signer
from tenantkms.access.policy import ALLOW_ALL
from tenantkms.model.site import Site
from tenantkms.names import DIALECTS
from tenantkms.runtime.assemble import (
    Settings,
    SettingsError,
    aws_config,
    check_tenant,
    invoke_config,
    on_aws,
    one_machine,
)
from tenantkms.runtime.lambda_entry import from_environment
from tkms.anchor import anchor
from tkms.machine.directory import call

REGION = "eu-central-1"
ENVIRONMENT = {
    "TENANT": "acme",
    "REGION": REGION,
    "ACCOUNT": "123456789012",
    "KEYS_TABLE": "acme-keys",
    "ACCESS_TABLE": "acme-access",
    "PARENT_KEY_ARN": "arn:aws:kms:eu-central-1:123456789012:key/5c438b18-05be-40ad-b6c2-3be6752cfa7e",
}


@pytest.fixture
def deployed(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """The environment of a function of a tenant whose tables and parent key exist."""
    with mock_aws():
        monkeypatch.setenv("AWS_DEFAULT_REGION", REGION)
        session = botocore.session.get_session()
        create_tables(session.create_client("dynamodb"), "acme-keys", "acme-access")
        arn = session.create_client("kms").create_key()["KeyMetadata"]["Arn"]
        yield {**ENVIRONMENT, "PARENT_KEY_ARN": arn}


def connected(settings: Settings) -> Kms:
    anchor(settings)
    credential, secret = settings.access.create("first", DIALECTS, ALLOW_ALL, 1_700_000_000)
    call(settings, "CreateKey", {"alias": "default"})
    return Kms(settings, Signer(credential.access_key_id, secret))


def test_a_deployment_encrypts_and_another_process_of_it_decrypts(deployed: dict[str, str]) -> None:
    kms = connected(on_aws(deployed))
    sealed = kms.alibaba("Encrypt", KeyId="alias/default", Plaintext="aGVsbG8=", EncryptionContext='{"a":"b"}')
    other = Kms(on_aws(deployed), kms.signer)
    context = '{"a":"b"}'
    opened = other.alibaba("Decrypt", CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=context)
    assert opened["Plaintext"] == "aGVsbG8="
    assert opened["KeyId"] == sealed["KeyId"]
    across = other.tencent("Decrypt", CiphertextBlob=sealed["CiphertextBlob"], EncryptionContext=context)
    assert across["Plaintext"] == "YUdWc2JHOD0="  # to others it is those letters
    refused = other.alibaba("Decrypt", CiphertextBlob=sealed["CiphertextBlob"])
    assert "Plaintext" not in refused
    assert other.alibaba("ListAliases")["Aliases"]["Alias"][0]["AliasName"] == "alias/default"


def test_a_request_that_is_sent_twice_is_refused_by_any_process(deployed: dict[str, str]) -> None:
    kms = connected(on_aws(deployed))
    request = kms.signer.alibaba_rpc("ListKeys")
    assert kms.send(request)["statusCode"] == 200
    assert Kms(on_aws(deployed), kms.signer).send(request)["statusCode"] == 400


def test_a_key_disabled_by_another_process_stops_at_once_without_a_cache(deployed: dict[str, str]) -> None:
    settings = on_aws({**deployed, "STATE_CACHE_SECONDS": "0"})
    kms = connected(settings)
    key_id = kms.alibaba("Encrypt", KeyId="alias/default", Plaintext="aGVsbG8=")["KeyId"]
    call(on_aws(deployed), "DisableKey", {"key_ids": [key_id]})
    assert kms.alibaba("Encrypt", KeyId=key_id, Plaintext="aGVsbG8=")["Code"] == "Rejected.Disabled"


def test_tables_that_are_gone_give_a_retryable_answer(deployed: dict[str, str]) -> None:
    kms = connected(on_aws(deployed))
    broken = Kms(on_aws({**deployed, "KEYS_TABLE": "gone"}), kms.signer)
    answer = broken.send(kms.signer.alibaba_rpc("Encrypt", {"KeyId": "alias/default", "Plaintext": "aGVsbG8="}))
    assert answer["statusCode"] == 503
    assert "gone" not in answer["body"]


@dataclass
class Deployment:
    """A deployment with one key, and the wire to its tables and its parent key. Its processes remember no state."""

    wire: Wire
    environment: dict[str, str]
    signer: Signer = field(default_factory=lambda: Signer("", ""))

    def process(self) -> Kms:
        return Kms(self.settings(), self.signer)

    def settings(self) -> Settings:
        return on_aws(self.environment, WiredSession(self.wire))


@pytest.fixture(scope="module")
def parent_arn() -> str:
    return kms_client(Wire()).create_key()["KeyMetadata"]["Arn"]


@pytest.fixture
def wired(parent_arn: str) -> Deployment:
    tables = Tables.fresh()
    names = {"KEYS_TABLE": tables.keys, "ACCESS_TABLE": tables.access, "PARENT_KEY_ARN": parent_arn}
    deployment = Deployment(tables.wire, {**ENVIRONMENT, **names, "STATE_CACHE_SECONDS": "0"})
    deployment.signer = connected(deployment.settings()).signer
    return deployment


def conflict() -> Fault:
    reasons = [{"Code": "TransactionConflict"}, {"Code": "None"}]
    return Fault("TransactWriteItems", refusal("TransactionCanceledException", CancellationReasons=reasons))


def test_calls_that_collide_in_a_transaction_both_succeed(wired: Deployment) -> None:
    kms, wire = wired.process(), wired.wire
    wire.faults.append(conflict())
    made = kms.alibaba("CreateKey")["KeyMetadata"]["KeyId"]
    wire.faults.append(conflict())
    assert "Code" not in kms.alibaba("CreateAlias", KeyId=made, AliasName="alias/new")
    assert kms.alibaba("Encrypt", KeyId="alias/new", Plaintext="aGVsbG8=")["KeyId"] == made


def test_a_lost_answer_is_neither_an_error_nor_a_second_write(wired: Deployment) -> None:
    kms, wire = wired.process(), wired.wire
    lost = ConnectionClosedError(endpoint_url="")
    for action, params in (
        ("CreateAlias", {"KeyId": "alias/default", "AliasName": "alias/second"}),
        ("UpdateKeyDescription", {"KeyId": "alias/default", "Description": "new"}),
        ("DeleteAlias", {"AliasName": "alias/second"}),
    ):
        wire.faults.append(Fault("TransactWriteItems", lost, done=True))
        assert "Code" not in kms.alibaba(action, **params), action
    wire.faults.append(Fault("TransactWriteItems", lost, done=True))
    assert "KeyMetadata" in kms.alibaba("CreateKey")
    assert kms.alibaba("ListKeys")["TotalCount"] == 2
    assert kms.alibaba("ListAliases")["TotalCount"] == 1


@pytest.mark.parametrize("code", ["ThrottlingException", "AccessDeniedException", "DisabledException"])
def test_a_parent_key_that_fails_is_told_as_retryable_and_everything_recovers(wired: Deployment, code: str) -> None:
    kms, wire = wired.process(), wired.wire
    sealed = kms.alibaba("Encrypt", KeyId="alias/default", Plaintext="aGVsbG8=")["CiphertextBlob"]
    for known in (False, True):
        other = wired.process()
        if known:  # the access key's secret is unsealed already, the key's material is not
            other.alibaba("ListKeys")
        wire.faults.append(Fault("Decrypt", refusal(code), times=2))  # the client asks again
        answer = other.send(other.signer.alibaba_rpc("Decrypt", {"CiphertextBlob": sealed}))
        assert answer["statusCode"] == 503
        assert code not in answer["body"]
        wire.faults.clear()
        assert other.alibaba("Decrypt", CiphertextBlob=sealed)["Plaintext"] == "aGVsbG8="


@pytest.mark.parametrize("missing", ENVIRONMENT)
def test_a_missing_variable_is_named(missing: str) -> None:
    with pytest.raises(SettingsError, match=missing):
        on_aws({name: value for name, value in ENVIRONMENT.items() if name != missing})


@pytest.mark.parametrize("seconds", ["", "one", "-1", "61", "nan", "inf", "-inf"])
def test_a_cache_time_that_is_none_is_refused(seconds: str) -> None:
    """With nan, a key's state would be remembered for ever."""
    with pytest.raises(SettingsError):
        on_aws({**ENVIRONMENT, "STATE_CACHE_SECONDS": seconds})


@pytest.mark.parametrize("arns", ["eu-west-1", "eu-west-1:", ":1", "EU-WEST-1:1", "*:1", "a:1,b", "a:1, b:2", "a:b:1"])
def test_arns_of_elsewhere_that_are_none_are_refused(arns: str) -> None:
    """One that is too wide would let ARNs of others name keys here."""
    with pytest.raises(SettingsError, match="not <region>:<account>"):
        on_aws({**ENVIRONMENT, "OTHER_ARNS": arns})


def test_no_environment_makes_more_repeatable_than_is_safe(deployed: dict[str, str]) -> None:
    assert on_aws(deployed).without_nonce == set()
    assert on_aws({**deployed, "WITHOUT_NONCE": "Encrypt,VerifyMac"}).without_nonce == {"Encrypt", "VerifyMac"}
    with pytest.raises(SettingsError, match="WITHOUT_NONCE has more than AsymmetricEncrypt"):
        on_aws({**deployed, "WITHOUT_NONCE": "Encrypt,Decrypt"})


@pytest.mark.parametrize("tenant", ["", "A", "-a", "a_b", "a.b", "a" * 64, "é", "a\n", "a/b"])
def test_a_tenant_name_that_is_none_is_refused(tenant: str) -> None:
    with pytest.raises(SettingsError):
        check_tenant(tenant)
    with pytest.raises(SettingsError):
        on_aws({**ENVIRONMENT, "TENANT": tenant})


@pytest.mark.parametrize("tenant", ["a", "0", "acme-1", "a" * 63])
def test_a_tenant_name_that_is_one_stays_as_it_is(tenant: str) -> None:
    assert check_tenant(tenant) == tenant


def test_every_aws_call_ends_long_before_the_gateway_gives_up() -> None:
    """API Gateway waits 30 seconds. The endpoint reads the access key, unseals it, asks for its requests of the second,
    and writes the nonce, which is read back where the answer is lost; then it invokes the Action."""
    config, invoke = aws_config(), invoke_config()
    attempts: int = config.retries["total_max_attempts"]
    call = attempts * (config.connect_timeout + config.read_timeout) + (attempts - 1) * 1
    assert 5 * call + invoke.connect_timeout + invoke.read_timeout < 29


def test_one_machine_needs_its_parent_key(tmp_path: Path) -> None:
    (tmp_path / "parent.key").write_bytes(bytes(32))
    (tmp_path / "parent.key").chmod(0o600)
    settings = one_machine(tmp_path, Site(tenant="acme"))
    kms = connected(settings)
    assert "CiphertextBlob" in kms.alibaba("Encrypt", KeyId="alias/default", Plaintext="aGVsbG8=")


def test_a_function_s_log_level_makes_no_library_log_what_is_secret(
    deployed: dict[str, str], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """awslambdaric gives the level that a function is set to to the root logger, and botocore logs bodies at DEBUG."""
    for name, value in deployed.items():
        monkeypatch.setenv(name, value)
    from_environment.cache_clear()
    try:
        caplog.set_level(logging.DEBUG)
        kms = connected(from_environment())
        told = kms.alibaba("Encrypt", KeyId="alias/default", Plaintext="aGVsbG8=")
        assert "CiphertextBlob" in told, told
        assert not [record for record in caplog.records if record.name.startswith("botocore")]
    finally:
        from_environment.cache_clear()
        logging.getLogger("botocore").setLevel(logging.NOTSET)
