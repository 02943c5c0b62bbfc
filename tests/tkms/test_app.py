"""What answers on one machine: what takes long leaves the event loop, answers keep their order, `/readyz` is honest."""

from __future__ import annotations

import base64
import http.client
import json
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from functions.endpoint.answer import Answer
from functions.endpoint.dispatch import InlineDispatcher
from functions.endpoint.handler import Endpoint
from kit.connections import Wire, listening, request_bytes
from kit.support import Kms, Server, Signer
from tenantkms.errors import Unavailable
from tenantkms.names import ACTIONS
from tenantkms.wire.http import Request, Response, request_from_event
from tkms.machine.app import BRIEF, App, PageWork, Readiness, threads
from tkms.machine.directory import Directory
from tkms.machine.threads import Threads

HELLO = base64.b64encode(b"hello").decode()


@pytest.fixture(scope="module")
def port(server: Server) -> int:
    return int(server.url.rpartition(":")[2])


@pytest.fixture(scope="module")
def signer(server: Server) -> Signer:
    return Signer(*server.credential("--name", "app"))


# -- what leaves the event loop ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def kms(tmp_path_factory: pytest.TempPathFactory) -> Kms:
    settings = Directory(tmp_path_factory.mktemp("app") / "data").make()
    credential = settings.access.store.list_credentials()[0]
    return Kms(settings, Signer(credential.access_key_id, settings.access.secret(credential)))


@pytest.fixture(scope="module")
def app(kms: Kms) -> Iterator[App]:
    app = App(Endpoint(kms.settings, InlineDispatcher(kms.settings.deps)), {})
    yield app
    app.pool.shutdown()


def test_brief_are_actions_that_there_are_and_none_that_makes_signs_lists_or_writes() -> None:
    assert set(ACTIONS) > BRIEF
    assert {name for name in BRIEF if name.startswith(("Create", "List", "Update", "Set", "Import", "Delete"))} == set()
    assert not BRIEF & {"AsymmetricSign", "AsymmetricDecrypt", "DescribeKey", "GetParametersForImport"}


def _public_key() -> str:
    """Valid for RSA, and slow: its exponent is as long as its modulus, as any caller may choose it."""
    modulus = rsa.generate_private_key(65537, 2048).public_key().public_numbers().n
    key = rsa.RSAPublicNumbers((1 << 2046) | 1, modulus).public_key()
    return base64.b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def _requests(kms: Kms) -> dict[str, tuple[dict[str, Any], bool]]:
    """Events, and whether they may be answered on the event loop."""
    signer, key = kms.signer, kms.alibaba("DescribeKey", KeyId="alias/default")["KeyMetadata"]["KeyId"]
    blob = kms.tencent("Encrypt", KeyId=key, Plaintext=HELLO)["CiphertextBlob"]
    encrypt = {"KeyId": key, "Plaintext": HELLO}
    return {
        "encrypt": (signer.tencent("Encrypt", encrypt), True),
        "decrypt": (signer.tencent("Decrypt", {"CiphertextBlob": blob}), True),
        "decrypt under a public key": (
            signer.tencent("Decrypt", {"CiphertextBlob": blob, "EncryptionPublicKey": _public_key()}),
            False,
        ),
        "re-encrypt from an RSA key": (signer.aws("ReEncrypt", _from_rsa(kms)), False),
        "create": (signer.alibaba_acs3("CreateKey"), False),
        "create, its name encoded": (_spelled(signer.alibaba_rpc("CreateKey")), False),
        "list": (signer.tencent("ListKeys"), False),
        "describe": (signer.tencent("DescribeKeys", {"KeyIds": [key]}), False),
        "disable": (signer.alibaba_acs3("UpdateKeyDescription", {"KeyId": key, "Description": "d"}), False),
        "refused": (signer.tencent("CreateKey", Authorization="none"), True),
        "unknown": (signer.tencent("MakeKey"), True),
    }


def _from_rsa(kms: Kms) -> dict[str, Any]:
    rsa_key = kms.aws("CreateKey", KeySpec="RSA_2048", KeyUsage="ENCRYPT_DECRYPT")["KeyMetadata"]["KeyId"]
    how = {"KeyId": rsa_key, "EncryptionAlgorithm": "RSAES_OAEP_SHA_256"}
    return {
        "CiphertextBlob": kms.aws("Encrypt", **how, Plaintext=HELLO)["CiphertextBlob"],
        "SourceKeyId": rsa_key,
        "SourceEncryptionAlgorithm": how["EncryptionAlgorithm"],
        "DestinationKeyId": "alias/default",
    }


def _spelled(event: dict[str, Any]) -> dict[str, Any]:
    """The same request with a letter of its Action percent-encoded: signatures cover what it means."""
    query = event["rawQueryString"].replace("Action=CreateKey", "Action=Cre%61teKey")
    assert query != event["rawQueryString"]
    return {**event, "rawQueryString": query}


def test_what_may_take_long_has_no_answer_on_the_event_loop(kms: Kms, app: App) -> None:
    found = {}
    for name, (event, brief) in _requests(kms).items():
        answer = app.begin(request_from_event(event))
        found[name] = (answer.response is not None, brief)
        if answer.response is None:
            assert app.finish(answer).status == 200
    assert [name for name, (here, brief) in found.items() if here is not brief] == []


