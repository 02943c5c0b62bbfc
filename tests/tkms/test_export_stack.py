"""From one machine to a stack and back: every ciphertext opens, and the stack's log says who did it."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kit.backups import act, create, credentials_of, decrypt, encrypt, using
from kit.moto_aws import REGION
from kit.moto_stack import STACK, Aws, moto_stack, with_create_key
from kit.resealing import Things
from kit.support import new_directory
from tkms import cli
from tkms.machine.directory import Directory, call
from tkms.stack import doctor


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    with moto_stack() as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made


def test_a_tenant_goes_to_a_stack_and_comes_back(aws: Aws, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def tkms(*args: str | Path, status: int = 0) -> Any:
        assert cli.main([*map(str, args), "--json"]) == status
        told = capsys.readouterr()
        one = args[1] != "--lines"
        return told.err if status else json.loads(told.out) if one else list(map(json.loads, told.out.splitlines()))

    here = new_directory(tmp_path / "here")
    keys = [create(here, spec=spec, alias=spec.lower()) for spec in ("AES_256", "SM4_128", "EC_P256")]
    blobs = [encrypt(here, key) for key in keys[:2]]
    for _ in range(2):
        act(here, "CreateKeyVersion", key_id=keys[0])
    blobs.append(encrypt(here, keys[0]))
    file, back = tmp_path / "file", tmp_path / "back"
    tkms("export", file, "--plain", "--data-dir", here.path)
    to_stack = ("import", file, "--stack", STACK, "--from-tenant", "local")
    assert "The function tkms-acme-create_key cannot be read" in tkms(*to_stack, status=1)
    with_create_key(aws.client)  # nothing was written without its line in the log
    made = tkms(*to_stack)["made"]
    assert made == {"keys": 4, "versions": 6, "aliases": 4, "credentials": 1}
    lines = tkms("audit", "--lines", "--stack", STACK)
    assert {line["outcome"] for line in lines if keys[0] in line.get("keys", ())} == {"intent", "ok"}

    tkms("export", back, "--plain", "--stack", STACK)
    new = Directory(tmp_path / "new")
    assert tkms("import", back, "--data-dir", new.path)["made"] == made
    assert [decrypt(new, blob) for blob in blobs] == [b"secret"] * 3
    assert credentials_of(new) == credentials_of(here)
    for action in ("GetPublicKey", "ListKeyVersions", "ListAliases"):
        for key in keys[2:] if action == "GetPublicKey" else keys:
            assert act(new, action, key_id=key) == act(here, action, key_id=key)
    with using(new) as settings:
        assert (settings.site.tenant, settings.site.region) == ("acme", REGION)
        del settings


def test_a_stack_s_doctor_tells_of_imported_material_that_expires(
    aws: Aws, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with_create_key(aws.client)
    here, now = new_directory(tmp_path / "here"), int(time.time())
    for days in (1, 30):
        key = create(here, origin="EXTERNAL", alias=f"for-{days}")
        with using(here) as settings:
            call(settings, "ImportKeyMaterial", {**Things.brought(settings, key), "expires": now + days * 86_400})
            del settings
    file = ("--plain", "--data-dir", str(here.path), "--keys", "alias/for-1", "--keys", "alias/for-30")
    assert cli.main(["export", str(tmp_path / "file"), *file]) == 0
    assert cli.main(["import", str(tmp_path / "file"), "--stack", STACK, "--from-tenant", "local"]) == 0
    monkeypatch.setattr(doctor, "CHECKS", {"imported": doctor.CHECKS["imported"]})
    capsys.readouterr()
    assert cli.main(["doctor", "--stack", STACK, "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["check"], found["status"]) == ("imported", "warning")
    assert " expires on 20" in found["found"]
