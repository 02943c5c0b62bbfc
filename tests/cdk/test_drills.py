"""What docs/operations.md tells to type is what the store needs: read from the page, run by a shell."""

from __future__ import annotations

import json
import subprocess
from typing import Any

import pytest

from cdk.tenants import ROOT
from kit import moto_aws

PAGE = (ROOT / "docs/operations.md").read_text("utf-8")


def imported_table() -> Any:
    """The table that the page makes in the new account."""
    lines = [line.strip() for line in PAGE.splitlines()]
    functions = [line for line in lines if line.startswith(("index() {", "attributes() {"))]
    assert len(functions) == 2
    _, _, rest = PAGE.partition("--table-creation-parameters ")
    parameters, _, _ = rest.partition(")\n   imported() ")
    script = "\n".join([*functions, f"echo {parameters}"])
    return json.loads(subprocess.run(["bash", "-ec", script], capture_output=True, text=True, check=True).stdout)


def described(client: Any, name: str) -> Any:
    table = client.describe_table(TableName=name)["Table"]
    found = table["GlobalSecondaryIndexes"]
    indexes = [(row["IndexName"], str(row["KeySchema"]), str(row["Projection"])) for row in found]
    attributes = sorted((row["AttributeName"], row["AttributeType"]) for row in table["AttributeDefinitions"])
    return table["KeySchema"], sorted(indexes), attributes


def test_an_imported_table_is_shaped_as_the_store_s_own() -> None:
    tables = moto_aws.Tables.fresh()
    parameters = imported_table()
    tables.client.create_table(**{**parameters, "TableName": f"{tables.keys}-moved"})
    assert described(tables.client, f"{tables.keys}-moved") == described(tables.client, tables.keys)


@pytest.mark.parametrize("name", ["output", "stop", "start", "index", "attributes"])
def test_its_shell_functions_are_whole(name: str) -> None:
    (line,) = [line.strip() for line in PAGE.splitlines() if line.strip().startswith(f"{name}()")]
    subprocess.run(["bash", "-n", "-c", line], check=True)