def test_who_is_known_has_a_signature_that_verified(kms: Kms, app: App) -> None:
    good = kms.signer.alibaba_acs3("DescribeKey", {"KeyId": "alias/default"})
    bad = Signer(kms.signer.access_key_id, "wrong").alibaba_acs3("DescribeKey", {"KeyId": "alias/default"})
    nobody = {**good, "headers": {"host": "a"}}
    known = [app.begin(request_from_event(event)).admitted for event in (good, good, bad, nobody)]
    assert known == [True, False, False, False]  # the second is the same again


def test_answers_keep_their_order_when_some_are_made_in_threads(port: int, signer: Signer) -> None:
    with Wire(port) as wire:
        made = wire.ask(signer.alibaba_acs3("CreateKey", {"KeySpec": "RSA_2048", "KeyUsage": "SIGN/VERIFY"}))[
            "KeyMetadata"
        ]
        sign = {
            "KeyId": made["KeyId"],
            "KeyVersionId": made["PrimaryKeyVersion"],
            "Algorithm": "RSA_PSS_SHA_256",
            "Digest": base64.b64encode(bytes(32)).decode(),
        }
        events, expected = [], []
        for size in range(1, 21):
            events.append(signer.tencent("GenerateRandom", {"NumberOfBytes": size}))
            expected.append(size)
            slow = ("AsymmetricSign", sign) if size % 2 else ("ListKeys", {"PageSize": str(size)})
            events.append(signer.alibaba_acs3(*slow))
            expected.append("Value" if size % 2 else "Keys")
        wire.send(b"".join(map(request_bytes, events)))
        for wanted in expected:
            answer = json.loads(wire.answer()[2])
            if isinstance(wanted, int):
                assert len(base64.b64decode(answer["Response"]["Plaintext"])) == wanted
            else:
                assert wanted in answer


