"""A stack on a server of moto's: its tables, its parent key, its outputs, and functions that nothing runs."""

from __future__ import annotations

import io
import json
import os
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple
from urllib.request import Request, urlopen

import botocore.session
from moto.server import ThreadedMotoServer

from kit.moto_aws import REGION, create_tables

STACK = "tkms-acme"


class Aws(NamedTuple):
    """`environment` is that of a shell of its operator. `group` is the endpoint's log, `changes` CreateKey's."""

    url: str
    environment: dict[str, str]
    group: str
    changes: str = "/aws/lambda/tkms-acme-create_key"

    def client(self, service: str) -> Any:
        keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        session = botocore.session.get_session()
        return session.create_client(service, region_name=REGION, endpoint_url=self.url, **keys)

    def tkms(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "tkms.cli", *args, "--stack", STACK]


def with_create_key(client: Callable[[str], Any], prefix: str = "tkms-acme-") -> None:
    """The function beside whose lines those of operators are, which nothing runs."""
    role = client("iam").create_role(RoleName=f"{prefix}r", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as file:
        file.writestr("handler.py", "")
    how = {"Runtime": "python3.13", "Role": role, "Handler": "handler.handler", "Code": {"ZipFile": code.getvalue()}}
    client("lambda").create_function(FunctionName=f"{prefix}create_key", **how)


@contextmanager
def moto_stack(*, parents: int = 1, **outputs: str) -> Iterator[Aws]:
    """With one parent key or two, and more `outputs`."""
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    with urlopen(Request(f"{url}/moto-api/reset", method="POST")):
        pass
    settings = {"AWS_ENDPOINT_URL": url, "AWS_REGION": REGION, "AWS_MAX_ATTEMPTS": "1"}
    keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    made = Aws(url, {**kept, **settings, **keys}, "/tkms/acme/endpoint")
    create_tables(made.client("dynamodb"), "keys", "access")
    arns = [made.client("kms").create_key()["KeyMetadata"]["Arn"] for _ in range(parents)]
    outputs = {
        "Tenant": "acme",
        "Region": REGION,
        "Account": "123456789012",
        "KeysTable": "keys",
        "AccessTable": "access",
        **dict(zip(("ParentKeyArn", "OtherParentKeyArn"), arns, strict=False)),
        "Url": "https://kms.example.test",
        "FunctionPrefix": "tkms-acme-",
        **outputs,
    }
    groups = {"Log": made.group, "Changes": made.changes}
    template = {
        "Resources": {
            name: {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": group}}
            for name, group in groups.items()
        },
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    made.client("cloudformation").create_stack(StackName=STACK, TemplateBody=json.dumps(template))
    try:
        yield made
    finally:
        server.stop()
