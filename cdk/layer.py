"""The layers of a tenant's functions: one that all share, and one of those that seal events."""

from __future__ import annotations

from aws_cdk import Annotations, AssetHashType, RemovalPolicy
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk import bundles

RUNTIME = lambda_.Runtime.PYTHON_3_13
ARCHITECTURE = lambda_.Architecture.ARM_64


def code(bundle: bundles.Bundle) -> lambda_.Code:
    """The hash is that of the sources, so that the same ones are never uploaded twice."""
    return lambda_.Code.from_asset(str(bundle.path), asset_hash=bundle.hash, asset_hash_type=AssetHashType.CUSTOM)


class Layer(Construct):
    """`version` is kept when a newer one replaces it: functions are updated one after another."""

    def __init__(self, scope: Construct, name: str, bundle: bundles.Bundle, holds: str) -> None:
        super().__init__(scope, name)
        self.version = lambda_.LayerVersion(
            self,
            "Version",
            code=code(bundle),
            compatible_runtimes=[RUNTIME],
            compatible_architectures=[ARCHITECTURE],
            description=f"{holds}, {bundles.size(bundle) / 1e6:.1f} MB",
            removal_policy=RemovalPolicy.RETAIN,
        )
        if bundles.target() != bundles.LAMBDA:
            Annotations.of(self).add_warning_v2(
                "tkms:layer-for-an-emulator",
                f"{bundles.EMULATOR} is set: the layer is for this machine's own Python. AWS Lambda cannot load it.",
            )
        if not bundles.compiler(bundles.target().python):
            Annotations.of(self).add_warning_v2(
                "tkms:layer-not-compiled",
                f"No Python {bundles.target().python} was found here, so the layer has no compiled modules and cold"
                " starts take longer: install it, and synthesize again.",
            )
