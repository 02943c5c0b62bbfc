"""Each dialect's tables: every domain error has a known code, every field of the vendor's API is dealt with."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from kit.catalogue import EXAMPLES, SCHEMES, Tenant, error_code, fields, prepare
from kit.support import VECTORS, Kms, event
from tenantkms import names
from tenantkms.errors import (
    ERRORS,
    AliasNotFound,
    Internal,
    InvalidKeyUsage,
    KeyDisabled,
    KmsError,
    SignatureMismatch,
    StateConflict,
    Throttled,
    from_data,
    to_data,
)
from tenantkms.model.profiles import PROFILES
from tenantkms.model.site import Site
from tenantkms.wire.dialects import DIALECTS, recognise
from tenantkms.wire.http import Request, request_from_event
from tenantkms.wire.translate import View

CONTRACT: dict[str, dict[str, Any]] = json.loads((VECTORS / "contract" / "actions.json").read_text())
CODES: dict[str, Any] = json.loads((VECTORS / "contract" / "error_codes.json").read_text())
REQUEST_ID = "5c438b18-05be-40ad-b6c2-3be6752cfa7e"
SITE = Site(tenant="acme", region="eu-west-1", account="111122223333")
NASTY = "<a>&\"']]>\x00\x1b\ufffe é 空 😀"

KMS_MODULE = {4540, 4560, 4590}
"""Codes of Tencent's KMS module in API v2, from the pages of Encrypt; the list of public codes lacks them."""
STATUS = {"Throttling.User": {429}}
"""Where a status other than the documented one is right: SDKs retry 429."""


@pytest.mark.parametrize("name", DIALECTS)
def test_every_error_is_named(name: str) -> None:
    assert set(DIALECTS[name].errors) == set(ERRORS.values())


def _render(name: str, error: KmsError, query: str = "") -> dict[str, Any]:
    dialect = DIALECTS[name]
    request = request_from_event(event(query=query))
    return dialect.failure(request, "Encrypt", error, REQUEST_ID, View(SITE)).event()


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_alibaba_errors(error: type[KmsError]) -> None:
    answer = _render("alibaba", error())
    body = json.loads(answer["body"])
    assert set(body) == {"RequestId", "HostId", "Code", "Message"}
    assert body["RequestId"] == REQUEST_ID
    assert body["Message"]
    assert body["Code"] in CODES["alibaba"]
    documented = set(CODES["alibaba"][body["Code"]]) | STATUS.get(body["Code"], set())
    assert answer["statusCode"] in documented or not documented
    assert answer["headers"]["content-type"] == "application/json;charset=utf-8"


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("message", ["", NASTY])
def test_alibaba_errors_as_xml(error: type[KmsError], message: str) -> None:
    answer = _render("alibaba", error(message), "Format=xml")
    root = ET.fromstring(answer["body"])
    assert (root.tag, root.findtext("RequestId")) == ("KMS", REQUEST_ID)
    assert root.findtext("Code") in CODES["alibaba"]
    assert root.findtext("HttpStatus") == str(answer["statusCode"])
    assert answer["headers"]["content-type"] == "text/xml;charset=utf-8"


def test_a_signature_mismatch_has_the_colon_that_an_sdk_looks_for() -> None:
    answer = _render("alibaba", SignatureMismatch())
    body = json.loads(answer["body"])
    assert answer["statusCode"] == 400
    assert body["Code"] == "SignatureDoesNotMatch"
    assert ":" in body["Message"]


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("message", ["", NASTY])
def test_tencent_errors(error: type[KmsError], message: str) -> None:
    answer = _render("tencent", error(message))
    body = json.loads(answer["body"])
    assert answer["statusCode"] == 200
    assert answer["headers"]["content-type"] == "application/json"
    assert set(body) == {"Response"}
    assert set(body["Response"]) == {"Error", "RequestId"}
    assert body["Response"]["Error"] == {"Code": body["Response"]["Error"]["Code"], "Message": message or error.text}
    assert body["Response"]["Error"]["Code"] in CODES["tencent"]


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("message", ["", NASTY])
def test_tencent_v2_errors(error: type[KmsError], message: str) -> None:
    answer = _render("tencent-v2", error(message))
    body = json.loads(answer["body"])
    assert answer["statusCode"] == 200
    assert answer["headers"]["content-type"] == "application/json"
    assert set(body) == {"code", "message", "codeDesc", "requestId"}
    assert body["code"] in {*CODES["tencent-v2"], *KMS_MODULE}
    assert body["message"].startswith("(")
    assert body["codeDesc"]
    assert body["requestId"] == REQUEST_ID


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
@pytest.mark.parametrize("message", ["", NASTY])
def test_aws_errors(error: type[KmsError], message: str) -> None:
    """Exactly `__type` and `message`, and not this one where AWS says nothing: each other form breaks a client."""
    answer = _render("aws", error(message))
    body = json.loads(answer["body"])
    assert {"__type"} <= set(body) <= {"__type", "message"}
    assert body["__type"] in CODES["aws"]
    assert body.get("message") != ""
    assert answer["headers"]["content-type"] == "application/x-amz-json-1.1"
    assert answer["headers"]["x-amzn-RequestId"] == REQUEST_ID
    # Faults of 400 are final to every client, and 504 to some.
    assert answer["statusCode"] == {True: 503, False: 400}[error.retryable] or error in (Internal, Throttled)


