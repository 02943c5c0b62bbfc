"""Fixtures: a KMS in this process on SQLite, and a server in a process of its own."""

from __future__ import annotations

import gc
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from kit.support import Kms, Server, Signer, serving
from tenantkms.model.limits import OFF
from tkms.machine.directory import Directory

# A shell that runs the tests in the background has them, and what they start, ignore Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish() -> None:
    """Thousands of tests stay to the end: whoever looks for garbage need not look at them each time."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def kms(tmp_path: Path) -> Kms:
    """A fresh tenant on SQLite with the key `alias/default` and one credential, without limits, in this process."""
    settings = Directory(tmp_path / "data", OFF).make("test")
    credential = settings.access.store.list_credentials()[0]
    return Kms(settings, Signer(credential.access_key_id, settings.access.secret(credential)))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One `tkms serve` for all tests that need a real socket; make your own keys and credentials on it."""
    with serving(tmp_path_factory.mktemp("server") / "data", "--limit", "off") as running:
        yield running
