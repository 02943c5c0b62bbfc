"""Bad input in AWS's dialect, from AWS's own model: each wrong value gets AWS's error, and changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from kit import edits
from kit.aws_model import ENUMS, OPERATIONS, SERIALIZATION, VALIDATION, Shape, wrong
from kit.catalogue import EXAMPLES, Tenant, prepare
from kit.support import Kms
from tenantkms.errors import KmsError
from tenantkms.model.key import KeyFilter
from tenantkms.wire.dialects import DIALECTS
from tenantkms.wire.dialects.aws import fields
from tenantkms.wire.dialects.aws.names import ARNS
from tenantkms.wire.http import MAX_BODY
from tenantkms.wire.translate import In, refused

DIALECT = DIALECTS["aws"]
SERVED = sorted(DIALECT.operations)
UNSUPPORTED, NOT_FOUND = "UnsupportedOperationException", "NotFoundException"
_REFUSE = refused("")[0].codec
UUID = "11111111-2222-4333-8444-555555555555"
LONGER_HERE = {"CiphertextBlob"}
"""Blobs of more than the model's 6,144 bytes, which other dialects make, are read: what does not open is told so."""


def code(kms: Kms, operation: str, params: Mapping[str, Any]) -> str | None:
    """Of the refusal, whose form is AWS's."""
    answer = kms.send(kms.signer.aws(operation, params))
    body = json.loads(answer["body"])
    if answer["statusCode"] == 200:
        return None
    assert answer["statusCode"] == 400, ascii((operation, params, body))
    assert body.keys() <= {"__type", "message"}
    assert body["__type"].endswith("Exception")
    return str(body["__type"])


@contextmanager
def nothing_changes(kms: Kms) -> Iterator[None]:
    store = kms.settings.deps.keyring.store
    rows = lambda: (store.list_keys(KeyFilter(), now=0, offset=0, limit=1000), store.list_aliases(offset=0, limit=1000))  # noqa: E731
    before = rows()
    yield
    assert rows() == before


def _fields(operation: str) -> dict[str, In]:
    return {field.wire: field for field in DIALECT.operations[operation].params}


def _likely(tenant: Tenant, field: In, shape: Shape) -> Any:
    """A value that is read."""
    if not isinstance(shape, str):
        return []
    kind, _, rest = shape.partition(" ")
    if kind == "enum":
        for name in ENUMS[rest]:
            try:
                field.codec(field.wire, name)
            except KmsError:
                continue
            return name
    return {"blob": "aGVsbG8="}.get(kind, tenant.key_id)


_TOGETHER: dict[str, dict[str, Any]] = {
    "ImportKeyMaterial": {"ExpirationModel": "KEY_MATERIAL_DOES_NOT_EXPIRE"},
    "RetireGrant": {"KeyId": UUID, "GrantId": "0" * 64},
    "RevokeGrant": {"GrantId": "0" * 64},
}
"""What must be given with what is required, or in place of what has a form that the model does not tell."""


def valid(operation: str, tenant: Tenant) -> dict[str, Any]:
    """Parameters whose forms are right."""
    example = EXAMPLES["aws"](tenant).get(operation)
    if example is not None:
        return dict(example)
    known, shapes = _fields(operation), OPERATIONS[operation]["request"]
    required = {name: _likely(tenant, known[name], shapes[name]) for name in OPERATIONS[operation]["required"]}
    return {**required, **_TOGETHER.get(operation, {})}


@pytest.mark.parametrize("operation", SERVED)
def test_each_parameter_of_the_model_is_taken_or_refused_by_name(operation: str) -> None:
    """What AWS has is not ignored as what it does not have is."""
    assert set(OPERATIONS[operation]["request"]) <= set(_fields(operation))