def test_an_aws_error_tells_of_its_key_by_arn() -> None:
    home = "arn:aws:kms:eu-west-1:111122223333:"
    for error, told in [
        (KeyDisabled(key="k"), f"{home}key/k is disabled."),
        (StateConflict(key="k", state="PendingDeletion"), f"{home}key/k is pending deletion."),
        (AliasNotFound(key="alias/a"), f"Alias {home}alias/a is not found."),
        (
            InvalidKeyUsage(key="k", usage="SIGN_VERIFY"),
            f"{home}key/k key usage is SIGN_VERIFY which is not valid for Encrypt.",
        ),
        (KeyDisabled("as it is, {key}"), "as it is, {key}"),
    ]:
        assert json.loads(_render("aws", from_data(to_data(error)))["body"])["message"] == told


@pytest.mark.parametrize("name", DIALECTS)
def test_faults_are_not_hidden_among_the_callers_own(name: str) -> None:
    codes = {error: error_code(name, _render(name, error())) for error in ERRORS.values()}
    internal = codes[Internal]
    assert internal in {"InternalFailure", "InternalError", 6000, "KMSInternalException"}
    assert all(error.retryable for error, code in codes.items() if code == internal)


OPERATIONS = [
    pytest.param(name, action, id=f"{name}-{action}")
    for name, dialect in DIALECTS.items()
    for action in dialect.operations
]


BEYOND = {
    ("alibaba", "CreateKey"): {"ClientToken"},
    ("aws", "CreateKey"): {"amz-sdk-invocation-id"},
    ("aws", "CreateGrant"): {"amz-sdk-invocation-id"},
}
"""Parameters that are served here and are none of the vendor's operation."""


@pytest.mark.parametrize(("name", "action"), OPERATIONS)
def test_every_request_field_of_the_contract_is_served_refused_or_ignored(name: str, action: str) -> None:
    dialect = DIALECTS[name]
    ours = {field.wire for field in dialect.operations[action].params}
    beyond = BEYOND.get((name, action), set())
    assert ours - beyond == set(CONTRACT[name][action]["request"]) - dialect.common
    assert beyond <= ours - set(CONTRACT[name][action]["request"])


@pytest.mark.parametrize(("name", "action"), OPERATIONS)
def test_a_parameter_is_listed_once(name: str, action: str) -> None:
    names = [field.wire for field in DIALECTS[name].operations[action].params]
    assert len(set(names)) == len(names)
    assert not DIALECTS[name].common & set(names)


@pytest.mark.parametrize("name", DIALECTS)
def test_no_operation_is_both_served_and_left_out(name: str) -> None:
    dialect = DIALECTS[name]
    assert not set(dialect.operations) & set(dialect.unsupported)
    assert set(dialect.operations) <= set(CONTRACT[name])


_TYPES = {"string": str, "integer": int, "boolean": bool}


def _check_shape(value: Any, shape: Any, where: str) -> None:
    """`value` has only fields that `shape` names, of its types."""
    if isinstance(shape, dict):
        assert isinstance(value, dict), where
        assert value.keys() <= shape.keys(), where
        for name, item in value.items():
            _check_shape(item, shape[name], f"{where}.{name}")
    elif isinstance(shape, list):
        assert isinstance(value, list), where
        for item in value:
            _check_shape(item, shape[0], f"{where}[]")
    else:
        assert type(value) is _TYPES[shape.partition(" ")[0].partition("(")[0]], where


