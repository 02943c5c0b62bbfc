"""A batch of messages, with the Actions that are deployed behind it: what is sealed, is rejected, and comes again.

What an emulator does otherwise than AWS is proved here: the answer about a batch, above all.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from aws_lambda_powertools.utilities.batch.exceptions import UnexpectedBatchTypeError
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from functions.endpoint.dispatch import load
from functions.seal_messages.handler import answer
from kit.action_samples import ListAudit
from kit.event_fakes import Around, Aws, Call, error
from kit.event_world import ENVIRONMENT, ITEMS, NOW, REJECTED, TABLE, TABLES
from kit.support import Kms
from tenantkms.errors import InvalidCiphertext
from tenantkms_events.actions import Actions, request_id
from tenantkms_events.assemble import Messages, messages
from tenantkms_events.names import QUARANTINE_KEY, WRAPPING_KEY
from tenantkms_events.rejected import Rejection, opened
from tkms.machine.directory import call as operator

CANARY = "canary-4f1e0b"
PARAMETER = {"type": "ssm", "name": "/shop/db"}


class Deployed:
    """seal_messages on a fresh tenant with the key `alias/default`."""

    def __init__(self, kms: Kms, **environment: str) -> None:
        self.audit = ListAudit()
        deps = msgspec.structs.replace(kms.settings.deps, audit=self.audit)
        self.settings = msgspec.structs.replace(kms.settings, deps=deps)
        self.aws = Aws(self._run, TABLES)
        self.environment = {**ENVIRONMENT, **environment}
        self.around: Around = lambda _operation, call: call()

    def _run(self, call: Mapping[str, Any]) -> Mapping[str, Any]:
        return load(call["action"]).run(call, self.settings.deps, native=True)

    def operator(self, action: str, **params: object) -> dict[str, Any]:
        return operator(self.settings, action, params)

    @property
    def made(self) -> Messages:
        return messages(self.environment, lambda name: self.aws.client(name, self._around), lambda: NOW)

    def _around(self, operation: str, call: Call) -> Any:
        return self.around(operation, call)

    def batch(self, *bodies: str) -> list[str]:
        """The ids of the messages that come again; they are called 0, 1, 2."""
        records = [
            {
                "messageId": str(number),
                "body": body,
                "attributes": {"SentTimestamp": str(NOW * 1000 - 5000), "ApproximateReceiveCount": "1"},
                "eventSource": "aws:sqs",
            }
            for number, body in enumerate(bodies)
        ]
        told = answer(self.made, {"Records": records}, None)
        assert told.keys() == {"batchItemFailures"}
        return [one["itemIdentifier"] for one in told["batchItemFailures"]]

    def rejected(self) -> list[Rejection]:
        return [msgspec.json.decode(body, type=Rejection) for body in self.aws.sqs.sent.get(REJECTED, [])]

    def decrypt(self, blob: bytes, context: dict[str, str]) -> bytes:
        params = {"ciphertext": base64.b64encode(blob).decode(), "context": context}
        return base64.b64decode(self.operator("Decrypt", **params)["plaintext"])


@pytest.fixture
def deployed(kms: Kms) -> Deployed:
    return Deployed(kms)


def message(**changes: Any) -> str:
    known = {"v": 1, "id": "a", "key": "alias/default", "plaintext": CANARY, "target": PARAMETER, **changes}
    return json.dumps({name: value for name, value in known.items() if value is not None})


def test_a_message_becomes_ciphertext(deployed: Deployed) -> None:
    assert deployed.batch(message(encryption_context={"app": "shop"})) == []
    document = json.loads(deployed.aws.ssm.values["/shop/db"][0])
    blob = base64.b64decode(document["ciphertext"])
    assert deployed.decrypt(blob, document["encryption_context"]).decode() == CANARY
    with pytest.raises(InvalidCiphertext):
        deployed.decrypt(blob, {})
    ((bus, kind, detail),) = deployed.aws.events.sent
    assert (bus, kind) == ("own", "SecretSealed")
    assert detail == {**document, "target": PARAMETER}


def test_its_audit_lines_are_told_by_one_request_id(deployed: Deployed) -> None:
    deployed.batch(message())
    deployed.batch(message())
    lines = [line for line in deployed.audit.records if line.action == "Encrypt"]
    assert [(line.request_id, line.principal, line.profile) for line in lines] == [
        (request_id("acme", "a"), "events", "native")
    ]


def test_a_wrapped_plaintext_never_lies_in_the_queue(deployed: Deployed) -> None:
    deployed.operator("CreateKey", spec="RSA_2048", alias=WRAPPING_KEY.partition("/")[2])
    pem = deployed.operator("GetPublicKey", key_id=WRAPPING_KEY)["pem"]
    public = load_pem_public_key(pem.encode())
    assert isinstance(public, rsa.RSAPublicKey)
    oaep = padding.OAEP(mgf=padding.MGF1(hashes.SHA256()), algorithm=hashes.SHA256(), label=None)
    bodies = [
        message(plaintext=None, plaintext_wrapped=base64.b64encode(public.encrypt(CANARY.encode(), oaep)).decode())
        for _ in range(2)
    ]
    assert bodies[0] != bodies[1]
    assert deployed.batch(*bodies, message()) == []
    assert deployed.rejected() == []  # it is the same wish, however often it is wrapped
    document = json.loads(deployed.aws.ssm.values["/shop/db"][0])
    assert deployed.decrypt(base64.b64decode(document["ciphertext"]), {}).decode() == CANARY


def test_a_newer_one_supersedes_an_older_one(deployed: Deployed) -> None:
    assert deployed.batch(message(id="b", sequence=2), message(id="a", sequence=1, plaintext="old")) == []
    kinds = [(kind, detail["id"], "ciphertext" in detail) for _, kind, detail in deployed.aws.events.sent]
    assert kinds == [("SecretSealed", "b", True), ("SecretSuperseded", "a", False)]
    assert [json.loads(text)["id"] for text in deployed.aws.ssm.values["/shop/db"]] == ["b"]


# -- what can never be sealed ----------------------------------------------------------------------------


BAD: dict[str, tuple[str, str]] = {
    "malformed": (f'{{"plaintext": "{CANARY}"', "InvalidMessage"),
    "another version": (message(v=2), "UnsupportedVersion"),
    "an unknown field": (message(extra=1), "UnknownField"),
    "a key that is not there": (message(key="alias/none"), "AliasNotFound"),
    "a key id that is none": (message(key="5c438b18-05be-40ad-b6c2-3be6752cfa7e"), "KeyNotFound"),
    "too long a plaintext": (message(plaintext=CANARY * 500), "PlaintextTooLong"),
    "too long a message": (message(plaintext=CANARY * 25_000), "MessageTooLarge"),
    "too long for its target": (message(plaintext=CANARY + "x" * 4000), "ValueTooLong"),
    "a target that is not allowed": (message(target={"type": "s3", "name": "elsewhere"}), "TargetNotAllowed"),
    "a wrapped plaintext and no key for it": (
        message(plaintext=None, plaintext_wrapped=base64.b64encode(CANARY.encode()).decode()),
        "AliasNotFound",
    ),
    "an id that is taken": (message(id="taken"), "IdReused"),
    "an object that is taken": (message(target={"type": "s3", "name": "shop/taken"}), "TargetTaken"),
    "half a character": (message(plaintext=f"{CANARY}\ud800"), "InvalidMessage"),
    "a body of half a character": (f"{CANARY}\ud800", "InvalidMessage"),
}
ALLOWED = [{"type": "ssm", "name": "/shop/*"}, {"type": "s3", "name": "shop/*"}]


@pytest.mark.parametrize(("body", "reason"), BAD.values(), ids=BAD)
def test_what_is_bad_is_rejected_and_the_others_are_done(
    body: str, reason: str, kms: Kms, capfd: pytest.CaptureFixture[str]
) -> None:
    deployed = Deployed(kms, TARGETS=json.dumps(ALLOWED))
    before = [message(id="taken", plaintext="x"), message(id="object", target={"type": "s3", "name": "shop/taken"})]
    assert deployed.batch(*before) == []
    others = [message(id=f"good-{number}", target={"type": "ssm", "name": f"/shop/{number}"}) for number in range(9)]
    assert deployed.batch(*others[:4], body, *others[4:]) == []
    assert [name for name in deployed.aws.ssm.values if name != "/shop/db"] == [
        f"/shop/{number}" for number in range(9)
    ]
    (told,) = deployed.rejected()
    assert (told.reason, told.message_id, told.received, told.sent, told.rejected) == (reason, "4", 1, NOW - 5, NOW)
    assert opened(told, deployed.decrypt) == body
    _no_canary(deployed, capfd)


def _no_canary(deployed: Deployed, capfd: pytest.CaptureFixture[str]) -> None:
    """Neither clear nor in base64 does the plaintext stand in logs, queues, tables, values."""
    out, err = capfd.readouterr()
    told = [out, err, repr(deployed.audit.records), repr(deployed.aws.sqs.sent), repr(deployed.aws.events.sent)]
    told += [repr(deployed.aws.dynamodb.tables), repr(deployed.aws.ssm.values), repr(deployed.aws.s3.objects)]
    whole = "".join(told)
    for spelling in (CANARY, *(base64.b64encode(b" " * at + CANARY.encode())[4:16].decode() for at in range(3))):
        assert spelling not in whole


def test_the_key_that_opens_what_is_wrapped_is_told_from_the_message_s(deployed: Deployed) -> None:
    """Without the field both would be an alias that is not there."""
    wrapped = message(plaintext=None, plaintext_wrapped=base64.b64encode(CANARY.encode()).decode())
    assert deployed.batch(wrapped, message(id="b", key="alias/none")) == []
    assert [(told.reason, told.field) for told in deployed.rejected()] == [
        ("AliasNotFound", "plaintext_wrapped"),
        ("AliasNotFound", ""),
    ]


def _amid_others(deployed: Deployed) -> list[str]:
    """The reasons of a batch whose second message is under `alias/default`, and the others under another key."""
    deployed.operator("CreateKey", alias="other")
    others = [message(id=f"o-{n}", key="alias/other", target={"type": "ssm", "name": f"/shop/{n}"}) for n in range(2)]
    assert deployed.batch(others[0], message(id="b"), others[1]) == []
    assert deployed.aws.ssm.values.keys() >= {"/shop/0", "/shop/1"}
    return [told.reason for told in deployed.rejected()]


def test_a_disabled_key_is_its_reason(deployed: Deployed) -> None:
    deployed.batch(message())  # the key of the functions themselves is made
    deployed.operator("DisableKey", key_ids=["alias/default"])
    assert _amid_others(deployed) == ["KeyDisabled"]


def test_a_key_that_events_may_not_use_is_denied(kms: Kms) -> None:
    assert _amid_others(Deployed(kms, KEYS='["alias/other"]')) == ["AccessDenied"]


def test_a_rejected_body_opens_with_its_own_message_only(deployed: Deployed) -> None:
    deployed.batch("one", "two")
    one, two = deployed.rejected()
    with pytest.raises(InvalidCiphertext):
        opened(msgspec.structs.replace(one, message_id=two.message_id), deployed.decrypt)
    with pytest.raises(InvalidCiphertext):
        opened(msgspec.structs.replace(one, body_sealed=one.body_sealed[:-1]), deployed.decrypt)


# -- what comes again ------------------------------------------------------------------------------------


def _fails(*operations: str) -> Around:
    def around(operation: str, call: Call) -> Any:
        if operation in operations:
            raise error("ThrottlingException", operation)
        return call()

    return around


@pytest.mark.parametrize("operation", ["invoke", "get_item", "put_item", "put_parameter", "put_events", "update_item"])
def test_a_fault_gives_the_message_back_and_the_next_try_is_whole(
    operation: str, deployed: Deployed, capfd: pytest.CaptureFixture[str]
) -> None:
    deployed.around = _fails(operation)
    assert deployed.batch(message(), message(id="b", target={"type": "ssm", "name": "/b"})) == ["0", "1"]
    assert deployed.rejected() == []
    out, err = capfd.readouterr()
    assert "ThrottlingException" in err
    assert CANARY not in out + err
    deployed.around = lambda _operation, call: call()
    assert deployed.batch(message()) == []
    assert len(deployed.aws.ssm.values["/shop/db"]) == 1


@pytest.mark.parametrize("operation", ["send_message", "invoke"])
def test_what_cannot_be_rejected_comes_again(operation: str, deployed: Deployed) -> None:
    deployed.around = _fails(operation)
    assert deployed.batch("no message", "nor this") == ["0", "1"]
    assert deployed.rejected() == []


def test_a_quarantine_key_that_is_disabled_loses_nothing(deployed: Deployed) -> None:
    deployed.batch(message())
    deployed.operator("DisableKey", key_ids=[QUARANTINE_KEY])
    assert deployed.batch("no message", message()) == ["0", "1"]
    deployed.operator("EnableKey", key_ids=[QUARANTINE_KEY])
    assert deployed.batch("no message", message()) == []


def test_an_unforeseen_fault_shows_nothing(deployed: Deployed, capfd: pytest.CaptureFixture[str]) -> None:
    def around(operation: str, call: Call) -> Any:
        raise ValueError(CANARY)

    deployed.around = around
    assert deployed.batch(message()) == ["0"]
    out, err = capfd.readouterr()
    assert "ValueError" in err
    assert CANARY not in out + err


def test_only_the_one_that_failed_comes_again(deployed: Deployed) -> None:
    def around(operation: str, call: Call) -> Any:
        if operation == "put_parameter" and len(deployed.aws.ssm.values) == 2:
            raise error("ThrottlingException", operation)
        return call()

    deployed.around = around
    bodies = [message(id=f"id-{number}", target={"type": "ssm", "name": f"/n/{number}"}) for number in range(3)]
    assert deployed.batch(*bodies) == ["2"]
    assert set(deployed.aws.ssm.values) == {"/n/0", "/n/1"}


def test_a_batch_without_records_is_no_success(deployed: Deployed) -> None:
    """An answer that names nobody would delete what came."""
    with pytest.raises(UnexpectedBatchTypeError):
        answer(deployed.made, {"Records": []}, None)


def test_a_record_without_an_id_takes_all_of_the_batch_back(deployed: Deployed) -> None:
    """An empty identifier would say the same to AWS, and to the emulator that all is done."""
    with pytest.raises(KeyError):
        answer(deployed.made, {"Records": [{"body": "x", "attributes": {}, "eventSource": "aws:sqs"}]}, None)


def test_no_right_but_to_the_functions_and_targets_is_asked_for(deployed: Deployed) -> None:
    asked: set[str] = set()

    def around(operation: str, call: Call) -> Any:
        asked.add(operation)
        return call()

    deployed.around = around
    item = {"type": "dynamodb", "name": ITEMS, "key": {"name": "a"}}
    deployed.batch(message(), message(id="b", target=item), "bad")
    assert asked == {
        *("invoke", "get_item", "put_item", "update_item", "transact_write_items", "put_events", "send_message"),
        *("get_parameter", "put_parameter"),
    }
    functions = {name for name, _ in deployed.aws.functions.invoked}
    assert functions == {f"tkms-acme-{name}" for name in ("encrypt", "decrypt", "generate_data_key", "create_key")}
    assert TABLE in deployed.aws.dynamodb.tables


def test_the_policy_that_it_brings_allows_no_more(deployed: Deployed) -> None:
    """A function that were made to ask for more would be refused by the Action itself."""
    deployed.batch(message())
    calls = [call for _, call in deployed.aws.functions.invoked if call["action"] == "Encrypt"]
    actions = Actions(deployed._run, calls[0]["principal"]["policy"])
    document = json.loads(deployed.aws.ssm.values["/shop/db"][0])
    with pytest.raises(Exception, match="policy does not allow"):
        actions.decrypt("r", base64.b64decode(document["ciphertext"]), {})
