"""Clients of Alibaba Cloud and Tencent Cloud in processes of their own: packages for Node, tccli, a program in Java."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.sdk_clients import Login
from kit.sdk_java import Java, Jvm
from kit.sdk_npm import Npm
from kit.sdk_programs import Tccli
from kit.speakers import Sdk


class Apart:
    """Starts such clients, and ends them at `close`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._jvms: dict[str | None, Jvm] = {}
        self._started = ExitStack()
        self.close = self._started.close

    def start(self, name: str, login: Login) -> Sdk:
        """One of `CLIENTS`."""
        return CLIENTS[name].start(self, login)

    def npm(self, package: str, login: Login, **options: Any) -> Npm:
        return self._started.enter_context(closing(Npm(package, login, **options)))

    def java(self, scheme: str, login: Login, version: str = "HTTP_2", *, expect: bool = False) -> Java:
        if login.ca not in self._jvms:
            self._jvms[login.ca] = self._started.enter_context(closing(Jvm(self.folder, login.ca)))
        return Java(self._jvms[login.ca], scheme, login, version, expect=expect)


@dataclass(frozen=True)
class Client:
    vendor: str
    start: Callable[[Apart, Login], Sdk]
    needs_tls: bool = False
    tells_status: bool = False
    takes_ca: bool = True
    """It can be told to trust a private certificate."""


def _npm(package: str, **options: Any) -> Callable[[Apart, Login], Sdk]:
    return lambda apart, login: apart.npm(package, login, **options)


def _java(scheme: str, version: str, *, expect: bool = False) -> Callable[[Apart, Login], Sdk]:
    return lambda apart, login: apart.java(scheme, login, version, expect=expect)


CLIENTS = {
    "pop-core": Client("alibaba", _npm("pop-core"), tells_status=True),
    "pop-core POST": Client("alibaba", _npm("pop-core", method="POST"), tells_status=True),
    "kms20160120": Client("alibaba", _npm("kms20160120"), tells_status=True),
    "kms-sdk": Client("alibaba", _npm("kms-sdk"), needs_tls=True),
    **{
        f"tencent-node {sign} {method}": Client("tencent", _npm("tencent-node", signMethod=sign, reqMethod=method))
        for sign, method in (
            ("TC3-HMAC-SHA256", "POST"),
            ("TC3-HMAC-SHA256", "GET"),
            ("HmacSHA256", "POST"),
            ("HmacSHA1", "GET"),
        )
    },
    "tccli": Client("tencent", lambda apart, login: Tccli(login, apart.folder), takes_ca=False),
    "java rpc": Client("alibaba", _java("rpc", "HTTP_2"), tells_status=True),
    "java acs3": Client("alibaba", _java("acs3", "HTTP_1_1", expect=True), tells_status=True),
    "java tc3": Client("tencent", _java("tc3", "HTTP_2", expect=True), tells_status=True),
}
