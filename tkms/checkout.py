"""The checkout around this command, where there is one: what deploys, and the pages that say how, are not installed."""

from __future__ import annotations

from pathlib import Path

import tkms
from tkms.output import Failed

ROOT = Path(tkms.__file__).parent.parent


def require(what: str, *files: str, root: Path = ROOT) -> None:
    """Raises `Failed`, which begins with `what` is done from a checkout, where `root` is none with these files."""
    if not all((root / file).exists() for file in files):
        raise Failed(f"{what} from a checkout: there is none around this command.")