EXAMPLED = [
    pytest.param(name, action, id=f"{name}-{action}")
    for name, examples in EXAMPLES.items()
    for action in examples(Tenant("", "", "", "", ""))
]


@pytest.mark.parametrize(("name", "action"), EXAMPLED)
def test_answers_have_the_contracts_fields(name: str, action: str, kms: Kms) -> None:
    """An answer holds no field and no type of our own."""
    params = EXAMPLES[name](prepare(kms))[action]
    for dialect, sign in SCHEMES.values():
        if dialect == name:
            answer = kms.send(sign(kms.signer, action, params))
            if error_code(name, answer) is None:
                break
    else:
        pytest.fail(f"{action} was refused: {answer['body']}")
    assert answer["statusCode"] == 200
    _check_shape(fields(name, answer), CONTRACT[name][action]["response"], action)


UNANSWERED = {
    "CiphertextForRecipient": "enclave attestation is refused",
    "DKMSInstanceId": "there are no KMS instances",
    "NextRotationDate": "only while rotation is on",
    "RotationInterval": "only while rotation is on",
    "DataKeyId": "data keys are not kept",
    "TagCode": "data keys are not kept",
    "TagMsg": "data keys are not kept",
    "DeletionProtectionDescription": "only while it is protected",
    "CloudHsmClusterId": "there are no custom key stores",
    "CustomKeyStoreId": "there are no custom key stores",
    "XksKeyConfiguration": "there are no custom key stores",
    "DeletionDate": "only while the key is pending deletion",
    "EncapsulationAlgorithms": "only of such keys",
    "KeyAgreementAlgorithms": "only of such keys",
    "MacAlgorithms": "only of such keys",
    "SigningAlgorithms": "only of such keys",
    "EncryptionAlgorithms": "only of such keys",
    "ExpirationModel": "only of imported material",
    "ValidTo": "only of imported material",
    "MultiRegionConfiguration": "there are no multi-Region keys",
    "PendingDeletionWindowInDays": "only of multi-Region keys",
    "NextMarker": "only where there is more",
    "CreationDate": "is not kept of aliases",
    "LastUpdatedDate": "is not kept of aliases",
    "RotationPeriodInDays": "only while rotation is on",
    "OnDemandRotationStartDate": "rotation is done at once",
    "ImportState": "only of imported material",
    "KeyMaterialState": "all but the newest material is not current",
    "KeyMaterialDescription": "is not kept",
    "RotationType": "is not kept",
}
"""Response fields that an ordinary answer leaves out, with the reason."""
ACCOUNT = {"GetServiceStatus", "DescribeKey", "DescribeKeys", "ListKeyDetail"}
"""Tencent's answers that also tell of quotas, orders, replicas and accounts, of which there are none here."""


@pytest.mark.parametrize(("name", "action"), EXAMPLED)
def test_what_answers_leave_out(name: str, action: str, kms: Kms) -> None:
    if name == "tencent" and action in ACCOUNT:
        return
    params = EXAMPLES[name](prepare(kms))[action]
    scheme = next(sign for dialect, sign in SCHEMES.values() if dialect == name)
    answer = fields(name, kms.send(scheme(kms.signer, action, params)))

    def missing(value: Any, shape: Any) -> set[str]:
        if isinstance(shape, list):
            return set().union(*(missing(item, shape[0]) for item in value))
        if not isinstance(shape, dict):
            return set()
        inner = (missing(value[name], part) for name, part in shape.items() if name in value)
        return (shape.keys() - value.keys()).union(*inner)

    assert missing(answer, CONTRACT[name][action]["response"]) <= UNANSWERED.keys()


@pytest.mark.parametrize("action", EXAMPLES["alibaba"](Tenant("", "", "", "", "")))
@pytest.mark.parametrize("form", ["JSON", "XML"])
def test_no_alibaba_success_has_a_code(action: str, form: str, kms: Kms) -> None:
    """pop-core takes any body with a top-level `Code` for a failure."""
    params = EXAMPLES["alibaba"](prepare(kms))[action]
    answer = kms.send(kms.signer.alibaba_rpc(action, params, Format=form))
    assert answer["statusCode"] == 200
    names = json.loads(answer["body"]) if form == "JSON" else [child.tag for child in ET.fromstring(answer["body"])]
    assert "RequestId" in names
    assert "Code" not in names


