"""What a release leaves for the tests of later ones, in tests/vectors/releases/<version>: make keep-release

`data.tar.xz` is a small data directory, `backup.tkms` a backup of it, `export.tke` an export, `sealed.tkms` a sealed
file, `expected.json` what is in them. All are of nobody: their parent key is among them.
`sources.tar.xz` is the release itself, by which a test goes back one version; that of the release before goes.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import shutil
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from tenantkms import __version__
from tkms import cli
from tkms.machine.directory import Directory, call

ROOT = Path(__file__).parent.parent
RELEASES = ROOT / "tests/vectors/releases"
CODE = ("layers/tenantkms/python/tenantkms", "layers/events/python/tenantkms_events", "functions", "tkms")
CONTEXT = {"kept": "release"}
SPECS = ("AES_256", "SM4_128", "RSA_2048", "EC_P256", "HMAC_SHA_256")


def _tkms(data: Path, *words: str) -> None:
    with redirect_stdout(io.StringIO()):  # it has the secret of an access key
        if cli.main([*words, "--data-dir", str(data)]):
            raise SystemExit(f"tkms {words[0]} failed")


def fill(data: Path) -> dict[str, Any]:
    """A new directory with a key of each kind, in several states, and what was encrypted under them."""
    directory = Directory(data)
    directory.make()
    settings = directory.open()

    def act(action: str, **params: object) -> Any:
        return call(settings, action, params)

    blobs: list[dict[str, Any]] = []
    keys: dict[str, str] = {}
    for spec in SPECS:
        made = act("CreateKey", spec=spec, description=f"kept {spec}")
        keys[spec] = made["key"]["id"]

    def encrypt(key: str, text: str) -> None:
        plaintext = base64.b64encode(text.encode()).decode()
        blob = act("Encrypt", key_id=key, plaintext=plaintext, context=CONTEXT)["ciphertext"]
        blobs.append({"key": key, "ciphertext": blob, "plaintext": plaintext, "context": CONTEXT})

    for spec in ("AES_256", "SM4_128"):
        encrypt(keys[spec], f"first version of {spec}")
        act("CreateKeyVersion", key_id=keys[spec])
        encrypt(keys[spec], f"second version of {spec}")
    act("CreateAlias", alias="kept", key_id=keys["AES_256"])
    act("TagResources", key_ids=[keys["AES_256"]], tags={"kept": "yes"})
    act("DisableKey", key_ids=[keys["HMAC_SHA_256"]])
    return {"version": __version__, "keys": keys, "blobs": blobs, "alias": "alias/kept"}


def versions(releases: Path = RELEASES) -> list[str]:
    """Those that are kept, the newest last."""
    return sorted((path.name for path in releases.iterdir()), key=lambda name: [int(part) for part in name.split(".")])


def keep(releases: Path = RELEASES) -> Path:
    """The folder of this release, made anew."""
    target = releases / __version__
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as folder:
        data, file = Path(folder, "data"), Path(folder, "a secret.txt")
        expected = fill(data)
        _tkms(data, "credential", "create", "--name", "kept", "--policy", "crypto-user")
        file.write_text("a file of a release")
        _tkms(data, "seal", str(file), "--key", "alias/kept", "--context", "kept=release")
        shutil.move(f"{file}.tkms", target / "sealed.tkms")
        _tkms(data, "backup", "--plain", "--with-parent", str(target / "backup.tkms"))
        _tkms(data, "export", "--plain", str(target / "export.tke"))
        with tarfile.open(target / "data.tar.xz", "w:xz") as tar:
            for path in sorted(data.iterdir()):
                if path.suffix not in (".lock", ".sqlite3-shm") and path.is_file():
                    tar.add(path, path.name)
    for old in versions(releases)[:-2]:
        (releases / old / "sources.tar.xz").unlink(missing_ok=True)
    with tarfile.open(target / "sources.tar.xz", "w:xz", preset=9) as tar:
        for package in CODE:
            for path in sorted((ROOT / package).rglob("*.py")):
                tar.add(path, f"{Path(package).name}/{path.relative_to(ROOT / package).as_posix()}")
    (target / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
    return target


def main(argv: Sequence[str] | None = None) -> int:
    argparse.ArgumentParser(prog="make keep-release", description=__doc__).parse_args(argv)
    target = keep()
    for path in sorted(target.iterdir()):
        print(f"{path.relative_to(ROOT)}  {path.stat().st_size:,} bytes", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
