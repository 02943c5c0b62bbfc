"""Starts the command: `tkms`, or `python -m tkms`."""

from __future__ import annotations

import sys
from pathlib import Path


def main() -> int:
    # An installation has the Actions in here, out of sight of others who have a package `functions`; a checkout beside.
    bundled = Path(__file__).parent / "bundled"
    if bundled.is_dir():
        sys.path.insert(0, str(bundled))
    try:
        from tkms.cli import main as run
    except KeyboardInterrupt:  # while it is loaded
        return 130
    return run()


if __name__ == "__main__":
    sys.exit(main())
