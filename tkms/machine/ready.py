"""Whether the server is ready: told to systemd where that started it, and to whoever asks by `tkms ready`."""

from __future__ import annotations

import argparse
import os
import socket
import ssl
import sys
import time
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from urllib.parse import urlsplit

from tkms.machine.directory import Directory
from tkms.output import say

_TIMEOUT = 4
_PAUSE = 0.1


def tell_manager(state: str) -> None:
    """The protocol of sd_notify(3): one datagram to a socket that the environment names, `@` for an abstract one."""
    path = os.environ.get("NOTIFY_SOCKET", "")
    if not path:
        return
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as to:
            to.sendto(state.encode(), path.replace("@", "\0", 1) if path[0] == "@" else path)
    except OSError as e:
        say(f"tkms: warning: $NOTIFY_SOCKET cannot be told {state}: {e.strerror}.", sys.stderr)


def _asked(url: str) -> str:
    """What is wrong; empty if nothing is. Through no proxy: it is this machine's own server."""
    where = urlsplit(url)
    connection = HTTPConnection(where.hostname or "", where.port, timeout=_TIMEOUT)
    if where.scheme == "https":
        # Nothing secret is sent, and the certificate is for the names that clients use.
        unchecked = ssl.create_default_context()
        unchecked.check_hostname, unchecked.verify_mode = False, ssl.CERT_NONE
        connection = HTTPSConnection(where.hostname or "", where.port, timeout=_TIMEOUT, context=unchecked)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        body = answer.read().decode("utf-8", "replace").strip()
    except (OSError, HTTPException) as e:
        return f"{url} does not answer: {e}"
    finally:
        connection.close()
    return "" if answer.status == 200 else f"{url} is not ready: {body}"


def _state(data_dir: Path) -> tuple[str, str]:
    """Where the last server of the directory served, and what is wrong."""
    directory = Directory(data_dir)
    if not data_dir.exists():
        return "", directory.absent
    url = directory.server_url()
    return (url, _asked(url)) if url else ("", f"No server has served {data_dir} yet: tkms serve")


def ready(args: argparse.Namespace) -> int:
    """1 if it is not ready within `args.wait` seconds."""
    until = time.monotonic() + args.wait
    while True:
        url, wrong = _state(args.data_dir)
        if not wrong:
            print(f"ready on {url}")
            return 0
        if time.monotonic() >= until:
            say(f"tkms: {wrong}", sys.stderr)
            return 1
        time.sleep(_PAUSE)