def _refusals(field: In, shape: Shape) -> Iterator[tuple[Any, str]]:
    """Values that `field` may not have, and the code here: the model's, but for what the dialect does not serve."""
    for value, expected in wrong(shape):
        if field.codec is _REFUSE and value in ("", {}, []):
            continue  # as good as nothing
        if len(str(value)) > MAX_BODY:
            yield value, VALIDATION
        elif field.codec is _REFUSE and "ud800" not in ascii(value):
            yield value, UNSUPPORTED
        elif field.wire in LONGER_HERE and isinstance(value, str) and len(value) > 8000:
            yield value, "InvalidCiphertextException"
        else:
            yield value, expected


@pytest.mark.parametrize("operation", SERVED)
def test_a_wrong_value_is_refused(operation: str, kms: Kms) -> None:
    tenant = prepare(kms)
    whole, known = valid(operation, tenant), _fields(operation)
    tried = 0
    with nothing_changes(kms):
        for name, shape in OPERATIONS[operation]["request"].items():
            for value, expected in _refusals(known[name], shape):
                assert code(kms, operation, {**whole, name: value}) == expected, (name, ascii(value)[:80])
                tried += 1
        for name in (name for name, field in known.items() if field.required):
            without = {wire: value for wire, value in whole.items() if wire != name}
            assert [code(kms, operation, {**without, **more}) for more in ({}, {name: None})] == [VALIDATION] * 2, name
    assert tried >= 5


@pytest.mark.parametrize("operation", sorted(EXAMPLES["aws"](Tenant("", "", "", "", ""))))
def test_null_is_as_good_as_nothing(operation: str, kms: Kms) -> None:
    whole = valid(operation, prepare(kms))
    nulls = {name: None for name in OPERATIONS[operation]["request"] if name not in whole}
    assert code(kms, operation, {**nulls, **whole, "NotYetKnown": {"a": ["b"]}}) is None


@pytest.mark.parametrize("operation", SERVED)
def test_each_name_of_an_enumeration_is_served_or_refused_as_aws_refuses(operation: str, kms: Kms) -> None:
    whole = valid(operation, prepare(kms))
    for name, shape in OPERATIONS[operation]["request"].items():
        if isinstance(shape, str) and shape.startswith("enum "):
            for value in ENUMS[shape.removeprefix("enum ")]:
                found = code(kms, operation, {**whole, name: value})
                assert found in (None, UNSUPPORTED, VALIDATION, "InvalidKeyUsageException"), (name, value)


# -- keys ------------------------------------------------------------------------------------------------

_REFS = [(operation, name) for operation in SERVED for name in _fields(operation) if name in ARNS.refs]


def _elsewhere(kms: Kms, tenant: Tenant) -> list[str]:
    """ARNs of a key and an alias that are here, said to be somewhere else."""
    site = kms.settings.site
    places = [
        ("aws-cn", "kms", site.region, site.account),
        ("aws", "s3", site.region, site.account),
        ("aws", "kms", "us-east-1", site.account),
        ("aws", "kms", site.region, "111122223333"),
        ("aws", "kms", "", ""),
    ]
    what = (f"key/{tenant.key_id}", tenant.alias, tenant.key_id)
    return [
        f"arn:{partition}:{service}:{region}:{account}:{rest}"
        for partition, service, region, account in places
        for rest in what
    ]


_MALFORMED = [
    "a",
    "a b",
    "1234",
    UUID[:-1],
    UUID + "0",
    UUID + "\n",
    "key/" + UUID,
    "mrk-" + "1" * 32,
    "arn:",
    "arn:aws:kms:::key/",
    "arn:aws:kms:a:b:alias/",
    "acs:kms:cn-hangzhou:1:key/" + UUID,
    "alias/",
    "alias/a b",
    "alias/" + "a" * 251,
    "alias/aws/kms",
    "../" + UUID,
    "\u00e9",
    "\x00",
    "a" * 2048,
    UUID,
]


