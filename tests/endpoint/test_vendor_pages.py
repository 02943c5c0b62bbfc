"""What five pages of the vendors say of Encrypt, statement by statement, and how each is seen to hold here.

The pages: Alibaba Cloud's reference in an edition of 6 KB and in one of 4 KB (April 2018), Tencent Cloud's legacy
API v2, its API 3.0 in Chinese, and its API 3.0 for other countries (December 2025). Every statement is one row, in
our own words, of `STATEMENTS` if it is checked or of `NOT_APPLICABLE`, with the reason, if nothing here can have it.
"""

from __future__ import annotations

from typing import Any

import pytest

from kit.support import Kms
from kit.vendor_api import ALIBABA, TENCENT, V2
from kit.vendor_checks import (
    UNKNOWN_KEY,
    Check,
    answers_a_second,
    answers_in_xml,
    answers_with,
    base64_comes_back,
    blob_is_base64,
    context_binds,
    context_has_at_most,
    context_is_json,
    context_is_optional,
    key_ids_are_unique,
    local_encryption,
    moves_a_data_key,
    only_base64,
    refuses,
    refuses_in_state,
    refuses_without_permission,
    request_ids_are_unique,
    requires,
    seals,
    stops_at,
    takes,
    takes_a_created_key,
    takes_an_alias,
    takes_an_rsa_key,
    tells_of_an_internal_error,
)
from kit.vendor_examples import (
    alibaba_example,
    tencent_get_example,
    tencent_post_example,
    tencent_refuses,
    tencent_serves_any_region,
    tencent_serves_host,
    v2_always_tells,
    v2_example,
    v2_explains,
)
from tenantkms.model.states import KeyState

A6 = "Alibaba, 6 KB"
A4 = "Alibaba, 4 KB"
T2 = "Tencent v2"
T3 = "Tencent 3.0, Chinese"
T4 = "Tencent 3.0, other countries"

