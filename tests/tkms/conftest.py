"""What tests of the commands share."""

from __future__ import annotations

from pathlib import Path

import pytest

from kit.support import new_directory
from tkms.machine.directory import Directory


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    """A new data directory, of which nothing is open."""
    return new_directory(tmp_path / "data")