@pytest.mark.parametrize(("operation", "name"), _REFS)
def test_what_names_no_key_here(operation: str, name: str, kms: Kms) -> None:
    tenant = prepare(kms)
    whole = valid(operation, tenant)
    site = kms.settings.site
    home = f"arn:aws:kms:{site.region}:{site.account}:"
    own = [home, home + "key/", home + "key/" + UUID, home + tenant.key_id, home + "alias/none", home + "other/" + UUID]
    with nothing_changes(kms):
        for ref in (*_MALFORMED, *_elsewhere(kms, tenant), *own):
            assert code(kms, operation, {**whole, name: ref}) == NOT_FOUND, ascii(ref)


_MANAGED = [
    (operation, name)
    for operation, name in _REFS
    if _fields(operation)[name].codec in (fields.managed_key, fields.one_managed_key)
]


def test_what_manages_keys_is_known() -> None:
    assert {"EnableKey", "TagResource", "ScheduleKeyDeletion", "UpdateAlias"} <= {
        operation for operation, _ in _MANAGED
    }
    assert not {"Encrypt", "DescribeKey", "GetPublicKey"} & {operation for operation, _ in _MANAGED}


@pytest.mark.parametrize(("operation", "name"), _MANAGED)
def test_what_manages_a_key_takes_no_alias_of_it(operation: str, name: str, kms: Kms) -> None:
    tenant = prepare(kms)
    site = kms.settings.site
    with nothing_changes(kms):
        for ref in (tenant.alias, f"arn:aws:kms:{site.region}:{site.account}:{tenant.alias}"):
            assert code(kms, operation, {**valid(operation, tenant), name: ref}) == NOT_FOUND


# -- lists -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ([{}], VALIDATION),
        ([{"TagKey": "a"}], VALIDATION),
        ([{"TagValue": "a"}], VALIDATION),
        ([{"TagKey": None, "TagValue": "a"}], VALIDATION),
        ([{"TagKey": 1, "TagValue": "a"}], SERIALIZATION),
        ([{"TagKey": "a", "TagValue": ["a"]}], SERIALIZATION),
        ([{"TagKey": "", "TagValue": "a"}], VALIDATION),
        ([{"TagKey": "a" * 129, "TagValue": "a"}], VALIDATION),
        ([{"TagKey": "a", "TagValue": "a" * 257}], VALIDATION),
        ([{"TagKey": "\ud800", "TagValue": "a"}], SERIALIZATION),
        ([{"TagKey": "a", "TagValue": "\ud800"}], SERIALIZATION),
        ([{"TagKey": "a", "TagValue": "1"}, {"TagKey": "a", "TagValue": "2"}], "TagException"),
        ([{"TagKey": "aws:a", "TagValue": "1"}], "TagException"),
        ([{"TagKey": str(n), "TagValue": ""} for n in range(51)], "TagException"),
        ([None], SERIALIZATION),
    ],
)
def test_tags_that_are_none(tags: list[Any], expected: str, kms: Kms) -> None:
    tenant = prepare(kms)
    with nothing_changes(kms):
        assert code(kms, "TagResource", {"KeyId": tenant.key_id, "Tags": tags}) == expected
        assert code(kms, "CreateKey", {"Tags": tags}) == expected


@pytest.mark.parametrize("count", [10, 11])
def test_how_many_grant_tokens_there_may_be(count: int, kms: Kms) -> None:
    about = {"KeyId": prepare(kms).key_id, "GrantTokens": ["a"] * count}
    assert code(kms, "DescribeKey", about) == (VALIDATION if count > 10 else None)


# -- requests --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ("", "UnknownOperationException"),
        ("encrypt", "UnknownOperationException"),
        ("Encrypt,TrentService.Decrypt", "UnknownOperationException"),  # a header that came twice
        ("Encrypt.Decrypt", "UnknownOperationException"),
        ("TrentService.Encrypt", "UnknownOperationException"),
        ("../Encrypt", "UnknownOperationException"),
        ("CreateCustomKeyStore", UNSUPPORTED),
        ("ReplicateKey", UNSUPPORTED),
        ("__init__", "UnknownOperationException"),
        ("a" * 4000, "UnknownOperationException"),
    ],
)
def test_an_operation_that_there_is_not(operation: str, expected: str | None, kms: Kms) -> None:
    tenant = prepare(kms)
    with nothing_changes(kms):
        assert code(kms, operation, {"KeyId": tenant.key_id, "Plaintext": "aGVsbG8="}) == expected


