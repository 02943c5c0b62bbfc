"""Synthesizes the tenants of a JSON file with cdk-nag, as a program of its own: `synthesize.py <tenants> <out>`.

Each is synthesized whole, and so is what copies are made of (`tests/cdk/test_copies.py`).

It is told nothing of AWS credentials and runs where there is no network.
"""

from __future__ import annotations

import sys

from msgspec.structs import replace

from cdk import copies, node
from cdk.app import build
from cdk.listed import listed

COPIED = ("play", "sealing")
"""Tenants that are compared with their copies."""

if __name__ == "__main__":
    node.use()
    from aws_cdk import App, Validations
    from cdk_nag import AwsSolutionsChecks

    tenants, out = sys.argv[1:]
    whole = listed(tenants)
    copied = [tenant for tenant in whole if tenant.name in COPIED]
    twins = [replace(tenant, name=f"{tenant.name}-twin") for tenant in copied]
    prototypes = [shape.prototype for shape in copies.gather([*copied, *twins])[1]]
    app = build(App(outdir=out), [*whole, *prototypes])
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    app.synth()
