"""aliyun-python-sdk-kms through the life of keys: the same fields by GET and in XML; lists, truth and errors in XML."""

from __future__ import annotations

import base64
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from kit.asymmetric_keys import private
from kit.sdk_alibaba import CALLS, DIGEST, HELLO, Alibaba, tags
from kit.sdk_clients import UNKNOWN_KEY, Classic, Login
from tenantkms.model.specs import KeySpec

OLDER = frozenset(
    "Encrypt Decrypt ReEncrypt GenerateDataKey GenerateDataKeyWithoutPlaintext CreateKey DescribeKey ListKeys"
    " EnableKey DisableKey UpdateKeyDescription CreateAlias UpdateAlias DeleteAlias ListAliases ListAliasesByKeyId"
    " DescribeRegions GenerateMac VerifyMac".split()
)
"""Operations that other tests have in every format, or that this SDK does not know."""
OPERATIONS = [action for action in CALLS if action not in OLDER]


@pytest.fixture(scope="module")
def user(classic: Classic) -> Alibaba:
    return Alibaba(classic)


class Xml(Alibaba):
    """The same SDK, asked for XML: the answer is the root element, of errors as well."""

    def __init__(self, login: Login) -> None:
        super().__init__(Classic(login, accept_format="XML"))

    def ask(self, action: str, **fields: Any) -> Any:
        return ET.fromstring(super().ask(action, **fields))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def xml(plain: Login) -> Xml:
    return Xml(plain)


@pytest.mark.parametrize("action", OPERATIONS)
def test_an_operation_by_get(plain: Login, user: Alibaba, action: str) -> None:
    fields, expected = CALLS[action]
    answer = Alibaba(Classic(plain, method="GET")).ask(action, **fields(user))
    assert answer.keys() == expected | {"RequestId"}


@pytest.mark.parametrize("action", OPERATIONS)
def test_an_operation_in_xml(xml: Xml, user: Alibaba, action: str) -> None:
    fields, expected = CALLS[action]
    answer = xml.ask(action, **fields(user))
    assert answer.tag == "KMS"
    assert {child.tag for child in answer} == expected | {"RequestId"}


def test_versions_in_xml(xml: Xml, user: Alibaba) -> None:
    key = user.key()
    user.ask("CreateKeyVersion", KeyId=key)
    listed = user.ask("ListKeyVersions", KeyId=key)["KeyVersions"]["KeyVersion"]
    rows = xml.ask("ListKeyVersions", KeyId=key).findall("KeyVersions/KeyVersion")
    assert [{child.tag: child.text for child in row} for row in rows] == listed
    one = xml.ask("DescribeKeyVersion", KeyId=key, KeyVersionId=listed[0]["KeyVersionId"]).find("KeyVersion")
    assert {child.tag: child.text for child in one} == listed[0]


def test_tags_in_xml(xml: Xml, user: Alibaba) -> None:
    pairs = {"a": "<1> & 2", "数据": "ü"}
    key = user.key(Tags=tags(**pairs))
    rows = xml.ask("ListResourceTags", KeyId=key).findall("Tags/Tag")
    assert {row.findtext("TagKey"): row.findtext("TagValue") for row in rows} == pairs
    rows = xml.ask("ListTagResources", ResourceType="key", ResourceId=[key]).findall("TagResources/TagResource")
    assert {row.findtext("TagKey"): row.findtext("TagValue") for row in rows} == pairs


def test_truth_in_xml(xml: Xml, user: Alibaba) -> None:
    fields = {**user.version(user.key(KeySpec="EC_P256")), "Algorithm": "ECDSA_SHA_256", "Digest": DIGEST}
    signature = xml.ask("AsymmetricSign", **fields).findtext("Value")
    assert xml.ask("AsymmetricVerify", **fields, Value=signature).findtext("Value") == "true"
    assert xml.ask("AsymmetricVerify", **fields, Value=HELLO).findtext("Value") == "false"


def test_a_public_key_in_xml(xml: Xml, user: Alibaba) -> None:
    version = user.version(user.key(KeySpec="EC_P256"))
    pem = xml.ask("GetPublicKey", **version).findtext("PublicKey")
    assert pem == user.ask("GetPublicKey", **version)["PublicKey"]
    assert type(load_pem_public_key(pem.encode())) is type(private(KeySpec.EC_P256).public_key())


def test_a_key_is_brought_in_xml(xml: Xml, user: Alibaba) -> None:
    key = user.key(Origin="EXTERNAL")
    fields = {"KeyId": key, "WrappingAlgorithm": "RSAES_OAEP_SHA_256", "WrappingKeySpec": "RSA_2048"}
    made = xml.ask("GetParametersForImport", **fields)
    assert base64.b64decode(made.findtext("PublicKey") or "")
    xml.ask("ImportKeyMaterial", **user.imported(key))
    assert user.state(key) == "Enabled"


ERRORS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "window": ("ScheduleKeyDeletion", {"PendingWindowInDays": 6}, "InvalidParameter", "400"),
    "state": ("CancelKeyDeletion", {}, "Rejected.StateModifiedFailed", "409"),
    "origin": ("DeleteKeyMaterial", {}, "Unsupported.Origin", "400"),
    "policy": ("SetKeyPolicy", {"Policy": "allow"}, "InvalidParameter", "400"),
    "version": ("DescribeKeyVersion", {"KeyVersionId": "x"}, "Forbidden.KeyVersionNotFound", "404"),
    "usage": (
        "AsymmetricSign",
        {"KeyVersionId": "x", "Algorithm": "ECDSA_SHA_256", "Digest": DIGEST},
        "Rejected.UnsupportedOperation",
        "400",
    ),
    "SM2": (
        "AsymmetricSign",
        {"KeyVersionId": "x", "Algorithm": "SM2DSA", "Digest": DIGEST},
        "UnsupportedOperation",
        "400",
    ),
    "key": ("CreateKeyVersion", {"KeyId": UNKNOWN_KEY}, "Forbidden.KeyNotFound", "404"),
}


@pytest.mark.parametrize(("action", "fields", "code", "status"), ERRORS.values(), ids=ERRORS)
def test_an_error_in_xml(xml: Xml, user: Alibaba, action: str, fields: dict[str, Any], code: str, status: str) -> None:
    answer = xml.ask(action, **{"KeyId": user.key(), **fields})
    assert (answer.findtext("Code"), answer.findtext("HttpStatus")) == (code, status)
    assert answer.findtext("Message")
    assert answer.findtext("RequestId")
