"""Every operation of every dialect, called through the vendors' SDKs: one without a row in the tables fails here."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from typing import Any

import pytest

from kit.sdk_alibaba import CALLS as ALIBABA_CALLS
from kit.sdk_alibaba import Alibaba
from kit.sdk_aws import CALLS as AWS_CALLS
from kit.sdk_aws import Aws, Boto
from kit.sdk_clients import REQUEST_ID, UNKNOWN_KEY, Classic, Login, Qcloud, Tea, Tencent, login, refused
from kit.sdk_tencent import CALLS as TENCENT_CALLS
from kit.sdk_tencent import CALLS_V2, Tencent2, Tencent3
from kit.support import Kms, Server
from tenantkms.wire.dialects import DIALECTS
from tenantkms.wire.translate import Dialect

ALIBABA, TENCENT, TENCENT_V2, AWS = DIALECTS.values()
TOO_NEW = {"GenerateMac", "VerifyMac"}
"""Operations that the classic SDK does not know."""
DRY = [name for name, operation in ALIBABA.operations.items() if any(p.wire == "DryRun" for p in operation.params)]


@pytest.mark.parametrize("action", ALIBABA.operations)
@pytest.mark.parametrize("name", ["tea", "classic"])
def test_alibaba(tea: Tea, classic: Classic, name: str, action: str) -> None:
    if name == "classic" and action in TOO_NEW:
        assert find_spec(f"aliyunsdkkms.request.v20160120.{action}Request") is None
        return
    user = Alibaba(tea if name == "tea" else classic)
    fields, expected = ALIBABA_CALLS[action]
    answer = user.ask(action, **fields(user))
    assert answer.keys() == expected | {"RequestId"}
    assert REQUEST_ID.fullmatch(answer["RequestId"])


@pytest.mark.parametrize("action", TENCENT.operations)
def test_tencent(tencent: Tencent, action: str) -> None:
    user = Tencent3(tencent)
    fields, expected = TENCENT_CALLS[action]
    answer = user.ask(action, **fields(user))
    assert REQUEST_ID.fullmatch(answer.RequestId)
    missing = {name for name in expected if getattr(answer, name) in (None, "", [])}
    assert not missing


@pytest.mark.parametrize("action", TENCENT_V2.operations)
def test_tencent_v2(qcloud: Qcloud, action: str) -> None:
    user = Tencent2(qcloud)
    fields, expected = CALLS_V2[action]
    answer = user.ask(action, **fields(user))
    assert answer.keys() == expected | {"code", "message", "codeDesc", "requestId"}


@pytest.mark.parametrize("action", AWS.operations)
def test_aws(plain: Login, action: str) -> None:
    user = Aws(Boto(plain))
    fields, expected = AWS_CALLS[action]
    assert user.ask(action, **fields(user)).keys() == expected


@pytest.mark.parametrize(
    ("calls", "dialect"),
    [(ALIBABA_CALLS, ALIBABA), (TENCENT_CALLS, TENCENT), (CALLS_V2, TENCENT_V2), (AWS_CALLS, AWS)],
    ids=DIALECTS,
)
def test_the_tables_hold_what_is_served_and_nothing_else(calls: Mapping[str, Any], dialect: Dialect) -> None:
    assert calls.keys() == dialect.operations.keys()


# -- dry runs ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def nobody(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Login:
    """A credential that may do nothing."""
    path = tmp_path_factory.mktemp("policy") / "policy.json"
    path.write_text('{"Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]}')
    return login(server, "--policy", str(path))


@pytest.mark.parametrize("action", DRY)
def test_a_dry_run_says_what_would_be(tea: Tea, classic: Classic, nobody: Login, action: str) -> None:
    sdks: list[Tea | Classic] = [tea] if action in TOO_NEW else [tea, classic]
    for sdk in sdks:
        user = Alibaba(sdk)
        fields = ALIBABA_CALLS[action][0](user)
        with refused(user, "DryRunOperationError", 400, "would have succeeded"):
            user.ask(action, **fields, DryRun="true")
        with refused(user, "ValidationError", 400):
            user.ask(action, DryRun="true")
        if "KeyId" in fields:
            with refused(user, "Forbidden.KeyNotFound", 404):
                user.ask(action, **{**fields, "KeyId": UNKNOWN_KEY}, DryRun="true")
        denied = Alibaba(Tea(nobody) if sdk is tea else Classic(nobody))
        with refused(denied, "AccessDeniedError", 403):
            denied.ask(action, **fields, DryRun="true")
        assert user.ask(action, **fields, DryRun="false").keys() == ALIBABA_CALLS[action][1] | {"RequestId"}


def test_the_documented_actions_have_dry_runs() -> None:
    assert set(DRY) == {
        *("Encrypt", "Decrypt", "ReEncrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext"),
        *("GenerateAndExportDataKey", "ExportDataKey", "GetPublicKey", "GenerateMac", "VerifyMac"),
        *("AsymmetricEncrypt", "AsymmetricDecrypt", "AsymmetricSign", "AsymmetricVerify"),
    }


# -- what is left out ----------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ALIBABA.unsupported)
def test_alibaba_operations_that_are_left_out_say_so(kms: Kms, tea: Tea, classic: Classic, action: str) -> None:
    assert kms.alibaba(action)["Code"] == "UnsupportedOperation"
    if find_spec(f"aliyunsdkkms.request.v20160120.{action}Request"):
        with refused(classic, "UnsupportedOperation", 400):
            classic.call(action)
    if hasattr(tea.client, _snake(action)):
        with refused(tea, "UnsupportedOperation", 400):
            tea.call(action)


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


@pytest.mark.parametrize("action", TENCENT.unsupported)
def test_tencent_operations_that_are_left_out_say_so(tencent: Tencent, action: str) -> None:
    with refused(tencent, "UnsupportedOperation"):
        tencent.call(action)


@pytest.mark.parametrize("action", ["ReEncrypt", "GetPublicKey", "RotateKey", "GenerateRandom"])
def test_the_legacy_api_has_no_more_than_it_had(qcloud: Qcloud, action: str) -> None:
    answer = qcloud.call(action)
    assert (answer["code"], answer["message"]) == (4000, "(4000)The Action does not exist.")
