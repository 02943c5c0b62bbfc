"""`make emulator` where its port is taken, and on another."""

from __future__ import annotations

import socket
import subprocess

import pytest

from cdk.tenants import ROOT


def make(port: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["make", "emulator", f"PORT={port}"], cwd=ROOT, capture_output=True, text=True, timeout=60)


def test_a_port_that_is_taken_says_how_to_take_another() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = make(str(port))
    assert done.returncode
    assert f"127.0.0.1:{port} cannot be had (Address already in use)" in done.stderr
    assert f"make emulator PORT={port + 1}" in done.stderr
    assert "export" not in done.stdout


@pytest.mark.parametrize("port", ["no", "0", "65536"])
def test_what_is_no_port_is_told(port: str) -> None:
    assert f"'{port}' is no port: make emulator PORT=5141" in make(port).stderr
