"""`tkms maintain --stack`: functions that have no time for all keys are invoked again, until nothing is left."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from types import SimpleNamespace
from typing import Any

import pytest
from msgspec.structs import asdict

from functions.delete_due_keys.handler import handler as delete_due_keys
from functions.rotate_due_keys.handler import handler as rotate_due_keys
from kit import loaded
from kit.action_samples import watch
from kit.moto_stack import STACK, Aws, moto_stack
from tenantkms.keys.maintenance import Report
from tenantkms.model.key import Key, KeyFilter, revised
from tenantkms.model.profiles import DAY
from tenantkms.model.states import KeyState
from tenantkms.runtime import lambda_entry
from tenantkms.runtime.assemble import Settings
from tenantkms.store.port import PutKey
from tkms.anchor import anchor
from tkms.machine.directory import call

HANDLERS = {"tkms-acme-rotate_due_keys": rotate_due_keys, "tkms-acme-delete_due_keys": delete_due_keys}
ROTATE, DELETE = HANDLERS
AT_A_TIME = 3
"""Keys that a function has the time for. Both look at all that are due for anything; the oldest is to be destroyed."""
_NAME = re.compile(r"/functions/([^/]+)/invocations")
Answer = tuple[int, Mapping[str, Any]]


class Lambda(HTTPServer):
    """AWS Lambda as a client of it finds it, with both functions in this process, which have little time.

    `before` is called with the function's name and may answer in its place: (status, body).
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Invocation)
        self.invoked: list[tuple[str, bool]] = []
        """(function, whether it said that some are left), in turn."""
        self.before: Callable[[str], Answer | None] = lambda _: None

    def invoke(self, name: str, event: dict[str, Any]) -> Answer:
        if refused := self.before(name):
            return refused
        left = iter([300_000] * AT_A_TIME)
        context: Any = SimpleNamespace(aws_request_id="run", get_remaining_time_in_millis=lambda: next(left, 0))
        report = HANDLERS[name](event, context)
        self.invoked.append((name, bool(report["left"])))
        return 200, report


class _Invocation(BaseHTTPRequestHandler):
    server: Lambda

    def do_POST(self) -> None:
        found = _NAME.search(self.path)
        assert found
        event = json.loads(self.rfile.read(int(self.headers["content-length"])))
        status, answer = self.server.invoke(found[1], event)
        body = json.dumps(answer).encode()
        with suppress(OSError):  # who asked has gone
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None: ...


@pytest.fixture
def functions() -> Iterator[Lambda]:
    with Lambda() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def aws(functions: Lambda, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """A stack, in whose environment functions and commands are."""
    with moto_stack() as made:
        described = made.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]["Outputs"]
        outputs = {each["OutputKey"]: each["OutputValue"] for each in described}
        own = {"TENANT": "Tenant", "REGION": "Region", "ACCOUNT": "Account", "KEYS_TABLE": "KeysTable"}
        own |= {"ACCESS_TABLE": "AccessTable", "PARENT_KEY_ARN": "ParentKeyArn"}
        lambda_url = f"http://127.0.0.1:{functions.server_port}"
        environment = {name: outputs[output] for name, output in own.items()} | {"STATE_CACHE_SECONDS": "0"}
        stack = made._replace(environment={**made.environment, "AWS_ENDPOINT_URL_LAMBDA": lambda_url})
        for name, value in {**stack.environment, **environment, "AWS_DEFAULT_REGION": outputs["Region"]}.items():
            monkeypatch.setenv(name, value)
        lambda_entry.from_environment.cache_clear()
        lambda_entry._session.cache_clear()
        yield stack
        lambda_entry.from_environment.cache_clear()
        lambda_entry._session.cache_clear()


@pytest.fixture
def settings(aws: Aws) -> Settings:
    """With five keys to rotate and one to destroy."""
    made, now = lambda_entry.from_environment(), int(time.time())
    anchor(made)
    for number in range(6):
        call(made, "CreateKey", {"description": str(number)})
    rotates = {"created": now - 7 * DAY, "rotation_seconds": 7 * DAY}
    leaves = {"state": KeyState.PENDING_DELETION, "deletion_date": now - DAY}
    for number, key in enumerate(keys(made)):
        made.deps.keyring.commit([PutKey(revised(key, "older", **(rotates if number else leaves)))])
    watch(made.deps.keyring.store, now)
    return made


