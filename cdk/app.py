"""`cdk synth` and `cdk deploy` run this: tenants become one stack each.

Without the CDK's command line, `python -m cdk.app` writes the templates to cdk.out.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cdk import copies, node
from cdk.listed import PROJECT, listed
from cdk.progress import step
from cdk.tenants import ROOT, Tenant, TenantError

if TYPE_CHECKING:
    from aws_cdk import App


def build(app: App, tenants: Sequence[Tenant]) -> App:
    from cdk.stack import TenantStack

    for tenant in tenants:
        for stack in filter(None, (tenant, tenant.twin)):
            with step(f"making the stack {stack.construct}"):
                TenantStack(app, stack)
    return app


def main() -> None:
    node.use()
    with step("starting the CDK's library"):
        from aws_cdk import App

    if "CDK_OUTDIR" in os.environ:
        app = App()
    else:
        app = App(outdir=str(ROOT / "cdk.out"), context=json.loads(PROJECT.read_text("utf-8"))["context"])
    try:
        tenants = listed(app.node.try_get_context("tenants"))
    except TenantError as e:
        sys.exit(str(e))
    alone, shapes = copies.gather(tenants)
    build(app, [*alone, *(shape.prototype for shape in shapes)])
    with step("writing the templates"):
        app.synth()
    copies.write(Path(app.outdir), shapes)


if __name__ == "__main__":
    main()
