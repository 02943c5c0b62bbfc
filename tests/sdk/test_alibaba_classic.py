"""aliyun-python-sdk-kms (classic), unmodified, over real sockets: every operation, every format, its exceptions."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4
from xml.etree import ElementTree as ET

import pytest
from aliyunsdkcore.request import CommonRequest

from kit.sdk_clients import REQUEST_ID, UNKNOWN_KEY, Classic, Login, refused
from kit.support import Server

HELLO = base64.b64encode(b"hello").decode()
BLOB = {"KeyId", "KeyVersionId", "CiphertextBlob"}
PAGE = {"TotalCount", "PageNumber", "PageSize"}


class Scene:
    """What the operations work on: each call makes a new key, alias or ciphertext."""

    def __init__(self, sdk: Classic) -> None:
        self.sdk = sdk

    def key(self) -> str:
        key_id: str = self.sdk.call("CreateKey")["KeyMetadata"]["KeyId"]
        return key_id

    def alias(self) -> str:
        name = f"alias/classic-{uuid4().hex}"
        self.sdk.call("CreateAlias", AliasName=name, KeyId=self.key())
        return name

    def blob(self) -> str:
        blob: str = self.sdk.call("Encrypt", KeyId="alias/default", Plaintext=HELLO)["CiphertextBlob"]
        return blob


Fields = Callable[[Scene], dict[str, Any]]

OPERATIONS: dict[str, tuple[Fields, set[str]]] = {
    "Encrypt": (lambda s: {"KeyId": s.key(), "Plaintext": HELLO}, BLOB),
    "Decrypt": (lambda s: {"CiphertextBlob": s.blob()}, {"KeyId", "KeyVersionId", "Plaintext"}),
    "ReEncrypt": (lambda s: {"CiphertextBlob": s.blob(), "DestinationKeyId": s.key()}, BLOB),
    "GenerateDataKey": (lambda s: {"KeyId": s.key()}, BLOB | {"Plaintext"}),
    "GenerateDataKeyWithoutPlaintext": (lambda s: {"KeyId": s.key()}, BLOB),
    "CreateKey": (lambda s: {"Description": "d", "KeyUsage": "ENCRYPT/DECRYPT"}, {"KeyMetadata"}),
    "DescribeKey": (lambda s: {"KeyId": s.key()}, {"KeyMetadata"}),
    "ListKeys": (lambda s: {"PageNumber": 1, "PageSize": 100}, PAGE | {"Keys"}),
    "EnableKey": (lambda s: {"KeyId": s.key()}, set()),
    "DisableKey": (lambda s: {"KeyId": s.key()}, set()),
    "UpdateKeyDescription": (lambda s: {"KeyId": s.key(), "Description": "new"}, set()),
    "CreateAlias": (lambda s: {"AliasName": f"alias/{uuid4().hex}", "KeyId": s.key()}, set()),
    "UpdateAlias": (lambda s: {"AliasName": s.alias(), "KeyId": s.key()}, set()),
    "DeleteAlias": (lambda s: {"AliasName": s.alias()}, set()),
    "ListAliases": (lambda s: {"PageNumber": 2, "PageSize": 1}, PAGE | {"Aliases"}),
    "ListAliasesByKeyId": (lambda s: {"KeyId": s.alias()}, PAGE | {"Aliases"}),
    "DescribeRegions": (lambda s: {}, {"Regions"}),
}
"""Operation -> what to send, and the fields of the answer besides the RequestId."""


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize(("action", "row"), OPERATIONS.items(), ids=OPERATIONS)
def test_an_operation_answers_with_its_fields(
    plain: Login, action: str, row: tuple[Fields, set[str]], method: str
) -> None:
    sdk = Classic(plain, method=method)
    answer = sdk.call(action, **row[0](Scene(sdk)))
    assert answer.keys() == row[1] | {"RequestId"}
    assert REQUEST_ID.fullmatch(answer["RequestId"])


@pytest.mark.parametrize(("action", "row"), OPERATIONS.items(), ids=OPERATIONS)
def test_an_operation_answers_in_xml_with_the_same_fields(
    plain: Login, classic: Classic, action: str, row: tuple[Fields, set[str]]
) -> None:
    answer = ET.fromstring(Classic(plain, accept_format="XML").call(action, **row[0](Scene(classic))))
    assert answer.tag == "KMS"
    assert {child.tag for child in answer} == row[1] | {"RequestId"}
    assert REQUEST_ID.fullmatch(answer.findtext("RequestId") or "")


def test_values_and_lists_in_xml(plain: Login, classic: Classic) -> None:
    xml = Classic(plain, accept_format="XML")
    made = ET.fromstring(xml.call("CreateKey", Description="a < b & 'c' \"d\" 密\r\n"))
    key = made.findtext("KeyMetadata/KeyId")
    assert made.findtext("KeyMetadata/Description") == "a < b & 'c' \"d\" 密\r\n"
    assert made.findtext("KeyMetadata/KeyState") == "Enabled"
    names = sorted(f"alias/xml-{uuid4().hex}" for _ in range(2))
    for name in names:
        classic.call("CreateAlias", AliasName=name, KeyId=key)
    listed = ET.fromstring(xml.call("ListAliasesByKeyId", KeyId=key))
    assert [row.findtext("AliasName") for row in listed.findall("Aliases/Alias")] == names
    sealed = ET.fromstring(xml.call("Encrypt", KeyId=names[0], Plaintext="1 < 2"))
    assert sealed.findtext("KeyId") == key
    opened = ET.fromstring(xml.call("Decrypt", CiphertextBlob=sealed.findtext("CiphertextBlob")))
    assert opened.findtext("Plaintext") == "1 < 2"


def test_an_error_in_xml(plain: Login) -> None:
    answer = ET.fromstring(Classic(plain, accept_format="XML").call("DescribeKey", KeyId=UNKNOWN_KEY))
    assert answer.tag == "KMS"
    assert answer.findtext("Code") == "Forbidden.KeyNotFound"
    assert answer.findtext("HttpStatus") == "404"
    assert answer.findtext("HostId") == plain.host
    assert answer.findtext("Message")
    assert REQUEST_ID.fullmatch(answer.findtext("RequestId") or "")


def test_without_a_format_the_answer_is_json(plain: Login) -> None:
    answer = Classic(plain, accept_format="None").call("DescribeRegions")
    assert answer.startswith(b'{"Regions":{"Region":[{"RegionId":"cn-hangzhou"}]},"RequestId":')


REFUSALS = {
    "wrong secret": ({"secret": "no"}, "DescribeRegions", {}, "SignatureDoesNotMatch", 400),
    "unknown access key": ({"access_key_id": "no"}, "DescribeRegions", {}, "InvalidAccessKeyId.NotFound", 404),
    "unknown key": ({}, "DescribeKey", {"KeyId": UNKNOWN_KEY}, "Forbidden.KeyNotFound", 404),
    "unknown alias": ({}, "DescribeKey", {"KeyId": "alias/none"}, "Forbidden.AliasNotFound", 404),
    "missing": ({}, "Encrypt", {"KeyId": "alias/default"}, "MissingParameter", 400),
    "unreadable": ({}, "Decrypt", {"CiphertextBlob": "?"}, "InvalidParameter", 400),
    # The SDK sends a dict as Python writes it: {'a': 'b'}. Encrypting without a context would be worse than refusing.
    "a context as a dict": (
        {},
        "Encrypt",
        {"KeyId": "alias/default", "Plaintext": HELLO, "EncryptionContext": {"a": "b"}},
        "InvalidParameter",
        400,
    ),
    "dry run": (
        {},
        "Encrypt",
        {"KeyId": "alias/default", "Plaintext": HELLO, "DryRun": True},
        "DryRunOperationError",
        400,
    ),
    "other service": ({}, "ListSecrets", {}, "UnsupportedOperation", 400),
}


@pytest.mark.parametrize(("login", "action", "fields", "code", "status"), REFUSALS.values(), ids=REFUSALS)
def test_refused(
    plain: Login, login: dict[str, str], action: str, fields: dict[str, Any], code: str, status: int
) -> None:
    with refused(Classic, code, status):
        Classic(plain.but(**login)).call(action, **fields)


def _common(at: Login, action: str, *, twice: dict[str, str], **fields: str) -> Any:
    """A CommonRequest, its fields in the body; the SDK puts its own RegionId, Version and the like into the query."""
    request = CommonRequest(domain=at.host, version="2016-01-20", action_name=action)
    request.set_method("POST")
    request.set_protocol_type(at.scheme)
    for name, value in {**fields, **twice}.items():
        request.add_body_params(name, value)
    return json.loads(Classic(at).client.do_action_with_exception(request))


@pytest.mark.parametrize("twice", [{}, {"RegionId": "cn-hangzhou"}, {"RegionId": "cn-hangzhou", "Format": "JSON"}])
def test_a_common_request_may_repeat_a_common_parameter(plain: Login, twice: dict[str, str]) -> None:
    sealed = _common(plain, "Encrypt", twice=twice, KeyId="alias/default", Plaintext=HELLO)
    opened = _common(plain, "Decrypt", twice=twice, CiphertextBlob=sealed["CiphertextBlob"])
    assert opened["Plaintext"] == HELLO


@pytest.mark.parametrize("twice", [{"RegionId": "cn-beijing"}, {"Version": "2016-01-21"}, {"Action": "ListKeys"}])
def test_a_common_parameter_of_two_values_is_refused(plain: Login, twice: dict[str, str]) -> None:
    with refused(Classic, "ParseRequestParameterException", 400):
        _common(plain, "Encrypt", twice=twice, KeyId="alias/default", Plaintext=HELLO)


def test_a_parameter_of_the_operation_is_not_repeated(plain: Login) -> None:
    request = CommonRequest(domain=plain.host, version="2016-01-20", action_name="DescribeKey")
    request.set_method("POST")
    request.set_protocol_type(plain.scheme)
    request.add_query_param("KeyId", "alias/default")
    request.add_body_params("KeyId", "alias/default")
    with refused(Classic, "ParseRequestParameterException", 400):
        Classic(plain).client.do_action_with_exception(request)


def test_the_signature_covers_what_is_repeated(plain: Login) -> None:
    with refused(Classic, "SignatureDoesNotMatch", 400):
        _common(plain.but(secret="no"), "ListKeys", twice={"RegionId": "cn-hangzhou"})


def test_a_disabled_key_is_refused_until_it_is_enabled(classic: Classic) -> None:
    scene = Scene(classic)
    key = scene.key()
    blob = classic.call("Encrypt", KeyId=key, Plaintext=HELLO)["CiphertextBlob"]
    classic.call("DisableKey", KeyId=key)
    with refused(classic, "Rejected.Disabled", 409, "Disabled"):
        classic.call("Decrypt", CiphertextBlob=blob)
    classic.call("EnableKey", KeyId=key)
    assert classic.call("Decrypt", CiphertextBlob=blob)["Plaintext"] == HELLO


def test_a_credential_of_another_dialect_is_refused(server: Server, plain: Login) -> None:
    access_key_id, secret = server.credential("--dialect", "tencent")
    with refused(Classic, "Forbidden.NoPermission", 403, "dialect"):
        Classic(plain.but(access_key_id=access_key_id, secret=secret)).call("DescribeRegions")
