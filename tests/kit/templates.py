"""Synthesized templates, read: resources by type, and every reference resolved to the ARN or name it will have."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from cdk import bundles
from cdk.tenants import ROOT, actions, folders

ACCOUNT, REGION = "123456789012", "eu-central-1"
EXAMPLE = json.loads((ROOT / "cdk.json").read_text())["context"]["tenants"][0]
TOPIC = f"arn:aws:sns:{REGION}:{ACCOUNT}:pager"
BREAK_GLASS = "emergency"
FULL = {
    "name": "full",
    "account": ACCOUNT,
    "region": REGION,
    "other_arns": ["cn-beijing:1234567890123456", "eu-west-1:111122223333"],
    "domain": "kms.full.example.com",
    "certificate": f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/6f1e2d3c-1111-4222-8333-444455556666",
    "truststore": "s3://full-truststore/authorities/clients.pem",
    "rate": 50,
    "burst": 60,
    "limits": {"Encrypt": 1000, "*": 20, "strangers": 0, "keys": 100},
    "inline_actions": ["Encrypt", "GenerateDataKey"],
    "without_nonce": ["Encrypt", "VerifyMac"],
    "memory": {"endpoint": 512, "decrypt": 1024},
    "platform_lines": True,
    "state_cache_seconds": 0,
    "log_retention_days": 30,
    "alarm_topic": TOPIC,
    "break_glass_role": BREAK_GLASS,
    "operator_roles": ["platform/operators-*"],
    "explorer": True,
    "reserved_concurrency": {"endpoint": 20, "decrypt": 10},
    "standby": {
        "region": "eu-west-1",
        "keys_table": "tkms-full-keys",
        "access_table": "tkms-full-access",
        "parent_key": "mrk-6f1e2d3c111142228333444455556666",
        "certificate": f"arn:aws:acm:eu-west-1:{ACCOUNT}:certificate/6f1e2d3c-1111-4222-8333-444455556666",
        "truststore": "s3://full-truststore-west/authorities/clients.pem",
        "alarm_topic": f"arn:aws:sns:eu-west-1:{ACCOUNT}:pager",
    },
    "tags": {"team": "platform ä", "cost": "17"},
}
SANDBOX = {
    "name": "play",
    "account": ACCOUNT,
    "region": REGION,
    "domain": "kms.play.example.com",
    "certificate": f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/8f1e2d3c-1111-4222-8333-444455556666",
    "tags": {"team": "platform ä", "cost": "17"},
    "sandbox": True,
    "inline_actions": [*actions().values()],
}
ADOPTED_KEY = f"arn:aws:kms:{REGION}:999999999999:key/mrk-6f1e2d3c111142228333444455556666"
ADOPTED = {
    "name": "moved",
    "account": ACCOUNT,
    "region": REGION,
    "keys_table": "moved-keys-restored",
    "access_table": "moved-access-restored",
    "parent_key_arn": ADOPTED_KEY,
    "other_parent_key_arn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/7f1e2d3c-1111-4222-8333-444455556666",
    "arn_account": "999999999999",
    "arn_region": "eu-west-1",
    "snapstart": ["endpoint", "decrypt"],
}
SEALING = {
    "name": "sealing",
    "account": ACCOUNT,
    "region": REGION,
    "multi_region": False,
    "log_retention_days": 30,
    "alarm_topic": TOPIC,
    "events": {
        "messages": {
            "targets": [
                {"type": "secretsmanager", "name": "shop/*"},
                {"type": "secretsmanager", "name": "ci/token"},
                {"type": "ssm", "name": "/shop/*"},
                {"type": "s3", "name": "in/*"},
                {"type": "dynamodb", "name": "shop-secrets"},
                {"type": "eventbridge", "name": "shop"},
            ],
            "keys": ["alias/shop*"],
            "bus": True,
        },
        "objects": {"key": "alias/inbox", "context": {"purpose": "uploads"}},
    },
}
INSIDE = {
    "name": "inside",
    "account": ACCOUNT,
    "region": REGION,
    "private": {
        "domain": "kms.corp.example.com",
        "certificate": f"arn:aws:acm:{REGION}:{ACCOUNT}:certificate/7f1e2d3c-1111-4222-8333-444455556666",
        "vpc": "vpc-0123456789abcdef0",
        "subnets": ["subnet-0123456789abcdef0", "subnet-0123456789abcdef1"],
        "clients": ["10.1.0.0/16", "fd00:1::/32", "sg-0123456789abcdef0", "pl-01234567"],
        "ipv6": True,
        "only": True,
    },
}
VARIANTS = (EXAMPLE, FULL, SANDBOX, ADOPTED, SEALING, INSIDE)


def synthesize(folder: Path) -> Path:
    """The assembly of all variants in `folder`, made by the first process that asks for it."""
    out = folder / "cdk.out"
    with (folder / "cdk.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (out / "manifest.json").exists():
            # Wheels may have to be downloaded; the synthesis itself needs nothing from outside.
            for source in (bundles.SHARED, bundles.EVENTS):
                bundles.layer(source=source)
            tenants = folder / "tenants.json"
            tenants.write_text(json.dumps(VARIANTS))
            command = [
                *_without_network(),
                sys.executable,
                str(ROOT / "tests/kit/synthesize.py"),
                str(tenants),
                str(out),
            ]
            done = subprocess.run(command, env=_bare_environment(), capture_output=True, text=True, timeout=240)
            assert done.returncode == 0, done.stdout + done.stderr
    return out


def _bare_environment() -> dict[str, str]:
    """Without credentials, and with proxies where nobody answers."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    nowhere = "http://127.0.0.1:9"
    return {**kept, "HTTP_PROXY": nowhere, "HTTPS_PROXY": nowhere, "ALL_PROXY": nowhere, "UV_OFFLINE": "1"}


