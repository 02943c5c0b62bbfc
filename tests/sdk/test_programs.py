"""Programs of `tkms snippet`, run as they are printed, with the clients that they name."""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kit.mongod import mongod
from kit.programs import LINES, run
from kit.support import Server
from tenantkms.names import AWS
from tkms.snippets import SNIPPETS

RUN = [name for name, snippet in SNIPPETS.items() if snippet.language in LINES]
APART = {"tencent-v2", "mongodb"}
"""They speak https only."""
ARN = r"(the key's ARN, for AWS's Encryption SDK: )?arn:aws:kms:cn-hangzhou:[0-9]{12}:key/[0-9a-f-]{36}\n"


def _tencent(printed: str) -> str:
    return str(json.loads(printed)["CiphertextBlob"])


SEALED: dict[str, Callable[[str], str]] = {
    "alibaba-classic": lambda printed: str(json.loads(ast.literal_eval(printed))["CiphertextBlob"]),
    "tencent": _tencent,
    "curl": lambda printed: _tencent(json.dumps(json.loads(printed)["Response"])),
}
"""Programs that print a ciphertext -> which. The others print what they open."""


def _opened(server: Server, name: str, *options: str, **environ: str) -> str:
    """What the program gets back, or `tkms` of what it prints."""
    printed = run(SNIPPETS[name].language, server.tkms("snippet", name, *options), **environ)
    if name in SEALED:
        return server.tkms("decrypt", stdin=SEALED[name](printed))
    return re.sub(f"^{ARN}", "", printed).strip()


@pytest.mark.parametrize("name", [name for name in RUN if name not in APART])
def test_a_program_needs_no_key_but_its_own(server: Server, tmp_path: Path, name: str) -> None:
    if name == "curl" and not (shutil.which("curl") and shutil.which("openssl")):
        pytest.skip("curl or openssl is not installed")
    alias = f"alias/only-{name}"
    server.tkms("key", "create", "--alias", alias)
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"Statement": [{"Effect": "Allow", "Action": "*", "Resource": alias}]}))
    id_, _ = server.credential("--policy", str(policy))
    assert _opened(server, name, "--credential", id_, "--key", alias) == "hello"


@pytest.mark.parametrize("name", [name for name in RUN if SNIPPETS[name].language == "js" or name == "curl"])
def test_a_program_over_tls(secure_server: Server, certificate: tuple[Path, Path], name: str) -> None:
    ca = str(certificate[0])
    assert _opened(secure_server, name, NODE_EXTRA_CA_CERTS=ca, CURL_CA_BUNDLE=ca) == "hello"


def test_the_programs_of_aws_tell_the_key_s_arn(server: Server) -> None:
    for name in ("aws", "aws-cli", "aws-node"):
        assert SNIPPETS[name].dialect == AWS
        assert re.match(ARN, run(SNIPPETS[name].language, server.tkms("snippet", name)))


def test_the_legacy_tencent_program(secure_server: Server, certificate: tuple[Path, Path]) -> None:
    printed = run("python", secure_server.tkms("snippet", "tencent-v2"), SSL_CERT_FILE=str(certificate[0]))
    assert secure_server.tkms("decrypt", stdin=json.loads(ast.literal_eval(printed))["ciphertextBlob"]) == "hello"


def test_the_program_of_mongodb(secure_server: Server, certificate: tuple[Path, Path]) -> None:
    """It looks for certificates where OpenSSL does, and for the key vault where MONGODB_URI says."""
    program = secure_server.tkms("snippet", "mongodb")
    with mongod() as url:
        assert run("python", program, MONGODB_URI=url, SSL_CERT_FILE=str(certificate[0])) == "hello\n"
