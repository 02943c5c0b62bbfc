"""Programs that the explorer writes, run with the clients that they name: they ask what the form would have asked."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from cdk.node import NODE
from functions.endpoint.clients import CLIENTS
from kit.catalogue import CONTEXT, CONTEXT_TEXT, EXAMPLES, Tenant
from kit.programs import SHELL, run
from kit.sdk_programs import AWS_CLI, installed
from kit.sdk_programs import CLIENTS as INSTALLED
from kit.support import Kms, Server
from kit.written import KNOWN, OPERATIONS, Listener, by_the_page, covering, jobs_of, listening, write

Jobs = Sequence[tuple[str, str, Mapping[str, Any]]]
CONTEXT_FLAGS = [word for name, value in CONTEXT.items() for word in ("--context", f"{name}={value}")]
UNSIGNED = {
    "SignatureDoesNotMatch",
    "IncompleteSignature",
    "AuthFailure.SignatureFailure",
    "InvalidSignatureException",
    4100,
}
"""Refusals of a request that is not signed, or signed wrongly."""
TLS = {"tencent-v2"}
"""They speak https only."""
NOT_HERE = {"aliyun"}
"""Programs in Go that no registry here has."""
PYTHON = [name for name in KNOWN["clients"] if CLIENTS[name].language == "python" and name not in TLS]
NODES = [name for name in KNOWN["clients"] if CLIENTS[name].language == "js"]
SHELLS = [name for name in KNOWN["clients"] if CLIENTS[name].language == "sh" and name not in NOT_HERE]


@pytest.fixture
def listener(kms: Kms) -> Iterator[Listener]:
    with listening(kms) as listener:
        yield listener


def _expect(listener: Listener, jobs: Jobs, left: Mapping[str, Sequence[str]]) -> None:
    """Each job was asked for once, signed, with the parameters that the page sends, but for those that are left out."""
    asked = {one.operation: one for one in listener.take()}
    for (id_, name, _), params in zip(jobs, by_the_page(listener.kms, jobs), strict=True):
        one = asked.pop(name)
        assert one.code not in UNSIGNED, (id_, name, one)
        assert one.params == {key: value for key, value in params.items() if key not in left[name]}, (id_, name)
    assert asked == {}


def _written(listener: Listener, jobs: Jobs) -> tuple[Jobs, dict[str, str], dict[str, Sequence[str]]]:
    """The jobs whose programs there are, the programs and what they leave out, by operation."""
    made = dict(zip((name for _, name, _ in jobs), write(jobs, listener.host), strict=True))
    there = [job for job in jobs if not made[job[1]].lacks]
    return there, {job[1]: made[job[1]].text for job in there}, {job[1]: made[job[1]].left for job in there}


@pytest.mark.parametrize("id_", PYTHON)
def test_every_operation_in_python(id_: str, listener: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in listener.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    jobs, programs, left = _written(listener, jobs_of(id_))
    for program in programs.values():
        # Values that a form has may be refused, here by the endpoint: what was asked is compared below.
        with contextlib.suppress(Exception), contextlib.redirect_stdout(io.StringIO()):
            exec(compile(program, "program", "exec"), {"__name__": "__main__"})
    _expect(listener, jobs, left)


_ALL = """
process.on("unhandledRejection", () => {});
for (const file of process.argv.slice(1)) require(file);
"""


@pytest.mark.parametrize("id_", NODES)
def test_every_operation_in_node(id_: str, listener: Listener, tmp_path: Path) -> None:
    installed(NODE)
    jobs, programs, left = _written(listener, jobs_of(id_))
    for name, program in programs.items():
        (tmp_path / f"{name}.js").write_text(program, "utf-8")
    files = [str(tmp_path / f"{name}.js") for name in programs]
    environ = {**listener.environ, "NODE_PATH": str(INSTALLED / "node_modules"), "AWS_MAX_ATTEMPTS": "1"}
    subprocess.run([NODE, "-e", _ALL, *files], env=environ, capture_output=True, check=True, timeout=120)
    _expect(listener, jobs, left)


@pytest.mark.parametrize("id_", SHELLS)
def test_every_kind_of_parameter_on_the_command_line(id_: str, listener: Listener, tmp_path: Path) -> None:
    if id_.startswith("curl") and not (shutil.which("curl") and shutil.which("openssl")):
        pytest.skip("curl or openssl is not installed")
    jobs, programs, left = _written(listener, covering(jobs_of(id_)))
    program = installed(AWS_CLI["AWS CLI 2"]) if id_ == "aws-cli" else INSTALLED / "bin/tccli"
    path = f"{program.parent}:{os.environ['PATH']}"
    environ = {**listener.environ, "PATH": path, "HOME": str(tmp_path), "AWS_MAX_ATTEMPTS": "1"}
    for text in programs.values():
        subprocess.run([SHELL, "-"], input=text, env=environ, capture_output=True, text=True, timeout=60)
    _expect(listener, jobs, left)


_HAS = """
const models = require("@alicloud/kms20160120");
const methods = Object.getOwnPropertyNames(models.default.prototype).map((name) => {
  return [name, models.default.prototype[name].length];
});
const named = Object.entries(models).filter(([, made]) => made.names);
const names = named.map(([name, made]) => [name, Object.values(made.names())]);
console.log(JSON.stringify([Object.fromEntries(methods), Object.fromEntries(names)]));
"""


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]


def test_what_alibaba_s_sdk_for_node_lacks_is_told() -> None:
    methods, names = json.loads(run("js", _HAS))
    operations, client = OPERATIONS["alibaba"], CLIENTS["alibaba-node"]
    missing = {name for name in operations if _lower(name) not in methods}
    for name, operation in operations.items():
        if name not in missing and methods[_lower(name)]:
            missing |= {f"{name}.{p['name']}" for p in operation["params"] if p["name"] not in names[f"{name}Request"]}
    assert set(client.lacks) == missing
    assert set(client.bare) == {name for name in operations if methods.get(_lower(name)) == 0}


@pytest.mark.parametrize(
    ("id_", "package"),
    [
        ("aws-node", "@aws-sdk/client-kms/dist-types"),
        ("tencent-node", "tencentcloud-sdk-nodejs/tencentcloud/services/kms"),
    ],
)
def test_what_other_sdks_for_node_lack_is_told(id_: str, package: str) -> None:
    installed(NODE)
    texts = [path.read_text("utf-8") for path in (INSTALLED / "node_modules" / package).rglob("*.d.ts")]
    blocks = re.findall(
        r"^export interface (\w+)Request(?: extends \w+)? \{\n(.*?)^\}", "\n".join(texts), re.MULTILINE | re.DOTALL
    )
    fields = {name: set(re.findall(r"^    (\w+)\??:", block, re.MULTILINE)) for name, block in blocks}
    assert len(fields) > 30
    missing = {
        f"{name}.{param['name']}"
        for name, operation in OPERATIONS[CLIENTS[id_].dialect].items()
        for param in operation["params"]
        if param["name"] not in fields.get(name, ())
    }
    assert set(CLIENTS[id_].lacks) == missing


# -- on a server -----------------------------------------------------------------------------------------

ASKED = ("CreateKey", "Encrypt", "Decrypt", "DescribeKeys", "CreateGrant")
"""Of all kinds of values: numbers, booleans, bytes, lists, maps, structs, lists of them, and JSON in a text."""


@pytest.fixture(scope="module")
def tenant(server: Server) -> Tenant:
    ids = [json.loads(server.tkms("key", "create", "--json"))["id"] for _ in range(2)]
    alias = "alias/written"
    server.tkms("key", "create", "--alias", alias)
    blob = server.tkms("encrypt", "--key", ids[0], *CONTEXT_FLAGS, stdin="hello").strip()
    return Tenant(*ids, alias, blob, json.loads((server.data_dir / "site.json").read_text("utf-8"))["account"])


def _values(dialect: str, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """As the form makes them: the examples have texts for numbers."""
    kinds = {param["name"]: param["kind"] for param in OPERATIONS[dialect][name]["params"]}
    read = {"integer": int, "boolean": lambda value: value in (True, "true")}
    return {key: read.get(kinds[key], lambda value: value)(value) for key, value in given.items()}


@pytest.mark.parametrize("id_", [*PYTHON, *NODES, *SHELLS])
def test_a_server_answers_them(id_: str, server: Server, tenant: Tenant) -> None:
    dialect = CLIENTS[id_].dialect
    examples = {name: given for name, given in EXAMPLES[dialect](tenant).items() if name in ASKED}
    alias = {"Alias": f"made-{id_}", "alias": f"made-{id_}"}
    jobs = [
        (id_, name, _values(dialect, name, {**given, **{key: alias[key] for key in given.keys() & alias.keys()}}))
        for name, given in examples.items()
    ]
    id_and_secret = server.credential("--dialect", dialect)
    environ = dict(zip(KNOWN["environment"][dialect], id_and_secret, strict=True))
    if id_ == "aws-cli":
        environ["PATH"] = f"{installed(AWS_CLI['AWS CLI 2']).parent}:{os.environ['PATH']}"
    answers = {}
    for (_, name, _), program in zip(jobs, write(jobs, server.host), strict=True):
        if not program.lacks:
            answers[name] = run(CLIENTS[id_].language, program.text, **environ)
    assert answers.keys() >= {"CreateKey", "Encrypt", "Decrypt"}
    for name, answer in answers.items():
        assert not re.search(r'Exception|"(?:__type|Error|Code)"|"codeDesc":"(?!Success)', answer), (name, answer)
    # Node shows bytes as numbers.
    assert re.search("aGVsbG8=|hello|104, *101, *108, *108, *111", answers["Decrypt"]), answers["Decrypt"]


@pytest.mark.parametrize("id_", ["tencent-v2", "curl-v2"])
def test_the_legacy_program(id_: str, secure_server: Server, certificate: tuple[Path, Path]) -> None:
    key = json.loads(secure_server.tkms("key", "create", "--json"))["id"]
    values = {"keyId": key, "plaintext": "aGVsbG8=", "encryptionContext": CONTEXT_TEXT}
    (program,) = write([(id_, "Encrypt", values)], secure_server.host, "https")
    environ = dict(zip(KNOWN["environment"]["tencent-v2"], secure_server.credential(), strict=True))
    ca = str(certificate[0])
    printed = run(CLIENTS[id_].language, program.text, SSL_CERT_FILE=ca, CURL_CA_BUNDLE=ca, **environ)
    blob = re.search(r'"ciphertextBlob": ?"([^"]+)"', printed)
    assert blob, printed
    assert secure_server.tkms("decrypt", *CONTEXT_FLAGS, stdin=blob[1]).strip() == "hello"