def _without_network() -> list[str]:
    """A network namespace of its own with nothing in it, where the machine lets us make one."""
    isolated = ["unshare", "--map-root-user", "--net"]
    if not shutil.which("unshare") or subprocess.run([*isolated, "true"], capture_output=True).returncode:
        return []
    return isolated


Resource = Mapping[str, Any]


@dataclass(frozen=True)
class Template:
    """The template of one stack."""

    stack: str
    body: Mapping[str, Any]

    @classmethod
    def read(cls, out: Path, tenant: str) -> Template:
        stack = f"tkms-{tenant}"
        return cls(stack, json.loads((out / f"{stack}.template.json").read_text()))

    @property
    def resources(self) -> Mapping[str, Resource]:
        found: Mapping[str, Resource] = self.body["Resources"]
        return found

    def of(self, kind: str) -> dict[str, Resource]:
        return {name: row for name, row in self.resources.items() if row["Type"] == kind}

    def properties(self, kind: str) -> list[Any]:
        return [self.resolved(row["Properties"]) for row in self.of(kind).values()]

    def only(self, kind: str) -> Any:
        (found,) = self.properties(kind)
        return found

    @cached_property
    def functions(self) -> dict[str, Any]:
        """Properties of each function by its folder."""
        prefix = f"{self.stack}-"
        return {row["FunctionName"].removeprefix(prefix): row for row in self.properties("AWS::Lambda::Function")}

    @property
    def outputs(self) -> dict[str, Any]:
        return {name: self.resolved(row["Value"]) for name, row in self.body["Outputs"].items()}

    def arn(self, name: str) -> str:
        row = self.resources[name]
        service, path = _ARNS[row["Type"]]
        label = row["Properties"].get("FunctionName", f"{self.stack}-{name}")
        region = "" if service in ("iam", "s3") else REGION
        account = "" if service == "s3" else ACCOUNT
        label = row["Properties"].get("Path", "/").removeprefix("/") + label
        return f"arn:aws:{service}:{region}:{account}:{path.format(label)}"

    def resolved(self, value: Any) -> Any:
        """`value` with its intrinsic functions done. A `Ref` is a resource's name, made of the stack's and its own."""
        if isinstance(value, list):
            return [self.resolved(item) for item in value]
        if not isinstance(value, dict):
            return value
        if len(value) != 1 or not (function := next(iter(value))).startswith(("Ref", "Fn::")):
            return {name: self.resolved(item) for name, item in value.items()}
        argument = value[function]
        if function == "Ref":
            return {"AWS::Partition": "aws", "AWS::URLSuffix": "amazonaws.com"}.get(
                argument, f"{self.stack}-{argument}"
            )
        if function == "Fn::GetAtt":
            name, attribute = argument
            return self.arn(name) if attribute == "Arn" else f"{self.stack}-{name}.{attribute}"
        if function == "Fn::Join":
            return argument[0].join(self.resolved(argument[1]))
        raise AssertionError(f"{function} is not resolved here")


_ARNS = {
    "AWS::DynamoDB::Table": ("dynamodb", "table/{}"),
    "AWS::KMS::Key": ("kms", "key/{}"),
    "AWS::Lambda::Function": ("lambda", "function:{}"),
    "AWS::Logs::LogGroup": ("logs", "log-group:{}:*"),
    "AWS::SQS::Queue": ("sqs", "{}"),
    "AWS::IAM::Role": ("iam", "role/{}"),
    "AWS::Events::Rule": ("events", "rule/{}"),
    "AWS::Events::EventBus": ("events", "event-bus/{}"),
    "AWS::S3::Bucket": ("s3", "{}"),
    "AWS::ElasticLoadBalancingV2::TargetGroup": ("elasticloadbalancing", "targetgroup/{}"),
}
FOLDERS = folders()
