"""docs/decisions/README.md has every page, by its number and with its title."""

from __future__ import annotations

import re
from pathlib import Path

DECISIONS = Path(__file__).parents[2] / "docs" / "decisions"


def test_the_index_says_what_the_pages_say() -> None:
    pages = sorted(DECISIONS.glob("[0-9]*.md"))
    assert len(pages) > 60
    titles = [(page.name, page.read_text().partition("\n")[0]) for page in pages]
    rows = re.findall(r"^\| \[(.+)\]\((.+)\) \| (.+) \|$", (DECISIONS / "README.md").read_text(), re.MULTILINE)
    assert [(file, f"# {number} {title}") for number, file, title in rows] == titles
    assert all(file.startswith(f"{number}-") for number, file, _ in rows)
