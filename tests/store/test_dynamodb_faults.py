"""Faults between the DynamoDB store and its tables: before the write, after it with the answer lost, each refusal."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    ReadTimeoutError,
)
from msgspec.structs import replace

from kit.moto_aws import Fault, Tables, refusal
from kit.samples import ROW_MACS, credential, key, key_id, revised, version
from tenantkms.errors import AliasExists, Unavailable
from tenantkms.model.alias import Alias
from tenantkms.model.key import KeyFilter
from tenantkms.model.states import KeyState
from tenantkms.runtime.assemble import aws_config
from tenantkms.store.dynamodb import DynamoAccessStore, DynamoKeyStore
from tenantkms.store.port import DeleteAlias, PutAlias, PutKey, PutVersion, RevisionConflict, Write

NOW = 1_700_000_000
URL = "https://dynamodb.invalid"
NEW: list[Write] = [
    PutKey(key(1)),
    PutVersion(key_id(1), version(1)),
    PutAlias(Alias(name="a", key_id=key_id(1)), expect=None),
]
AMBIGUOUS = {
    "connect timeout": ConnectTimeoutError(endpoint_url=URL),
    "read timeout": ReadTimeoutError(endpoint_url=URL),
    "no connection": EndpointConnectionError(endpoint_url=URL),
    "connection closed": ConnectionClosedError(endpoint_url=URL),
    "network": HTTPClientError(error="broken pipe"),
    "500": refusal("InternalServerError", 500),
    "503": refusal("ServiceUnavailable", 503),
}
REFUSED = {
    code: refusal(code)
    for code in (
        "ThrottlingException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "TransactionInProgressException",
        "AccessDeniedException",
        "ResourceNotFoundException",
        "UnrecognizedClientException",
        "ValidationException",
        "TransactionCanceledException",
    )
}
ANY = {**AMBIGUOUS, **REFUSED}


@pytest.fixture
def keys(tables: Tables) -> DynamoKeyStore:
    return DynamoKeyStore(tables.client, tables.keys, ROW_MACS)


@pytest.fixture
def access(tables: Tables) -> DynamoAccessStore:
    return DynamoAccessStore(tables.client, tables.access, ROW_MACS)


@pytest.mark.parametrize("answer", ANY.values(), ids=ANY)
def test_a_commit_that_failed_has_no_effect_and_can_be_sent_again(
    tables: Tables, keys: DynamoKeyStore, answer: object
) -> None:
    tables.wire.faults.append(Fault("TransactWriteItems", answer))  # type: ignore[arg-type]
    with pytest.raises(Unavailable):
        keys.commit(NEW)
    assert (keys.get(key_id(1)), keys.get_version(key_id(1), 1), keys.get_alias("a")) == (None, None, None)
    keys.commit(NEW)
    assert keys.get(key_id(1)) == key(1)


@pytest.mark.parametrize("answer", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_a_commit_whose_answer_was_lost_succeeded(tables: Tables, keys: DynamoKeyStore, answer: object) -> None:
    tables.wire.faults.append(Fault("TransactWriteItems", answer, done=True))  # type: ignore[arg-type]
    keys.commit(NEW)
    assert keys.get(key_id(1)) == key(1)
    assert keys.get_alias("a") is not None
    second = [PutKey(revised(key(1), "2")), DeleteAlias(Alias(name="a", key_id=key_id(1)))]
    tables.wire.faults.append(Fault("TransactWriteItems", answer, done=True))  # type: ignore[arg-type]
    keys.commit(second)
    assert keys.get_alias("a") is None


@pytest.mark.parametrize(
    "writes",
    [
        pytest.param([PutAlias(Alias(name="a", key_id=key_id(1)), expect=None)], id="no key row to tell by"),
        pytest.param([PutKey(key(1, token=""))], id="no token to tell by"),
    ],
)
def test_a_lost_answer_that_cannot_be_recognised_is_not_called_a_success(
    tables: Tables, keys: DynamoKeyStore, writes: list[Write]
) -> None:
    tables.wire.faults.append(Fault("TransactWriteItems", ReadTimeoutError(endpoint_url=URL), done=True))
    with pytest.raises(Unavailable):
        keys.commit(writes)


def test_a_lost_answer_that_cannot_be_read_back_is_unavailable(tables: Tables, keys: DynamoKeyStore) -> None:
    timeout = ReadTimeoutError(endpoint_url=URL)
    tables.wire.faults += [Fault("TransactWriteItems", timeout, done=True), Fault("GetItem", timeout)]
    with pytest.raises(Unavailable):
        keys.commit(NEW)


def test_only_every_key_row_of_a_commit_proves_it(tables: Tables, keys: DynamoKeyStore) -> None:
    """Another call with the same token, or a row of two: neither is this commit."""
    keys.commit([PutKey(key(1))])
    both: list[Write] = [PutKey(key(1)), PutKey(key(2))]
    with pytest.raises(RevisionConflict):
        keys.commit(both)
    with pytest.raises(RevisionConflict):
        keys.commit([PutKey(key(1, description="other", token=key(1).token))])
    assert keys.get(key_id(2)) is None


@pytest.mark.parametrize("writes", [NEW, NEW[::-1]], ids=["key first", "alias first"])
def test_the_retry_of_the_client_finds_its_own_write(writes: list[Write]) -> None:
    """With the retries of a deployment: the first answer is lost, the second says that the rows are there already."""
    tables = Tables.fresh(aws_config())
    keys = DynamoKeyStore(tables.client, tables.keys, ROW_MACS)
    tables.wire.faults.append(Fault("TransactWriteItems", ConnectionClosedError(endpoint_url=URL), done=True))
    keys.commit(writes)
    assert tables.wire.count("TransactWriteItems") == 2
    assert keys.get(key_id(1)) == key(1)


def cancelled(*codes: str) -> object:
    return refusal("TransactionCanceledException", CancellationReasons=[{"Code": code} for code in codes])


@pytest.mark.parametrize(
    ("codes", "error"),
    [
        (("ConditionalCheckFailed", "None", "None"), RevisionConflict),
        (("None", "ConditionalCheckFailed", "None"), RevisionConflict),
        (("None", "None", "ConditionalCheckFailed"), AliasExists),
        (("ConditionalCheckFailed", "None", "ConditionalCheckFailed"), RevisionConflict),
        (("TransactionConflict", "None", "ConditionalCheckFailed"), AliasExists),
        (("TransactionConflict", "None", "None"), RevisionConflict),
        (("None", "None", "TransactionConflict"), RevisionConflict),
        (("ThrottlingError", "None", "None"), Unavailable),
        (("None", "ProvisionedThroughputExceeded", "None"), Unavailable),
        (("None", "ItemCollectionSizeLimitExceeded", "None"), Unavailable),
        (("None", "None", "ValidationError"), Unavailable),
        (("None", "None", "None"), Unavailable),
        ((), Unavailable),
    ],
)
def test_each_reason_to_cancel_a_transaction(
    tables: Tables, keys: DynamoKeyStore, codes: tuple[str, ...], error: type[Exception]
) -> None:
    tables.wire.faults.append(Fault("TransactWriteItems", cancelled(*codes)))  # type: ignore[arg-type]
    with pytest.raises(error) as raised:
        keys.commit(NEW)
    assert raised.type is error
    assert raised.value.__cause__ is not None


def test_a_moved_alias_that_is_refused_is_not_taken_for_a_new_one(tables: Tables, keys: DynamoKeyStore) -> None:
    tables.wire.faults.append(Fault("TransactWriteItems", cancelled("ConditionalCheckFailed")))  # type: ignore[arg-type]
    with pytest.raises(RevisionConflict):
        keys.commit([PutAlias(Alias(name="a", key_id=key_id(1)), expect=key_id(2))])


READS: dict[str, tuple[str, Callable[[DynamoKeyStore, DynamoAccessStore], object]]] = {
    "get": ("GetItem", lambda k, _: k.get(key_id(1))),
    "get_version": ("GetItem", lambda k, _: k.get_version(key_id(1), 1)),
    "list_versions": ("Query", lambda k, _: k.list_versions(key_id(1), 1, 2)),
    "list_due": ("Query", lambda k, _: k.list_due(NOW, limit=1)),
    "keys_after": ("Query", lambda k, _: k.keys_after((0, ""), limit=1)),
    "count_waiting": ("Query", lambda k, _: k.count_waiting(KeyState.PENDING_DELETION)),
    "count_keys": ("Query", lambda k, _: k.count_keys()),
    "count_aliases": ("Query", lambda k, _: k.count_aliases()),
    "get_alias": ("GetItem", lambda k, _: k.get_alias("a")),
    "list_keys": ("Query", lambda k, _: k.list_keys(KeyFilter(), now=0, offset=0, limit=1)),
    "list_aliases": ("Query", lambda k, _: k.list_aliases(offset=0, limit=1)),
    "get_root": ("GetItem", lambda k, _: k.get_root()),
    "put_root": ("PutItem", lambda k, _: k.put_root(b"sealed")),
    "get_credential": ("GetItem", lambda _, a: a.get_credential("a")),
    "list_credentials": ("Query", lambda _, a: a.list_credentials()),
    "credentials_named": ("Query", lambda _, a: a.credentials_named("a")),
    "note_use": ("PutItem", lambda _, a: a.note_use("a", NOW)),
    "last_uses": ("Query", lambda _, a: a.last_uses()),
    "has_credentials": ("Query", lambda _, a: a.has_credentials()),
    "put_credential": ("PutItem", lambda _, a: a.put_credential(credential(1), new=True)),
    "replace credential": ("PutItem", lambda _, a: a.put_credential(credential(1), new=False)),
    "delete_credential": ("DeleteItem", lambda _, a: a.delete_credential("a")),
    "use_nonce": ("PutItem", lambda _, a: a.use_nonce(b"n", now=NOW, expires=NOW + 600)),
    "take": ("UpdateItem", lambda _, a: a.take("a", 5, NOW)),
}


@pytest.mark.parametrize(("operation", "call"), READS.values(), ids=READS)
def test_every_call_says_unavailable(
    tables: Tables,
    keys: DynamoKeyStore,
    access: DynamoAccessStore,
    operation: str,
    call: Callable[[DynamoKeyStore, DynamoAccessStore], object],
) -> None:
    for answer in ANY.values():
        tables.wire.faults.append(Fault(operation, answer))  # type: ignore[arg-type]
        with pytest.raises(Unavailable) as raised:
            call(keys, access)
        assert raised.value.__cause__ is not None


@pytest.mark.parametrize("answer", AMBIGUOUS.values(), ids=AMBIGUOUS)
def test_a_lost_answer_of_the_access_table_is_recognised(
    tables: Tables, access: DynamoAccessStore, answer: object
) -> None:
    def lose() -> None:
        tables.wire.faults.append(Fault("PutItem", answer, done=True))  # type: ignore[arg-type]

    lose()
    access.put_credential(credential(1), new=True)
    lose()
    access.put_credential(replace(credential(1), enabled=False), new=False)
    assert access.list_credentials() == [replace(credential(1), enabled=False)]
    lose()
    assert access.use_nonce(b"n", now=NOW, expires=NOW + 600)
    assert not access.use_nonce(b"n", now=NOW, expires=NOW + 600)


def test_requests_whose_count_was_lost_are_never_more_than_there_are(tables: Tables, access: DynamoAccessStore) -> None:
    for answer in AMBIGUOUS.values():
        tables.wire.faults.append(Fault("UpdateItem", answer, done=True))  # type: ignore[arg-type]
        with pytest.raises(Unavailable):
            access.take("a", 20, NOW)
    assert sum(access.take("a", 20, NOW) for _ in range(50)) == 20 - len(AMBIGUOUS)


def test_the_retry_of_the_client_does_not_make_a_nonce_reused() -> None:
    tables = Tables.fresh(aws_config())
    access = DynamoAccessStore(tables.client, tables.access, ROW_MACS)
    tables.wire.faults.append(Fault("PutItem", ConnectionClosedError(endpoint_url=URL), done=True))
    assert access.use_nonce(b"n", now=NOW, expires=NOW + 600)
    assert tables.wire.count("PutItem") == 2
    tables.wire.faults.append(Fault("PutItem", ConnectionClosedError(endpoint_url=URL), done=True))
    access.put_credential(credential(1), new=True)
    assert access.get_credential(credential(1).access_key_id) == credential(1)
