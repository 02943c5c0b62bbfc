"""MiniStack, an emulator of AWS that runs what the CDK deploys, in a process of its own on 127.0.0.1.

It lives in a virtual environment of its own (`make e2e` makes it), and executes the functions with that Python.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
from botocore.config import Config

from cdk import bundles, node
from cdk.tenants import ROOT

ACCOUNT, REGION = "123456789012", "us-east-1"
HOST = "localhost"
PROGRAM = ROOT / ".venv-ministack/bin/ministack"
_UNPACKS_ONCE = [PROGRAM.with_name("python"), "-P", Path(__file__).with_name("unpacked_once.py")]


@dataclass(frozen=True)
class Emulator:
    """`folder` is what a deployment from it may write to."""

    port: int
    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """AWS settings that lead here, and nothing else of ours."""
        kept = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
        return {
            **kept,
            "HOME": str(self.folder),
            "AWS_ENDPOINT_URL": f"http://{HOST}:{self.port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "CDK_DISABLE_VERSION_CHECK": "1",
            bundles.EMULATOR: "1",
        }

    @property
    def synthesizing(self) -> dict[str, str]:
        """And where the wheels of the layer come from, and may be kept, which is this machine's to say."""
        of_machine = {k: v for k, v in os.environ.items() if k.startswith(("UV_", "SSL_", "PIP_")) or k == "HOME"}
        return {**self.environment, "UV_SYSTEM_CERTS": "1", "AWS_CONFIG_FILE": os.devnull, **of_machine}

    def client(self, service: str, region: str = REGION) -> Any:
        return botocore.session.get_session().create_client(
            service,
            region_name=region,
            endpoint_url=f"http://{HOST}:{self.port}",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=60),
        )

    def cdk(self, *args: str) -> str:
        """The CDK's command line, as `make cdk` runs it."""
        done = subprocess.run(
            node.command("cdk", *args, "--no-notices"),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        return done.stdout

    def synthesize(self, name: str, tenants: Sequence[Mapping[str, Any]], program: str = "-m cdk.app") -> Path:
        """The assembly of these tenants, made as the CDK's command line makes it from a cdk.json."""
        out = self.folder / name
        environment = {
            **self.synthesizing,
            "CDK_OUTDIR": str(out),
            "CDK_CONTEXT_JSON": json.dumps({"tenants": tenants}),
        }
        command = [sys.executable, *program.split()]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return out

    def deploy(self, assembly: Path, stack: str, *args: str) -> dict[str, str]:
        """The outputs of the stack."""
        outputs = self.folder / "outputs.json"
        where = ["--app", str(assembly), "--outputs-file", str(outputs)]
        self.cdk("deploy", stack, "--require-approval", "never", *where, *args)
        found: dict[str, str] = json.loads(outputs.read_text())[stack]
        return found


def settings(port: int) -> dict[str, str]:
    """What the program is told by its environment."""
    return {
        "BIND_HOST": "127.0.0.1",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "GATEWAY_PORT": str(port),
        "MINISTACK_HOST": HOST,
        "MINISTACK_ACCOUNT_ID": ACCOUNT,
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def emulating(folder: Path, *, auth: bool = False) -> Iterator[Emulator]:
    """An emulator that is ready; ended, with all that it started, when the block ends.

    With `auth` it verifies signatures, and holds every function to its own role's policies.
    """
    assert PROGRAM.exists(), "The emulator is not installed: `make e2e` does that, and runs these tests."
    emulator = Emulator(free_port(), folder)
    environment = {
        **emulator.environment,
        **settings(emulator.port),
        "AUTH": str(auth).lower(),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    log = folder / "emulator.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            _UNPACKS_ONCE, env=environment, cwd=folder, stdout=out, stderr=out, start_new_session=True
        )
        try:
            _wait(process, emulator.port, log)
            yield emulator
        finally:
            # The session that was started above: the emulator and the functions that it runs.
            os.killpg(process.pid, signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=10)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=10)


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    for _ in range(300):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/_ministack/health", timeout=5):
                return
        except OSError:
            assert process.poll() is None, log.read_text()[-4000:]
            time.sleep(0.2)
    raise AssertionError(f"The emulator does not answer:\n{log.read_text()[-4000:]}")
