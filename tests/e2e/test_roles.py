"""Every function under its own role, where the policies are enforced: every operation of every SDK goes through."""

from __future__ import annotations

import time

import pytest
from msgspec.structs import asdict

from kit.deployment import Deployment, without
from kit.sdk_alibaba import CALLS as ALIBABA_CALLS
from kit.sdk_alibaba import Alibaba
from kit.sdk_aws import CALLS as AWS_CALLS
from kit.sdk_aws import Aws, Boto
from kit.sdk_clients import REQUEST_ID, Qcloud, Tea, Tencent
from kit.sdk_tencent import CALLS as TENCENT_CALLS
from kit.sdk_tencent import CALLS_V2, Fields, Tencent2, Tencent3
from tenantkms.keys.maintenance import Report

UNAVAILABLE = "ServiceUnavailable"


@pytest.fixture(scope="module")
def tea(guarded: Deployment) -> Alibaba:
    return Alibaba(Tea(guarded.plain, read_timeout=30_000))


@pytest.fixture(scope="module")
def tencent(guarded: Deployment) -> Tencent3:
    return Tencent3(Tencent(guarded.plain))


@pytest.mark.parametrize("action", ALIBABA_CALLS)
def test_alibaba(tea: Alibaba, action: str) -> None:
    fields, expected = ALIBABA_CALLS[action]
    assert tea.ask(action, **fields(tea)).keys() == expected | {"RequestId"}


@pytest.mark.parametrize("action", TENCENT_CALLS)
def test_tencent(tencent: Tencent3, action: str) -> None:
    fields, _ = TENCENT_CALLS[action]
    assert REQUEST_ID.fullmatch(tencent.ask(action, **fields(tencent)).RequestId)


@pytest.mark.parametrize("action", CALLS_V2)
def test_tencent_v2(guarded: Deployment, monkeypatch: pytest.MonkeyPatch, action: str) -> None:
    assert guarded.secure.ca
    monkeypatch.setenv("SSL_CERT_FILE", guarded.secure.ca)
    user = Tencent2(Qcloud(guarded.secure))
    fields, expected = CALLS_V2[action]
    assert user.ask(action, **fields(user)).keys() == expected | {"code", "message", "codeDesc", "requestId"}


@pytest.mark.parametrize("action", AWS_CALLS)
def test_aws(guarded: Deployment, action: str) -> None:
    user = Aws(Boto(guarded.plain, read_timeout=30))
    fields, expected = AWS_CALLS[action]
    assert user.ask(action, **fields(user)).keys() == expected


def test_the_sweepers(guarded: Deployment) -> None:
    due = asdict(Report(due=0, done=0, failed=0))
    assert guarded.tkms("maintain") == {"rotate": due, "destroy": due}


# -- a grant less ----------------------------------------------------------------------------------------


GRANTS = [
    ("encrypt", "dynamodb:GetItem", "Encrypt"),
    ("encrypt", "kms:Decrypt", "Encrypt"),
    ("create_key", "kms:Encrypt", "CreateKey"),
    ("disable_key", "dynamodb:UpdateItem", "DisableKey"),
    ("list_keys", "dynamodb:Query", "ListKeys"),
]


def outcome(user: Tencent3, action: str, fields: Fields) -> str:
    """The code of the refusal, or nothing."""
    try:
        user.ask(action, **fields)
    except user.error as error:
        return str(user.read(error).code)
    return ""


@pytest.mark.parametrize(("folder", "grant", "broken"), GRANTS)
def test_a_grant_less_breaks_exactly_that_function(
    tencent: Tencent3, guarded: Deployment, folder: str, grant: str, broken: str
) -> None:
    calls = ("Encrypt", "Decrypt", "GenerateDataKey", "DisableKey", "ListKeys", "DescribeKey", "CreateKey")
    prepared = {action: TENCENT_CALLS[action][0](tencent) for action in calls}
    with without(guarded.emulator, folder, grant):
        time.sleep(1.1)  # what the functions may remember of a key's state
        found = {action: outcome(tencent, action, fields) for action, fields in prepared.items()}
    assert found == {action: UNAVAILABLE if action == broken else "" for action in calls}
    fields, _ = TENCENT_CALLS[broken]
    assert outcome(tencent, broken, fields(tencent)) == ""
