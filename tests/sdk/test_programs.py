"""Programs of `tkms snippet` whose clients are larger than an SDK, run as they are printed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from kit.mongod import mongod
from kit.support import Server


def _run(program: str, **env: str) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        env={**clean, **env},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_program_of_the_aws_encryption_sdk(server: Server) -> None:
    assert _run(server.tkms("snippet", "aws-encryption-sdk")) == "hello\n"


def test_the_program_of_mongodb(secure_server: Server, certificate: tuple[Path, Path]) -> None:
    """It looks for certificates where OpenSSL does, and for the key vault where MONGODB_URI says."""
    program = secure_server.tkms("snippet", "mongodb")
    with mongod() as url:
        assert _run(program, MONGODB_URI=url, SSL_CERT_FILE=str(certificate[0])) == "hello\n"
