"""What is uploaded: the code of each function, and the layers. Built once for the same sources, then kept in `build/`.

Nothing here needs Docker: uv takes wheels of the platform that is named, and only wheels.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import uv
from msgspec import Struct

from cdk.progress import step
from cdk.tenants import ROOT

BUILD = ROOT / "build" / "cdk"
_MAKER = "3"
"""Changes when the same sources shall be built differently."""


class Platform(Struct, frozen=True):
    """What wheels are taken for, as uv names it."""

    system: str
    python: str


LAMBDA = Platform("aarch64-manylinux_2_28", "3.13")
HERE = Platform(f"{os.uname().machine}-manylinux_2_28", "{}.{}".format(*sys.version_info))
"""A twin of the layer that this machine can import."""
EMULATOR = "TKMS_EMULATOR"
"""Set in the environment of a synthesis whose functions an emulator will run with this machine's own Python."""


def target() -> Platform:
    """What this synthesis builds the layer for."""
    return HERE if os.environ.get(EMULATOR) else LAMBDA


class Source(Struct, frozen=True):
    """What a layer is made of: pins and a package in `layers/<folder>`, and botocore's data of `services`.

    `extends`: its functions have another layer beneath it, with botocore, whose data then stands apart in `DATA`.
    """

    folder: str
    package: str
    services: tuple[str, ...]
    extends: Source | None = None

    @property
    def requirements(self) -> Path:
        return ROOT / "layers" / self.folder / "requirements.txt"

    @property
    def code(self) -> Path:
        return ROOT / "layers" / self.folder / "python" / self.package


SHARED = Source("tenantkms", "tenantkms", ("dynamodb", "kms", "lambda"))
"""The services are all that the functions call."""
EVENTS = Source("events", "tenantkms_events", ("events", "s3", "secretsmanager", "sqs", "ssm"), SHARED)
DATA = "botocore_data"
"""Beside the package, which tells botocore of it: two layers are one folder on AWS, and two elsewhere."""
_CALLED = frozenset({*SHARED.services, *EVENTS.services})


class Bundle(Struct, frozen=True):
    """A folder to upload, and the hash of what it was made of."""

    path: Path
    hash: str


def _sources(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)


def _hash(salt: Iterable[str], files: Iterable[Path]) -> str:
    digest = hashlib.sha256()
    for text in (_MAKER, *salt):
        digest.update(f"{len(text)}:{text}".encode())
    for path in files:
        name, content = path.relative_to(ROOT).as_posix(), path.read_bytes()
        digest.update(f"{name}:{len(content)}:".encode() + content)
    return digest.hexdigest()


def _built(name: str, digest: str, fill: Callable[[Path], None]) -> Bundle:
    """The folder `name-<hash>` under `build/`; several processes may make it at once, and one of them wins."""
    target = BUILD / f"{name}-{digest[:16]}"
    if not target.exists():
        BUILD.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=BUILD, prefix=f".{name}-") as temporary:
            made = Path(temporary, "made")
            made.mkdir()
            fill(made)
            try:
                made.rename(target)
            except OSError:
                if not target.exists():
                    raise
    return Bundle(target, digest)


@cache
def compiler(version: str = LAMBDA.python) -> str:
    """A Python of that version on this machine, or nothing; never one that has to be downloaded."""
    installed = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}"), reverse=True)
    for candidate in (sys.executable, f"python{version}", *map(str, installed)):
        question = [candidate, "-I", "-c", "import sys; print('{}.{}'.format(*sys.version_info), sys.executable)"]
        try:
            answer = subprocess.run(question, capture_output=True, text=True, check=False).stdout  # noqa: S603
        except OSError:
            continue
        found, _, python = answer.strip().partition(" ")
        if found == version:
            return python
    return ""


def _form(version: str) -> str:
    return "compiled" if compiler(version) else "sources"


def _compile(folder: Path, version: str, runs_in: str) -> None:
    """`.pyc` files that are taken without a look at their source: half the import time where it is read-only."""
    if python := compiler(version):
        how = ["-q", "-j", "1", "--invalidation-mode", "unchecked-hash", "-s", str(folder), "-p", runs_in]
        subprocess.run([python, "-I", "-m", "compileall", *how, str(folder)], check=True, cwd=folder)  # noqa: S603


