"""The vendors' own SDKs, unmodified, pointed at a `tkms serve`. One small class per SDK: `call(action, **fields)`."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_kms20160120 import client as tea_client
from alibabacloud_kms20160120 import models as tea_models
from alibabacloud_tea_openapi.exceptions import ClientException
from alibabacloud_tea_openapi.models import Config
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.auth.credentials import StsTokenCredential
from aliyunsdkcore.client import AcsClient
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from darabonba.exceptions import UnretryableException
from QcloudApi.qcloudapi import QcloudApi
from tencentcloud.common import credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.kms.v20190118 import kms_client
from tencentcloud.kms.v20190118 import models as tencent_models

from kit.support import Server
from tenantkms.names import CHANGING
from tenantkms.wire.dialects.tencent.operations import OPERATIONS as TENCENT_OPERATIONS

REQUEST_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
UUID = REQUEST_ID
UNKNOWN_KEY = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Login:
    """Where a server is and one access key of it. `ca`: the certificate to trust; None: plain HTTP.

    `token`: the security token of a temporary access key, which each SDK sends in its own way.
    """

    host: str
    access_key_id: str
    secret: str
    ca: str | None = None
    token: str | None = None

    @property
    def scheme(self) -> str:
        return "https" if self.ca else "http"

    def but(self, **changes: str) -> Login:
        return replace(self, **changes)


def login(server: Server, *args: str, ca: Path | None = None) -> Login:
    """A new credential on `server`, made with `tkms credential create ARGS`."""
    return Login(server.host, *server.credential(*args), str(ca) if ca else None)


def session(server: Server, *args: str, ca: str | None = None) -> Login:
    """A temporary access key on `server`, issued with `tkms credential session ARGS`."""
    made = json.loads(server.tkms("credential", "session", "--json", *args))
    return Login(server.host, made["access_key_id"], made["access_key_secret"], ca, made["security_token"])


@dataclass(frozen=True)
class Refusal:
    """What an SDK's exception says."""

    code: str = ""
    status: int = 0
    request_id: str = ""
    message: str = ""


def _snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


def aws_variables(login: Login) -> dict[str, str]:
    """What leads an AWS client to a server, and keeps this machine's own settings away from it."""
    return {
        "AWS_ENDPOINT_URL_KMS": f"{login.scheme}://{login.host}",
        "AWS_ACCESS_KEY_ID": login.access_key_id,
        "AWS_SECRET_ACCESS_KEY": login.secret,
        **({"AWS_SESSION_TOKEN": login.token} if login.token else {}),
        **({"AWS_CA_BUNDLE": login.ca, "NODE_EXTRA_CA_CERTS": login.ca} if login.ca else {}),
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


class Tea:
    """alibabacloud-kms20160120. Fields in snake case; the answer is the response's body."""

    error = (ClientException, UnretryableException)

    def __init__(self, login: Login, **config: Any) -> None:
        self.client = tea_client.Client(
            Config(
                access_key_id=login.access_key_id,
                access_key_secret=login.secret,
                security_token=login.token,
                endpoint=login.host,
                protocol=login.scheme,
                region_id="cn-hangzhou",
                ca=login.ca,
                **config,
            )
        )

    def call(self, action: str, **fields: Any) -> Any:
        method = getattr(self.client, _snake(action))
        request = getattr(tea_models, f"{action}Request", None)
        return (method(request(**fields)) if request else method()).body

    def ask(self, action: str, **fields: Any) -> dict[str, Any]:
        """`call` with the API's own names of the fields, and the answer as a dict."""
        answer: dict[str, Any] = self.call(action, **{_snake(name): value for name, value in fields.items()}).to_map()
        return answer

    @staticmethod
    def read(error: Any) -> Refusal:
        """With ACS4 the SDK wraps the exception, and only the answer's own fields are left."""
        error = getattr(error, "inner_exception", error)
        data = error.data
        return Refusal(error.code, data["statusCode"], data["RequestId"], data["Message"])


class Classic:
    """aliyun-python-sdk-kms. The answer is the parsed JSON, or the bytes of any other format, errors as well."""

    error = ServerException

    def __init__(self, login: Login, *, method: str = "POST", accept_format: str = "JSON") -> None:
        if login.token:
            sts = StsTokenCredential(login.access_key_id, login.secret, login.token)
            self.client = AcsClient(region_id="cn-hangzhou", credential=sts, verify=login.ca)
        else:
            self.client = AcsClient(login.access_key_id, login.secret, "cn-hangzhou", verify=login.ca)
        self.login, self.method, self.format = login, method, accept_format

    def call(self, action: str, **fields: Any) -> Any:
        module = import_module(f"aliyunsdkkms.request.v20160120.{action}Request")
        request = getattr(module, f"{action}Request")()
        request.set_endpoint(self.login.host)
        request.set_protocol_type(self.login.scheme)
        request.set_method(self.method)
        request.set_accept_format(self.format)
        for name, value in fields.items():
            getattr(request, f"set_{name}")(value)
        if self.format != "JSON":
            return self.client.do_action(request)
        return json.loads(self.client.do_action_with_exception(request))

    def ask(self, action: str, **fields: Any) -> dict[str, Any]:
        """`call`; a map becomes the JSON text that this SDK leaves to its user."""
        texts = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in fields.items()}
        answer: dict[str, Any] = self.call(action, **texts)
        return answer

    @staticmethod
    def read(error: Any) -> Refusal:
        return Refusal(error.get_error_code(), error.get_http_status(), error.get_request_id(), error.get_error_msg())


