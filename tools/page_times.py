"""How much work the pages are for a browser until they can be used: make page-times

Times are the browser's own (the Performance domain of Chrome's DevTools protocol), of a profile that has nothing kept,
medians of fifteen. Sizes are of what came over the connection.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Mapping
from pathlib import Path
from statistics import median

from kit import browser as kit
from kit.support import serving

PAGES = {
    "explorer": ("/explorer", "#results li"),
    "signature check": ("/explorer#check", "#check, main textarea"),
    "console": ("/console", "#sign-in"),
}
"""Where a page is, and what of it can be used once it is there."""
_TIMES = {"TaskDuration": "all work", "ScriptDuration": "scripts", "LayoutDuration": "layout"}
_ROUNDS = 15


def measured(shown: kit.Page, url: str, selector: str) -> dict[str, float]:
    """Milliseconds by name, and `bytes`."""
    trace = shown.context.new_cdp_session(shown.page)
    sizes: list[float] = []
    trace.on("Network.loadingFinished", lambda told: sizes.append(told["encodedDataLength"]))
    trace.send("Network.enable")
    trace.send("Performance.enable")
    shown.page.goto(url)
    shown.page.wait_for_selector(selector)
    rows = trace.send("Performance.getMetrics")["metrics"]
    found = {row["name"]: row["value"] * 1000 for row in rows if row["name"] in _TIMES}
    return {**found, "bytes": sum(sizes)}


def told(name: str, rounds: list[Mapping[str, float]]) -> str:
    middle = {key: median(row[key] for row in rounds) for key in rounds[0]}
    times = ", ".join(f"{text} {middle[key]:.0f} ms" for key, text in _TIMES.items())
    return f"{name:<16} {times}, {middle['bytes']:,.0f} bytes"


def main() -> None:
    parser = argparse.ArgumentParser(prog="make page-times", description=__doc__)
    parser.add_argument("--rounds", type=int, default=_ROUNDS, help="of each page (default: %(default)s)")
    rounds = parser.parse_args().rounds
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(Path(folder) / "data", "--limit", "off") as server,
        kit.started() as browser,
    ):
        found: dict[str, list[Mapping[str, float]]] = {name: [] for name in PAGES}
        for _ in range(rounds):
            for name, (path, selector) in PAGES.items():
                shown = kit.Page(browser)
                found[name].append(measured(shown, server.url + path, selector))
                shown.context.close()
        print(f"{rounds} rounds, {browser.browser_type.name} {browser.version}")
        for name, each in found.items():
            print(told(name, each))


if __name__ == "__main__":
    main()
