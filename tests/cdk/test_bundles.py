"""Every function's code runs with its layer and nothing else on the path; the layer is what was asked for, each time.

The layer is arm64's; what is run here is its twin of the same sources and pins for this machine and this Python.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.session import Session

from cdk import bundles
from cdk.tenants import ROOT, SCHEDULED
from kit.templates import FOLDERS
from tools import init_times


@pytest.fixture(scope="session")
def twin() -> Path:
    return bundles.layer(bundles.HERE).path


@pytest.fixture(scope="session")
def client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return init_times.runtime_client(tmp_path_factory.mktemp("client"))


def run(folder: str, layer: Path, client: Path, inline: tuple[str, ...] = ()) -> init_times.Outcome:
    code = bundles.function(folder, inline).path
    return init_times.run(code, layer, client, f"functions.{folder}.handler.handler", init_times.event(folder))


@pytest.mark.parametrize("folder", [folder for folder in FOLDERS if folder not in ("endpoint", *SCHEDULED)])
def test_an_action_s_function_starts_and_answers(folder: str, twin: Path, client: Path) -> None:
    outcome = run(folder, twin, client)
    assert outcome.error is None, outcome.output
    assert outcome.answer["error"]["type"] == "MalformedRequest"


def test_a_function_s_lines_pass_the_runtime_as_they_are(twin: Path, client: Path) -> None:
    """With the log format and level that are deployed: AWS Lambda takes the audit log from its standard output."""
    lines = [json.loads(line) for line in run("encrypt", twin, client).output.splitlines()]
    assert [name for line in lines for name in ("ColdStart", "outcome") if name in line] == ["ColdStart", "outcome"]
    assert all(line["logger"].startswith("botocore.") for line in lines if "logger" in line)
    assert not any("level" in line for line in lines if "logger" not in line)


@pytest.mark.parametrize("inline", [(), ("encrypt", "decrypt")])
def test_the_endpoint_starts_and_answers(inline: tuple[str, ...], twin: Path, client: Path) -> None:
    outcome = run("endpoint", twin, client, inline)
    assert outcome.error is None, outcome.output
    assert (outcome.answer["statusCode"], outcome.answer["body"]) == (200, '{"status":"ok"}')


@pytest.mark.parametrize("folder", SCHEDULED)
def test_a_sweeper_starts_and_says_soon_that_its_table_is_not_there(folder: str, twin: Path, client: Path) -> None:
    outcome = run(folder, twin, client)
    assert outcome.error["errorType"] == "Unavailable", outcome.output
    assert outcome.first < 8000


def test_the_layer_is_this_machine_s_only_where_an_emulator_runs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(bundles.EMULATOR, raising=False)
    assert bundles.target() == bundles.LAMBDA
    monkeypatch.setenv(bundles.EMULATOR, "1")
    assert bundles.target() == bundles.HERE


def without(layer: Path, name: str, folder: Path) -> Path:
    """A layer that lacks one of its packages."""
    (folder / "python").mkdir()
    names = [path for path in (layer / "python").iterdir() if path.name != name and path.stem != name]
    assert len(names) < len(list((layer / "python").iterdir()))
    for path in names:
        (folder / "python" / path.name).symlink_to(path)
    return folder


@pytest.mark.parametrize(
    "name", ["botocore", "cryptography", "dateutil", "jmespath", "msgspec", "six", "tenantkms", "urllib3"]
)
def test_a_function_whose_layer_lacks_a_package_does_not_start(
    name: str, twin: Path, client: Path, tmp_path: Path
) -> None:
    outcome = run("encrypt", without(twin, name, tmp_path), client)
    assert outcome.answer is None
    assert outcome.error["errorType"] == "Runtime.ImportModuleError"
    assert f"No module named '{name}" in outcome.error["errorMessage"]


def _loader(*folders: Path) -> Loader:
    return Loader(extra_search_paths=list(map(str, folders)), include_default_search_paths=not folders)


def _without_descriptions(model: Any) -> Any:
    if isinstance(model, dict):
        texts = {name for name, value in model.items() if name == "documentation" and isinstance(value, str)}
        return {name: _without_descriptions(value) for name, value in model.items() if name not in texts}
    return [_without_descriptions(value) for value in model] if isinstance(model, list) else model


DATA = {
    **dict.fromkeys(bundles.SHARED.services, (bundles.SHARED, "python/botocore/data")),
    **dict.fromkeys(bundles.EVENTS.services, (bundles.EVENTS, f"python/{bundles.DATA}")),
}


@pytest.mark.parametrize("service", DATA)
def test_botocore_knows_of_a_service_what_it_knew_but_for_descriptions(service: str) -> None:
    source, place = DATA[service]
    ours, whole = _loader(bundles.layer(source=source).path / place), _loader()
    for kind in ("service-2", "endpoint-rule-set-1", "paginators-1", "waiters-2"):
        if service in whole.list_available_services(kind):
            model = whole.load_service_model(service, kind)
            assert _without_descriptions(ours.load_service_model(service, kind)) == _without_descriptions(model)
    model = ours.load_service_model(service, "service-2")
    for part in ("operations", "shapes"):
        assert _without_descriptions(model[part]) == model[part]


@pytest.mark.parametrize("service", DATA)
def test_a_client_of_the_layer_s_data_calls_where_it_called(service: str) -> None:
    """In every region of every partition, whose list is the whole one's."""
    source, place = DATA[service]
    folders = [bundles.layer().path / "python/botocore/data", bundles.layer(source=source).path / place]
    sessions = [Session(), Session()]
    sessions[1].register_component("data_loader", _loader(*folders))
    partitions = sessions[0].get_available_partitions()
    assert sessions[1].get_available_partitions() == partitions
    regions = [one for part in partitions for one in sessions[0].get_available_regions(service, part)]
    assert len(regions) > 20
    assert regions == [one for part in partitions for one in sessions[1].get_available_regions(service, part)]
    for region in (*regions[::6], "eu-central-9", "us-gov-west-1", "cn-north-1"):
        old, new = (
            one.create_client(service, region, aws_access_key_id="test", aws_secret_access_key="test")
            for one in sessions
        )
        assert new.meta.endpoint_url == old.meta.endpoint_url
        assert new.meta.config.signature_version == old.meta.config.signature_version


