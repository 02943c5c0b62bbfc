"""Clients over TLS, each told to trust the server in the way that `tkms tls` prints, and in no other."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cdk.node import NODE
from kit.support import Server, serving
from tkms.tls.trust import TRUST

Told = Callable[[str], str]


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with `--tls`, whose paths have a blank."""
    folder: Path = tmp_path_factory.mktemp("own ca")
    with serving(folder / "data", "--tls", "--limit", "off") as server:
        yield server
        server.process.kill()  # idle connections of clients would hold up a gentle end


@pytest.fixture(scope="module")
def ca(secured: Server) -> Path:
    return secured.data_dir / "tls" / "ca.pem"


@pytest.fixture(scope="module")
def told(secured: Server) -> Told:
    """What is printed for a client."""
    printed = secured.tkms("tls")

    def of(client: str) -> str:
        assert client in {trust.client for trust in TRUST}
        (how,) = re.findall(rf"^{re.escape(client)}  +(\S.*)$", printed, re.MULTILINE)
        return str(how)

    return of


def _variables(how: str) -> dict[str, str]:
    """The first words of what is told: `NAME=value` of a shell."""
    found = re.match(r"([A-Z_]+)=('[^']*'|[^\s,]+)", how)
    assert found, how
    return {found[1]: found[2].strip("'")}


def _run(line: list[str], variables: dict[str, str], folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """In an environment that trusts nothing of its own, and knows no proxy."""
    unset = re.compile(r"(?i).*_proxy$|SSL_CERT_|.*CA_BUNDLE$|NODE_|JAVA_")
    clean = {name: value for name, value in os.environ.items() if not unset.match(name)}
    return subprocess.run(
        line, env={**clean, **variables}, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )


def _python(program: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return _run([sys.executable, "-W", "ignore", "-c", program], variables)


PROGRAMS = {
    "alibaba": "Alibaba Cloud, Python",
    "alibaba-classic": "Alibaba Cloud, classic Python, oss2",
    "tencent-v2": "Tencent Cloud, legacy Python",
    "aws": "AWS CLI, boto3 and what stands on it",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_trusts_it_by_the_variable_that_is_told(secured: Server, told: Told, name: str) -> None:
    program = secured.tkms("snippet", name)
    assert secured.host in program
    done = _python(program, _variables(told(PROGRAMS[name])))
    assert done.returncode == 0, done.stderr
    assert "hello" in done.stdout or re.search(r"ciphertextBlob|CiphertextBlob", done.stdout), done.stdout
    distrusting = _python(program, {})
    assert "certificate verify failed" in (distrusting.stdout + distrusting.stderr).lower(), distrusting


def test_tencent_s_program_trusts_it_by_its_profile_alone(secured: Server, told: Told, ca: Path) -> None:
    how = told("Tencent Cloud, Python")
    option = re.match(r"HttpProfile\((certification='.*')\), and no variable$", how)
    assert option, how
    program = secured.tkms("snippet", "tencent")
    done = _python(program.replace("HttpProfile(", f"HttpProfile({option[1]}, "), {})
    assert done.returncode == 0, done.stderr
    assert "CiphertextBlob" in done.stdout
    every = {name: str(ca) for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")}
    assert "certificate verify failed" in _python(program, every).stderr.lower()


def test_alibaba_s_programs_trust_it_by_their_options(secured: Server, told: Told) -> None:
    for name, client, word, before in (
        ("alibaba", "Alibaba Cloud, Python", r"Config\((ca='.*')\)", 'protocol="https", '),
        ("alibaba-classic", PROGRAMS["alibaba-classic"], r"AcsClient\(\.\., (verify='.*')\)", '"cn-hangzhou"'),
    ):
        option = re.search(word, told(client))
        assert option
        program = secured.tkms("snippet", name)
        assert program.count(before) == 1
        given = f"{before}{option[1]}, " if before.endswith(" ") else f"{before}, {option[1]}"
        done = _python(program.replace(before, given), {})
        assert done.returncode == 0, done.stderr


def test_requests_trusts_it(secured: Server, told: Told) -> None:
    program = f"import requests; print(requests.get('{secured.url}/healthz').status_code)"
    done = _python(program, _variables(told("requests")))
    assert done.stdout == "200\n", done.stderr


def test_node_trusts_it(secured: Server, told: Told) -> None:
    program = f"require('https').get('{secured.url}/healthz', (r) => {{ console.log(r.statusCode); r.resume(); }})"
    done = _run([str(NODE), "-e", program], _variables(told("Node, whichever SDK")))
    assert done.stdout == "200\n", done.stderr
    assert "unable to" in _run([str(NODE), "-e", program], {}).stderr


def _need(*programs: str) -> None:
    if missing := [name for name in programs if shutil.which(name) is None]:
        pytest.skip(f"not installed: {', '.join(missing)}")


JAVA = """
import java.net.URI;
import java.net.http.*;
public class Ask {
    public static void main(String[] args) throws Exception {
        var request = HttpRequest.newBuilder(URI.create(args[0])).build();
        System.out.println(HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofString()).statusCode());
    }
}
"""


def test_java_trusts_it(secured: Server, told: Told, tmp_path: Path) -> None:
    _need("java", "keytool", "sh")
    (tmp_path / "Ask.java").write_text(JAVA)
    first, _, second = told("Java, whichever SDK").partition(", then ")
    line = f"{first} && {second} Ask.java {secured.url}/healthz"
    done = _run(["sh", "-c", line], {}, tmp_path)
    assert done.stdout == "200\n", done.stderr


def test_curl_trusts_it(secured: Server, told: Told) -> None:
    _need("curl")
    line = ["curl", "-s", "-o", os.devnull, "-w", "%{http_code}", f"{secured.url}/healthz"]
    how = told("curl")
    assert _run(line, _variables(how)).stdout == "200"
    assert _run(["sh", "-c", f"{' '.join(line)} {how.partition(' or ')[2]}"], {}).stdout == "200"
    assert _run(line, {}).returncode == 60  # the peer's certificate cannot be authenticated


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_openssl_trusts_it_strictly(secured: Server, told: Told, name: str) -> None:
    _need("openssl")
    check = ["-verify_ip" if name[0].isdigit() else "-verify_hostname", name]
    strict = ["-x509_strict", "-verify_return_error", "-purpose", "sslserver", *check]
    line = ["openssl", "s_client", "-connect", secured.host, *strict]
    done = _run(line, _variables(told("Go, .NET on Linux, MongoDB, openssl")))
    assert "Verify return code: 0 (ok)" in done.stdout, done.stderr
    assert "TLSv1.3" in done.stdout


def test_both_certificates_are_strictly_right(secured: Server, ca: Path) -> None:
    _need("openssl")
    line = ["openssl", "verify", "-x509_strict", "-purpose", "sslserver", "-CAfile", str(ca)]
    for file in (ca.with_name("server.pem"), ca):
        purpose = line if file != ca else [word for word in line if word not in ("-purpose", "sslserver")]
        assert _run([*purpose, str(file)], {}).returncode == 0