_KEY = b'{"KeyId":"%s"' % UUID.encode()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"[]", SERIALIZATION),
        (b"1", SERIALIZATION),
        (b"null", SERIALIZATION),
        (b'"a"', SERIALIZATION),
        (b"true", SERIALIZATION),
        (b"{", SERIALIZATION),
        (b"{}{}", SERIALIZATION),
        (b"\xff", SERIALIZATION),
        (b"\xef\xbb\xbf{}", SERIALIZATION),
        ("{}".encode("utf-16"), SERIALIZATION),
        (_KEY + b"}\x00", SERIALIZATION),
        (_KEY + b',"KeyId":"a"}', SERIALIZATION),
        (_KEY + b',"Newer":{"a":1,"a":2}}', SERIALIZATION),
        (_KEY + b',"Limit":NaN}', SERIALIZATION),
        (_KEY + b',"Limit":1e999}', SERIALIZATION),
        (_KEY + b',"Newer":' + b"[" * 100 + b"]" * 100 + b"}", SERIALIZATION),
        (b"KeyId=a", SERIALIZATION),
        (b"<KeyId/>", SERIALIZATION),
        (_KEY + b',"Newer":"' + b"a" * 70_000 + b'"}', VALIDATION),
        (b"", SERIALIZATION),
    ],
)
def test_a_body_that_is_no_object(body: bytes, expected: str, kms: Kms) -> None:
    with nothing_changes(kms):
        answer = kms.send(kms.signer.aws("ListKeyRotations", body=body))
        assert (answer["statusCode"], json.loads(answer["body"])["__type"]) == (400, expected)


_V1 = "&".join(f"{name}=a" for name in ("Action", "AccessKeyId", "Signature", "SignatureMethod"))


@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        pytest.param(edits.header_dropped("authorization"), "MissingAuthenticationTokenException", id="none"),
        pytest.param(edits.headers(authorization=""), "MissingAuthenticationTokenException", id="empty"),
        pytest.param(
            edits.headers(authorization="AWS4-HMAC-SHA256"), "IncompleteSignatureException", id="a scheme alone"
        ),
        pytest.param(edits.query("X-Amz-Signature=a"), "IncompleteSignatureException", id="in the query too"),
        pytest.param(edits.query("X-Amz-Credential=a"), "IncompleteSignatureException", id="a part of it in the query"),
        pytest.param(edits.query(_V1), "IncompleteSignatureException", id="another dialect's in the query"),
        pytest.param(edits.headers(x_acs_signature_nonce="a"), None, id="a header of another dialect"),
        pytest.param(
            edits.authorization(", Signature=", ", Signature=a, Signature="),
            "IncompleteSignatureException",
            id="two signatures",
        ),
        pytest.param(
            edits.authorization(", SignedHeaders=", ", SignedHeaders=host, SignedHeaders="),
            "IncompleteSignatureException",
            id="two lists",
        ),
        pytest.param(
            edits.authorization("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256 a=b, "),
            "IncompleteSignatureException",
            id="more",
        ),
        pytest.param(
            lambda r: edits.with_headers(r, authorization=",".join([r["headers"]["authorization"]] * 2)),
            "IncompleteSignatureException",
            id="twice",
        ),
        pytest.param(
            lambda r: edits.with_headers(r, x_amz_target=",".join([r["headers"]["x-amz-target"]] * 2)),
            "InvalidSignatureException",
            id="two targets",
        ),
    ],
)
def test_authentication_that_is_missing_or_double(edit: edits.Edit, expected: str | None, kms: Kms) -> None:
    with nothing_changes(kms):
        answer = kms.send(edit(kms.signer.aws("ListKeys")))
        body = json.loads(answer["body"])
        assert (answer["statusCode"], body.get("__type")) == (400 if expected else 200, expected)
