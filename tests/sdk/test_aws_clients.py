"""Clients of AWS KMS: each opens what it sealed, shares it with the other vendors' SDKs, and tells what was refused."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from kit.aws_clients import (
    SECRET,
    AwsClient,
    Boto3,
    Context,
    Credstash,
    TinkAwsKmsClient,
    TinkNewClient,
    Wrap,
)
from kit.aws_encryption_sdk import EncryptionSdk
from kit.mongo_crypt import MongoCrypt
from kit.sdk_aws import Aws, Boto
from kit.sdk_clients import UNKNOWN_KEY, Login, login
from kit.speakers import SPEAKERS, Speaker
from kit.support import serving

CLIENTS: dict[str, type[AwsClient]] = {
    "boto3": Boto3,
    "encryption sdk": EncryptionSdk,
    "tink, new_client": TinkNewClient,
    "tink, AwsKmsClient": TinkAwsKmsClient,
    "credstash": Credstash,
    "pymongocrypt": MongoCrypt,
}
CONTEXT = {"tenant": "blue", "数据": "ключ 🔑"}
OTHERS = ["alibaba acs3", "tencent tc3"]
Connect = Callable[[Login, str], AwsClient]


@pytest.fixture(params=CLIENTS)
def kind(request: pytest.FixtureRequest) -> type[AwsClient]:
    return CLIENTS[request.param]


@pytest.fixture
def connect(
    kind: type[AwsClient], enter: Callable[[Login], None], dynamodb: str, monkeypatch: pytest.MonkeyPatch
) -> Connect:
    """A new client."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", dynamodb)

    def made(login: Login, key: str) -> AwsClient:
        enter(login)
        return kind(login, key)

    return made


@pytest.fixture(scope="module")
def user(secure: Login) -> Aws:
    return Aws(Boto(secure))


@pytest.fixture(scope="module")
def key(user: Aws) -> str:
    return user.key()


def wrap_by(speaker: Speaker, key: str, more: Context = {}) -> Wrap:  # noqa: B006, it is only read
    """`more`: a context that its user does not know of."""

    def wrapped(plaintext: bytes, context: Context) -> bytes:
        blob = speaker.encrypt(key.rpartition("/")[2], base64.b64encode(plaintext).decode(), {**context, **more})
        return base64.b64decode(blob)

    return wrapped


def test_it_opens_what_it_sealed(connect: Connect, secure: Login, key: str) -> None:
    sealed = connect(secure, key).seal(CONTEXT)
    assert connect(secure, key).open(sealed, CONTEXT) == SECRET


@pytest.mark.parametrize("reader", OTHERS)
def test_what_it_had_encrypted_opens_elsewhere(connect: Connect, secure: Login, key: str, reader: str) -> None:
    client, speaker = connect(secure, key), SPEAKERS[reader](secure)
    made = client.wrapped(client.seal(CONTEXT), CONTEXT)
    blob = base64.b64encode(made.blob).decode()
    opened = speaker.decrypt(blob, made.context)
    assert opened == SPEAKERS["aws sigv4"](secure).decrypt(blob, made.context)
    assert opened
    assert made.plaintext in (None, base64.b64decode(opened))
    assert speaker.decrypt(blob, {**made.context, "more": "x"}) is None


def test_what_was_encrypted_elsewhere_opens_in_it(connect: Connect, secure: Login, key: str) -> None:
    """By Tencent's API: Alibaba's Encrypt takes strings, and these clients open bytes."""
    client = connect(secure, key)
    sealed = client.adopt(wrap_by(SPEAKERS["tencent tc3"](secure), key), CONTEXT)
    assert connect(secure, key).open(sealed, CONTEXT) == SECRET


# -- refusals ------------------------------------------------------------------------------------------


@dataclass
class Scene:
    """A client of a new key, and what it sealed."""

    secure: Login
    user: Aws
    connect: Connect
    key: str

    def __post_init__(self) -> None:
        self.sealed = self.connect(self.secure, self.key).seal(CONTEXT)

    def client(self, **changes: str) -> AwsClient:
        return self.connect(self.secure.but(**changes), self.key)


