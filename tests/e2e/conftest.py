"""A tenant deployed on an emulator of AWS: once with the default bootstrap, once where policies are enforced."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from kit.deployment import STACK, STANDBY, TENANT, Deployment, deployed, fleet
from kit.emulator import ACCOUNT, REGION, Emulator, emulating
from kit.loopback import resolve_localhost
from kit.sdk_clients import without_proxies
from tkms.stack.stack import Stack

SHARED = {"test_files": "test_deploy", "test_standby": "test_roles"}
"""Of two files of one deployment: where the first runs, the second does."""


class _ByDeployment(LoadScopeScheduling):
    def _split_scope(self, nodeid: str) -> str:
        file = Path(nodeid.partition("::")[0]).stem
        return SHARED.get(file, file)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Where several processes run the tests, those of one deployment stay in one of them, which alone makes it.

    xdist's groups do not hold them together: its 3.8 marks tests by an attribute that pytest 9 does not read.
    """
    return _ByDeployment(config, log)


@pytest.fixture(scope="session", autouse=True)
def _names() -> Iterator[None]:
    """The SDKs find the API under its name, and take no proxy of the environment to it."""
    with pytest.MonkeyPatch.context() as patch:
        resolve_localhost(patch)
        without_proxies(patch)
        yield


@pytest.fixture(scope="session")
def open_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulator after `cdk bootstrap`."""
    folder: Path = tmp_path_factory.mktemp("open")
    with emulating(folder) as emulator:
        emulator.cdk("bootstrap", f"aws://{ACCOUNT}/{REGION}")
        yield emulator


@pytest.fixture(scope="session")
def fresh(open_house: Emulator) -> dict[str, str]:
    """Outputs of the stack right after its first deployment, as a fleet of one."""
    (made,) = fleet(open_house, "deploy", "--yes")
    assert made["state"] == "deployed", made["reason"]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in open_house.environment.items():
            patch.setenv(name, value)
        return Stack(STACK).outputs


@pytest.fixture(scope="session")
def deployment(open_house: Emulator, fresh: dict[str, str]) -> Iterator[Deployment]:
    with deployed(open_house, fresh) as found:
        yield found


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """Where every function works under its own role and nothing more. It is to have a second region."""
    folder: Path = tmp_path_factory.mktemp("guarded")
    with emulating(folder, auth=True) as emulator:
        emulator.cdk("bootstrap", f"aws://{ACCOUNT}/{REGION}")
        # Two operations of Alibaba's share one call a second, and tests make both.
        two_regions = {**TENANT, "standby": {"region": STANDBY}, "limits": {"DescribeService": 0}}
        assembly = emulator.synthesize("own", [two_regions], "tests/kit/enforced.py")
        with deployed(emulator, emulator.deploy(assembly, STACK)) as found:
            yield found
