"""A real browser: Chromium, which `make .browser/ready` finds or installs, and pages in it that are watched.

`python -m kit.browser` is a part of that target: it leaves a program `.browser/chrome` that was seen to show a page.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import playwright.sync_api as playwright

from cdk.node import NODE, command

ROOT = Path(__file__).parent.parent.parent
HOME = ROOT / ".browser"
CHROME = HOME / "chrome"
SHOTS = ROOT / "build/browser"
"""Where screenshots stay for whoever wants to look."""
FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    # Nothing but the servers of tests is to be found, whatever a page or the browser itself asks for.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE *.localhost",
)
LAYOUT = (Path(__file__).parent / "layout.js").read_text("utf-8")
_HTTP = re.compile(r"Failed to load resource: the server responded with a status of [45]\d\d")
"""What Chromium tells of each answer that refuses something: no fault of the page."""


@contextmanager
def started(chrome: Path = CHROME) -> Iterator[playwright.Browser]:
    """A browser with a profile of its own. Until the block ends, this thread can run no other event loop."""
    if chrome == CHROME and not (HOME / "ready").exists():
        raise RuntimeError("the browser is not installed: make .browser/ready")
    with playwright.sync_playwright() as driver:
        # Root has no sandbox to put a browser into; what it is shown are this checkout's own pages.
        browser = driver.chromium.launch(
            executable_path=chrome, args=FLAGS, chromium_sandbox=os.geteuid() != 0, timeout=60_000
        )
        try:
            yield browser
        finally:
            browser.close()


class Page:
    """One page, in a context that shares nothing with others; `faults` is what it did that no page of ours may do."""

    def __init__(self, browser: playwright.Browser, **context: Any) -> None:
        """`context`: options of Playwright's `new_context`, such as `color_scheme`, `locale` and `viewport`."""
        self.context = browser.new_context(**{"locale": "en-US", "service_workers": "block", **context})
        self.context.set_default_timeout(10_000)
        self.faults: list[str] = []
        self.requests: list[playwright.Request] = []
        self.context.on("request", self._asked)
        self.context.on("console", self._told)
        self.context.on("weberror", lambda error: self.faults.append(f"an exception: {error.error}"))
        self.page = self.context.new_page()

    def _asked(self, request: playwright.Request) -> None:
        self.requests.append(request)
        url = urlsplit(request.url)
        here = url.hostname == "127.0.0.1" or (url.hostname or "").endswith(".localhost")
        if url.scheme in ("http", "https", "ws", "wss") and not here:
            self.faults.append(f"a request to another host: {request.url}")

    def _told(self, message: playwright.ConsoleMessage) -> None:
        if message.type == "error" and not _HTTP.match(message.text):
            self.faults.append(f"on the console: {message.text}")

    def shot(self, name: str) -> Path:
        """A picture of the whole page, `build/browser/NAME.png`."""
        path = SHOTS / f"{name}.png"
        self.page.screenshot(path=path, full_page=True)
        return path

    def layout(self) -> list[str]:
        """Where boxes of the page as it is now are in each other's way: texts and controls that overlap, that stand
        beyond the edges of the page, or of which a part is cut off; one line for each.
        """
        found: list[str] = self.page.evaluate(LAYOUT)
        return found

    def axe(self) -> list[str]:
        """What axe-core finds on the page as it is now, serious and critical: `rule: element, ..`, one for each."""
        self.page.evaluate((HOME / "node_modules/axe-core/axe.min.js").read_text("utf-8"))
        found = self.page.evaluate("axe.run(document, {resultTypes: ['violations']}).then(all => all.violations)")
        return [
            f"{rule['id']}: {', '.join(' '.join(map(str, node['target'])) for node in rule['nodes'])}"
            for rule in found
            if rule["impact"] in ("serious", "critical")
        ]


def works(chrome: Path) -> bool:
    """Whether it shows a page. Ubuntu's `chromium-browser` may be a script that asks for a snap."""
    try:
        with started(chrome) as browser:
            page = browser.new_page()
            page.goto("data:text/html,<p>shown")
            return page.inner_text("p") == "shown"
    except playwright.Error as error:
        print(f"{chrome} shows no page: {str(error).splitlines()[0]}", file=sys.stderr)
        return False


def _on_path() -> Path | None:
    """A headless shell first: it starts in half the time."""
    for name in ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"):
        if (found := shutil.which(name)) and works(Path(found)):
            return Path(found)
    return None


def _of_debian() -> Path | None:
    """Root may install it, with a font that has Chinese characters."""
    apt = shutil.which("apt-get")
    if os.geteuid() != 0 or apt is None:
        return None
    print("installing Chromium with apt-get", file=sys.stderr)
    packages = ("chromium-headless-shell", "fonts-droid-fallback")
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", *packages]):
        done = subprocess.run(
            [apt, "-o", "DPkg::Lock::Timeout=300", *words],
            env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode:
            print(f"apt-get {words[0]} failed: {done.stdout[-2000:]}", file=sys.stderr)
            return None
    return _on_path()


_UNPACK = "import('@sparticuz/chromium').then(all => all.default.executablePath()).then(path => console.log(path))"


def _of_npm() -> Path | None:
    """The Chromium of @sparticuz/chromium, unpacked with the libraries that it brings along for Amazon Linux."""
    print("installing the Chromium of npm's @sparticuz/chromium", file=sys.stderr)
    quiet = ("--silent", "--no-audit", "--no-fund")
    subprocess.run(command("npm", "ci", *quiet, "--include", "optional", "--prefix", str(HOME)), check=True)
    unpacked = HOME / "unpacked"
    unpacked.mkdir(exist_ok=True)
    # It unpacks into the folder of temporary files, and its libraries only where it takes itself to be in Lambda.
    told = {**os.environ, "TMPDIR": str(unpacked), "AWS_EXECUTION_ENV": "AWS_Lambda_nodejs24.x"}
    subprocess.run([NODE, "--eval", _UNPACK], cwd=HOME, env=told, stdout=subprocess.DEVNULL, check=True)
    script = HOME / "chrome-of-npm"
    script.write_text(
        f'#!/bin/sh\nexport LD_LIBRARY_PATH="{unpacked}/al2023/lib" FONTCONFIG_PATH="{unpacked}/fonts"\n'
        f'exec "{unpacked}/chromium" "$@"\n',
        "utf-8",
    )
    script.chmod(0o755)
    return script if works(script) else None


WAYS: Mapping[str, Callable[[], Path | None]] = {"path": _on_path, "debian": _of_debian, "npm": _of_npm}


def install(*ways: str) -> None:
    """Leave `CHROME`, by the first of `ways` that has one; all of `WAYS` in turn, if none is named."""
    CHROME.unlink(missing_ok=True)
    for way in ways or WAYS:
        if found := WAYS[way]():
            CHROME.symlink_to(found)
            return
    raise SystemExit("No Chromium shows a page here. Debian: apt-get install chromium-headless-shell")


if __name__ == "__main__":
    install(*sys.argv[1:])