@pytest.mark.parametrize("name", DIALECTS)
def test_call_fields_are_those_that_the_call_knows(name: str) -> None:
    targets = {row.to for op in DIALECTS[name].operations.values() for row in op.params if not isinstance(row.to, str)}
    put: dict[str, Any] = {}
    for target in targets:
        with suppress(TypeError, KeyError, ValueError, KmsError):  # a usage or a marker, say, which is none
            target.put({}, put, {})
    assert put.keys() <= {"dry_run"}


@pytest.mark.parametrize("name", DIALECTS)
def test_two_parameters_of_one_field_exclude_each_other(name: str) -> None:
    """Else the later row wins without a word: a key other than the one that was named would be protected."""
    for action, operation in DIALECTS[name].operations.items():
        by_field: dict[str, list[str]] = {}
        for row in operation.params:
            if isinstance(row.to, str):
                by_field.setdefault(row.to, []).append(row.wire)
        for wires in by_field.values():
            excluded = any(set(wires) <= set(rule.wires) and rule.exclusive for rule in operation.rules)
            assert len(wires) == 1 or excluded, f"{action}: {wires}"


@pytest.mark.parametrize("name", DIALECTS)
def test_rules_name_parameters_of_their_operation(name: str) -> None:
    for action, operation in DIALECTS[name].operations.items():
        for rule in operation.rules:
            assert set(rule.wires) <= operation.wires, action


def test_names_profiles_and_dialects_are_the_same() -> None:
    """One line registers a dialect; access keys and Actions, which know no wire, know its name and its limits."""
    assert tuple(DIALECTS) == names.DIALECTS
    assert set(PROFILES) == {*names.DIALECTS, names.NATIVE}


@pytest.mark.parametrize(
    ("headers", "query", "path", "name", "scheme"),
    [
        ({"x-tc-action": "Encrypt"}, "AccessKeyId=a", "/", "tencent", "tencent-tc3"),
        ({"x-tc-action": "Encrypt"}, "SecretId=a", "/", "tencent", "tencent-v1"),
        ({"x-acs-action": "Encrypt"}, "AccessKeyId=a", "/", "alibaba", "alibaba-rpc"),
        ({"x-acs-action": "Encrypt"}, "SecretId=a", "/", "tencent", "tencent-v1"),
        ({"x-acs-action": "Encrypt"}, "SecretId=a", "/v2/index.php", "tencent-v2", "tencent-v1"),
        ({"x-acs-action": "Encrypt"}, "Version=2019-01-18", "/", "alibaba", "alibaba-acs"),
        ({"x-amz-target": "TrentService.Encrypt"}, "", "/", "aws", "aws-sigv4"),
        ({"x-amz-target": "TrentService.Encrypt"}, "SecretId=a", "/", "tencent", "tencent-v1"),
        ({"authorization": "AWS4-HMAC-SHA256 x", "x-tc-action": "Encrypt"}, "", "/", "aws", "aws-sigv4"),
        ({}, "X-Amz-Signature=a", "/", "aws", "aws-sigv4"),
        ({"x-acs-signature-nonce": "n"}, "Version=2019-01-18", "/v2/index.php", "tencent", "tencent-v1"),
        ({}, "Version=2016-01-20&SecretId=a", "/", "tencent", "tencent-v1"),
        ({"authorization": "ACS3-", "x-tc-action": "Encrypt"}, "", "/", "alibaba", "alibaba-acs"),
        ({"authorization": "TC3-", "x-acs-action": "Encrypt"}, "AccessKeyId=a", "/", "tencent", "tencent-tc3"),
        ({"authorization": "Bearer x", "x-acs-action": "Encrypt"}, "", "/", "alibaba", "alibaba-acs"),
    ],
)
def test_of_several_marks_the_one_that_says_more_decides(
    headers: dict[str, str], query: str, path: str, name: str, scheme: str
) -> None:
    spoken = recognise(Request(method="GET", path=path, query=query, headers=headers, body=b""))
    assert spoken is not None
    assert (spoken.dialect.name, spoken.scheme.name) == (name, scheme)