class Tencent:
    """tencentcloud-sdk-python-kms. The answer is the response object."""

    error = TencentCloudSDKException

    def __init__(
        self, login: Login, sign: str = "TC3-HMAC-SHA256", method: str = "POST", *, behind_gateway: str = ""
    ) -> None:
        """`behind_gateway`: the endpoint that it signs, while it calls that of `login`."""
        http = HttpProfile(
            protocol=login.scheme,
            endpoint=behind_gateway or login.host,
            reqMethod=method,
            reqTimeout=20,
            certification=login.ca,
        )
        http.apigw_endpoint = login.host if behind_gateway else None
        profile = ClientProfile(signMethod=sign, httpProfile=http)
        self.client = kms_client.KmsClient(
            credential.Credential(login.access_key_id, login.secret, login.token), "ap-guangzhou", profile
        )
        self._signs_alike = sign.startswith("TC3")
        self._done: dict[str, int] = {}

    def call(self, action: str, **fields: Any) -> Any:
        """A change that was asked for in this very second waits for the next one: TC3 would sign both alike."""
        asked = f"{action} {fields}"
        while self._signs_alike and self._done.get(asked) == int(time.time()):
            time.sleep(0.02)
        try:
            return self._call(action, **fields)
        finally:
            operation = TENCENT_OPERATIONS.get(action)
            if operation and operation.action in CHANGING:
                self._done[asked] = int(time.time())

    def ask(self, action: str, **fields: Any) -> dict[str, Any]:
        """`call` with the answer as a dict; a map becomes the JSON text that this SDK leaves to its user."""
        texts = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in fields.items()}
        answer: dict[str, Any] = json.loads(self.call(action, **texts).to_json_string())
        return answer

    def _call(self, action: str, **fields: Any) -> Any:
        request = getattr(tencent_models, f"{action}Request")()
        request.from_json_string(json.dumps(fields))
        return getattr(self.client, action)(request)

    @staticmethod
    def read(error: Any) -> Refusal:
        """API 3.0 always answers with status 200."""
        return Refusal(error.get_code(), 200, error.get_request_id(), error.get_message())


class Qcloud:
    """qcloudapi-sdk-python, https only. It raises for nothing but a status: the answer says how it went."""

    def __init__(self, login: Login, **config: Any) -> None:
        settings = {
            "Region": "gz",
            "secretId": login.access_key_id,
            "secretKey": login.secret,
            "endpoint": login.host,
            "method": "post",
            **config,
        }
        self.client = QcloudApi("kms-meta", settings)
        self.common = {"Token": login.token} if login.token else {}

    def call(self, action: str, **fields: Any) -> Any:
        return json.loads(self.client.call(action, {**self.common, **fields}))


@contextmanager
def refused(sdk: Any, code: str, status: int = 200, text: str = "") -> Iterator[None]:
    """The block raises the SDK's own exception with this code and status, a request id, and `text` in the message."""
    try:
        yield
    except sdk.error as error:
        got = sdk.read(error)
        assert (got.code, got.status) == (code, status), got
        assert REQUEST_ID.fullmatch(got.request_id), got
        assert got.message, got
        assert text in got.message, got
    else:
        raise AssertionError(f"it succeeded where {code} was expected")


def without_proxies(patch: pytest.MonkeyPatch) -> None:
    """The SDKs would take a proxy of the environment to this machine too."""
    for word in ("http", "https", "all"):
        for name in (f"{word}_proxy", f"{word.upper()}_PROXY"):
            patch.delenv(name, raising=False)


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def make_certificate(folder: Path, names: Sequence[str] = ("127.0.0.1",)) -> tuple[Path, Path]:
    """(certificate, key) files of a new self-signed certificate for these IP addresses and host names."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "tkms test")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(minutes=5))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file
