"""The credentials URI: who is given temporary access keys, and who is told as if there were none."""

from __future__ import annotations

import calendar
import http.client
import json
import stat
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from kit.connections import starting, tencent
from kit.support import Server, Signer, run_tkms, serving
from tenantkms.wire.http import Request
from tkms.machine.credentials_uri import CredentialsUri, new_path
from tkms.machine.directory import Directory


@pytest.fixture
def uri(tmp_path: Path) -> CredentialsUri:
    return CredentialsUri(Directory(tmp_path / "data").make(), "first", new_path())


def request(uri: CredentialsUri, **changes: object) -> Request:
    made = Request(method="GET", path=uri.path, query="", headers={"host": "x"}, body=b"", source_ip="127.0.0.1")
    return msgspec.structs.replace(made, **changes)


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1"])
def test_a_program_on_this_machine_is_given_a_session(uri: CredentialsUri, address: str) -> None:
    answer = uri.response(request(uri, source_ip=address))
    assert answer is not None
    said = json.loads(answer.body)
    assert (answer.status, answer.content_type) == (200, "application/json")
    assert said.keys() == {"Code", "AccessKeyId", "AccessKeySecret", "SecurityToken", "Expiration"}
    assert said["Code"] == "Success"
    left = calendar.timegm(time.strptime(said["Expiration"], "%Y-%m-%dT%H:%M:%SZ")) - time.time()
    assert 3590 < left <= 3600


OTHERS = {
    "another machine": {"source_ip": "192.0.2.1"},
    "another machine of the network": {"source_ip": "10.0.0.1"},
    "nobody": {"source_ip": ""},
    "no address": {"source_ip": "localhost"},
    "a POST": {"method": "POST"},
    "a HEAD": {"method": "HEAD"},
    "another path": {"path": "/credentials/" + "A" * 43},
    "the beginning of the path": {"path": "/credentials/"},
    "no path": {"path": "/"},
    "a path that is no ASCII": {"path": "/credentials/é\xff"},
    **{
        f"passed on by a proxy: {name}": {"headers": {"host": "x", name: "192.0.2.1"}}
        for name in ("forwarded", "via", "x-forwarded-for", "x-real-ip")
    },
}


@pytest.mark.parametrize("changes", OTHERS.values(), ids=OTHERS)
def test_everybody_else_is_told_as_if_it_were_not_there(uri: CredentialsUri, changes: dict[str, object]) -> None:
    assert uri.response(request(uri, **changes)) is None


def test_the_path_is_another_one_each_time() -> None:
    paths = {new_path() for _ in range(10)}
    assert len(paths) == 10
    assert all(len(path) == len("/credentials/") + 43 for path in paths)


def test_an_access_key_that_ends_is_a_refusal(uri: CredentialsUri) -> None:
    access = uri._settings.access
    access.change(access.store.list_credentials()[0].access_key_id, time.time(), enabled=False)
    answer = uri.response(request(uri))
    assert answer is not None
    assert answer.status == 403
    assert json.loads(answer.body)["Code"] == "CredentialDisabled"


@pytest.fixture(scope="module")
def giving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("giving") / "data", "--credentials-uri", "first") as server:
        yield server


def get(server: Server, path: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection(server.host, timeout=10)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        assert answer.headers["cache-control"] == "no-store"
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def test_a_server_gives_what_it_then_takes(giving: Server) -> None:
    file = giving.data_dir / "credentials-uri"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    url = file.read_text().strip()
    assert url.startswith(f"{giving.url}/credentials/")
    status, body = get(giving, url.removeprefix(giving.url))
    said = json.loads(body)
    assert status == 200
    port = int(giving.url.rpartition(":")[2])
    signer = Signer(said["AccessKeyId"], said["AccessKeySecret"])
    answer = tencent(port, signer, "ListKeys")
    assert answer["Error"]["Code"] == "AuthFailure.SecretIdNotFound", "without its token it is nobody"
    lines = [json.loads(line) for line in (giving.data_dir / "audit.jsonl").read_text().splitlines()]
    issued = [(line["principal"], line["outcome"]) for line in lines if line.get("action") == "IssueSession"]
    assert issued == [("tkms", "ok")]
    assert not any(said["AccessKeySecret"] in str(line) or said["SecurityToken"] in str(line) for line in lines)
    assert get(giving, "/credentials/guessed")[0] == 400


def test_the_secret_url_is_printed_on_terminals_only_and_is_another_one_each_time(tmp_path: Path) -> None:
    data = tmp_path / "data"
    file = data / "credentials-uri"
    secrets = []
    for _ in range(2):
        with starting(data, "--credentials-uri", "first") as start:
            secrets.append(file.read_text().strip().rpartition("/")[2])
            assert f"in {file}" in start.printed
            assert not any(secret in start.printed for secret in secrets)
    assert secrets[0] != secrets[1]
    with starting(data):
        assert not file.exists(), "it is of the last server"


@pytest.mark.parametrize(("name", "text"), [("nobody", "no access key nobody"), ("gone", "disabled, or has expired")])
def test_a_server_does_not_start_for_an_access_key_that_gives_nothing(tmp_path: Path, name: str, text: str) -> None:
    data = tmp_path / "data"
    access = Directory(data).make().access
    made, _ = access.create("gone", (), access.store.list_credentials()[0].policy, 0)
    access.change(made.access_key_id, 0, enabled=False)
    done = run_tkms("serve", "--port", "0", "--data-dir", str(data), "--credentials-uri", name, check=False)
    assert (done.returncode, text in done.stderr) == (1, True)
