"""What changes something and whose answer is lost, repeated by unmodified clients.

By Alibaba's SDKs CreateKey makes one key with a ClientToken, by those of AWS each change is made once: they mark what
is an attempt at which call.
"""

from __future__ import annotations

import json
import re
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from socket import create_connection
from typing import Any, BinaryIO
from uuid import uuid4

import pytest
from alibabacloud_kms20160120 import models
from aliyunsdkcore.acs_exception.exceptions import ClientException
from aliyunsdkkms.request.v20160120.CreateKeyRequest import CreateKeyRequest
from darabonba.policy.retry import RetryCondition, RetryOptions
from darabonba.runtime import ExtendsParameters, RuntimeOptions

from kit.sdk_aws import Boto
from kit.sdk_clients import Classic, Login, Tea, login
from kit.sdk_node import Node
from kit.sdk_programs import AWS_CLI, AwsCli
from kit.support import Server, serving

RETRIES = RetryOptions(
    {"retryCondition": [RetryCondition({"maxAttempts": 5, "exception": ["RetryError", "ThrottlingException"]})]}
)
SIGNATURES = {"acs3": {}, "rpc-v1": {"signature_algorithm": "v2"}, "acs4": {"signature_version": "v4"}}


class Losing:
    """What stands before a server, and loses its first `lost` answers; `requests` came through."""

    def __init__(self, host: str, lost: int) -> None:
        self.host, self.lost, self.requests = host, lost, 0

    def answer(self, request: bytes) -> bytes | None:
        self.requests += 1
        name, port = self.host.split(":")
        with create_connection((name, int(port)), 10) as upstream:
            upstream.sendall(request)
            answer = upstream.recv(65536)
        assert answer.startswith(b"HTTP/1.1 200"), answer
        return answer if self.requests > self.lost else None


def whole_request(stream: BinaryIO) -> bytes:
    """The next one, of as many segments as it comes in; empty where the client goes."""
    head = b""
    while (line := stream.readline()).strip():
        head += line
    length = re.search(rb"(?im)^content-length: *(\d+)", head)
    return head and head + line + stream.read(int(length[1]) if length else 0)


