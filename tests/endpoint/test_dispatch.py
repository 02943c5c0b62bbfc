"""The endpoint and its Actions in functions of their own: one canonical call each, and no fault leaves undressed.

The client of AWS Lambda is a fake: it runs the Action as its function does, or fails as AWS and botocore do.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    NoCredentialsError,
    ReadTimeoutError,
    ResponseStreamingError,
)

from functions.endpoint.dispatch import InlineDispatcher, dispatcher, inline_actions, live_folders
from functions.endpoint.handler import Endpoint
from kit import edits
from kit.action_samples import ListAudit
from kit.support import Kms
from tenantkms.action.vouch import CALLS, vouched
from tenantkms.errors import ERRORS, from_data
from tenantkms.runtime.assemble import Settings, aws_config, invoke_config
from tenantkms.runtime.invoke import LambdaDispatcher

PREFIX = "tkms-acme-"
CONFLICT = {"error": {"type": "Conflict", "message": "again"}}


class Stream:
    """A body, as often as it is read; it breaks off with `fault`, if there is one."""

    def __init__(self, body: bytes, fault: Exception | None = None) -> None:
        self._body, self._fault = body, fault

    def read(self) -> bytes:
        if self._fault:
            raise self._fault
        return self._body


class Lambdas:
    """Functions that run their Actions; `answer` instead, if it is set."""

    def __init__(self, settings: Settings) -> None:
        self._inline = InlineDispatcher(settings.deps)
        self._key = settings.root.key(CALLS)
        self.invoked: list[str] = []
        self.answer: Mapping[str, Any] | Exception | None = None

    def invoke(self, *, FunctionName: str, Payload: bytes) -> Mapping[str, Any]:  # noqa: N803 - AWS's names
        self.invoked.append(FunctionName)
        if isinstance(self.answer, Exception):
            raise self.answer
        if self.answer is not None:
            return self.answer
        call = vouched(json.loads(Payload), lambda _anew: (self._key,), int(time.time()))
        return {"StatusCode": 200, "Payload": Stream(json.dumps(self._inline(call)).encode())}


@pytest.fixture
def audit() -> ListAudit:
    return ListAudit()


@pytest.fixture
def lambdas(kms: Kms, audit: ListAudit) -> Lambdas:
    """The functions behind `kms`, whose endpoint is told to invoke them."""
    kms.settings = msgspec.structs.replace(kms.settings, deps=msgspec.structs.replace(kms.settings.deps, audit=audit))
    functions = Lambdas(kms.settings)
    kms.endpoint = Endpoint(kms.settings, dispatcher(kms.settings, PREFIX, frozenset(), lambda: functions))
    return functions


def code(status: str, operation: str = "Invoke") -> ClientError:
    return ClientError({"Error": {"Code": status, "Message": "arn:aws:lambda:secret-detail"}}, operation)


def payload(value: object, failure: str = "") -> dict[str, Any]:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return {"Payload": Stream(body), **({"FunctionError": failure} if failure else {})}


def test_bytes_survive_the_way_to_a_function_and_back(kms: Kms, lambdas: Lambdas, audit: ListAudit) -> None:
    sealed = kms.alibaba("Encrypt", KeyId="alias/default", Plaintext="aGVsbG8=")["CiphertextBlob"]
    assert kms.tencent("Decrypt", CiphertextBlob=sealed)["Plaintext"] == "YUdWc2JHOD0="  # base64 of those letters
    assert kms.alibaba("GenerateDataKey", KeyId="alias/default")["Plaintext"]
    assert lambdas.invoked == [f"{PREFIX}encrypt", f"{PREFIX}decrypt", f"{PREFIX}generate_data_key"]
    assert [line.action for line in audit.records] == ["Encrypt", "Decrypt", "GenerateDataKey"]


def test_a_trace_goes_along_to_a_function(kms: Kms, lambdas: Lambdas, audit: ListAudit) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    for header in (f"00-{trace}-b7ad6b7169203331-01", "none"):
        kms.send(edits.headers(traceparent=header)(kms.signer.alibaba_acs3("ListKeys")))
    assert lambdas.invoked == [f"{PREFIX}list_keys"] * 2
    assert [line.trace for line in audit.records] == [trace, ""]


def test_a_domain_error_of_a_function_is_the_caller_s_own(kms: Kms, lambdas: Lambdas, audit: ListAudit) -> None:
    missing = "6f1e2d3c-1111-4222-8333-444455556666"
    assert kms.alibaba("Encrypt", KeyId=missing, Plaintext="aGVsbG8=")["Code"] == "Forbidden.KeyNotFound"
    assert [line.outcome for line in audit.records] == ["KeyNotFound"]
    lambdas.answer = payload(CONFLICT)
    assert kms.alibaba("Encrypt", KeyId=missing, Plaintext="aGVsbG8=")["Message"] == "again"


def test_functions_that_start_from_a_snapshot_are_invoked_by_their_alias(kms: Kms, lambdas: Lambdas) -> None:
    live = live_folders({"LIVE_FOLDERS": "decrypt,generate_data_key"})
    kms.endpoint = Endpoint(kms.settings, dispatcher(kms.settings, PREFIX, frozenset(), lambda: lambdas, live))
    sealed = kms.alibaba("Encrypt", KeyId="alias/default", Plaintext="aGVsbG8=")["CiphertextBlob"]
    kms.tencent("Decrypt", CiphertextBlob=sealed)
    assert lambdas.invoked == [f"{PREFIX}encrypt", f"{PREFIX}decrypt:live"]
    assert live_folders({}) == frozenset()


FAULTS: dict[str, Mapping[str, Any] | Exception] = {
    "the function is not there": code("ResourceNotFoundException"),
    "the endpoint may not invoke it": code("AccessDeniedException"),
    "it is throttled": code("TooManyRequestsException"),
    "AWS Lambda fails": code("ServiceException"),
    "the function cannot decrypt its environment": code("KMSDisabledException"),
    "no connection": EndpointConnectionError(endpoint_url="https://secret-detail"),
    "no connection in time": ConnectTimeoutError(endpoint_url="https://secret-detail"),
    "no answer in time": ReadTimeoutError(endpoint_url="https://secret-detail"),
    "no credentials": NoCredentialsError(),
    "the answer breaks off": {"Payload": Stream(b"", ResponseStreamingError(error="secret-detail"))},
    "it raises": payload({"errorType": "ValueError", "errorMessage": "secret-detail"}, "Unhandled"),
    "it lacks a module": payload(
        {"errorType": "Runtime.ImportModuleError", "errorMessage": "secret-detail"}, "Unhandled"
    ),
    "it takes too long": payload({"errorMessage": "secret-detail: Task timed out after 6.00 seconds"}, "Unhandled"),
    "it crashes without a word": payload(b"", "Unhandled"),
    "an answer that is no JSON": payload(b"secret-detail"),
    "an answer that is not UTF-8": payload(b'{"result": {"a": "\xff"}}'),
    "an answer of neither kind": payload({}),
    "an answer of both kinds": payload({"result": {}, **CONFLICT}),
    "an answer that is null": payload(None),
    "a result that is no object": payload({"result": "secret-detail"}),
    "an error that is no object": payload({"error": "secret-detail"}),
    "an API Gateway answer": payload({"statusCode": 200, "body": "secret-detail"}),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_told_as_retryable_audited_and_nothing_of_it_leaves(
    kms: Kms, lambdas: Lambdas, audit: ListAudit, capsys: pytest.CaptureFixture[str], fault: str
) -> None:
    lambdas.answer = FAULTS[fault]
    answer = kms.send(kms.signer.alibaba_rpc("ListKeys"))
    assert answer["statusCode"] == 503
    assert json.loads(answer["body"])["Code"] == "ServiceUnavailableTemporary"
    (line,) = audit.records
    assert (line.action, line.outcome) == ("ListKeys", "Unavailable")
    log = capsys.readouterr().err
    assert line.request_id in log
    assert "Unavailable" in log
    assert "secret-detail" not in answer["body"] + log


@pytest.mark.parametrize(
    ("fault", "logged"),
    [("it lacks a module", "FunctionFailed(Runtime.ImportModuleError)"), ("it is throttled", "TooManyRequests")],
)
def test_the_operator_reads_what_failed(
    kms: Kms, lambdas: Lambdas, capsys: pytest.CaptureFixture[str], fault: str, logged: str
) -> None:
    lambdas.answer = FAULTS[fault]
    kms.alibaba("ListKeys")
    assert logged in capsys.readouterr().err


def test_an_error_type_that_quotes_a_secret_is_not_logged(
    kms: Kms, lambdas: Lambdas, capsys: pytest.CaptureFixture[str]
) -> None:
    lambdas.answer = payload({"errorType": "no class: secret-detail"}, "Unhandled")
    kms.alibaba("ListKeys")
    log = capsys.readouterr().err
    assert "FunctionFailed(Unhandled)" in log
    assert "secret-detail" not in log


def test_a_text_that_no_function_can_be_sent_is_the_caller_s_fault(kms: Kms, lambdas: Lambdas) -> None:
    lone = b'{"Alias": "a\\ud800", "Description": "d"}'
    answer = kms.send(kms.signer.tencent("CreateKey", body=lone))
    other = lone.replace(b'"d"', b'"e"')
    inline = Kms(kms.settings, kms.signer).send(kms.signer.tencent("CreateKey", body=other))
    codes = [json.loads(body["body"])["Response"]["Error"]["Code"] for body in (answer, inline)]
    assert codes[0] == codes[1]
    assert not lambdas.invoked


def test_the_environment_says_which_actions_run_here(kms: Kms, lambdas: Lambdas) -> None:
    environment = {"FUNCTION_PREFIX": PREFIX, "INLINE_ACTIONS": "Encrypt,Decrypt"}
    dispatch = dispatcher(kms.settings, environment["FUNCTION_PREFIX"], inline_actions(environment), lambda: lambdas)
    kms.endpoint = Endpoint(kms.settings, dispatch)
    sealed = kms.alibaba("Encrypt", KeyId="alias/default", Plaintext="aGVsbG8=")["CiphertextBlob"]
    assert kms.alibaba("Decrypt", CiphertextBlob=sealed)["Plaintext"] == "aGVsbG8="
    assert kms.alibaba("ListKeys")["TotalCount"] == 1
    assert lambdas.invoked == [f"{PREFIX}list_keys"]


@pytest.mark.parametrize("inline", [{}, {"INLINE_ACTIONS": ""}])
def test_without_inline_actions_every_action_is_invoked(kms: Kms, lambdas: Lambdas, inline: dict[str, str]) -> None:
    dispatch = dispatcher(kms.settings, PREFIX, inline_actions(inline), lambda: lambdas)
    kms.endpoint = Endpoint(kms.settings, dispatch)
    kms.alibaba("Encrypt", KeyId="alias/default", Plaintext="aGVsbG8=")
    assert lambdas.invoked == [f"{PREFIX}encrypt"]


@pytest.mark.parametrize("kind", ERRORS)
def test_every_domain_error_comes_back_as_itself(kms: Kms, lambdas: Lambdas, kind: str) -> None:
    lambdas.answer = payload({"error": {"type": kind, "message": "said"}})
    answer = LambdaDispatcher(lambdas, PREFIX)({"action": "Encrypt"})
    assert type(from_data(answer["error"])) is ERRORS[kind]


def test_the_waits_of_a_request_add_up_to_less_than_the_gateway_s() -> None:
    """Credential, its secret, the nonce, the nonce read back, the Action; botocore pauses 1 s between two attempts."""
    call, invoke = aws_config(), invoke_config()
    attempts: int = call.retries["total_max_attempts"]
    one = attempts * (call.connect_timeout + call.read_timeout) + (attempts - 1)
    assert invoke.retries["total_max_attempts"] == 1
    assert 4 * one + invoke.connect_timeout + invoke.read_timeout < 29
