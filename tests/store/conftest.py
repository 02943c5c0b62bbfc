"""Both stores behind one fixture: what is said of one must be true of the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.moto_aws import Tables
from kit.samples import ROW_MACS
from kit.store_writers import shared_buckets
from tenantkms.store.dynamodb import DynamoAccessStore, DynamoKeyStore
from tenantkms.store.port import AccessStore, KeyStore
from tenantkms.store.sqlite import SqliteStore


@pytest.fixture
def tables() -> Tables:
    """Fresh DynamoDB tables."""
    return Tables.fresh()


@pytest.fixture
def sqlite(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "kms.sqlite3", ROW_MACS)


@pytest.fixture(params=["sqlite", "dynamodb"])
def store(request: pytest.FixtureRequest) -> KeyStore:
    if request.param == "sqlite":
        sqlite: SqliteStore = request.getfixturevalue("sqlite")
        return sqlite
    tables: Tables = request.getfixturevalue("tables")
    return DynamoKeyStore(tables.client, tables.keys, ROW_MACS)


@pytest.fixture
def shared(tmp_path: Path) -> SqliteStore:
    """As one of several processes of a server has it."""
    return SqliteStore(tmp_path / "kms.sqlite3", ROW_MACS, buckets=shared_buckets(tmp_path, 1_000))


@pytest.fixture(params=["sqlite", "dynamodb", "shared"])
def access(request: pytest.FixtureRequest) -> AccessStore:
    if request.param != "dynamodb":
        sqlite: SqliteStore = request.getfixturevalue(request.param)
        return sqlite
    tables: Tables = request.getfixturevalue("tables")
    return DynamoAccessStore(tables.client, tables.access, ROW_MACS)
