"""What tests share: events as API Gateway makes them, and signers written apart from the code under test."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode
from uuid import uuid4

from functions.endpoint.dispatch import InlineDispatcher
from functions.endpoint.handler import Endpoint
from kit import loaded
from tenantkms.runtime.assemble import Settings
from tkms.machine.directory import Directory

VECTORS = Path(__file__).parent.parent / "vectors"
HOST = "kms.example.test"


def event(
    method: str = "GET",
    path: str = "/",
    query: str = "",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> dict[str, Any]:
    """An API Gateway HTTP API event, payload format 2.0."""
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": {"host": HOST, **{k.lower(): v for k, v in (headers or {}).items()}},
        "requestContext": {
            "http": {"method": method, "path": path, "sourceIp": "192.0.2.1"},
            "stage": "$default",
        },
        "body": base64.b64encode(body).decode() if body else None,
        "isBase64Encoded": bool(body),
    }


def _hmac(key: bytes, text: str, name: str = "sha256") -> bytes:
    return hmac.new(key, text.encode(), name).digest()


def _pct(text: str) -> str:
    return quote(text, safe="-_.~")


@dataclass
class Signer:
    """Makes signed events with one credential; `now` is the clock that it signs with."""

    access_key_id: str
    secret: str
    now: Callable[[], float] = time.time

    def alibaba_rpc(
        self, action: str, params: Mapping[str, str] | None = None, *, method: str = "GET", **common: str
    ) -> dict[str, Any]:
        every = {
            "Action": action,
            "Version": "2016-01-20",
            "Format": "JSON",
            "AccessKeyId": self.access_key_id,
            "SignatureMethod": "HMAC-SHA1",
            "SignatureVersion": "1.0",
            "SignatureNonce": uuid4().hex,
            "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.now())),
            **(params or {}),
            **common,
        }
        canonical = "&".join(f"{_pct(k)}={_pct(every[k])}" for k in sorted(every))
        text = f"{method}&%2F&{_pct(canonical)}"
        every["Signature"] = base64.b64encode(_hmac(f"{self.secret}&".encode(), text, "sha1")).decode()
        encoded = urlencode(every)
        if method == "GET":
            return event("GET", query=encoded)
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return event("POST", headers=headers, body=encoded.encode())

    def alibaba_acs3(
        self,
        action: str,
        params: Mapping[str, str] | None = None,
        *,
        form: Mapping[str, str] | None = None,
        token: str = "",
    ) -> dict[str, Any]:
        query = dict(params or {})
        body = urlencode(form).encode() if form else b""
        headers = {
            "host": HOST,
            "x-acs-action": action,
            "x-acs-version": "2016-01-20",
            "x-acs-date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.now())),
            "x-acs-signature-nonce": uuid4().hex,
            "x-acs-content-sha256": hashlib.sha256(body).hexdigest(),
        }
        if body:
            headers["content-type"] = "application/x-www-form-urlencoded"
        if token:
            headers["x-acs-security-token"] = token
        signed = sorted(headers)
        canonical = "\n".join(
            [
                "POST",
                "/",
                "&".join(f"{_pct(k)}={_pct(query[k])}" for k in sorted(query)),
                *(f"{name}:{headers[name]}" for name in signed),
                "",
                ";".join(signed),
                headers["x-acs-content-sha256"],
            ]
        )
        text = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = _hmac(self.secret.encode(), text).hex()
        headers["authorization"] = (
            f"ACS3-HMAC-SHA256 Credential={self.access_key_id},SignedHeaders={';'.join(signed)},Signature={signature}"
        )
        return event("POST", query=urlencode(query), headers=headers, body=body)

    def tencent(
        self, action: str, params: Mapping[str, Any] | None = None, *, body: bytes | None = None, **headers: str
    ) -> dict[str, Any]:
        """API 3.0 with TC3-HMAC-SHA256; `body` instead of the JSON of `params`."""
        payload = json.dumps(params or {}).encode() if body is None else body
        timestamp = int(self.now())
        date = time.strftime("%Y-%m-%d", time.gmtime(timestamp))
        hashed = hashlib.sha256(payload).hexdigest()
        canonical = f"POST\n/\n\ncontent-type:application/json\nhost:{HOST}\n\ncontent-type;host\n{hashed}"
        text = f"TC3-HMAC-SHA256\n{timestamp}\n{date}/kms/tc3_request\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = _hmac(_hmac(_hmac(f"TC3{self.secret}".encode(), date), "kms"), "tc3_request")
        authorization = (
            f"TC3-HMAC-SHA256 Credential={self.access_key_id}/{date}/kms/tc3_request, "
            f"SignedHeaders=content-type;host, Signature={_hmac(key, text).hex()}"
        )
        every = {
            "content-type": "application/json",
            "x-tc-action": action,
            "x-tc-version": "2019-01-18",
            "x-tc-timestamp": str(timestamp),
            "x-tc-region": "ap-guangzhou",
            "authorization": authorization,
            **headers,
        }
        return event("POST", headers=every, body=payload)

    def tencent_v1(
        self,
        action: str,
        params: Mapping[str, str] | None = None,
        *,
        method: str = "POST",
        path: str = "/",
        version: str = "2019-01-18",
        **common: str,
    ) -> dict[str, Any]:
        """HmacSHA256 over all parameters: API 3.0, or with an empty version and its path the legacy API v2."""
        every = {
            "Action": action,
            "Timestamp": str(int(self.now())),
            "Nonce": str(int.from_bytes(os.urandom(4), "big")),
            "SecretId": self.access_key_id,
            "SignatureMethod": "HmacSHA256",
            **({"Version": version} if version else {}),
            **(params or {}),
            **common,
        }
        text = f"{method}{HOST}{path}?" + "&".join(f"{k}={every[k]}" for k in sorted(every))
        every["Signature"] = base64.b64encode(_hmac(self.secret.encode(), text)).decode()
        encoded = urlencode(every)
        if method == "GET":
            return event("GET", path, query=encoded)
        headers = {"content-type": "application/x-www-form-urlencoded"}
        return event("POST", path, headers=headers, body=encoded.encode())

    def tencent_v2(
        self, action: str, params: Mapping[str, str] | None = None, *, method: str = "POST", **common: str
    ) -> dict[str, Any]:
        return self.tencent_v1(action, params, method=method, path="/v2/index.php", version="", **common)

    def aws(
        self,
        operation: str,
        params: Mapping[str, Any] | None = None,
        *,
        body: bytes | None = None,
        token: str = "",
        method: str = "POST",
        path: str = "/",
        invocation: str = "",
    ) -> dict[str, Any]:
        """SigV4 as boto3 makes it; `body` instead of the JSON of `params`. Each call has an id, if none is given."""
        payload = json.dumps(params or {}).encode() if body is None else body
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(self.now()))
        headers = {
            "content-type": "application/x-amz-json-1.1",
            "host": HOST,
            "x-amz-date": stamp,
            **({"x-amz-security-token": token} if token else {}),
            "x-amz-target": f"TrentService.{operation}",
        }
        lines = "".join(f"{name}:{value}\n" for name, value in headers.items())
        names = ";".join(headers)
        canonical = f"{method}\n{quote(path)}\n\n{lines}\n{names}\n{hashlib.sha256(payload).hexdigest()}"
        scope = f"{stamp[:8]}/eu-west-1/kms/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = f"AWS4{self.secret}".encode()
        for part in scope.split("/"):
            key = _hmac(key, part)
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.access_key_id}/{scope}, "
            f"SignedHeaders={names}, Signature={_hmac(key, text).hex()}"
        )
        headers["amz-sdk-invocation-id"] = invocation or str(uuid4())
        return event(method, path, headers=headers, body=payload)


@dataclass
class Kms:
    """An endpoint in this process and a signer for it. Answers are the parsed bodies."""

    settings: Settings
    signer: Signer
    endpoint: Endpoint = field(init=False)

    def __post_init__(self) -> None:
        self.endpoint = Endpoint(self.settings, InlineDispatcher(self.settings.deps))

    def send(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The raw answer: statusCode, headers, body."""
        return self.endpoint(request)

    def _json(self, request: Mapping[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.send(request)["body"])
        return answer

    def alibaba(self, action: str, **params: str) -> dict[str, Any]:
        return self._json(self.signer.alibaba_rpc(action, params))

    def tencent(self, action: str, **params: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._json(self.signer.tencent(action, params))["Response"]
        return answer

    def tencent_v2(self, action: str, **params: str) -> dict[str, Any]:
        return self._json(self.signer.tencent_v2(action, params))

    def aws(self, operation: str, **params: Any) -> dict[str, Any]:
        return self._json(self.signer.aws(operation, params))


@dataclass
class Server:
    """A running `tkms serve`."""

    url: str
    data_dir: Path
    process: subprocess.Popen[str]

    @property
    def host(self) -> str:
        return self.url.partition("://")[2]

    def tkms(self, *args: str, stdin: str = "") -> str:
        """Standard output of a `tkms` command on the server's data directory."""
        return run_tkms(*args, "--data-dir", str(self.data_dir), stdin=stdin).stdout

    def credential(self, *args: str) -> tuple[str, str]:
        """A new credential: (access key id, secret)."""
        made = json.loads(self.tkms("credential", "create", "--json", *args))
        return made["access_key_id"], made["access_key_secret"]


class Tenant(NamedTuple):
    """A server, and an access key of it."""

    server: Server
    access_key_id: str
    secret: str


def run_tkms(*args: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
    done = loaded.run(args, stdin=stdin)
    if check:
        done.check_returncode()
    return done


def new_directory(path: Path) -> Directory:
    """A data directory as a first start leaves it."""
    directory = Directory(path)
    directory.make()
    return directory


@contextmanager
def serving(data_dir: Path, *args: str) -> Iterator[Server]:
    """`tkms serve` on a free port of 127.0.0.1; ended when the block ends."""
    command = [sys.executable, "-m", "tkms.cli", "serve", "--port", "0", "--data-dir", str(data_dir), *args]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(line)
                if line.startswith("tkms: ready on "):
                    break
            else:
                raise AssertionError(f"the server did not start: {''.join(lines)}{process.communicate()[1]}")
            yield Server(line.removeprefix("tkms: ready on ").strip(), data_dir, process)
        finally:
            process.terminate()
            process.communicate(timeout=20)
