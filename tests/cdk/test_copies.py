"""A tenant whose stack is a copy has the stack that a synthesis of its own writes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from cdk import copies
from cdk.standby import Standby
from cdk.tenants import ROOT, Tenant, parse
from kit import templates
from kit.synthesize import COPIED

TENANTS = {tenant.name: tenant for tenant in parse([*templates.VARIANTS])}


def shapes() -> list[copies.Shape]:
    """As tests/kit/synthesize.py has made them."""
    twins = [replace(TENANTS[name], name=f"{name}-twin") for name in COPIED]
    alone, found = copies.gather([*(TENANTS[name] for name in COPIED), *twins])
    assert not alone
    return found


def artifacts(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "manifest.json").read_text("utf-8"))["artifacts"]
    return found


def assets(file: Path) -> Any:
    """Without the names of destinations, which are digests for nobody."""
    rows = json.loads(file.read_text("utf-8"))
    return rows | {
        "files": {
            digest: row | {"destinations": list(row["destinations"].values())} for digest, row in rows["files"].items()
        }
    }


def test_a_copy_is_what_a_synthesis_writes(assembly: Path, tmp_path: Path) -> None:
    others = [replace(TENANTS["sealing"], name=name, account="111122223333") for name in ("a", "z9-z9-z9-z9-z9-z9z")]
    made = shapes()
    for path in (assembly / "manifest.json", *assembly.glob("tkms-q*.json")):
        shutil.copy(path, tmp_path)
    copies.write(tmp_path, [made[0], copies.Shape(made[1].prototype, (*made[1].tenants, *others))])
    whole, copied = artifacts(assembly), artifacts(tmp_path)
    for name in COPIED:
        stack = TENANTS[name].stack
        for kind in ("template", "metadata"):
            file = f"{stack}.{kind}.json"
            assert (tmp_path / file).read_text("utf-8") == (assembly / file).read_text("utf-8")
        assert assets(tmp_path / f"{stack}.assets.json") == assets(assembly / f"{stack}.assets.json")
        for artifact in (stack, f"{stack}.assets"):
            assert copied[artifact] == whole[artifact]
    for tenant in others:
        assert copied[tenant.stack]["environment"] == "aws://111122223333/eu-central-1"
        template = (tmp_path / f"{tenant.stack}.template.json").read_text("utf-8")
        assert f'"{tenant.stack}-encrypt"' in template
    assert "q7z0x4k9" not in "".join(path.read_text("utf-8") for path in tmp_path.glob("tkms-*.json"))
    assert not [name for name in copied if "q7z0x4k9" in name]


def test_who_is_alone_in_its_options_is_synthesized_itself() -> None:
    acme = TENANTS["acme"]
    elsewhere = replace(acme, name="b", account="111122223333", tags={})
    alike = [acme, elsewhere]
    different: list[Tenant] = [
        replace(acme, name="c", region="eu-west-1"),
        replace(acme, name="d", rate=7),
        replace(acme, name="e", tags={"team": "x"}),
        replace(acme, name="a-name-of-19-letter"),
        replace(acme, name="f", snapstart=("encrypt",)),
        replace(acme, name="g", snapstart=("encrypt",)),
        replace(acme, name="h", standby=Standby(region="eu-west-1")),
        replace(acme, name="i", standby=Standby(region="eu-west-1")),
    ]
    alone, found = copies.gather([*alike, *different])
    assert alone == different
    assert [shape.tenants for shape in found] == [(acme, elsewhere)]
    assert copies.gather([acme]) == ([acme], [])


@pytest.mark.parametrize("name", ["acme", "sealing"])
def test_the_documents_count_what_is_in_a_stack(assembly: Path, name: str) -> None:
    """docs/operations.md says how many tenants fit into an account by these."""
    template = templates.Template.read(assembly, name)
    (_, text) = (ROOT / "docs/operations.md").read_text("utf-8").split("### What fits into an account")
    column = 1 + (name == "sealing")
    said = {cells[0].strip(): cells[column].strip() for row in text.splitlines() if (cells := row.split("|")[1:])[2:]}
    counts = {
        "resources": len(template.resources),
        "outputs": len(template.outputs),
        "IAM roles": len(template.of("AWS::IAM::Role")),
        "rules of the default bus": sum(
            "EventBusName" not in rule["Properties"] for rule in template.of("AWS::Events::Rule").values()
        ),
        "alarms": len(template.of("AWS::CloudWatch::Alarm")),
        "DynamoDB tables": len(template.of("AWS::DynamoDB::Table")),
    }
    assert {what: int(said[what]) for what in counts} == counts


@pytest.mark.parametrize("name", COPIED)
def test_a_prototype_is_no_tenant(name: str) -> None:
    """Nothing of the tenant is left in what its copy is made of."""
    (shape,) = [shape for shape in shapes() if TENANTS[name] in shape.tenants]
    for field in ("name", "account", "domain", "certificate"):
        assert not getattr(TENANTS[name], field) or getattr(shape.prototype, field) != getattr(TENANTS[name], field)
