"""The synthesized stacks, made once for all tests and all workers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cdk import node
from kit import templates
from kit.templates import Template

node.use()  # before a test imports the CDK's library


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the CDK wrote."""
    base = tmp_path_factory.getbasetemp()
    return templates.synthesize(base.parent if "PYTEST_XDIST_WORKER" in os.environ else base)


@pytest.fixture(scope="session")
def example(assembly: Path) -> Template:
    """The example of cdk.json."""
    return Template.read(assembly, templates.EXAMPLE["name"])


@pytest.fixture(scope="session")
def full(assembly: Path) -> Template:
    """Every option is used but `events`."""
    return Template.read(assembly, "full")


@pytest.fixture(scope="session")
def sandbox(assembly: Path) -> Template:
    """It may be thrown away; every Action runs inside the endpoint."""
    return Template.read(assembly, "play")


@pytest.fixture(scope="session")
def adopted(assembly: Path) -> Template:
    """It uses tables and a parent key that were there before."""
    return Template.read(assembly, "moved")


@pytest.fixture(scope="session")
def sealing(assembly: Path) -> Template:
    """It seals what events bring, from every source and to every kind of target."""
    return Template.read(assembly, "sealing")


@pytest.fixture(scope="session")
def inside(assembly: Path) -> Template:
    """It has an address in a VPC, and no other."""
    return Template.read(assembly, "inside")


@pytest.fixture(params=["example", "full", "sandbox"])
def template(request: pytest.FixtureRequest) -> Template:
    """Each of them."""
    found: Template = request.getfixturevalue(request.param)
    return found
