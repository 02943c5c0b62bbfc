"""What is asked of one tenant's stack, and of all of them, several at a time, whatever becomes of one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

from msgspec import Struct

from tenantkms.errors import KmsError
from tenantkms.runtime.assemble import SettingsError
from tkms.findings import PROBLEM, WARNING, Finding
from tkms.fleet.tenants import Tenant
from tkms.output import Failed, NotDone, time_text
from tkms.places import reason
from tkms.stack.doctor import SETTLED, examine
from tkms.stack.stack import Stack

FAILED = "failed"


class Row(Struct, frozen=True, kw_only=True):
    """What became of one tenant. `state` is one word, `reason` says why it is no good one, if it is not."""

    tenant: str
    stack: str
    account: str
    region: str
    state: str
    reason: str = ""


class Status(Row, frozen=True, kw_only=True):
    """`state` as CloudFormation has it; `version` of this project; when it was last deployed."""

    version: str = ""
    updated: str = ""
    url: str = ""


class Examined(Row, frozen=True, kw_only=True):
    """`state` is `ok`, or the worst that was found."""

    problems: int = 0
    warnings: int = 0
    findings: tuple[Finding, ...] = ()


def row(tenant: Tenant, state: str, reason: str = "") -> dict[str, str]:
    """The fields of `Row`."""
    where = {"stack": tenant.stack, "account": tenant.account, "region": tenant.region}
    return {"tenant": tenant.name, **where, "state": state, "reason": reason}


def opened(tenant: Tenant, role: str) -> Stack:
    """Raises `SettingsError`, for a stack of that name in another account too."""
    arn = f"arn:aws{'-cn' if tenant.region.startswith('cn-') else ''}:iam::{tenant.account}:role/{role}"
    stack = Stack(tenant.stack, tenant.region, arn if role else "")
    account = str(stack.describe()["StackId"]).split(":")[4]
    if account != tenant.account:
        raise SettingsError(f"The AWS settings of this shell are of account {account}, not of {tenant.account}.")
    return stack


def status(tenant: Tenant, role: str) -> Status:
    stack = opened(tenant, role)
    described: dict[str, Any] = stack.describe()
    state = described["StackStatus"]
    updated = described.get("LastUpdatedTime") or described["CreationTime"]
    return Status(
        **row(tenant, state, "" if state in SETTLED else "the stack's events say what went wrong"),
        version=stack.outputs.get("Version", ""),
        updated=time_text(updated.timestamp()),
        url=stack.url,
    )


def examined(tenant: Tenant, role: str) -> Examined:
    found = tuple(examine(opened(tenant, role)))
    bad = {kind: [finding for finding in found if finding.status == kind] for kind in (PROBLEM, WARNING)}
    worst = next((kind for kind, findings in bad.items() if findings), "ok")
    why = "; ".join(f"{finding.check}: {finding.found}" for finding in bad[PROBLEM])
    return Examined(**row(tenant, worst, why), problems=len(bad[PROBLEM]), warnings=len(bad[WARNING]), findings=found)


def each(
    tenants: Sequence[Tenant], one: Callable[[Tenant], Row], parallel: int, told: Callable[[Row, int], None]
) -> list[Row]:
    """What `one` makes of each tenant, in their order; what it raises is a row too. `told` each as it is there."""

    def tried(tenant: Tenant) -> Row:
        try:
            return one(tenant)
        except (SettingsError, KmsError, Failed, NotDone, OSError) as e:
            return Row(**row(tenant, FAILED, reason(e)))

    rows: dict[str, Row] = {}
    with ThreadPoolExecutor(parallel) as pool:
        for done in as_completed([pool.submit(tried, tenant) for tenant in tenants]):
            made = done.result()
            rows[made.tenant] = made
            told(made, len(rows))
    return [rows[tenant.name] for tenant in tenants]
