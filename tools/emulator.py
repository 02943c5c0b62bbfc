"""`make emulator`: an emulator of AWS on this machine, to deploy on without an account."""

from __future__ import annotations

import os
import socket
import sys

from kit.emulator import PROGRAM, settings

TEXT = """In another shell, from this folder:
export AWS_ENDPOINT_URL=http://localhost:{port} AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
export AWS_REGION=eu-central-1 AWS_DEFAULT_REGION=eu-central-1 TKMS_EMULATOR=1 PATH=$PWD/.venv/bin:$PATH
Then as in README, "Deploy". It forgets everything when it stops: Ctrl-C."""


def main() -> None:
    port = sys.argv[1]
    if not (port.isascii() and port.isdecimal() and 0 < int(port) < 65536):
        sys.exit(f"{port!r} is no port: make emulator PORT=5141")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(port)))
        except OSError as e:
            other = int(port) % 65535 + 1
            sys.exit(f"127.0.0.1:{port} cannot be had ({e.strerror}). Another port: make emulator PORT={other}")
    print(TEXT.format(port=port), flush=True)
    os.execve(PROGRAM, [str(PROGRAM)], {**os.environ, **settings(int(port)), "LOG_LEVEL": "WARNING"})


if __name__ == "__main__":
    main()
