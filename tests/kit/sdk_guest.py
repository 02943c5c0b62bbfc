"""oss2 and nacos-sdk-python, unmodified, in a process of their own, since they want packages of their own."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from kit.sdk_clients import Login
from kit.sdk_programs import CLIENTS, installed
from kit.worker import Worker

_PROGRAM = Path(__file__).with_name("sdk_guest_program.py")


class Guest(Worker):
    """`package`: oss2 or nacos, whose calls are those of the program. They speak TLS only."""

    def __init__(self, package: str, login: Login, **more: Any) -> None:
        assert login.ca
        trust = {"SSL_CERT_FILE": login.ca, "ALIBABA_CLOUD_CA_BUNDLE": login.ca}
        given = json.dumps({"host": login.host, "id": login.access_key_id, "secret": login.secret, **more})
        super().__init__(
            [installed(CLIENTS / "bin/python"), _PROGRAM, package, given],
            {"HOME": str(CLIENTS), "PATH": os.environ.get("PATH", os.defpath), **trust},
        )