def _files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_layer_is_made_of_arm64_modules_only() -> None:
    found = list(bundles.layer().path.rglob("*.so*"))
    assert len(found) >= 3
    for path in found:
        # ELF's machine: 0xB7 is AArch64.
        assert path.read_bytes()[18:20] == b"\xb7\x00", path.name


def test_the_layer_is_small_and_has_only_the_services_that_are_called() -> None:
    layer = bundles.layer()
    assert bundles.size(layer) < 40_000_000
    services = {path.name for path in (layer.path / "python/botocore/data").iterdir() if path.is_dir()}
    assert services == set(bundles.SHARED.services)


def test_the_layer_holds_tenantkms_as_it_is() -> None:
    source = ROOT / "layers/tenantkms/python/tenantkms"
    packed = _files(bundles.layer().path / "python/tenantkms")
    for path in source.rglob("*.py"):
        assert packed[path.relative_to(source).as_posix()] == path.read_bytes()


@pytest.mark.skipif(not bundles.compiler(), reason="no Python 3.13 on this machine: the layer is made without .pyc")
def test_every_module_of_the_layer_is_compiled_and_trusted() -> None:
    python = bundles.layer().path / "python"
    sources = list(python.rglob("*.py"))
    assert len(sources) > 100
    for path in sources:
        compiled = path.parent / "__pycache__" / f"{path.stem}.cpython-313.pyc"
        assert compiled.read_bytes()[4:8] == b"\x01\x00\x00\x00", f"{path}: not an unchecked hash"


def test_the_same_sources_make_the_same_layer_and_others_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = bundles.layer()
    root = tmp_path / "checkout"
    shutil.copytree(ROOT / "layers", root / "layers", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(bundles, "ROOT", root)
    monkeypatch.setattr(bundles, "BUILD", tmp_path / "build")
    second = bundles.layer()
    assert second.hash == first.hash
    assert _files(second.path) == _files(first.path)
    assert not list(second.path.glob("python/*.dist-info/RECORD")), "it names the Python of the machine"
    errors = root / "layers/tenantkms/python/tenantkms/errors.py"
    errors.write_text(errors.read_text() + "\n")
    assert bundles.layer().hash != first.hash


def test_a_function_s_hash_follows_its_own_code_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "checkout"
    shutil.copytree(ROOT / "functions", root / "functions", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(bundles, "ROOT", root)
    monkeypatch.setattr(bundles, "BUILD", tmp_path / "build")
    before = {name: bundles.function(name).hash for name in ("encrypt", "decrypt")}
    handler = root / "functions/encrypt/handler.py"
    handler.write_text(handler.read_text() + "\n")
    os.utime(root / "functions/decrypt/handler.py", (1, 1))
    assert bundles.function("encrypt").hash != before["encrypt"]
    assert bundles.function("decrypt").hash == before["decrypt"]


def test_the_pins_of_the_layer_are_those_of_the_lock_file() -> None:
    locked = {row["name"]: row.get("version") for row in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    pinned = dict(re.findall(r"^([\w-]+)==(\S+)", bundles.SHARED.requirements.read_text(), re.MULTILINE))
    assert {"botocore", "cryptography", "msgspec"} <= set(pinned)
    for name, version in pinned.items():
        assert locked[name] == version, "make pins"
