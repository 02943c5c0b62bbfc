"""Temporary access keys in the vendors' own SDKs, unmodified, by the classes that each has for them."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from alibabacloud_credentials.client import Client as CredentialsClient
from alibabacloud_credentials.models import Config as CredentialsConfig
from alibabacloud_kms20160120 import client as tea_client
from alibabacloud_kms20160120 import models
from alibabacloud_tea_openapi.models import Config

from kit.sdk_clients import Classic, Login, Qcloud, Tea, Tencent, refused, session
from kit.support import Server, serving

HELLO = base64.b64encode(b"hello").decode()
ENCRYPT = {"Statement": [{"Effect": "Allow", "Action": ["Encrypt", "CreateKey"], "Resource": "*"}]}

SDKS: dict[str, Callable[[Login], Any]] = {
    "Tea, ACS3": Tea,
    "Tea, ACS4": lambda login: Tea(login, signature_version="v4"),
    "Tea, RPC v1": lambda login: Tea(login, signature_algorithm="v2"),
    "core, POST": Classic,
    "core, GET": lambda login: Classic(login, method="GET"),
    **{
        f"tencent, {sign}, {method}": lambda login, sign=sign, method=method: Tencent(login, sign, method)  # type: ignore[misc]
        for sign in ("TC3-HMAC-SHA256", "HmacSHA256", "HmacSHA1")
        for method in ("POST", "GET")
    },
}
DENIED = {Tea: ("Forbidden.NoPermission", 403), Classic: ("Forbidden.NoPermission", 403)}
MALFORMED = {Tea: ("InvalidSecurityToken.Malformed", 400), Classic: ("InvalidSecurityToken.Malformed", 400)}


@pytest.fixture(scope="module")
def issued(server: Server) -> Login:
    server.credential("--name", "sessions")
    return session(server, "--name", "sessions")


@pytest.fixture(scope="module")
def narrow(server: Server, issued: Login, tmp_path_factory: pytest.TempPathFactory) -> Login:
    document: Path = tmp_path_factory.mktemp("policy") / "policy.json"
    document.write_text(json.dumps(ENCRYPT))
    return session(server, "--name", "sessions", "--duration", "15m", "--policy", str(document))


def made(sdk: Any) -> str:
    """A new key's id."""
    if isinstance(sdk, Tencent):
        from uuid import uuid4

        return str(sdk.call("CreateKey", Alias=f"s-{uuid4().hex}").KeyId)
    return str(sdk.ask("CreateKey")["KeyMetadata"]["KeyId"])


def ask(sdk: Any, action: str, **fields: str) -> dict[str, Any]:
    if isinstance(sdk, Tencent):
        return cast("dict[str, Any]", vars(sdk.call(action, **fields)))
    return cast("dict[str, Any]", sdk.ask(action, **fields))


def value(answer: dict[str, Any], name: str) -> str:
    """The Tencent SDK keeps a field under its name with an underscore before it."""
    return str(answer.get(name) or answer[f"_{name}"])


@pytest.mark.parametrize("name", SDKS)
def test_a_session_works_in_every_sdk_and_scheme(name: str, issued: Login) -> None:
    sdk = SDKS[name](issued)
    blob = value(ask(sdk, "Encrypt", KeyId=made(sdk), Plaintext=HELLO), "CiphertextBlob")
    assert value(ask(sdk, "Decrypt", CiphertextBlob=blob), "Plaintext") == HELLO


@pytest.mark.parametrize("name", SDKS)
def test_a_narrowed_session_is_refused_the_rest(name: str, narrow: Login) -> None:
    sdk = SDKS[name](narrow)
    blob = value(ask(sdk, "Encrypt", KeyId=made(sdk), Plaintext=HELLO), "CiphertextBlob")
    with refused(sdk, *DENIED.get(type(sdk), ("UnauthorizedOperation", 200))):
        ask(sdk, "Decrypt", CiphertextBlob=blob)


@pytest.mark.parametrize("name", SDKS)
def test_an_altered_token_is_told_in_the_vendor_s_words(name: str, issued: Login) -> None:
    assert issued.token
    sdk = SDKS[name](issued.but(token=issued.token[:-6] + "AAAAAA"))
    with refused(sdk, *MALFORMED.get(type(sdk), ("AuthFailure.TokenFailure", 200))):
        ask(sdk, "Encrypt", KeyId="alias/default", Plaintext=HELLO)


# -- the legacy API, which speaks https only ----------------------------------------------------------------


@pytest.fixture
def secure_session(trusted: Login, secure_server: Server) -> Login:
    return session(secure_server, "--name", "first", ca=trusted.ca)


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_session_works_in_the_legacy_api(method: str, secure_session: Login) -> None:
    sdk = Qcloud(secure_session, method=method)
    assert sdk.call("ListKey")["code"] == 0
    assert secure_session.token
    altered = Qcloud(secure_session.but(token=secure_session.token[:-6] + "AAAAAA"), method=method)
    assert altered.call("ListKey")["code"] == 4105


# -- alibabacloud-credentials ---------------------------------------------------------------------------------


def tea(login: Login, credential: CredentialsClient) -> Any:
    config = Config(credential=credential, endpoint=login.host, protocol="http", region_id="cn-hangzhou")
    return tea_client.Client(config)


def round_trip(client: Any) -> None:
    sealed = client.encrypt(models.EncryptRequest(key_id="alias/default", plaintext=HELLO)).body
    opened = client.decrypt(models.DecryptRequest(ciphertext_blob=sealed.ciphertext_blob)).body
    assert opened.plaintext == HELLO


def test_the_credentials_library_holds_a_session(issued: Login) -> None:
    config = CredentialsConfig(
        type="sts",
        access_key_id=issued.access_key_id,
        access_key_secret=issued.secret,
        security_token=issued.token,
    )
    round_trip(tea(issued, CredentialsClient(config)))


@pytest.fixture(scope="module")
def giving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a credentials URI for its first access key."""
    data: Path = tmp_path_factory.mktemp("uri") / "data"
    with serving(data, "--credentials-uri", "first") as server:
        yield server


def test_the_credentials_uri_provider_is_given_sessions(giving: Server) -> None:
    uri = (giving.data_dir / "credentials-uri").read_text().strip()
    credential = CredentialsClient(CredentialsConfig(type="credentials_uri", credentials_uri=uri))
    login = Login(giving.host, "", "")
    round_trip(tea(login, credential))
    found = credential.get_credential()
    assert found.access_key_id.startswith("TKMT")
    assert found.security_token
    lines = [json.loads(line) for line in (giving.data_dir / "audit.jsonl").read_text().splitlines()]
    assert [line["session"] for line in lines if line.get("action") == "Decrypt"] == [found.access_key_id]


def test_the_credentials_uri_of_the_environment(giving: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from alibabacloud_credentials.provider.uri import URLCredentialsProvider
    from alibabacloud_credentials.utils import auth_util

    uri = (giving.data_dir / "credentials-uri").read_text().strip()
    monkeypatch.setattr(auth_util, "environment_credentials_uri", uri)  # read when the library is imported
    assert URLCredentialsProvider().get_credentials().get_access_key_id().startswith("TKMT")
