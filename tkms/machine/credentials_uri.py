"""`tkms serve --credentials-uri NAME`: temporary access keys for programs on this machine that hold none of their own.

It answers as the credentials URI of Alibaba Cloud's SDKs does. Nobody signs for it, so whoever knows its path gets
access keys: the path is a random one for each start of the server, in a file that only its owner can read, and it is
there for this machine alone. A proxy on this machine makes others look local; what it passes on is refused.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from typing import Any

import msgspec

from tenantkms.errors import KmsError
from tenantkms.runtime.assemble import Settings
from tenantkms.wire.http import Request, Response
from tkms.machine.directory import call
from tkms.output import time_text

_PASSED_ON = ("forwarded", "via", "x-forwarded-for", "x-real-ip")
SECONDS = 3600
"""Clients ask again a quarter of an hour before the end."""


def _local(request: Request) -> bool:
    try:
        address = ipaddress.ip_address(request.source_ip)
    except ValueError:
        return False
    return address.is_loopback and not any(name in request.headers for name in _PASSED_ON)


def _json(status: int, body: dict[str, str]) -> Response:
    return Response(status=status, content_type="application/json", body=msgspec.json.encode(body).decode())


def new_path() -> str:
    """A path that nobody knows."""
    return f"/credentials/{secrets.token_urlsafe(32)}"


class CredentialsUri:
    """At `path`, for a `credential` by its name or access key id."""

    def __init__(self, settings: Settings, credential: str, path: str) -> None:
        self.path = path
        self._settings = settings
        self._credential = credential

    def response(self, request: Request) -> Response | None:
        """The answer to a request for it; None for every other one."""
        asked = hmac.compare_digest(request.path.encode(), self.path.encode())
        if not asked or request.method != "GET" or not _local(request):
            return None
        try:
            made: Any = call(self._settings, "IssueSession", {"credential": self._credential, "duration": SECONDS})
        except KmsError as error:
            return _json(503 if error.retryable else 403, {"Code": type(error).__name__, "Message": error.message})
        return _json(
            200,
            {
                "Code": "Success",
                "AccessKeyId": made["access_key_id"],
                "AccessKeySecret": made["access_key_secret"],
                "SecurityToken": made["security_token"],
                "Expiration": time_text(made["expires"]),
            },
        )
