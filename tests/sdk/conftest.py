"""Clients of each vendor SDK on shared servers: one over HTTP, one over TLS for the SDK that speaks nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import pytest

from kit.sdk_aws import default_session
from kit.sdk_clients import (
    Classic,
    Login,
    Qcloud,
    Tea,
    Tencent,
    aws_variables,
    login,
    make_certificate,
    without_proxies,
)
from kit.support import Server, serving


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDKs would take a proxy of the environment for 127.0.0.1 too."""
    without_proxies(monkeypatch)


@pytest.fixture(scope="session")
def plain(server: Server) -> Login:
    return login(server, "--name", "sdk")


@pytest.fixture(scope="session")
def tea(plain: Login) -> Tea:
    return Tea(plain)


@pytest.fixture(scope="session")
def classic(plain: Login) -> Classic:
    return Classic(plain)


@pytest.fixture(scope="session")
def tencent(plain: Login) -> Tencent:
    return Tencent(plain)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """(certificate, key)"""
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture(scope="session")
def secure_server(certificate: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of its own over TLS."""
    cert, key = certificate
    folder: Path = tmp_path_factory.mktemp("tls")
    with serving(folder / "data", "--limit", "off", "--tls-cert", str(cert), "--tls-key", str(key)) as server:
        yield server
        # The SDKs keep idle connections; a TLS server that stops gently would wait for them to say goodbye.
        server.process.kill()


@pytest.fixture(scope="session")
def secure(secure_server: Server, certificate: tuple[Path, Path]) -> Login:
    """A credential of the TLS server."""
    return login(secure_server, ca=certificate[0])


@pytest.fixture
def trusted(secure: Login, monkeypatch: pytest.MonkeyPatch) -> Login:
    """The TLS server, trusted as a user trusts a private certificate: OpenSSL reads SSL_CERT_FILE."""
    assert secure.ca
    monkeypatch.setenv("SSL_CERT_FILE", secure.ca)
    return secure


@pytest.fixture
def enter(monkeypatch: pytest.MonkeyPatch) -> Callable[[Login], None]:
    """Has clients of AWS that are made from now on find a login in the environment, boto3's default session too."""

    def entered(login: Login) -> None:
        for name, value in aws_variables(login).items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(boto3, "DEFAULT_SESSION", default_session(login))

    return entered


@pytest.fixture
def aws_environment(enter: Callable[[Login], None], secure: Login) -> None:
    enter(secure)


@pytest.fixture(scope="session")
def dynamodb() -> Iterator[str]:
    """The URL of moto's server, for clients that keep in DynamoDB what the KMS encrypted."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def qcloud(trusted: Login) -> Qcloud:
    return Qcloud(trusted)
