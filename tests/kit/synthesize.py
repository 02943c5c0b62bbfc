"""Synthesizes the tenants of a JSON file with cdk-nag, as a program of its own: `synthesize.py <tenants> <out>`.

It is told nothing of AWS credentials and runs where there is no network.
"""

from __future__ import annotations

import sys

from cdk import node
from cdk.app import build
from cdk.listed import listed

if __name__ == "__main__":
    node.use()
    from aws_cdk import App, Validations
    from cdk_nag import AwsSolutionsChecks

    tenants, out = sys.argv[1:]
    app = build(App(outdir=out), listed(tenants))
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    app.synth()