Refused = tuple[AwsClient, Callable[[], object]]
"""A client, and the call of it that is refused."""


def sealing(client: AwsClient, _sealed: object) -> Refused:
    return client, lambda: client.seal(CONTEXT)


def opening(client: AwsClient, sealed: object) -> Refused:
    return client, lambda: client.open(sealed, CONTEXT)


def another_context(scene: Scene) -> Refused:
    """The KMS's own refusal, not the client's comparison."""
    client = scene.client()
    wrap = wrap_by(SPEAKERS["aws sigv4"](scene.secure), scene.key, {"more": "x"})
    return client, lambda: client.open(client.adopt(wrap, CONTEXT), CONTEXT)


def unknown_key(scene: Scene) -> Refused:
    arn = f"{scene.key.rpartition('/')[0]}/{UNKNOWN_KEY}"
    return sealing(scene.connect(scene.secure, arn), None)


def after(operation: str, call: Callable[[AwsClient, object], Refused]) -> Callable[[Scene], Refused]:
    def played(scene: Scene) -> Refused:
        scene.user.ask(operation, KeyId=scene.key)
        return call(scene.client(), scene.sealed)

    return played


REFUSALS: Mapping[str, tuple[str, Callable[[Scene], Refused]]] = {
    "another context": ("InvalidCiphertextException", another_context),
    "disabled, to seal": ("DisabledException", after("DisableKey", sealing)),
    "disabled, to open": ("DisabledException", after("DisableKey", opening)),
    "pending deletion, to seal": ("KMSInvalidStateException", after("ScheduleKeyDeletion", sealing)),
    "pending deletion, to open": ("KMSInvalidStateException", after("ScheduleKeyDeletion", opening)),
    "unknown key": ("NotFoundException", unknown_key),
    "wrong secret, to seal": ("InvalidSignatureException", lambda at: sealing(at.client(secret="wrong"), at.sealed)),
    "wrong secret, to open": ("InvalidSignatureException", lambda at: opening(at.client(secret="wrong"), at.sealed)),
    "unknown access key": (
        "UnrecognizedClientException",
        lambda at: sealing(at.client(access_key_id="TKMSnobody"), at.sealed),
    ),
}


def assert_tells(client: AwsClient, code: str, call: Callable[[], object]) -> None:
    with pytest.raises(client.error(code)) as raised:
        call()
    assert type(raised.value) in client.error(code)
    assert client.tells(code) in client.told(raised.value)


@pytest.mark.parametrize(("code", "play"), REFUSALS.values(), ids=REFUSALS)
def test_it_tells_what_was_refused(
    connect: Connect, secure: Login, user: Aws, code: str, play: Callable[[Scene], Refused]
) -> None:
    client, call = play(Scene(secure, user, connect, user.key()))
    assert_tells(client, code, call)


@pytest.fixture(scope="module")
def limited(certificate: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Login]]:
    """Fresh access keys of a server that does each of these once a second."""
    cert, key = certificate
    folder: Path = tmp_path_factory.mktemp("limited")
    limits = [word for name in ("Encrypt", "Decrypt", "GenerateDataKey") for word in ("--limit", f"{name}=1")]
    with serving(folder / "data", *limits, "--tls-cert", str(cert), "--tls-key", str(key)) as server:
        yield lambda: login(server, ca=cert)
        server.process.kill()


def test_it_tells_of_a_limit(connect: Connect, limited: Callable[[], Login], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without boto3's retries, which would hide it; often, since a busy machine may be slower than the limit."""
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    user = limited()
    key = Aws(Boto(user)).key()
    sealed = connect(user, key).seal(CONTEXT)
    for turn in (sealing, opening):
        client, call = turn(connect(user, key), sealed)
        assert_tells(client, "ThrottlingException", lambda: [call() for _ in range(50)])  # noqa: B023, it is called here
