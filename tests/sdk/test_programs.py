"""Programs of `tkms snippet`, run as they are printed, with the clients that they name."""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from functions.endpoint.clients import CLIENTS
from kit.mongod import mongod
from kit.programs import LINES, run
from kit.support import Server
from tenantkms.names import AWS

NOT_HERE = {"aliyun"}
"""It is written in Go, and in no registry that the tests install from."""
RUN = [name for name, client in CLIENTS.items() if client.language in LINES and name not in NOT_HERE]
APART = {"tencent-v2", "mongodb"}
"""They speak https only."""
ARN = r"(the key's ARN, for AWS's Encryption SDK: )?arn:aws:kms:cn-hangzhou:[0-9]{12}:key/[0-9a-f-]{36}\n"


def _blob(printed: str) -> str:
    return str(json.loads(printed)["CiphertextBlob"])


SEALED: dict[str, Callable[[str], str]] = {
    "alibaba-classic": lambda printed: str(json.loads(ast.literal_eval(printed))["CiphertextBlob"]),
    "tencent": _blob,
    "curl": lambda printed: _blob(json.dumps(json.loads(printed)["Response"])),
    "curl-alibaba": _blob,
    "curl-aws": _blob,
    "curl-v2": lambda printed: str(json.loads(printed)["ciphertextBlob"]),
}
"""Programs that print a ciphertext -> which. The others print what they open."""


def _opened(server: Server, name: str, *options: str, **environ: str) -> str:
    """What the program gets back, or `tkms` of what it prints."""
    printed = run(CLIENTS[name].language, server.tkms("snippet", name, *options), **environ)
    if name in SEALED:
        return server.tkms("decrypt", stdin=SEALED[name](printed))
    return re.sub(f"^{ARN}", "", printed).strip()


@pytest.mark.parametrize("name", [name for name in RUN if name not in APART])
def test_a_program_needs_no_key_but_its_own(server: Server, tmp_path: Path, name: str) -> None:
    if name.startswith("curl") and not (shutil.which("curl") and shutil.which("openssl")):
        pytest.skip("curl or openssl is not installed")
    alias = f"alias/only-{name}"
    server.tkms("key", "create", "--alias", alias)
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": alias}]}))
    id_, _ = server.credential("--policy", str(policy))
    assert _opened(server, name, "--credential", id_, "--key", alias) == "hello"


@pytest.mark.parametrize("name", [name for name in RUN if CLIENTS[name].language == "js" or name.startswith("curl")])
def test_a_program_over_tls(secure_server: Server, certificate: tuple[Path, Path], name: str) -> None:
    ca = str(certificate[0])
    assert _opened(secure_server, name, NODE_EXTRA_CA_CERTS=ca, CURL_CA_BUNDLE=ca) == "hello"


def test_the_programs_of_aws_tell_the_key_s_arn(server: Server) -> None:
    for name in ("aws", "aws-cli", "aws-node"):
        assert CLIENTS[name].dialect == AWS
        assert re.match(ARN, run(CLIENTS[name].language, server.tkms("snippet", name)))


def test_the_legacy_tencent_program(secure_server: Server, certificate: tuple[Path, Path]) -> None:
    printed = run("python", secure_server.tkms("snippet", "tencent-v2"), SSL_CERT_FILE=str(certificate[0]))
    assert secure_server.tkms("decrypt", stdin=json.loads(ast.literal_eval(printed))["ciphertextBlob"]) == "hello"


def test_the_program_of_mongodb(secure_server: Server, certificate: tuple[Path, Path]) -> None:
    """It looks for certificates where OpenSSL does, and for the key vault where MONGODB_URI says."""
    program = secure_server.tkms("snippet", "mongodb")
    with mongod() as url:
        assert run("python", program, MONGODB_URI=url, SSL_CERT_FILE=str(certificate[0])) == "hello\n"