@contextmanager
def losing(server: Login, lost: int) -> Iterator[tuple[Login, Losing]]:
    between = Losing(server.host, lost)

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while request := whole_request(self.rfile):
                answer = between.answer(request)
                if answer is None:
                    return
                self.wfile.write(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as listener:
        listener.daemon_threads = True
        threading.Thread(target=listener.serve_forever, daemon=True).start()
        yield server.but(host=f"127.0.0.1:{listener.server_address[1]}"), between
        listener.shutdown()


def keys(tea: Tea) -> set[str]:
    """Of all tests that share the server: more than a page."""
    pages = range(1, 2 + tea.call("ListKeys").total_count // 100)
    return {key.key_id for page in pages for key in tea.call("ListKeys", page_number=page, page_size=100).keys.key}


def create(tea: Tea, token: str | None = None) -> str:
    runtime = RuntimeOptions(extends_parameters=ExtendsParameters(queries={"ClientToken": token} if token else {}))
    answer = tea.client.create_key_with_options(models.CreateKeyRequest(description="of one customer"), runtime)
    key_id: str = answer.body.key_metadata.key_id
    return key_id


@pytest.mark.parametrize("signature", SIGNATURES)
def test_a_key_made_by_a_tea_that_repeats_is_one(plain: Login, tea: Tea, signature: str) -> None:
    before = keys(tea)
    with losing(plain, 2) as (there, between):
        key_id = create(Tea(there, retry_options=RETRIES, **SIGNATURES[signature]), str(uuid4()))
    assert between.requests == 3
    assert keys(tea) - before == {key_id}


def test_without_a_token_each_try_makes_a_key(plain: Login, tea: Tea) -> None:
    """The SDK marks a retry, and says not of what: it cannot be told from one of a second wish, below."""
    before = keys(tea)
    with losing(plain, 2) as (there, _):
        key_id = create(Tea(there, retry_options=RETRIES))
    made = keys(tea) - before
    assert len(made) == 3
    assert key_id in made


def test_equal_wishes_are_not_taken_for_one_when_they_are_repeated(tmp_path: Path) -> None:
    """What Tea marks as retries here are requests that were throttled: the key made before is another wish's."""
    with serving(tmp_path / "data", "--limit", "CreateKey=1") as server:
        tea = Tea(login(server), retry_options=RETRIES)
        assert len({create(tea) for _ in range(3)}) == 3


def test_a_key_made_by_a_classic_client_that_is_called_again_is_one(plain: Login, tea: Tea) -> None:
    before = keys(tea)
    request = CreateKeyRequest()
    request.set_protocol_type("http")
    request.add_query_param("ClientToken", str(uuid4()))
    with losing(plain, 1) as (there, _):
        request.set_endpoint(there.host)
        client = Classic(there).client
        with pytest.raises(ClientException):
            client.do_action_with_exception(request)
        answer: dict[str, Any] = json.loads(client.do_action_with_exception(request))
    assert keys(tea) - before == {answer["KeyMetadata"]["KeyId"]}


def test_a_token_is_one_access_key_s_and_of_one_wish(plain: Login, server: Server) -> None:
    token = str(uuid4())
    tea = Tea(plain)
    first = create(tea, token)
    assert create(tea, token) == first
    assert create(tea, str(uuid4())) != first
    assert create(Tea(login(server)), token) != first
    runtime = RuntimeOptions(extends_parameters=ExtendsParameters(queries={"ClientToken": token}))
    other = tea.client.create_key_with_options(models.CreateKeyRequest(description="another"), runtime)
    assert other.body.key_metadata.key_id != first


Ask = Callable[[str, dict[str, str]], dict[str, Any]]


@contextmanager
def by_boto(there: Login) -> Iterator[Ask]:
    boto = Boto(there)
    yield lambda operation, fields: boto.ask(operation, **fields)


@contextmanager
def by_node(there: Login) -> Iterator[Ask]:
    """It signs each attempt anew."""
    node = Node(there)
    try:
        yield lambda operation, fields: node.ask(operation, **fields)
    finally:
        node.close()


def by_cli(program: Path) -> Callable[[Login], AbstractContextManager[Ask]]:
    def spelt(name: str) -> str:
        return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()

    @contextmanager
    def by(there: Login) -> Iterator[Ask]:
        cli = AwsCli(program, there)
        yield lambda operation, fields: cli.ask(
            spelt(operation), *(f"--{spelt(name)}={value}" for name, value in fields.items())
        )

    return by


AWS_CLIENTS: dict[str, Callable[[Login], AbstractContextManager[Ask]]] = {
    "boto3": by_boto,
    "client-kms": by_node,
    **{name: by_cli(program) for name, program in AWS_CLI.items()},
}


@pytest.mark.parametrize("client", AWS_CLIENTS)
def test_a_key_made_by_an_aws_client_that_repeats_is_one(plain: Login, tea: Tea, client: str) -> None:
    before = keys(tea)
    with losing(plain, 2) as (there, between), AWS_CLIENTS[client](there) as ask:
        made = ask("CreateKey", {})["KeyMetadata"]
    assert between.requests == 3
    assert keys(tea) - before == {made["KeyId"]}


@pytest.mark.parametrize("client", AWS_CLIENTS)
def test_a_change_by_an_aws_client_that_repeats_is_made_once(plain: Login, client: str) -> None:
    """The second time it would make one version more, or fail, though the first time it did not."""
    boto = Boto(plain)
    key = boto.ask("CreateKey")["KeyMetadata"]["KeyId"]
    changes = {
        "RotateKeyOnDemand": {"KeyId": key},
        "CreateAlias": {"AliasName": f"alias/{key}", "TargetKeyId": key},
        "ScheduleKeyDeletion": {"KeyId": key},
    }
    for operation, fields in changes.items():
        with losing(plain, 2) as (there, between), AWS_CLIENTS[client](there) as ask:
            ask(operation, fields)
        assert between.requests == 3
    assert len(boto.ask("ListKeyRotations", KeyId=key)["Rotations"]) == 1
