"""Data directories that go under another parent key in tests."""

from __future__ import annotations

import base64
import os
import time
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key

from kit.asymmetric_keys import wrap
from tenantkms.errors import KmsError
from tenantkms.model.credential import Session
from tenantkms.runtime.assemble import Settings
from tkms.machine.directory import Directory, call
from tkms.reseal.machine import OnMachine
from tkms.reseal.work import Report, carry_out

TEXT = base64.b64encode(b"secret").decode()
OAEP = "RSAES_OAEP_SHA_256"


def parent_file(path: Path) -> Path:
    path.write_bytes(os.urandom(32))
    path.chmod(0o600)
    return path


def encrypted(settings: Settings, key: str = "alias/default") -> str:
    return str(call(settings, "Encrypt", {"key_id": key, "plaintext": TEXT})["ciphertext"])


def opens(settings: Settings, blob: str) -> bool:
    return call(settings, "Decrypt", {"ciphertext": blob})["plaintext"] == TEXT


class Things:
    """One of each that is sealed, made through `settings`: versions of keys, among them imported ones, access keys, a
    session and a token that brings material."""

    def __init__(self, settings: Settings) -> None:
        self.versioned = self._key(settings, alias="versioned")
        self.blobs = [encrypted(settings, self.versioned), encrypted(settings)]
        for _ in range(2):
            call(settings, "CreateKeyVersion", {"key_id": self.versioned})
            self.blobs.append(encrypted(settings, self.versioned))
        self.external, self.waiting = (self._key(settings, origin="EXTERNAL") for _ in range(2))
        call(settings, "ImportKeyMaterial", self.brought(settings, self.external))
        self.blobs.append(encrypted(settings, self.external))
        self.pending = self.brought(settings, self.waiting)
        self.signing = self._key(settings, spec="EC_P256", usage="SIGN_VERIFY")
        self.credential, self.secret = settings.access.create("app", ("tencent",), '{"Statement": []}', 1)
        self.session: Session = settings.sessions.issue("app", 3600, "", int(time.time()))

    @staticmethod
    def _key(settings: Settings, **params: object) -> str:
        made: Any = call(settings, "CreateKey", params)
        return str(made["key"]["id"])

    @staticmethod
    def brought(settings: Settings, key: str, material: bytes = bytes(range(32))) -> dict[str, object]:
        """What ImportKeyMaterial is given."""
        asked = {"key_id": key, "wrapping_algorithm": OAEP, "wrapping_key_spec": "RSA_2048"}
        made: Any = call(settings, "GetParametersForImport", asked)
        public = load_der_public_key(base64.b64decode(made["public_key"]))
        assert isinstance(public, RSAPublicKey)
        return {
            "key_id": key,
            "token": made["token"],
            "wrapped": base64.b64encode(wrap(public, OAEP, material)).decode(),
        }

    def work(self, settings: Settings) -> None:
        """Everything opens in a process with these settings, and what is made there is added."""
        assert all(opens(settings, blob) for blob in self.blobs)
        self.blobs += [encrypted(settings, key) for key in (self.versioned, self.external, "alias/default")]
        call(settings, "ImportKeyMaterial", self.brought(settings, self.external))  # the same again, by its digest
        digest = base64.b64encode(bytes(32)).decode()
        asked = {"key_id": self.signing, "algorithm": "ECDSA_SHA_256", "message": digest}
        call(settings, "AsymmetricSign", asked)
        credential, secret = settings.access.find(self.credential.access_key_id)
        assert credential
        assert secret == self.secret

    def session_is_good(self, settings: Settings) -> bool:
        try:
            opened = settings.sessions.open(self.session.token, self.session.access_key_id)
        except KmsError:
            return False
        return opened == self.session


def reseal(directory: Directory, to: Path | str = "", *, end_sessions: bool = False, settle: float = 0) -> Report:
    target = OnMachine(directory, settle)
    with target.alone():
        target.prepare(str(to), end_sessions=end_sessions)
        return carry_out(target, None)
