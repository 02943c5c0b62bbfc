"""The example requests of the vendors' pages, and what only one of the APIs says."""

from __future__ import annotations

import hmac
import json
import time
from urllib.parse import parse_qs, urlencode

from kit.support import Kms, event
from kit.vendor_api import ALIBABA, HELLO, TENCENT, V2, key_id, to_base64
from kit.vendor_checks import UNKNOWN_KEY, Check

CONTEXT = '{"Example":"Example"}'


def alibaba_example(kms: Kms) -> None:
    """A GET with everything in the query, under the provider's own host name too: this signature leaves it out."""
    fields = {"KeyId": "alias/default", "Plaintext": HELLO, "EncryptionContext": CONTEXT}
    for host in ("kms.example.test", "kms.cn-hangzhou.aliyuncs.com"):
        request = kms.signer.alibaba_rpc("Encrypt", fields)
        assert (request["requestContext"]["http"]["method"], request["body"]) == ("GET", None)
        request["headers"]["host"] = host
        answer = kms.send(request)
        assert (answer["statusCode"], answer["headers"]["content-type"].split(";")[0]) == (200, "application/json")
        assert ALIBABA.opens(kms, json.loads(answer["body"]), CONTEXT) == HELLO


# -- Tencent Cloud, API v2 -----------------------------------------------------------------------------


def v2_example(kms: Kms) -> None:
    request = kms.signer.tencent_v2("Encrypt", {"keyId": key_id(kms), "plaintext": "databasepassword"}, method="GET")
    assert request["rawPath"] == "/v2/index.php"
    answer = json.loads(kms.send(request)["body"])
    assert (answer["code"], answer["message"]) == (0, "")
    assert V2.opens(kms, answer) == "databasepassword"


def v2_always_tells(kms: Kms) -> None:
    for answer in (
        kms.tencent_v2("Encrypt"),
        kms.tencent_v2("Nothing"),
        kms.tencent_v2("Encrypt", keyId=UNKNOWN_KEY, plaintext=HELLO),
        kms.tencent_v2("Encrypt", keyId=UNKNOWN_KEY, plaintext="?"),
    ):
        assert isinstance(answer["code"], int)
        assert answer["code"] != 0
        assert answer["message"]
        assert answer["requestId"]


_WRONG = {
    "4560": {"plaintext": "AAAA" * 2000},
    "4540": {"encryptionContext": "a=b"},
    "4590": {"plaintext": "plain text"},
}


def v2_explains(code: str, message: str) -> Check:
    """The code, the module's code in front of the message, and the message."""

    def check(kms: Kms) -> None:
        answer = kms.tencent_v2("Encrypt", **{"keyId": key_id(kms), "plaintext": HELLO, **_WRONG[code]})
        assert (str(answer["code"]), answer["message"]) == (code, message)

    return check


# -- Tencent Cloud, API 3.0 ----------------------------------------------------------------------------


def tencent_get_example(kms: Kms) -> None:
    """A GET with everything in the query; the example's key is one that nobody has here."""
    fields = {"KeyId": key_id(kms), "Plaintext": "dGVzdCUyMHBsYWluJTIwdGV4dA=="}
    request = kms.signer.tencent_v1("Encrypt", fields, method="GET", Region="ap-guangzhou")
    assert parse_qs(request["rawQueryString"])["Action"] == ["Encrypt"]
    answer = json.loads(kms.send(request)["body"])
    assert list(answer) == ["Response"]
    assert TENCENT.opens(kms, answer["Response"]) == fields["Plaintext"]
    unknown = kms.signer.tencent_v1("Encrypt", {**fields, "KeyId": UNKNOWN_KEY}, method="GET")
    error = json.loads(kms.send(unknown)["body"])["Response"]["Error"]
    assert error["Code"] == "ResourceUnavailable.CmkNotFound"


def tencent_post_example(kms: Kms) -> None:
    """The body of the example as it stands, white space included."""
    body = (
        '{\n    "KeyId": "%s",\n    "Plaintext": "dGVzdAo=",\n    "EncryptionContext": "{\\"key1\\":\\"value1\\"}"\n}'
    )
    request = kms.signer.tencent("Encrypt", body=(body % key_id(kms)).encode())
    answer = json.loads(kms.send(request)["body"])
    assert list(answer) == ["Response"]
    assert TENCENT.opens(kms, answer["Response"], '{"key1":"value1"}') == "dGVzdAo="


def tencent_refuses(code: str, action: str, version: str = "2019-01-18") -> Check:
    def check(kms: Kms) -> None:
        fields = {"KeyId": key_id(kms), "Plaintext": HELLO}
        request = kms.signer.tencent(action, fields, **{"x-tc-version": version})
        assert json.loads(kms.send(request)["body"])["Response"]["Error"]["Code"] == code
        assert TENCENT.error(TENCENT.encrypt(kms)) == ""

    return check


def tencent_serves_any_region(kms: Kms) -> None:
    for region in ("ap-guangzhou", "na-siliconvalley", "eu-frankfurt"):
        request = kms.signer.tencent("Encrypt", {"KeyId": key_id(kms), "Plaintext": HELLO}, **{"x-tc-region": region})
        assert TENCENT.opens(kms, json.loads(kms.send(request)["body"])["Response"]) == HELLO


def tencent_serves_host(host: str) -> Check:
    """A request that was signed for the provider's own host name, and says so in its Host header."""

    def check(kms: Kms) -> None:
        fields = {
            "Action": "Encrypt",
            "KeyId": key_id(kms),
            "Nonce": "1",
            "Plaintext": HELLO,
            "Region": "ap-guangzhou",
            "SecretId": kms.signer.access_key_id,
            "SignatureMethod": "HmacSHA256",
            "Timestamp": str(int(time.time())),
            "Version": "2019-01-18",
        }
        text = f"GET{host}/?" + "&".join(f"{name}={fields[name]}" for name in sorted(fields))
        digest = hmac.digest(kms.signer.secret.encode(), text.encode(), "sha256")
        query = urlencode({**fields, "Signature": to_base64(digest)})
        answer = json.loads(kms.send(event(query=query, headers={"host": host}))["body"])["Response"]
        assert TENCENT.opens(kms, answer) == HELLO

    return check