STATEMENTS: list[tuple[str, str, Check]] = [
    # -- Alibaba Cloud, 6 KB
    (A6, "a plaintext becomes a ciphertext under a CMK", seals(ALIBABA)),
    (A6, "data of any kind up to 6 KB", stops_at(ALIBABA, 6144, "InvalidParameter")),
    (A6, "an RSA key is such data", takes_an_rsa_key(ALIBABA)),
    (A6, "a data key is encrypted again in another region, for data that moves there", moves_a_data_key(ALIBABA)),
    (A6, "KeyId must be given", requires(ALIBABA, "KeyId", "MissingParameter")),
    (A6, "KeyId names one CMK in the world", key_ids_are_unique),
    (A6, "an alias may stand for the KeyId", takes_an_alias),
    (A6, "Plaintext must be given", requires(ALIBABA, "Plaintext", "MissingParameter")),
    (A6, "Plaintext is in base64", base64_comes_back(ALIBABA)),
    (A6, "EncryptionContext may be left out", context_is_optional(ALIBABA)),
    (A6, "EncryptionContext is the JSON of a map of strings", context_is_json(ALIBABA, "InvalidParameter")),
    (A6, "Decrypt needs the context that Encrypt was given", context_binds(ALIBABA)),
    (A6, "the answer has the CMK's id, also for an alias", takes_an_alias),
    (A6, "the answer has the ciphertext", answers_with(ALIBABA, "KeyId", "CiphertextBlob", "RequestId")),
    (A6, "the example request, a GET of the query alone", alibaba_example),
    (A6, "every answer has a request id of its own", request_ids_are_unique(ALIBABA)),
    (A6, "an answer in XML has the root KMS and the same fields", answers_in_xml),
    # -- Alibaba Cloud, 4 KB
    (A4, "a plaintext becomes a ciphertext under a CMK", seals(ALIBABA)),
    (A4, "data of any kind up to 4 KB", takes(ALIBABA, 4096)),
    (A4, "an RSA key is such data", takes_an_rsa_key(ALIBABA)),
    (A4, "a data key's copy of another region opens there and decrypts the data", moves_a_data_key(ALIBABA)),
    (A4, "KeyId must be given", requires(ALIBABA, "KeyId", "MissingParameter")),
    (A4, "KeyId names one CMK in the world", key_ids_are_unique),
    (A4, "an alias may stand for the KeyId", takes_an_alias),
    (A4, "Plaintext must be given", requires(ALIBABA, "Plaintext", "MissingParameter")),
    (A4, "Plaintext is in base64", base64_comes_back(ALIBABA)),
    (A4, "EncryptionContext may be left out", context_is_optional(ALIBABA)),
    (A4, "the context is authenticated: with another one Decrypt fails", context_binds(ALIBABA)),
    (A4, "the answer has the CMK's id, also for an alias", takes_an_alias),
    (A4, "CiphertextBlob is in base64", blob_is_base64(ALIBABA)),
    (A4, "the example request, a GET of the query alone", alibaba_example),
    (A4, "the example answer in JSON", answers_with(ALIBABA, "KeyId", "CiphertextBlob", "RequestId")),
    (A4, "the example answer in XML", answers_in_xml),
    # -- Tencent Cloud, API v2
    (T2, "data under 4 KB is encrypted", stops_at(V2, 4096, "4560")),
    (T2, "an RSA key is such data", takes_an_rsa_key(V2)),
    (T2, "optional parameters may be left out", context_is_optional(V2)),
    (T2, "a success has every output parameter", answers_with(V2, "message", "requestId", "keyId", "ciphertextBlob")),
    (T2, "a failure has at least code, message and requestId", v2_always_tells),
    (T2, "keyId must be given", requires(V2, "keyId", "4000")),
    (T2, "keyId is what CreateKey made", takes_a_created_key(V2)),
    (T2, "plaintext must be given", requires(V2, "plaintext", "4000")),
    (T2, "plaintext must be in base64", only_base64(V2, "4590")),
    (T2, "an SDK may have encoded it already: that is base64 as any other", base64_comes_back(V2)),
    (T2, "encryptionContext is JSON of keys and values", context_is_json(V2, "4540")),
    (T2, "Decrypt needs the context that Encrypt was given", context_binds(V2)),
    (T2, "code is a number, 0 for a success", v2_example),
    (T2, "requestId tells requests apart", request_ids_are_unique(V2)),
    (
        T2,
        "4560 (10660): encryption failed",
        v2_explains("4560", "(10660)encryption failed, please check input parameters"),
    ),
    (T2, "4540 (10640): the context is not JSON", v2_explains("4540", "(10640)illegal encryptionContext")),
    (
        T2,
        "4590 (10690): the plaintext is not base64",
        v2_explains("4590", "(10690)plaintext is not encoded with base64"),
    ),
    (T2, "other failures have the common codes", refuses(V2, "5000", key=UNKNOWN_KEY)),
    (T2, "the example request, with its plaintext of letters", v2_example),
]

