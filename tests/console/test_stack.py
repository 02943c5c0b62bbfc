"""`tkms console --stack`: a stack of moto's, whose functions nothing runs, looked at by the operator's own rights."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from typing import Any, NamedTuple

import msgspec
import pytest

from kit.audit_writers import record
from kit.moto_stack import Aws, moto_stack
from kit.support import Kms
from tenantkms import errors as e
from tenantkms.audit.line import encode
from tkms.console import stack as of_stack
from tkms.console.caller import SignIn
from tkms.console.stack import Deployed
from tkms.machine.directory import call

PAGE = re.compile(r"http://127\.0\.0\.1:(\d+)/console#keys\?ticket=(\S+)")


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with moto_stack() as made:
        yield made


class Browser(NamedTuple):
    port: int
    cookie: str = ""

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any, str]:
        """(status, what the body says, the cookie that was set)."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        origin = {"Origin": f"http://127.0.0.1:{self.port}", "Content-Type": "application/json"}
        every = {**(origin if method == "POST" else {}), "Cookie": self.cookie, **headers}
        connection.request(method, path, json.dumps(body) if body is not None else None, every)
        answer = connection.getresponse()
        text = answer.read()
        told = json.loads(text) if answer.headers["content-type"] == "application/json" else text.decode()
        connection.close()
        return answer.status, told, answer.headers.get("set-cookie", "").partition(";")[0]


def test_a_stack_is_looked_at_until_ctrl_c(aws: Aws) -> None:
    made = subprocess.run(
        aws.tkms("credential", "create", "--name", "app", "--expires", "3d", "--json"),
        env=aws.environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    logs = aws.client("logs")
    logs.create_log_stream(logGroupName=aws.group, logStreamName="a")
    line = encode(msgspec.structs.replace(record("TKMSapp", 1), time=time.time())).decode()
    event = {"timestamp": int(time.time() * 1000), "message": line}
    logs.put_log_events(logGroupName=aws.group, logStreamName="a", logEvents=[event])
    with subprocess.Popen(
        aws.tkms("console"), env=aws.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            told = [process.stdout.readline(), process.stdout.readline()]
            found = PAGE.search(told[1])
            assert found, (told, process.stderr)
            browser, ticket = Browser(int(found[1])), found[2]
            assert browser.ask("GET", "/console/session")[1]["ticket"]
            assert browser.ask("GET", "/console/hand")[0] == 401
            assert browser.ask("POST", "/console/sign-in", {"ticket": "wrong"})[0] == 403
            assert browser.ask("GET", "/console", Host="attacker.example")[0] == 404
            status, _, cookie = browser.ask("POST", "/console/sign-in", {"ticket": ticket})
            assert status == 200
            assert browser.ask("POST", "/console/sign-in", {"ticket": ticket})[0] == 403, "it is good once"
            signed_in = browser._replace(cookie=cookie)
            session = signed_in.ask("GET", "/console/session")[1]
            assert (session["id"], session["tenant"], session["whole"]) == ("tkms", "acme", True)
            (credential,) = signed_in.ask("GET", "/console/hand")[1]["credentials"]
            assert credential["id"] == json.loads(made.stdout)["access_key_id"]
            activity = signed_in.ask("GET", "/console/activity?hours=1")[1]
            assert [one["total"] for one in activity["operations"]] == [1]
            assert activity["latencies"] is None
            assert signed_in.ask("GET", "/console/keys")[0] == 503, "moto runs no function"
            assert signed_in.ask("GET", "/")[0] == 302
            assert signed_in.ask("GET", "/explorer")[0] == 404
        finally:
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in errors


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_a_port_that_is_none_is_refused(port: str, aws: Aws) -> None:
    command = aws.tkms("console", "--port", port)
    done = subprocess.run(command, env=aws.environment, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    assert "a port is a number from 0 to 65535" in done.stderr


class Local:
    """What the console asks of a stack, answered by a directory of this machine."""

    def __init__(self, kms: Kms) -> None:
        self.settings, self.access = kms.settings, kms.settings.access
        self.outputs = {"Tenant": "acme"}

    def call(self, action: str, params: dict[str, object]) -> dict[str, object]:
        return call(self.settings, action, params)


@pytest.fixture
def deployed(kms: Kms) -> Deployed:
    return Deployed(Local(kms))  # type: ignore[arg-type]


def test_it_does_what_the_operator_may(deployed: Deployed) -> None:
    operator = deployed.caller(deployed.sign_in(SignIn(ticket=deployed.secret), "", ""), "")
    (key,) = deployed.call(operator, "ListKeys", {}, "")["keys"]
    deployed.call(operator, "DisableKey", {"key_ids": [key["id"]]}, "")
    assert deployed.call(operator, "ListKeys", {}, "")["keys"][0]["state"] == "Disabled"
    with pytest.raises(e.KeyNotFound):
        deployed.call(operator, "DescribeKey", {"key_ids": ["5c438b18-05be-40ad-b6c2-3be6752cfa7e"]}, "")
    assert [sweep.late for sweep in deployed.sweeps()] == [True] * len(deployed.sweeps()), "none has run here"


def test_a_long_log_is_read_from_later_on(deployed: Deployed, monkeypatch: pytest.MonkeyPatch) -> None:
    now = time.time()
    times = [now - ago for ago in range(80_000, 0, -100)]
    lines = [(at, encode(msgspec.structs.replace(record("TKMSapp", 1), time=at))) for at in times]
    monkeypatch.setattr(of_stack, "of_stack", lambda _, since: [(("", raw) for at, raw in lines if at >= since)])
    monkeypatch.setattr(of_stack, "_MOST_LINES", 100)
    tail = deployed.audit(now - 86_400)
    assert 20 <= len(tail.lines) <= 100
    assert [line.time for line in tail.lines] == [at for at in times if at >= tail.since], "none is missing since then"
