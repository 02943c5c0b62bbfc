"""What is given away as a release, made from what is committed: make release

Two runs of one commit write the same bytes: times are those of the commit, and nothing of the machine is in it.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import msgspec
import uv

from tenantkms import __version__

ROOT = Path(__file__).parent.parent
_RELEASED = re.compile(r"^## (?P<version>\S+) \((?P<date>\d{4}-\d\d-\d\d)\)$", re.MULTILINE)


class NotReady(Exception):
    """What is committed is no release; the text says what is missing."""


def _git(root: Path, *args: str) -> bytes:
    return subprocess.run(["git", "-C", str(root), *args], check=True, capture_output=True).stdout


def check(root: Path) -> int:
    """The time of the commit, in seconds. Raises `NotReady`."""
    if changed := _git(root, "status", "--porcelain", "--untracked-files=no").decode():
        raise NotReady(f"These are changed and not committed:\n{changed.rstrip()}")
    text = _git(root, "show", "HEAD:CHANGELOG.md").decode()
    newest = re.search(r"^## .*$", text, re.MULTILINE)
    released = newest and _RELEASED.match(newest[0])
    if not released or released["version"] != __version__:
        raise NotReady(
            f"The newest part of CHANGELOG.md is {newest[0] if newest else 'not there'!r}; of a release it is"
            f" '## {__version__} (YYYY-MM-DD)', with the version of tenantkms/__init__.py."
        )
    return int(_git(root, "show", "--no-patch", "--format=%ct", "HEAD"))


def _uv(folder: Path, time: int, *args: str) -> bytes:
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(time)}
    done = subprocess.run(
        [uv.find_uv_bin(), *args, "--quiet", "--offline", "--python", sys.executable],
        cwd=folder,
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
    )
    return done.stdout


def bill(text: bytes, time: int) -> bytes:
    """uv's CycloneDX document with this version in it, and without what differs from run to run."""
    made: dict[str, Any] = msgspec.json.decode(text)
    made["metadata"]["component"] |= {"version": __version__, "purl": f"pkg:pypi/tenant-kms@{__version__}"}
    made["metadata"]["timestamp"] = datetime.fromtimestamp(time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    del made["serialNumber"]
    made["serialNumber"] = uuid5(NAMESPACE_URL, msgspec.json.encode(made, order="sorted").decode()).urn
    return msgspec.json.format(msgspec.json.encode(made), indent=2) + b"\n"


def make(root: Path, out: Path) -> Iterator[Path]:
    """Write the files of a release to `out`, and tell each. Raises `NotReady`."""
    time = check(root)
    out.mkdir(parents=True, exist_ok=True)
    name = f"tenant-kms-{__version__}"
    with (
        tempfile.TemporaryDirectory() as folder,
        tarfile.open(fileobj=io.BytesIO(_git(root, "archive", "HEAD"))) as tree,
    ):
        source, built = Path(folder, "source"), Path(folder, "built")
        tree.extractall(source, filter="data")
        _uv(source, time, "build", "--no-build-isolation", "-o", str(built))
        frozen = ("export", "--locked", "--no-default-groups")
        texts = {
            f"{name}.cdx.json": bill(_uv(source, time, *frozen, "--all-extras", "--format", "cyclonedx1.5"), time),
            f"{name}-requirements.txt": _uv(
                source, time, *frozen, "--extra", "aws", "--no-emit-project", "--no-header", "--no-annotate"
            ),
        }
        made = {path.name: path.read_bytes() for path in built.glob("tenant_kms-*")} | texts
    sums = "".join(f"{hashlib.sha256(made[file]).hexdigest()}  {file}\n" for file in sorted(made))
    made["SHA256SUMS"] = sums.encode()
    for file, content in made.items():
        (out / file).write_bytes(content)
        yield out / file


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make release", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder to write to (default: dist)")
    args = parser.parse_args(argv)
    try:
        for path in make(ROOT, args.out):
            print(f"{path}  {path.stat().st_size:,} bytes")
    except NotReady as error:
        print(f"make release: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