def test_many_threads_on_one_store_answer_right(port: int, signer: Signer) -> None:
    """Keys are made, changed, listed and used at once on connections of their own; each client sees its own changes."""
    wrong: list[object] = []

    def work(name: str) -> None:
        try:
            with Wire(port) as wire:
                for number in range(10):
                    alias = f"{name}-{number}"
                    key = wire.ask(signer.tencent("CreateKey", {"Alias": alias}))["Response"]["KeyId"]
                    sealed = wire.ask(signer.tencent("Encrypt", {"KeyId": key, "Plaintext": HELLO}))["Response"]
                    opened = wire.ask(signer.tencent("Decrypt", {"CiphertextBlob": sealed["CiphertextBlob"]}))
                    assert opened["Response"]["Plaintext"] == HELLO
                    assert "Error" not in wire.ask(signer.tencent("DisableKey", {"KeyId": key}))["Response"]
                    refused = wire.ask(signer.tencent("Encrypt", {"KeyId": key, "Plaintext": HELLO}))["Response"]
                    assert refused["Error"]["Code"] == "ResourceUnavailable.CmkDisabled"
                    found = wire.ask(signer.tencent("ListKeyDetail", {"SearchKeyAlias": alias}))["Response"]
                    assert [row["KeyId"] for row in found["KeyMetadatas"]] == [key]
        except Exception as error:  # noqa: BLE001 - told below
            wrong.append(error)

    threads = [threading.Thread(target=work, args=(f"t{number}",)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert wrong == []


class _Held(App):
    """Signatures wait in their threads until they may go on."""

    def __init__(self, kms: Kms) -> None:
        super().__init__(Endpoint(kms.settings, InlineDispatcher(kms.settings.deps)), {})
        self.begun, self.go_on, self.signed = threading.Semaphore(0), threading.Event(), list[str]()

    def finish(self, work: Answer | PageWork) -> Response:
        if isinstance(work, Answer) and work.operation.action == "AsymmetricSign":
            self.begun.release()
            assert self.go_on.wait(timeout=60)
            self.signed.append(work.request_id)
        return super().finish(work)


def test_who_signs_without_end_keeps_nobody_waiting(kms: Kms) -> None:
    """More clients than there are threads ask for signatures; what else their access key asks for waits for none."""
    made = kms.alibaba("CreateKey", KeySpec="RSA_2048", KeyUsage="SIGN/VERIFY")["KeyMetadata"]
    sign = {
        "KeyId": made["KeyId"],
        "KeyVersionId": made["PrimaryKeyVersion"],
        "Algorithm": "RSA_PSS_SHA_256",
        "Digest": base64.b64encode(bytes(32)).decode(),
    }
    app = _Held(kms)
    with app.pool, listening(app) as port, ExitStack() as stack:
        stack.callback(app.go_on.set)
        wires = [stack.enter_context(Wire(port)) for _ in range(threads() + 2)]
        for wire in wires:
            wire.send(b"".join(request_bytes(kms.signer.alibaba_acs3("AsymmetricSign", sign)) for _ in range(5)))
        for _ in range(threads()):
            assert app.begun.acquire(timeout=20)
        with Wire(port) as honest:
            for _ in range(50):
                asked = honest.ask(kms.signer.tencent("GenerateRandom", {"NumberOfBytes": 1}))
                assert asked["Response"]["Plaintext"]
        assert app.signed == []
        app.go_on.set()
        assert all("Value" in json.loads(wire.answer()[2]) for wire in wires for _ in range(5))
    assert len(app.signed) == 5 * len(wires)


def test_who_makes_keys_without_end_has_others_wait_for_few_of_them(kms: Kms) -> None:
    begun, go_on, order = threading.Semaphore(0), threading.Semaphore(0), list[str]()

    def finish(answer: Answer) -> None:
        begun.release()
        go_on.acquire(timeout=10)
        order.append(answer.principal)

    def answer_of(principal: str) -> Answer:
        answer = Answer(request_from_event(kms.signer.aws("CreateKey")), "")
        answer.principal = principal
        return answer

    with Threads(2) as workers:
        work = [workers.submit(finish, answer_of("greedy")) for _ in range(8)]
        for _ in range(2):
            begun.acquire(timeout=10)
        work += [workers.submit(finish, answer_of(name)) for name in ("one", "two", "two")]
        for done in range(1, len(work) + 1):
            go_on.release()
            while len(order) < done:
                time.sleep(0.001)
    assert all(one.done() for one in work)
    assert (order.index("one") < 5, order.count("two"), order.count("greedy")) == (True, 2, 8)
    assert order.index("two") < 6


def test_what_takes_long_lets_the_event_loop_go_first(kms: Kms) -> None:
    def finish(_answer: Answer) -> Any:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    own = os.getpriority(os.PRIO_PROCESS, 0)
    with Threads(1) as workers:
        done = workers.submit(finish, Answer(request_from_event(kms.signer.aws("CreateKey")), ""))
        assert done.result(timeout=10) == min(19, own + 10)
    assert os.getpriority(os.PRIO_PROCESS, 0) == own


def test_what_fails_in_a_thread_is_told(kms: Kms) -> None:
    def finish(_answer: Answer) -> None:
        raise ValueError

    with Threads(1) as workers:
        done = workers.submit(finish, Answer(request_from_event(kms.signer.aws("CreateKey")), ""))
        assert isinstance(done.exception(timeout=10), ValueError)


# -- readiness ---------------------------------------------------------------------------------------------


def _get(port: int, path: str) -> tuple[int, Any]:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        client.request("GET", path)
        answer = client.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        client.close()


def test_a_server_that_works_says_that_it_is_ready(port: int) -> None:
    assert _get(port, "/readyz") == (200, {"status": "ready", "store": "ok", "audit": "ok", "parent_key": "ok"})


def test_readiness_sees_an_audit_log_that_is_gone_and_health_stays_shallow(server: Server, port: int) -> None:
    log = server.data_dir / "audit.jsonl"
    away = log.rename(server.data_dir / "away")
    try:
        time.sleep(1.1)
        status, body = _get(port, "/readyz")
        assert (status, body["status"], body["audit"], body["store"]) == (503, "not ready", "failed", "ok")
        assert _get(port, "/healthz") == (200, {"status": "ok"})
    finally:
        away.rename(log)
    time.sleep(1.1)
    assert _get(port, "/readyz")[0] == 200


def test_what_fails_is_named_and_nothing_else_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    def broken() -> None:
        raise Unavailable("secret")

    def unreadable() -> None:
        raise PermissionError(13, "secret", "/secret")

    response = Readiness({"one": lambda: None, "two": broken, "three": unreadable}).response()
    assert response.status == 503
    assert json.loads(response.body) == {"status": "not ready", "one": "ok", "two": "failed", "three": "failed"}
    assert "secret" not in capfd.readouterr().err


def test_readiness_is_looked_at_once_in_a_second() -> None:
    now, asked = [0.0], [0]

    def check() -> None:
        asked[0] += 1

    readiness = Readiness({"store": check}, clock=lambda: now[0])
    for moment, times in ((0.0, 1), (0.9, 1), (1.0, 2), (1.9, 2), (2.1, 3)):
        now[0] = moment
        readiness.response()
        assert asked[0] == times


@pytest.mark.parametrize(
    "request_",
    [
        Request(method="POST", path="/readyz", query="", headers={}, body=b""),
        Request(method="GET", path="/readyz", query="a=1", headers={}, body=b""),
        Request(method="GET", path="/readyz/", query="", headers={}, body=b""),
    ],
    ids=["POST", "query", "path"],
)
def test_only_that_one_request_asks_for_readiness(app: App, request_: Request) -> None:
    response = app.begin(request_).response
    assert response is not None
    assert response.status == 400


def test_the_files_of_an_older_release_become_private(tmp_path: Path) -> None:
    data = tmp_path / "data"
    Directory(data).make()
    (data / "kms.sqlite3").chmod(0o644)
    (data / "site.json").chmod(0o666)
    Directory(data).make()
    assert {path.stat().st_mode & 0o777 for path in data.rglob("*") if path.is_file()} == {0o600}
