"""What the explorer signs in a tab is served: every scheme, method and operation, by the endpoint itself."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from kit.catalogue import EXAMPLES, error_code, prepare
from kit.in_node import call
from kit.support import HOST, Kms, event

SCHEMES = {
    "alibaba-acs3": "alibaba",
    "alibaba-acs4": "alibaba",
    "alibaba-rpc": "alibaba",
    "tencent-tc3": "tencent",
    "tencent-v1-sha1": "tencent",
    "tencent-v1-sha256": "tencent",
    "tencent-v1-tc2": "tencent",
    "tencent-v2-sha1": "tencent-v2",
    "tencent-v2-sha256": "tencent-v2",
    "tencent-v2-tc2": "tencent-v2",
    "aws-sigv4": "aws",
}
ODD = {"purpose": "a b+c&d=e%20~*!'()/", "键": "值\t值"}
"""Characters that each scheme escapes in its own way."""


def _event(signed: Mapping[str, Any]) -> Mapping[str, Any]:
    path, _, query = signed["url"].partition("?")
    return event(signed["method"], path, query, dict(signed["headers"]), signed["body"].encode())


def _signed(kms: Kms, jobs: list[tuple[str, dict[str, Any]]]) -> list[Any]:
    common = {
        "host": HOST,
        "accessKeyId": kms.signer.access_key_id,
        "secret": kms.signer.secret,
        "now": int(kms.settings.deps.clock() * 1000),
    }
    return call("sign.js", "sign", [[scheme, {**common, **job}] for scheme, job in jobs])


def test_the_schemes_are_these() -> None:
    listed = call(
        "sign.js", "sign", [["aws-sigv4", {"host": HOST, "accessKeyId": "a", "secret": "s", "operation": "X"}]]
    )
    assert listed[0]["signature"]
    source = call("signing.js", "find", [[name] for name in SCHEMES])
    assert {row["id"]: row["dialect"] for row in source} == SCHEMES


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_operation_is_served(scheme: str, kms: Kms) -> None:
    dialect = SCHEMES[scheme]
    examples = EXAMPLES[dialect](prepare(kms))
    if scheme.startswith("tencent-v"):  # two values with `&name=` could not be told from parameters
        examples = {name: params for name, params in examples.items() if "&" not in json.dumps(params)}
    reads = {name: params for name, params in examples.items() if name.startswith(("Enc", "List", "Desc", "Generate"))}
    assert reads
    signed = _signed(kms, [(scheme, {"operation": name, "params": params}) for name, params in reads.items()])
    for name, request in zip(reads, signed, strict=True):
        answer = kms.send(_event(request))
        assert error_code(dialect, answer) is None, (name, answer["body"])


@pytest.mark.parametrize("scheme", [name for name in SCHEMES if name != "aws-sigv4"])
def test_a_get_carries_its_parameters_in_the_query(scheme: str, kms: Kms) -> None:
    dialect = SCHEMES[scheme]
    tenant = prepare(kms)
    names = {"tencent-v2": ("keyId", "plaintext", "encryptionContext")}
    key, plaintext, context = names.get(dialect, ("KeyId", "Plaintext", "EncryptionContext"))
    odd = {"a": "b c+d%e~*!'()/"} if "v" in scheme.split("-")[1] else ODD
    params = {key: tenant.key_id, plaintext: "aGVsbG8=", context: json.dumps(odd)}
    (signed,) = _signed(kms, [(scheme, {"operation": "Encrypt", "params": params, "method": "GET"})])
    assert (signed["method"], signed["body"]) == ("GET", "")
    assert "?" in signed["url"]
    answer = kms.send(_event(signed))
    assert error_code(dialect, answer) is None, answer["body"]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_wrong_secret_is_refused(scheme: str, kms: Kms) -> None:
    job = {"operation": "ListKeys", "params": {}, "secret": "wrong"}
    (signed,) = _signed(kms, [(scheme, job)])
    code = error_code(SCHEMES[scheme], kms.send(_event(signed)))
    assert code in ("SignatureDoesNotMatch", "AuthFailure.SignatureFailure", 4100, "InvalidSignatureException")


def test_the_secret_stands_in_nothing_that_is_sent(kms: Kms) -> None:
    jobs = [(scheme, {"operation": "ListKeys", "params": {}}) for scheme in SCHEMES]
    for signed in _signed(kms, jobs):
        assert kms.signer.secret not in json.dumps(signed)
