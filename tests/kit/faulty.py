"""Requests whose signature has a mistake, made by a signer written apart: what is sent is right, what is signed is not.

`signed(scheme, **wrong)` signs with `wrong` in the place of what is sent, and answers the request as raw HTTP.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from tenantkms.wire.http import Request, settle

NOW = 1_800_000_000
ID, SECRET = "AKIDEXAMPLE0000000001", "example/Secret+0000000000000000000000001"
HOST = "kms.example.test:8480"
BODY = '{"KeyId": "alias/first", "Plaintext": "aGVsbG8="}'
CONTEXT = '{"a": "b c*~+/é"}'
Wrong = Mapping[str, Any]


def pct(text: str) -> str:
    return quote(text, safe="-_.~")


def _sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _mac(key: bytes, text: str, name: str = "sha256") -> bytes:
    return hmac.new(key, text.encode(), name).digest()


def _iso(at: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))


def _http(method: str, target: str, headers: Mapping[str, str], body: str) -> str:
    lines = "".join(f"{name}: {value}\n" for name, value in headers.items())
    return f"{method} {target} HTTP/1.1\n{lines}Content-Length: {len(body.encode())}\n\n{body}"


def _key(o: Wrong) -> bytes:
    key: bytes = o["start"].encode()
    for step in o["steps"]:
        key = _mac(key, step)
        if o.get("hex_between"):
            key = key.hex().encode()
    return key


def _block(o: Wrong) -> str:
    lines = "".join(o["line"](name, value) for name, value in o["headers"].items())
    canonical = f"{o['method']}\n{o['path']}\n{o['query']}\n{lines}{o['gap']}{';'.join(o['headers'])}\n{o['payload']}"
    return str(o["canonical"](canonical))


_PLAIN: Wrong = {
    "line": lambda name, value: f"{name}:{value}\n",
    "gap": "\n",
    "canonical": lambda text: text,
    "text": lambda text: text,
    "digest": _sha,
    "write": bytes.hex,
    "headers_wrong": {},
}


def _headed(o: Wrong, text: Callable[[str], str]) -> str:
    """The signature over the header block with all that is wrong."""
    o = {**o, "headers": {**o["headers"], **o["headers_wrong"]}}
    if "names" in o:
        o["headers"] = dict(zip(o["names"], o["headers"].values(), strict=True))
    return str(o["write"](_mac(_key(o), o["text"](text(o["digest"](_block(o)))))))


def tc3(wrong: Wrong) -> str:
    date = _iso(NOW)[:10]
    o: dict[str, Any] = {
        **_PLAIN,
        "method": "POST",
        "path": "/",
        "query": "",
        "headers": {"content-type": "application/json", "host": HOST},
        "payload": _sha(BODY),
        "stamp": str(NOW),
        "scope": f"{date}/kms/tc3_request",
        "start": f"TC3{SECRET}",
        "steps": [date, "kms", "tc3_request"],
    }
    sent = {**o, **wrong.get("sent", {})}
    o = {**sent, **wrong}
    signature = _headed(o, lambda digest: f"TC3-HMAC-SHA256\n{o['stamp']}\n{o['scope']}\n{digest}")
    listed = f"SignedHeaders={';'.join(sent['headers'])}, Signature={signature}"
    headers = {
        "Host": HOST,
        "Content-Type": "application/json",
        "X-TC-Action": "Encrypt",
        "X-TC-Version": "2019-01-18",
        "X-TC-Timestamp": sent["stamp"],
        "X-TC-Region": "ap-guangzhou",
        "Authorization": f"TC3-HMAC-SHA256 Credential={ID}/{sent['scope']}, {listed}",
    }
    return _http(sent["method"], sent["path"] + (f"?{sent['query']}" if sent["query"] else ""), headers, BODY)


def aws(wrong: Wrong) -> str:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(NOW))
    scope = [stamp[:8], "eu-west-1", "kms", "aws4_request"]
    o: dict[str, Any] = {
        **_PLAIN,
        "method": "POST",
        "path": "/",
        "query": "",
        "headers": {
            "content-type": "application/x-amz-json-1.1",
            "host": HOST,
            "x-amz-date": stamp,
            "x-amz-target": "TrentService.Encrypt",
        },
        "payload": _sha(BODY),
        "stamp": stamp,
        "scope": "/".join(scope),
        "start": f"AWS4{SECRET}",
        "steps": scope,
    }
    sent = {**o, **wrong.get("sent", {})}
    o = {**sent, **wrong}
    signature = _headed(o, lambda digest: f"AWS4-HMAC-SHA256\n{o['stamp']}\n{o['scope']}\n{digest}")
    names = ";".join(sent["headers"])
    authorization = f"AWS4-HMAC-SHA256 Credential={ID}/{sent['scope']}, SignedHeaders={names}, Signature={signature}"
    headers = {name.title(): value for name, value in sent["headers"].items()}
    return _http("POST", sent.get("target", sent["path"]), {**headers, "Authorization": authorization}, BODY)


def acs(wrong: Wrong) -> str:
    pairs = {"EncryptionContext": CONTEXT, "KeyId": "alias/first", "Plaintext": "aGVsbG8="}
    o: dict[str, Any] = {
        **_PLAIN,
        "method": "POST",
        "path": "/",
        "query": "&".join(f"{pct(name)}={pct(value)}" for name, value in pairs.items()),
        "headers": {
            "host": HOST,
            "x-acs-action": "Encrypt",
            "x-acs-content-sha256": _sha(""),
            "x-acs-date": _iso(NOW),
            "x-acs-signature-nonce": "nonce-1",
            "x-acs-version": "2016-01-20",
        },
        "payload": _sha(""),
        "start": SECRET,
        "steps": [],
    }
    sent = {**o, **wrong.get("sent", {})}
    o = {**sent, **wrong}
    signature = _headed(o, lambda digest: f"ACS3-HMAC-SHA256\n{digest}")
    names = ";".join(sent["headers"])
    authorization = f"ACS3-HMAC-SHA256 Credential={ID},SignedHeaders={names},Signature={signature}"
    headers = {name.title(): value for name, value in sent["headers"].items()}
    target = sent.get("target", "/") + (f"?{sent['query']}" if sent["query"] else "")
    return _http("POST", target, {**headers, "Authorization": authorization}, sent.get("body", ""))


def _ordered(pairs: Mapping[str, str]) -> list[tuple[str, str]]:
    return sorted(pairs.items())


def _with_signature(pairs: dict[str, str], signature: str, wrong: Wrong) -> str:
    return urlencode(pairs) + "&Signature=" + (signature if wrong.get("raw_signature") else pct(signature))


def rpc(wrong: Wrong) -> str:
    pairs = {
        "Version": "2016-01-20",
        "Action": "Encrypt",
        "AccessKeyId": ID,
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": "nonce-1",
        "Timestamp": _iso(NOW),
        "Plaintext": "aGVsbG8=",
        "EncryptionContext": CONTEXT,
        "KeyId": "alias/first",
        "Format": "",
        **wrong.get("more", {}),
    }
    o: dict[str, Any] = {
        "method": "GET",
        "path": "/",
        "pairs": pairs,
        "order": _ordered,
        "escape": pct,
        "again": pct,
        "start": f"{SECRET}&",
        "hash": "sha1",
        "text": lambda text: text,
        "write": lambda mac: base64.b64encode(mac).decode(),
        **wrong,
    }
    canonical = "&".join(f"{o['escape'](name)}={o['escape'](value)}" for name, value in o["order"](o["pairs"]))
    text = f"{o['method']}&{o.get('path_escape', pct)(o['path'])}&{o['again'](canonical)}"
    signature = o["write"](_mac(o["start"].encode(), o["text"](text), o["hash"]))
    query = _with_signature(pairs, signature, o)
    return _http("GET", f"{o.get('target', '/')}?{query}", {"Host": HOST}, "")


def v1(wrong: Wrong, path: str = "/", version: str = "2019-01-18") -> str:
    pairs = {
        "Timestamp": str(NOW),
        "Action": "Encrypt",
        "Region": "ap-guangzhou",
        "SecretId": ID,
        "Nonce": "12345",
        "SignatureMethod": "HmacSHA256",
        "Plaintext": "aGVsbG8=",
        "EncryptionContext": CONTEXT,
        "KeyId": "11111111-2222-3333-4444-555555555555",
        **({"Version": version} if version else {}),
        **wrong.get("more", {}),
    }
    o: dict[str, Any] = {
        "method": "POST",
        "host": HOST,
        "path": path,
        "pairs": pairs,
        "order": _ordered,
        "value": lambda text: text,
        "start": SECRET,
        "hash": "sha256",
        "rest": lambda text: text,
        "text": lambda text: text,
        "write": lambda mac: base64.b64encode(mac).decode(),
        **wrong,
    }
    joined = "&".join(f"{name}={o['value'](value)}" for name, value in o["order"](o["pairs"]))
    text = f"{o['method']}{o['host']}{o['path']}?{o['rest'](joined)}"
    signature = o["write"](_mac(o["start"].encode(), o["text"](text), o["hash"]))
    body = _with_signature(pairs, signature, o)
    return _http("POST", path, {"Host": HOST, "Content-Type": "application/x-www-form-urlencoded"}, body)


def v2(wrong: Wrong) -> str:
    return v1(wrong, "/v2/index.php", "")


SIGNERS = {"tc3": tc3, "aws": aws, "acs": acs, "rpc": rpc, "v1": v1, "v2": v2}


def signed(scheme: str, **wrong: Any) -> str:
    return SIGNERS[scheme](wrong)


def request_of(raw: str) -> Request:
    """The raw HTTP as the endpoint gets it."""
    head, _, body = raw.partition("\n\n")
    first, *lines = head.split("\n")
    method, _, target = first.removesuffix(" HTTP/1.1").partition(" ")
    path, _, query = target.partition("?")
    headers, unfit = settle({name.lower(): value for name, _, value in (line.partition(":") for line in lines)})
    return Request(method=method, path=path, query=query, headers=headers, body=body.encode(), unfit=unfit)
