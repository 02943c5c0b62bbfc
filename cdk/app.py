"""`cdk synth` and `cdk deploy` run this: the context's `tenants` become one stack each.

Without the CDK's command line, `python -m cdk.app` writes the templates of cdk.json to cdk.out.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

from cdk import node
from cdk.tenants import ROOT, TenantError, parse

if TYPE_CHECKING:
    from aws_cdk import App


def build(app: App) -> App:
    """Raises `TenantError` before anything is made."""
    from cdk.stack import TenantStack

    for tenant in parse(app.node.try_get_context("tenants")):
        TenantStack(app, tenant)
    return app


def main() -> None:
    node.use()
    from aws_cdk import App

    if "CDK_OUTDIR" in os.environ:
        app = App()
    else:
        app = App(outdir=str(ROOT / "cdk.out"), context=json.loads((ROOT / "cdk.json").read_text())["context"])
    try:
        build(app).synth()
    except TenantError as e:
        sys.exit(f"cdk.json: {e}")


if __name__ == "__main__":
    main()
