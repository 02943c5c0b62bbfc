"""The JDK's own HTTP client, which signs by hand, in a process of its own: tests/kit/Kms.java."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12

from kit.sdk_clients import Login, Refusal

_PROGRAM = Path(__file__).parent / "Kms.java"


def installed_java() -> str:
    """The command `java` of a JDK, which runs a source file. Skips, and says why, where there is none."""
    java = shutil.which("java")
    if (
        java is None
        or subprocess.run([java, "--list-modules"], capture_output=True, text=True).stdout.find("jdk.compiler") < 0
    ):
        pytest.skip("there is no JDK of version 17 or later (Debian: apt-get install openjdk-17-jdk-headless)")
    return java


class Jvm:
    """A process for calls of any access key and scheme. `ca`: a certificate that it trusts besides."""

    def __init__(self, folder: Path, ca: str | None = None) -> None:
        self._process = subprocess.Popen(
            [installed_java(), "-XX:TieredStopAtLevel=1", *(_trust(folder, ca) if ca else []), _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"},
        )

    def close(self) -> None:
        self._process.communicate(timeout=20)

    def send(self, *words: str) -> tuple[int, Any]:
        """(status, the answer's JSON)"""
        process = self._process
        assert process.stdin
        assert process.stdout
        process.stdin.write("\t".join(words) + "\n")
        process.stdin.flush()
        status, body = process.stdout.readline().rstrip("\n").split("\t")
        return int(status), json.loads(base64.b64decode(body))


class JavaError(Exception):
    """A refusal, as the answer told it: a client without an SDK has no exceptions of its own."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(f"{refusal.code}: {refusal.message}")
        self.refusal = refusal


class Java:
    """`scheme`: rpc, acs3 or tc3. `version`: with HTTP_2 every request over http offers an upgrade (h2c).

    `expect`: a body waits for `100 Continue`.
    """

    error = JavaError

    def __init__(self, jvm: Jvm, scheme: str, login: Login, version: str = "HTTP_2", *, expect: bool = False) -> None:
        self._send, self.scheme = jvm.send, scheme
        self._words = (f"{login.scheme}://{login.host}", login.access_key_id, login.secret, login.token or "", version)
        self._expect = "expect" if expect else ""

    def ask(self, action: str, **fields: Any) -> dict[str, Any]:
        """A map becomes the JSON text that either vendor's API takes."""
        texts = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in fields.items()}
        packed = quote(json.dumps(texts)) if self.scheme == "tc3" else urlencode(texts)
        status, answer = self._send(*self._words, self._expect, self.scheme, action, packed)
        answer = answer.get("Response", answer)
        refused = answer.get("Error", answer if "Code" in answer else None)
        if refused:
            raise JavaError(Refusal(refused["Code"], status, answer["RequestId"], refused["Message"]))
        done: dict[str, Any] = answer
        return done

    @staticmethod
    def read(error: Any) -> Refusal:
        refusal: Refusal = error.refusal
        return refusal


def _trust(folder: Path, ca: str) -> list[str]:
    """Options that name a trust store, as `keytool -importcert` makes it too."""
    store = folder / "trust.p12"
    certificate = pkcs12.PKCS12Certificate(x509.load_pem_x509_certificate(Path(ca).read_bytes()), b"kms")
    store.write_bytes(pkcs12.serialize_java_truststore([certificate], BestAvailableEncryption(b"changeit")))
    return [f"-Djavax.net.ssl.trustStore={store}", "-Djavax.net.ssl.trustStorePassword=changeit"]
