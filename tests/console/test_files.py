"""The console's page as it is served: whole, small, strict, of known files, and free for those who only call."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kit.browser import HOME
from kit.in_node import exported_of
from tkms.console import files
from tkms.console.files import assets

STATIC = Path(files.__file__).with_name("static")
VENDOR = Path(files.__file__).with_name("vendor")
FIRST_VIEW = 100_000
BANNED = (
    *("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function", "DOMParser"),
    *("localStorage", "sessionStorage", "indexedDB", "document.cookie", "sendBeacon", "console."),
)


def test_the_first_view_is_small_and_one_round_trip_beside_the_page() -> None:
    page = assets()["/console"].plain.decode()
    linked = {url for url in re.findall(r'(?:href|src)="([^"]+)"', page) if url.startswith("/console/")}
    assert linked == assets().keys() - {"/console"}, "all is asked for by the page itself"
    assert sum(len(asset.packed) for asset in assets().values()) < FIRST_VIEW


def test_what_is_vendored_is_what_npm_has() -> None:
    """`make .browser/ready` installs what the lock file pins by its hash."""
    package = HOME / "node_modules/uplot"
    told = dict(reversed(line.split("  ")) for line in (VENDOR / "SHA256SUMS").read_text("ascii").splitlines())
    assert told.keys() == {path.name for path in VENDOR.iterdir()} - {"SHA256SUMS"}
    for name, digest in told.items():
        ours = (VENDOR / name).read_bytes()
        assert hashlib.sha256(ours).hexdigest() == digest, name
        theirs = package / name if name == "LICENSE" else package / "dist" / name
        assert ours == theirs.read_bytes(), name
    assert "MIT License" in (VENDOR / "LICENSE").read_text("utf-8")


@pytest.mark.parametrize("script", sorted(STATIC.glob("*.js")), ids=lambda path: path.name)
def test_nothing_received_becomes_markup_and_nothing_is_stored(script: Path) -> None:
    text = script.read_text("utf-8")
    assert [word for word in BANNED if word in text] == []


def test_both_languages_say_everything() -> None:
    texts: dict[str, dict[str, str]] = exported_of(STATIC / "texts.js", "TEXTS", files.EXPLORER / "language.js")
    english, chinese = texts["en"], texts["zh"]
    assert english.keys() == chinese.keys()
    for key, text in english.items():
        holes = [sorted(re.findall(r"\{\d\}", said)) for said in (text, chinese[key])]
        assert holes[0] == holes[1], key
        assert text != chinese[key] or key == "key.id", key
    scripts = [path.read_text("utf-8") for path in (*STATIC.glob("*.js"), files.EXPLORER / "frame.js")]
    asked = {key for script in scripts for key in re.findall(r'\b(?:t|part|fact)\("([a-z.]+)"', script)}
    assert asked <= english.keys()
    assert len(asked) > 40


def test_who_calls_does_not_load_it() -> None:
    program = "import sys; import tkms.machine.serve; print([n for n in sys.modules if 'explorer' in n or 'boto' in n])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
