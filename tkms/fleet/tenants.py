"""The list of tenants, read for where their stacks are. What else an entry says is the CDK app's to judge."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from tkms.output import Failed, UsageError, read_text

VARIABLE = "TKMS_TENANTS"
"""What the CDK app reads, too."""


class Tenant(Struct, frozen=True):
    """Whose stack is `tkms-<name>` of that account and region."""

    name: str
    account: str
    region: str

    @property
    def stack(self) -> str:
        return f"tkms-{self.name}"


def listed(file: str, only: Sequence[str] = ()) -> list[Tenant]:
    """All of the file's, or those that `only` names. Raises `UsageError` and `Failed`."""
    if not file:
        raise UsageError(f"whose stacks? Name the list of tenants: --tenants FILE, or {VARIABLE}")
    try:
        rows: Any = msgspec.json.decode(read_text(str(Path(file).expanduser())), type=list[Tenant])
    except msgspec.DecodeError as e:
        raise Failed(f"{file} is no list of tenants: {e}") from None
    tenants = {tenant.name: tenant for tenant in rows}
    if len(tenants) < len(rows):
        raise Failed(f"{file} names a tenant twice.")
    if unknown := [name for name in only if name not in tenants]:
        raise UsageError(f"{file} has no tenant {unknown[0]}")
    return [tenant for tenant in tenants.values() if not only or tenant.name in only]
