"""What a seed makes, as clients meet it."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from kit.connections import starting
from kit.sdk_aws import Boto
from kit.sdk_clients import Login, Tea, Tencent
from kit.seeds import APP_SECRET, KEY, SECRET, SIGNER, example_seed
from kit.speakers import SPEAKERS
from tkms.machine.directory import Directory


def test_the_example_of_the_documentation_is_served_to_every_dialect(tmp_path: Path) -> None:
    seed = example_seed(tmp_path / "seed")
    with starting(tmp_path / "data", "--seed", str(seed)) as start:
        assert f"seed {seed}: 3 keys and 2 access keys made, 0 and 0 were there" in start.printed
        host = f"127.0.0.1:{start.port}"
        admin = Login(host, "TKMSEXAMPLEADMIN", SECRET)
        app = Login(host, "TKMSEXAMPLEAPP", APP_SECRET)
        blob = Tea(app).call("Encrypt", key_id="alias/app", plaintext="hello").ciphertext_blob
        opened = Boto(app).ask("Decrypt", CiphertextBlob=base64.b64decode(blob))
        assert opened["KeyId"].endswith(f"key/{KEY}")
        described = Tencent(admin).call("DescribeKey", KeyId=KEY).KeyMetadata
        assert (described.Alias, described.Description, described.Origin) == ("app", "of the tests", "TENCENT_KMS")
        signed = Boto(admin).ask(
            "Sign", KeyId="alias/sign", Message=b"hello", SigningAlgorithm="ECDSA_SHA_256", MessageType="RAW"
        )["Signature"]
        SIGNER.public_key().verify(signed, b"hello", ec.ECDSA(hashes.SHA256()))
        tags = Boto(admin).ask("ListResourceTags", KeyId=KEY)["Tags"]
        assert tags == [{"TagKey": "env", "TagValue": "ci"}]
        policy = Tea(admin).call("GetKeyPolicy", key_id="ff275b92-0def-4dfc-b0f6-87c96b26c6c7", policy_name="default")
        assert json.loads(policy.policy)["Statement"][0]["Action"] == "kms:*"
        ids = {row["KeyId"] for row in Boto(admin).ask("ListKeys")["Keys"]}
        assert len(ids) == 3, "there is no other first key"
    settings = Directory(tmp_path / "data").open()
    assert len(settings.access.store.list_credentials()) == 2, "there is no other first access key"


def test_access_keys_of_every_form_are_known_in_every_dialect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ids and secrets stand in headers and queries, which each scheme takes apart in its own way."""
    graphic = "".join(chr(code) for code in range(33, 127))
    given = {"abc": "x", "A.b_c-9": graphic, "i" * 128: graphic[::-1] + "s" * 34}
    rows = [{"id": id_, "secret": secret} for id_, secret in given.items()]
    seed, ca = tmp_path / "seed.json", tmp_path / "data" / "tls" / "ca.pem"
    seed.write_text(json.dumps({"keys": [{"id": KEY}], "credentials": rows}))
    seed.chmod(0o600)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    with starting(tmp_path / "data", "--tls", "--seed", str(seed)) as start:
        for id_, secret in given.items():
            login = Login(f"127.0.0.1:{start.port}", id_, secret, str(ca))
            for name, make in SPEAKERS.items():
                speaker = make(login)
                assert speaker.decrypt(speaker.encrypt(KEY, "aGVsbG8=", {}), {}) == "aGVsbG8=", (name, id_)
