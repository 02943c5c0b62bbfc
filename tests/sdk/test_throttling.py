"""What clients make of a limit: their own exceptions, and their own retries get through."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from time import sleep
from typing import Any

import pytest
from alibabacloud_tea_openapi.exceptions import ThrottlingException
from botocore.exceptions import ClientError
from darabonba.policy.retry import RetryCondition, RetryOptions
from tencentcloud.common.retry import StandardRetryer

from kit.object_store import object_store
from kit.sdk_apart import CLIENTS, Apart
from kit.sdk_aws import Aws, Boto
from kit.sdk_clients import Classic, Login, Qcloud, Tea, Tencent, login, refused
from kit.sdk_guest import Guest
from kit.sdk_node import Node
from kit.sdk_programs import AWS_CLI, SOPS, AwsCli, Done, Program
from kit.speakers import Sdk
from kit.support import serving
from kit.worker import WorkerError

HELLO = base64.b64encode(b"hello").decode()
PER_SECOND = 4


LIMITS = ("--limit", f"Encrypt={PER_SECOND}", "--limit", "ListAliases=1")


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Login]]:
    """Fresh access keys of a server that answers four Encrypt and one ListAliases a second."""
    folder: Path = tmp_path_factory.mktemp("limited")
    with serving(folder / "data", *LIMITS) as server:
        yield lambda: login(server)


@pytest.fixture(scope="module")
def limited_over_tls(
    tmp_path_factory: pytest.TempPathFactory, certificate: tuple[Path, Path]
) -> Iterator[Callable[[], Login]]:
    """The same of a server over TLS."""
    cert, key = certificate
    folder: Path = tmp_path_factory.mktemp("limited-tls")
    with serving(folder / "data", *LIMITS, "--tls-cert", str(cert), "--tls-key", str(key)) as server:
        yield lambda: login(server, ca=cert)
        server.process.kill()


def spend(sdk: Any, **fields: str) -> None:
    """All that there is in a second, and a little more."""
    for _ in range(3 * PER_SECOND):
        sdk.call("Encrypt", **fields)


def test_tencent_tells_its_user(limited: Callable[[], Login]) -> None:
    sdk = Tencent(limited())
    with refused(sdk, "RequestLimitExceeded", text="More than 4 requests per second"):
        spend(sdk, KeyId=_key(sdk), Plaintext=HELLO)


def test_what_tencent_s_retryer_repeats_gets_through(limited: Callable[[], Login]) -> None:
    """The loop is the test's: the SDK's own repeats what has succeeded (docs/clients.md)."""
    sdk = Tencent(limited())
    key, waits, done = _key(sdk), 0, 0
    while done < 3 * PER_SECOND:
        try:
            sdk.call("Encrypt", KeyId=key, Plaintext=HELLO)
        except Tencent.error as error:
            if not StandardRetryer.should_retry(None, error):
                raise
            waits += 1
            sleep(0.3)
        else:
            done += 1
    assert waits


def _key(sdk: Tencent) -> str:
    keys: list[Any] = sdk.call("ListKeys").Keys
    return str(keys[0].KeyId)


def test_tea_tells_its_user(limited: Callable[[], Login]) -> None:
    with pytest.raises(ThrottlingException) as raised:
        spend(Tea(limited()), key_id="alias/default", plaintext=HELLO)
    assert (raised.value.code, raised.value.data["statusCode"]) == ("Rejected.Throttling", 429)
    assert raised.value.retry_after == 1000


def test_tea_s_retries_get_through(limited: Callable[[], Login]) -> None:
    condition = RetryCondition({"maxAttempts": 5, "exception": ["ThrottlingException"]})
    sdk = Tea(limited(), retry_options=RetryOptions({"retryable": True, "retryCondition": [condition]}))
    spend(sdk, key_id="alias/default", plaintext=HELLO)


def test_the_classic_sdk_tells_its_user(limited: Callable[[], Login]) -> None:
    sdk = Classic(limited())
    with refused(sdk, "Rejected.Throttling", 429, text="QPS Limit Exceeded"):
        spend(sdk, KeyId="alias/default", Plaintext=HELLO)


def test_boto3_tells_its_user(limited: Callable[[], Login]) -> None:
    sdk = Boto(limited(), retries={"total_max_attempts": 1})
    with pytest.raises(ClientError) as raised:
        _encrypt(sdk)
    assert (sdk.read(raised.value).code, sdk.read(raised.value).status) == ("ThrottlingException", 429)


def test_boto3_s_retries_get_through(limited: Callable[[], Login]) -> None:
    """It waits by chance: with its three attempts a call may fail, with ten hardly ever."""
    _encrypt(Boto(limited(), retries={"total_max_attempts": 10, "mode": "standard"}))


def _encrypt(sdk: Boto) -> None:
    for _ in range(3 * PER_SECOND):
        sdk.ask("Encrypt", KeyId="alias/default", Plaintext=b"hello")


def test_the_legacy_sdk_answers_it(limited_over_tls: Callable[[], Login], monkeypatch: pytest.MonkeyPatch) -> None:
    at = limited_over_tls()
    assert at.ca
    monkeypatch.setenv("SSL_CERT_FILE", at.ca)
    sdk = Qcloud(at)
    key_id = sdk.call("ListKey")["keys"][0]["keyId"]
    codes = [sdk.call("Encrypt", keyId=key_id, plaintext=HELLO)["code"] for _ in range(3 * PER_SECOND)]
    assert codes[0] == 0
    assert set(codes) == {0, 4400}


@contextmanager
def crowded(at: Login) -> Iterator[None]:
    """Another client uses this access key up: hardly any Encrypt is left of a second."""
    over = Event()

    def crowd() -> None:
        sdk = Boto(at, retries={"total_max_attempts": 1})
        while not over.is_set():
            with suppress(ClientError):
                sdk.ask("Encrypt", KeyId="alias/default", Plaintext=b"hello")

    thread = Thread(target=crowd)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Apart]:
    apart = Apart(tmp_path)
    yield apart
    apart.close()


@pytest.mark.parametrize("name", CLIENTS)
def test_clients_apart_tell_their_user(
    limited: Callable[[], Login], limited_over_tls: Callable[[], Login], apart: Apart, name: str
) -> None:
    client = CLIENTS[name]
    at = (limited_over_tls if client.needs_tls else limited)()
    sdk, key = apart.start(name, at), Boto(at).ask("DescribeKey", KeyId="alias/default")["KeyMetadata"]["KeyId"]
    with crowded(at), pytest.raises(sdk.error) as refused:
        _spend(sdk, key)
    told = sdk.read(refused.value)
    status, code = {"alibaba": (429, "Rejected.Throttling"), "tencent": (200, "RequestLimitExceeded")}[client.vendor]
    assert (told.status, told.code) == (status if client.tells_status else 0, code)


def _spend(sdk: Sdk, key: str) -> None:
    for _ in range(5):
        sdk.ask("Encrypt", KeyId=key, Plaintext=HELLO)


@pytest.mark.parametrize("package", ["oss2", "nacos"])
def test_guests_tell_their_user(limited_over_tls: Callable[[], Login], package: str) -> None:
    at = limited_over_tls()
    with object_store() as (store, _), closing(Guest(package, at, store=store)) as guest:
        call = (
            ("publish", "cipher-app", "hello", "alias/default")
            if package == "nacos"
            else ("put", "alias/default", "a", b"hello")
        )
        with crowded(at), pytest.raises(WorkerError) as refused:
            _repeat(guest, *call)
    assert refused.value.rest["code"] == "Rejected.Throttling"


def _repeat(guest: Guest, *call: Any) -> None:
    for _ in range(5):
        guest.call(*call)


PAGES = ("list-aliases", "--page-size", "1")


@pytest.fixture(params=AWS_CLI)
def aws_cli(request: pytest.FixtureRequest, limited: Callable[[], Login]) -> AwsCli:
    """A command line whose `PAGES` are three requests, one right after the other."""
    at = limited()
    for _ in range(2):
        Aws(Boto(at)).alias()
    return AwsCli(AWS_CLI[request.param], at)


def test_the_aws_command_lines_tell_their_user(aws_cli: AwsCli) -> None:
    done = aws_cli.run("kms", *PAGES, AWS_MAX_ATTEMPTS="1")
    assert (done.code, done.status != 0) == ("ThrottlingException", True)
    assert "Rate exceeded" in done.told


def test_what_the_aws_command_lines_repeat_gets_through(aws_cli: AwsCli) -> None:
    """More attempts than they make by themselves, whose pauses are random."""
    assert len(json.loads(aws_cli("kms", *PAGES, AWS_MAX_ATTEMPTS="12"))["Aliases"]) >= 3


@pytest.fixture
def sops(limited: Callable[[], Login], tmp_path: Path) -> Callable[[str], Done]:
    """sops that encrypts a file under as many keys as it takes, with so many attempts for each."""
    at, file = limited(), tmp_path / "plain.json"
    file.write_text('{"password": "hunter2"}')
    key = Aws(Boto(at)).ask("DescribeKey", KeyId="alias/default")["KeyMetadata"]["Arn"]
    keys = ",".join([key] * (2 * PER_SECOND))
    return lambda attempts: Program(SOPS, at).run("encrypt", "--kms", keys, file, AWS_MAX_ATTEMPTS=attempts)


def test_sops_tells_its_user_and_writes_nothing(sops: Callable[[str], Done]) -> None:
    done = sops("1")
    assert (done.status != 0, done.out) == (True, "")
    assert "ThrottlingException: Rate exceeded" in done.told


def test_what_sops_repeats_gets_through(sops: Callable[[str], Done]) -> None:
    """More attempts than it makes by itself, whose pauses are random."""
    rows = json.loads(sops("12").out)["sops"]["kms"]
    assert len({row["enc"] for row in rows}) == 2 * PER_SECOND


@pytest.fixture
def node(limited: Callable[[], Login]) -> Iterator[Callable[[int], list[dict[str, Any]]]]:
    """The Node SDK that encrypts as often as takes some seconds, all at once, with so many attempts for each."""
    at, started = limited(), []

    def encrypt(attempts: int) -> list[dict[str, Any]]:
        started.append(Node(at, maxAttempts=attempts))
        fields = {"KeyId": "alias/default", "Plaintext": b"hello"}
        done: list[dict[str, Any]] = started[-1].call("all", "Encrypt", [fields] * (3 * PER_SECOND))
        return done

    yield encrypt
    for sdk in started:
        sdk.close()


def test_the_node_sdk_tells_its_user(node: Callable[[int], list[dict[str, Any]]]) -> None:
    told = [(row["name"], row["status"], row["message"]) for row in node(1) if "name" in row]
    assert set(told) == {("ThrottlingException", 429, "Rate exceeded")}


def test_what_the_node_sdk_repeats_gets_through(node: Callable[[int], list[dict[str, Any]]]) -> None:
    """More attempts than it makes by itself, whose pauses are random."""
    done = node(12)
    assert not [row for row in done if "name" in row]
    assert max(row["attempts"] for row in done) > 1
