"""What an Alibaba SDK's user is told: the code and status of every refusal that a request can meet."""

from __future__ import annotations

import base64

import pytest

from kit.sdk_clients import UNKNOWN_KEY, Tea, refused

HELLO = base64.b64encode(b"hello").decode()

REFUSALS = {
    "unknown key": ("Encrypt", {"key_id": UNKNOWN_KEY, "plaintext": HELLO}, "Forbidden.KeyNotFound", 404),
    "key of another form": ("DescribeKey", {"key_id": "key-hzz62f1cb66fa42qo5aep"}, "Forbidden.KeyNotFound", 404),
    "unknown alias": ("DescribeKey", {"key_id": "alias/none"}, "Forbidden.AliasNotFound", 404),
    "no key": ("Encrypt", {"plaintext": HELLO}, "MissingParameter", 400),
    "no plaintext": ("Encrypt", {"key_id": "alias/default"}, "MissingParameter", 400),
    "no ciphertext": ("Decrypt", {}, "MissingParameter", 400),
    "ciphertext not base64": ("Decrypt", {"ciphertext_blob": "!"}, "InvalidParameter", 400),
    "foreign ciphertext": ("Decrypt", {"ciphertext_blob": "AAAA" * 40}, "InvalidParameter", 400),
    "data key spec": ("GenerateDataKey", {"key_id": "alias/default", "key_spec": "AES_512"}, "InvalidParameter", 400),
    "data key size": ("GenerateDataKey", {"key_id": "alias/default", "number_of_bytes": 1025}, "InvalidParameter", 400),
    "data key of nothing": (
        "GenerateDataKey",
        {"key_id": "alias/default", "number_of_bytes": 0},
        "InvalidParameter",
        400,
    ),
    "key spec": ("CreateKey", {"key_spec": "RSA_1024"}, "UnsupportedOperation", 400),
    "protection": ("CreateKey", {"protection_level": "HSM"}, "UnsupportedOperation", 400),
    "description": ("CreateKey", {"description": "d" * 8193}, "InvalidParameter", 400),
    "alias name": ("CreateAlias", {"alias_name": "no-prefix", "key_id": "alias/default"}, "InvalidParameter", 400),
    "reserved alias": (
        "CreateAlias",
        {"alias_name": "alias/acs/x", "key_id": "alias/default"},
        "InvalidParameter",
        400,
    ),
    "alias of nothing": ("CreateAlias", {"alias_name": "alias/x", "key_id": UNKNOWN_KEY}, "Forbidden.KeyNotFound", 404),
    "update no alias": (
        "UpdateAlias",
        {"alias_name": "alias/none", "key_id": "alias/default"},
        "Forbidden.AliasNotFound",
        404,
    ),
    "delete no alias": ("DeleteAlias", {"alias_name": "alias/none"}, "Forbidden.AliasNotFound", 404),
    "aliases of no key": ("ListAliasesByKeyId", {"key_id": UNKNOWN_KEY}, "Forbidden.KeyNotFound", 404),
    "enable nothing": ("EnableKey", {"key_id": UNKNOWN_KEY}, "Forbidden.KeyNotFound", 404),
    "disable nothing": ("DisableKey", {"key_id": UNKNOWN_KEY}, "Forbidden.KeyNotFound", 404),
    "describe nothing": (
        "UpdateKeyDescription",
        {"key_id": UNKNOWN_KEY, "description": ""},
        "Forbidden.KeyNotFound",
        404,
    ),
    "page size": ("ListKeys", {"page_size": 102}, "InvalidParameter", 400),
    "page number": ("ListAliases", {"page_number": 0}, "InvalidParameter", 400),
    "filter": ("ListKeys", {"filters": '[{"Key":"Colour","Values":[]}]'}, "InvalidParameter", 400),
    "re-encrypt to nothing": ("ReEncrypt", {"ciphertext_blob": "AAAA"}, "MissingParameter", 400),
    "an operation of another service": ("ListSecrets", {}, "UnsupportedOperation", 400),
}


@pytest.mark.parametrize(("action", "fields", "code", "status"), REFUSALS.values(), ids=REFUSALS)
def test_refused(tea: Tea, action: str, fields: dict[str, object], code: str, status: int) -> None:
    with refused(tea, code, status):
        tea.call(action, **fields)


DRY_RUNS = {
    "would succeed": ({"key_id": "alias/default", "plaintext": HELLO}, "DryRunOperationError", 400),
    "would not validate": ({"key_id": "alias/default"}, "ValidationError", 400),
    "would not find": ({"key_id": UNKNOWN_KEY, "plaintext": HELLO}, "Forbidden.KeyNotFound", 404),
}


@pytest.mark.parametrize(("fields", "code", "status"), DRY_RUNS.values(), ids=DRY_RUNS)
def test_a_dry_run_always_ends_in_an_error(tea: Tea, fields: dict[str, str], code: str, status: int) -> None:
    with refused(tea, code, status):
        tea.call("Encrypt", dry_run="true", **fields)
