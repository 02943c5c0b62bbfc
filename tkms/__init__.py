"""The `tkms` command: on this machine (`machine`), and on a deployed stack (`stack`)."""

import sys
from pathlib import Path

# An installation has the Actions in here, out of sight of others who have a package `functions`; a checkout beside.
if (_bundled := Path(__file__).parent / "bundled").is_dir():
    sys.path.insert(0, str(_bundled))
