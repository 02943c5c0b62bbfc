"""`tkms import` of access keys beside a running server."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from kit.backups import tkms
from kit.connections import Wire, starting, tencent
from kit.support import Signer
from tkms.machine.directory import Directory
from tkms.machine.site_file import read_site

EXPIRED = "AuthFailure.SignatureExpire"


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_request_from_before_is_refused_by_a_server_that_runs(
    workers: str, directory: Directory, tmp_path: Path
) -> None:
    made = json.loads(tkms(directory, "credential", "create", "--json"))
    file, new = tmp_path / "file", Directory(tmp_path / "new")
    tkms(directory, "export", file, "--plain")
    tkms(new, "import", file, "--without-credentials")
    own = json.loads(tkms(new, "credential", "create", "--json"))
    signer, here = (Signer(each["access_key_id"], each["access_key_secret"]) for each in (made, own))
    captured = signer.tencent("ListKeys", {})
    with starting(new.path, "--workers", workers) as start:
        assert "Keys" in tencent(start.port, here, "ListKeys")
        tkms(new, "import", file)
        for _ in range(4):  # more connections than workers
            with Wire(start.port) as wire:
                assert wire.ask(captured)["Response"]["Error"]["Code"] == EXPIRED
        time.sleep(max(0.0, read_site(new.path).restored - time.time()))
        assert "Keys" in tencent(start.port, signer, "ListKeys")
        assert "Keys" in tencent(start.port, here, "ListKeys")


def test_a_server_that_cannot_read_when_is_unavailable(directory: Directory) -> None:
    """And it serves again when it can."""
    made = json.loads(tkms(directory, "credential", "create", "--json"))
    signer, site = Signer(made["access_key_id"], made["access_key_secret"]), directory.path / "site.json"
    with starting(directory.path) as start:
        assert "Keys" in tencent(start.port, signer, "ListKeys")
        site.rename(site.with_name("aside"))
        codes = []
        while not codes or codes[-1] == "":  # as long as it remembers the access key
            codes.append(tencent(start.port, signer, "ListKeys").get("Error", {}).get("Code", ""))
        assert codes[-1] in ("InternalError", "ServiceUnavailable")
        site.with_name("aside").rename(site)
        assert "Keys" in tencent(start.port, signer, "ListKeys")
