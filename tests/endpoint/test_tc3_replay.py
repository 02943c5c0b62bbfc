"""TC3 signs neither the Action nor anything that is new each time: what a captured request may still do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kit.captures import at
from kit.catalogue import EXAMPLES, error_code, prepare
from kit.edits import Event, with_headers
from kit.samples import ROW_MACS
from kit.support import Kms, Signer
from tenantkms.access.credentials import AGAIN
from tenantkms.names import CHANGING
from tenantkms.store.sqlite import SqliteStore
from tenantkms.wire.dialects import DIALECTS

NOW = 1_800_000_000.0
REPLAYED = "AuthFailure.SignatureFailure"
UNFIT = {"UnknownParameter", "MissingParameter", "InvalidParameter"}
DIALECT = DIALECTS["tencent"]
OPERATIONS = DIALECT.operations
CHANGES = sorted(name for name, operation in OPERATIONS.items() if operation.action in CHANGING)
KEY = {"KeyId": "a"}


@pytest.fixture
def then(kms: Kms) -> Kms:
    return at(kms, NOW)


def code(kms: Kms, request: Event) -> object:
    return error_code("tencent", kms.send(request))


def elsewhere(request: Event, address: str = "203.0.113.9") -> Event:
    """The same request from another address."""
    http = {**request["requestContext"]["http"], "sourceIp": address}
    return {**request, "requestContext": {**request["requestContext"], "http": http}}


def as_action(request: Event, action: str) -> Event:
    return with_headers(request, x_tc_action=action)


@pytest.fixture
def described(then: Kms) -> Event:
    """A DescribeKey that was served."""
    request = then.signer.tencent("DescribeKey", {"KeyId": prepare(then).key_id})
    assert code(then, request) is None
    return request


@pytest.mark.parametrize("action", sorted(OPERATIONS))
def test_no_captured_request_is_another_action(action: str, then: Kms) -> None:
    """Of all pairs: from another address at once, and from the same one a moment later."""
    tenant = prepare(then)
    request = then.signer.tencent(action, EXAMPLES["tencent"](tenant).get(action, {"KeyId": tenant.key_id}))
    code(then, request)
    late = at(then, NOW + AGAIN + 1)
    for other in OPERATIONS.keys() - {action}:
        for forged in (code(then, elsewhere(as_action(request, other))), code(late, as_action(request, other))):
            assert forged == REPLAYED or forged in UNFIT, other


def test_what_is_served_alone_is_refused_under_another_signature_s_time(then: Kms, described: Event) -> None:
    """The pairs above fail for being replays, not for what they ask: signed anew the same is served."""
    key = json.loads(at(then, NOW).send(described)["body"])["Response"]["KeyMetadata"]["KeyId"]
    for n, action in enumerate(("DisableKey", "EnableKey", "RotateKey", "ArchiveKey"), 1):
        late = at(then, NOW + 10 * n)
        assert code(late, as_action(described, action)) == REPLAYED
        assert code(late, late.signer.tencent(action, {"KeyId": key})) is None


def test_a_captured_request_whose_action_or_version_was_refused_is_no_other_one(then: Kms) -> None:
    key = prepare(then).key_id
    first = {"x_tc_action": "NoSuchAction"}, {"x_tc_version": "2017-03-12"}, {"x_tc_action": ""}
    for n, change in enumerate(first):
        now = at(then, NOW + 20 * n)
        request = now.signer.tencent("DescribeKey", {"KeyId": key})
        assert code(now, with_headers(request, **change)) in {"InvalidAction", "NoSuchVersion", "MissingParameter"}
        assert code(now, elsewhere(as_action(request, "DisableKey"))) == REPLAYED


def test_after_the_clock_window_its_time_refuses_it(then: Kms, described: Event) -> None:
    assert code(at(then, NOW + 300), described) == REPLAYED
    assert code(at(then, NOW + 301), described) == "AuthFailure.SignatureExpire"


def test_a_request_dated_ahead_is_not_good_twice(kms: Kms) -> None:
    request = Signer(kms.signer.access_key_id, kms.signer.secret, lambda: NOW).tencent("ListKeys")
    assert code(at(kms, NOW - 300), request) is None
    assert code(at(kms, NOW + 300), request) == REPLAYED


@pytest.mark.parametrize("action", CHANGES)
def test_what_changes_something_is_done_once_for_a_signature(action: str, then: Kms) -> None:
    tenant = prepare(then)
    request = then.signer.tencent(action, EXAMPLES["tencent"](tenant).get(action, {"KeyId": tenant.key_id}))
    assert code(then, request) != REPLAYED
    for now in (NOW, NOW + 1, NOW + AGAIN, NOW + 300):
        assert code(at(then, now), request) == REPLAYED
        assert code(at(then, now), elsewhere(request)) == REPLAYED


def test_sdks_send_equal_requests_in_one_second(then: Kms) -> None:
    request = then.signer.tencent("ListKeys")
    assert [code(at(then, NOW + late), request) for late in (0, 0, 1, AGAIN)] == [None] * 4
    assert code(at(then, NOW + AGAIN + 1), request) == REPLAYED


def test_sdks_send_several_actions_of_one_key_in_one_second(then: Kms) -> None:
    """To look at a key, to disable it and to look again are signed alike, and are what a script does."""
    key = {"KeyId": prepare(then).key_id}
    for action in ("DescribeKey", "DisableKey", "DescribeKey", "EnableKey", "DescribeKey"):
        assert code(then, then.signer.tencent(action, key)) is None
    answer = json.loads(then.send(then.signer.tencent("DisableKey", key))["body"])["Response"]["Error"]
    assert (answer["Code"], "anew" in answer["Message"]) == (REPLAYED, True)
    later = at(then, NOW + 1)
    assert code(later, later.signer.tencent("DisableKey", key)) is None


def test_what_no_other_action_takes_and_changes_nothing_is_not_remembered(then: Kms) -> None:
    """An Encrypt can only be repeated as what it is: nothing is written for it (docs/costs.md)."""
    tenant = prepare(then)
    for action in ("Encrypt", "GenerateDataKey"):
        request = then.signer.tencent(action, EXAMPLES["tencent"](tenant)[action])
        assert [code(at(then, NOW + late), request) for late in (0, 0, 300)] == [None] * 3


def test_several_processes_share_what_was_used(then: Kms, described: Event) -> None:
    store = then.settings.access.store
    assert isinstance(store, SqliteStore)
    path = Path(str(store._nonces._directory).removesuffix("-nonces"))
    then.settings.access.store = SqliteStore(path, ROW_MACS)
    assert code(then, described) is None
    assert code(then, elsewhere(as_action(described, "DisableKey"))) == REPLAYED


def test_a_refused_replay_leaves_nothing_behind(then: Kms, described: Event) -> None:
    disable = elsewhere(as_action(described, "DisableKey"))
    assert [code(then, disable) for _ in range(3)] == [REPLAYED] * 3
    assert code(then, described) is None


@pytest.mark.parametrize(
    ("action", "params", "fits"),
    [
        ("DescribeKey", KEY, True),
        ("DescribeKey", {**KEY, "Unknown": None}, True),
        ("DescribeKey", {**KEY, "Unknown": ""}, False),
        ("DescribeKey", {**KEY, "Region": "r"}, True),
        ("NoSuchAction", KEY, True),
        ("GetRegions", {}, True),
        ("Decrypt", {"CiphertextBlob": "a"}, True),
        ("ReEncrypt", {"CiphertextBlob": "a"}, True),
        ("ReEncrypt", {"CiphertextBlob": "a", "DestinationKeyId": "b"}, False),
        ("Encrypt", {**KEY, "Plaintext": "a"}, False),
        ("NoSuchAction", {**KEY, "Plaintext": "a"}, True),
        ("GenerateRandom", {"NumberOfBytes": 1}, False),
    ],
)
def test_which_parameters_fit_another_action(action: str, params: dict[str, object], fits: bool) -> None:
    assert DIALECT.fits_another(action, params) is fits


def test_no_operation_has_a_parameter_that_all_may_carry() -> None:
    """`fits_another` passes over those."""
    assert not any(operation.wires & DIALECT.common for operation in OPERATIONS.values())