def keys(settings: Settings) -> list[Key]:
    return settings.deps.keyring.store.list_keys(KeyFilter(), now=0, offset=0, limit=100)[1]


def rotated(settings: Settings) -> int:
    return sum(key.newest is not None and key.newest.number == 2 for key in keys(settings))


def maintain(aws: Aws, *args: str) -> subprocess.CompletedProcess[str]:
    return loaded.run(["maintain", *args, "--stack", STACK], env=aws.environment)


def assert_whole(functions: Lambda) -> None:
    """Each was invoked until nothing was left, and no more; that to rotate cannot have been done with at once."""
    said = {name: [left for invoked, left in functions.invoked if invoked == name] for name in HANDLERS}
    assert all(left.index(False) == len(left) - 1 for left in said.values())
    assert len(said[ROTATE]) > 1


def report(due: int, done: int, failed: int = 0, *, left: bool = False) -> dict[str, Any]:
    return asdict(Report(due=due, done=done, failed=failed, left=left))


def test_it_goes_on_until_nothing_is_left(aws: Aws, functions: Lambda, settings: Settings) -> None:
    done = maintain(aws, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"rotate": report(5, 5), "destroy": report(1, 1)}
    assert_whole(functions)
    assert (len(keys(settings)), rotated(settings)) == (5, 5)
    functions.invoked.clear()
    again = maintain(aws)
    assert (again.returncode, again.stderr) == (0, "")
    assert [line.split() for line in again.stdout.splitlines()[1:]] == [["rotate", *"000"], ["destroy", *"000"]]
    assert functions.invoked == [(ROTATE, False), (DELETE, False)]


def test_a_dry_run_is_not_repeated_and_says_that_it_saw_a_part(aws: Aws, functions: Lambda, settings: Settings) -> None:
    done = maintain(aws, "--dry-run", "--json")
    assert json.loads(done.stdout) == {
        "rotate": report(AT_A_TIME - 1, 0, left=True),
        "destroy": report(1, 0, left=True),
    }
    said = "tkms: {}: the time was up before all keys had been looked at\n"
    assert done.stderr == said.format("rotate") + said.format("destroy")
    assert (done.returncode, functions.invoked) == (0, [(ROTATE, True), (DELETE, True)])
    assert (len(keys(settings)), rotated(settings)) == (6, 0)


def damage(aws: Aws, damaged: Sequence[Key]) -> None:
    """Their rows are not believed any more."""
    client, ids = aws.client("dynamodb"), {key.id for key in damaged}
    for row in client.scan(TableName="keys")["Items"]:
        if "record" in row and ids & {*row["pk"]["S"].split("#")}:
            client.put_item(TableName="keys", Item={**row, "mac": {"S": "0" * 32}})


def test_a_key_that_fails_is_told_whichever_invocation_met_it(aws: Aws, functions: Lambda, settings: Settings) -> None:
    """It stays, and the others are done."""
    damage(aws, [next(key for key in keys(settings) if key.rotation_seconds)])
    done = maintain(aws, "--json")
    errors = {"failed": 1, "errors": {"IntegrityFault": 1}}
    assert (done.returncode, json.loads(done.stdout)["rotate"]) == (1, {**report(5, 4), **errors})
    assert "tkms: rotate: 1 key failed and stays due (IntegrityFault 1)\n" in done.stderr
    assert_whole(functions)