def function(folder: str, inline: Iterable[str] = ()) -> Bundle:
    """The code of one function, under `functions/`; the endpoint's has the folders of its inline Actions too."""
    chosen = [ROOT / "functions" / name for name in (folder, *sorted(inline))]
    files = [ROOT / "functions/__init__.py", *(path for one in chosen for path in _sources(one))]

    def fill(made: Path) -> None:
        for path in files:
            copy = made / path.relative_to(ROOT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        _compile(made, python, "/var/task")

    python = target().python
    return _built(folder, _hash([python, _form(python)], files), fill)


def layer(platform: Platform = LAMBDA, source: Source = SHARED) -> Bundle:
    """A layer: pinned wheels, their hashes checked, and a package of ours."""
    pins = [one.requirements for one in (source, source.extends) if one]

    def fill(made: Path) -> None:
        python = made / "python"
        _install(python, source.requirements, platform)
        if source.extends:
            with tempfile.TemporaryDirectory(dir=BUILD, prefix=".botocore-") as temporary:
                _install(Path(temporary), source.extends.requirements, platform)
                for service in source.services:
                    shutil.copytree(Path(temporary, "botocore/data", service), python / DATA / service)
            _thin(python / DATA)
        else:
            for data in (python / "botocore/data").iterdir():
                if data.is_dir() and data.name not in source.services:
                    shutil.rmtree(data)
            _thin(python / "botocore/data")
        shutil.copytree(source.code, python / source.package, ignore=shutil.ignore_patterns("__pycache__"))
        _compile(python, platform.python, "/opt/python")

    salt = [source.folder, platform.system, platform.python, _form(platform.python), *source.services]
    name = f"layer-{source.folder}-{platform.system}-{platform.python.replace('.', '')}"
    with step(f"building the layer {source.folder} for {platform.system}, Python {platform.python}"):
        return _built(name, _hash(salt, [*pins, *_sources(source.code)]), fill)


def _thin(data: Path) -> None:
    """Takes out of botocore's data what no call needs, and a function would read at each start: what only describes,
    and addresses of services that nobody calls. docs/decisions/0041-starts.md."""
    for described in data.glob("*/*/examples-1.json"):
        described.unlink()
    for packed in data.glob("*/*/service-2.json.gz"):
        model = msgspec.json.decode(gzip.decompress(packed.read_bytes()))
        # What a client itself may be told (`clientContextParams`) botocore does not read without a description.
        thinner = {part: _undescribed(model[part]) for part in ("operations", "shapes")}
        packed.with_suffix("").write_bytes(msgspec.json.encode({**model, **thinner}))
        packed.unlink()
    for addresses in data.glob("endpoints.json"):
        found = msgspec.json.decode(addresses.read_bytes())
        for partition in found["partitions"]:
            there = partition["services"]
            partition["services"] = {name: there[name] for name in there if name in _CALLED}
        addresses.write_bytes(msgspec.json.encode(found))


def _undescribed(model: Any) -> Any:
    """Without texts called `documentation`; what a member of that name is stays."""
    if isinstance(model, dict):
        return {
            name: _undescribed(value)
            for name, value in model.items()
            if not (name == "documentation" and isinstance(value, str))
        }
    return [_undescribed(value) for value in model] if isinstance(model, list) else model


def _install(target: Path, requirements: Path, platform: Platform) -> None:
    wheels = ["--python-platform", platform.system, "--python-version", platform.python, "--only-binary", ":all:"]
    quiet = ["--quiet", "--no-config", "--link-mode", "copy", "--require-hashes", "--no-deps"]
    command = [uv.find_uv_bin(), "pip", "install", *quiet, *wheels, "--target", str(target), "-r", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"The layer for {platform.system} was not made:\n{done.stderr}")
    (target / ".lock").unlink(missing_ok=True)
    shutil.rmtree(target / "bin", ignore_errors=True)
    for record in target.glob("*.dist-info/RECORD"):
        record.unlink()  # it has the hashes of scripts, which name this machine's Python


def size(bundle: Bundle) -> int:
    """Bytes of its files, which AWS Lambda limits to 250 MB for a function with its layers."""
    return sum(path.stat().st_size for path in bundle.path.rglob("*") if path.is_file())