for page in (T3, T4):
    STATEMENTS += [
        (page, "data of any kind up to 4 KB", stops_at(TENCENT, 4096, "InvalidParameterValue.InvalidPlaintext")),
        (page, "an RSA key is such data", takes_an_rsa_key(TENCENT)),
        (page, "an application encrypts its data itself, with a data key", local_encryption(TENCENT)),
        (page, "300 requests a second and no more", answers_a_second(TENCENT, 300, "RequestLimitExceeded")),
        (page, "Action is Encrypt", tencent_refuses("InvalidAction", "encrypt")),
        (page, "Version is 2019-01-18", tencent_refuses("NoSuchVersion", "Encrypt", "2018-01-01")),
        (page, "Region is one that the product has: this one serves all", tencent_serves_any_region),
        (page, "KeyId must be given", requires(TENCENT, "KeyId", "MissingParameter")),
        (page, "KeyId is what CreateKey made", takes_a_created_key(TENCENT)),
        (page, "KeyId names one CMK in the world", key_ids_are_unique),
        (page, "Plaintext must be given", requires(TENCENT, "Plaintext", "MissingParameter")),
        (page, "Plaintext must be in base64", only_base64(TENCENT, "InvalidParameterValue.InvalidPlaintext")),
        (page, "EncryptionContext may be left out", context_is_optional(TENCENT)),
        (page, "EncryptionContext is JSON of keys and values", context_is_json(TENCENT, "InvalidParameter")),
        (page, "EncryptionContext has up to 1,024 characters", context_has_at_most(TENCENT, 1024, "InvalidParameter")),
        (page, "Decrypt needs the context that Encrypt was given", context_binds(TENCENT)),
        (page, "what the answer has", answers_with(TENCENT, "CiphertextBlob", "KeyId", "RequestId")),
        (page, "every answer has a request id of its own", request_ids_are_unique(TENCENT)),
        (page, "InternalError", tells_of_an_internal_error),
        (page, "InvalidParameter", refuses(TENCENT, "InvalidParameter", context="{")),
        (page, "InvalidKeyId", refuses(TENCENT, "InvalidParameterValue.InvalidKeyId", key="alias/default")),
        (page, "InvalidPlaintext", refuses(TENCENT, "InvalidParameterValue.InvalidPlaintext", plaintext="?")),
        (page, "CmkDisabled", refuses_in_state(KeyState.DISABLED, "ResourceUnavailable.CmkDisabled")),
        (page, "CmkNotFound", refuses(TENCENT, "ResourceUnavailable.CmkNotFound", key=UNKNOWN_KEY)),
        (page, "UnauthorizedOperation", refuses_without_permission),
    ]

STATEMENTS += [
    (T3, "requests go to kms.tencentcloudapi.com", tencent_serves_host("kms.tencentcloudapi.com")),
    (T3, "the example request, a GET of the query alone", tencent_get_example),
    (T4, "requests go to kms.intl.tencentcloudapi.com", tencent_serves_host("kms.intl.tencentcloudapi.com")),
    (T4, "CiphertextBlob is in base64", blob_is_base64(TENCENT)),
    (T4, "Decrypt gives the plaintext of the CiphertextBlob", seals(TENCENT)),
    (T4, "CmkArchived", refuses_in_state(KeyState.ARCHIVED, "ResourceUnavailable.CmkArchived")),
    (T4, "the example request, a POST of JSON with a context", tencent_post_example),
]

NOT_APPLICABLE: list[tuple[str, str, str]] = [
    (A6, "the service's own address", "a tenant has an address of its own; any host name is served"),
    (A4, "the service's own address", "a tenant has an address of its own; any host name is served"),
    (T2, "the list of regions and domain names", "a deployment is one region under one name"),
    (T2, "public network traffic has a fee, a private domain name has none", "network pricing is the provider's"),
    (T2, "the KMS SDKs encode the plaintext for their user", "it is the client that does it; see the rows on base64"),
    (T2, "the example's key id kms-30slkdf", "key ids here have one form, a UUID, as in API 3.0"),
    (T2, "msgId of the example answer", "it stands in the example only, not among the output parameters"),
    (T3, "parts of the example's ciphertext joined by -k-", "the ciphertext is opaque; FORMAT.md describes ours"),
    (T4, "parts of the example's ciphertext joined by -k-", "the ciphertext is opaque; FORMAT.md describes ours"),
    (T3, "an online explorer, a command line, SDKs in other languages", "the provider's tools; tests/sdk has Python's"),
    (T4, "an online explorer, a command line, SDKs in other languages", "the provider's tools; tests/sdk has Python's"),
    (T4, "a request that does not reach the server has no request id", "nothing of the server is involved"),
]


@pytest.mark.parametrize(
    ("page", "statement", "check"), STATEMENTS, ids=[f"{page}: {statement}" for page, statement, _ in STATEMENTS]
)
def test_statement(kms: Kms, page: str, statement: str, check: Check) -> None:
    check(kms)


def test_each_statement_stands_once_and_every_page_is_there() -> None:
    rows: list[tuple[Any, ...]] = [*STATEMENTS, *NOT_APPLICABLE]
    names = [(page, statement) for page, statement, _ in rows]
    assert len(set(names)) == len(names)
    assert {page for page, _ in names} == {A6, A4, T2, T3, T4}