def test_it_ends_though_keys_fail_in_each_invocation(aws: Aws, functions: Lambda, settings: Settings) -> None:
    """As many of them as a function has the time for, in front of one that seems to have time."""
    store, older = settings.deps.keyring.store, keys(settings)
    call(settings, "CreateKey", {"description": "later"})
    (later,) = (key for key in keys(settings) if key.id not in {each.id for each in older})
    store.commit([PutKey(revised(later, "older", rotation_seconds=7 * DAY))])
    damage(aws, older)
    assert len(older) % AT_A_TIME == 0
    functions.before = lambda _: _refused() if len(functions.invoked) > 30 else None
    done = maintain(aws)
    assert [line.split() for line in done.stdout.splitlines()[1:]] == [["rotate", *"606"], ["destroy", *"606"]]
    assert (done.returncode, "cannot be invoked" in done.stderr) == (1, False)
    assert "tkms: destroy: 6 keys failed and stay due (IntegrityFault 6)\n" in done.stderr
    # Seven keys for one, six and the new one's date for the other.
    assert [name for name, _ in functions.invoked] == [ROTATE] * 3 + [DELETE] * 2


def test_what_is_held_is_counted_once(aws: Aws, functions: Lambda, settings: Settings) -> None:
    """Each invocation would begin with the first key, and none has the time for all."""
    store, now = settings.deps.keyring.store, int(time.time())
    leaves = {"state": KeyState.PENDING_DELETION, "deletion_date": now - DAY, "rotation_seconds": 0}
    store.commit([PutKey(revised(key, "leaves", **leaves)) for key in keys(settings)])
    watch(store, now - 5 * DAY)
    functions.before = lambda _: _refused() if len(functions.invoked) > 30 else None
    done = maintain(aws, "--json")
    assert json.loads(done.stdout)["destroy"] == {**report(AT_A_TIME, 0, left=True), "held": now - 5 * DAY}
    assert "tkms: destroy: the time was up before all keys had been looked at\n" in done.stderr
    assert "nothing is destroyed" in done.stderr
    assert (done.returncode, functions.invoked.count((DELETE, True)), len(keys(settings))) == (1, 1, 6)


def _refused() -> Answer:
    return 403, {"__type": "AccessDeniedException", "Message": "you may not"}


def _throttled() -> Answer:
    return 429, {"Type": "User", "Message": "Rate exceeded"}


def _missing() -> Answer:
    return 404, {"__type": "ResourceNotFoundException", "Message": "Function not found"}


@pytest.mark.parametrize("answer", [_refused, _throttled, _missing])
def test_an_invocation_that_is_refused_ends_it_and_what_is_done_is_told(
    answer: Callable[[], Answer], aws: Aws, functions: Lambda, settings: Settings
) -> None:
    functions.before = lambda _: answer() if functions.invoked else None
    done = maintain(aws, "--json")
    assert (done.returncode, json.loads(done.stdout)) == (1, {"rotate": report(2, 2, left=True)})
    assert f"{ROTATE} cannot be invoked: An error occurred ({str(answer()[1].get('__type', 429))[:12]}" in done.stderr
    assert "Traceback" not in done.stderr
    assert (functions.invoked, rotated(settings)) == ([(ROTATE, True)], AT_A_TIME - 1)
    functions.before = lambda name: answer() if name == DELETE else None
    done = maintain(aws)
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["WORK", "DUE", "DONE", "FAILED"],
        ["rotate", *"330"],
    ]
    assert (done.returncode, f"tkms: {DELETE} cannot be invoked: " in done.stderr) == (1, True)
    functions.before = lambda _: answer()
    assert (maintain(aws).stdout, len(keys(settings)), rotated(settings)) == ("", 6, 5)
    functions.before = lambda _: None
    assert json.loads(maintain(aws, "--json").stdout) == {"rotate": report(0, 0), "destroy": report(1, 1)}
    assert len(keys(settings)) == 5


def test_who_stops_it_leaves_what_is_done_and_a_function_that_runs(
    aws: Aws, functions: Lambda, settings: Settings
) -> None:
    """That ends its own work; nobody invokes another one."""
    with subprocess.Popen(aws.tkms("maintain"), env=aws.environment, stdout=-1, stderr=-1, text=True) as process:

        def stop(_: str) -> None:
            if functions.invoked:
                process.send_signal(signal.SIGINT)
                process.wait(20)

        functions.before = stop
        said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, ("", ""))
    functions.shutdown()  # once the function that was invoked has ended
    assert functions.invoked == [(ROTATE, True), (ROTATE, False)]
    assert (len(keys(settings)), rotated(settings)) == (6, 2 * AT_A_TIME - 1)
