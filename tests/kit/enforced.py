"""The app for an emulator that enforces policies. It stands for `-m cdk.app`; two things differ.

The stack is deployed with the caller's own credentials, since the roles of the bootstrap are refused there. And the
emulator knows neither an encryption context nor a role's path, and speaks no TLS, so that each condition on one fails:
they are left out here, and are evaluated over the real templates by `tests/cdk`. Actions, resources and trust are as
they are deployed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cdk import node
from cdk.app import build
from cdk.listed import listed

UNKNOWN = ("kms:EncryptionContext:", "aws:PrincipalArn", "aws:SecureTransport")


def without_unknown(value: Any) -> Any:
    """A template without the conditions that the emulator cannot evaluate; a denial under one says nothing at all."""
    if isinstance(value, list):
        return [without_unknown(item) for item in value if not (_conditional(item) and item["Effect"] == "Deny")]
    if not isinstance(value, dict):
        return value
    return {
        name: without_unknown(item) for name, item in value.items() if not (name == "Condition" and _conditional(value))
    }


def _conditional(statement: Any) -> bool:
    if not isinstance(statement, dict) or "Effect" not in statement:
        return False
    return any(key in json.dumps(statement.get("Condition")) for key in UNKNOWN)


if __name__ == "__main__":
    node.use()
    from aws_cdk import App, CliCredentialsStackSynthesizer

    app = App(default_stack_synthesizer=CliCredentialsStackSynthesizer())
    for stack in build(app, listed(app.node.try_get_context("tenants"))).synth().stacks:
        path = Path(stack.template_full_path)
        path.write_text(json.dumps(without_unknown(json.loads(path.read_text()))))
