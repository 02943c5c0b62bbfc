"""Recorded requests of vendor SDKs as events, and an endpoint that knows their credentials and their hour."""

from __future__ import annotations

import base64
import json
import re
from calendar import timegm
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from time import strptime
from typing import Any
from urllib.parse import parse_qs

import msgspec

from kit.support import VECTORS, Kms, Signer, event
from tenantkms.access.limits import Limiter
from tenantkms.access.policy import ALLOW_ALL
from tenantkms.errors import KmsError, UnknownAccessKey
from tenantkms.model.credential import Credential
from tenantkms.model.limits import OFF, Limits
from tenantkms.names import DIALECTS
from tenantkms.parent.port import credential_binding
from tenantkms.wire.dialects import recognise
from tenantkms.wire.http import request_from_event
from tenantkms.wire.signing import parse_iso, verify


@dataclass(frozen=True)
class Capture:
    """One file of vectors/captures."""

    name: str
    data: Mapping[str, Any]

    def __str__(self) -> str:
        return self.name

    @property
    def action(self) -> str:
        action: str = self.data["action"]
        return action

    @property
    def access_key_id(self) -> str:
        credentials = self.data["credentials"]
        names = ("access_key_id", "secret_id", "aws_access_key_id")
        return next(str(credentials[name]) for name in names if name in credentials)

    @property
    def secret(self) -> str:
        credentials = self.data["credentials"]
        names = ("access_key_secret", "secret_key", "aws_secret_access_key")
        return next(str(credentials[name]) for name in names if name in credentials)

    @property
    def event(self) -> dict[str, Any]:
        """The event that API Gateway makes of the request; a new one each time."""
        raw = self.data["request"]
        path, _, query = raw["target"].partition("?")
        headers: dict[str, str] = {}
        for name, value in raw["headers"]:
            lower = name.lower()
            headers[lower] = f"{headers[lower]},{value}" if lower in headers else value
        return event(raw["method"], path, query, headers, base64.b64decode(raw["body_base64"]))

    @cached_property
    def time(self) -> int:
        """When it was signed, read without the code under test's idea of where that stands."""
        made = self.event
        headers = made["headers"]
        if stamp := headers.get("x-tc-timestamp"):
            return int(stamp)
        if stamp := headers.get("x-acs-date"):
            return parse_iso(stamp)
        if stamp := headers.get("x-amz-date"):
            return timegm(strptime(stamp, "%Y%m%dT%H%M%SZ"))
        text = base64.b64decode(made["body"] or "").decode() + "&" + made["rawQueryString"]
        stamp = parse_qs(text)["Timestamp"][0]
        return int(stamp) if stamp.isdigit() else parse_iso(re.sub(r"\.\d+", "", stamp))


def captures(prefix: str = "") -> list[Capture]:
    """Those whose file name begins with `prefix`."""
    files = sorted((VECTORS / "captures").glob(f"{prefix}*.json"))
    return [Capture(file.stem, json.loads(file.read_text())) for file in files]


def capture(name: str) -> Capture:
    return Capture(name, json.loads((VECTORS / "captures" / f"{name}.json").read_text()))


def check(request: Mapping[str, Any], access_key_id: str, secret: str) -> frozenset[str]:
    """What the endpoint does before it believes a request, with one credential: the uncovered parameters.

    Raises the domain error that the request is refused with; `UnknownAccessKey` when no dialect is recognised.
    """
    read = request_from_event(request)
    spoken = recognise(read)
    if spoken is None:
        raise UnknownAccessKey
    parameters = spoken.dialect.parameters(read, spoken.scheme)
    claim = spoken.scheme.read(read, parameters)
    if claim.access_key_id != access_key_id:
        raise UnknownAccessKey
    return verify(claim, secret)


def refused(request: Mapping[str, Any], of: Capture) -> bool:
    try:
        check(request, of.access_key_id, of.secret)
    except KmsError:
        return True
    return False


def at(kms: Kms, now: float) -> Kms:
    """The same tenant with the clock at `now`."""
    return by(kms, lambda: now)


def by(kms: Kms, clock: Callable[[], float], limits: Limits = OFF) -> Kms:
    """The same tenant in a fresh process with that clock, within `limits`."""
    deps = msgspec.structs.replace(kms.settings.deps, clock=clock, limits=limits)
    limiter = Limiter(kms.settings.access.store, limits)
    settings = msgspec.structs.replace(kms.settings, deps=deps, limiter=limiter)
    return Kms(settings, Signer(kms.signer.access_key_id, kms.signer.secret, clock))


def add_credential(
    kms: Kms,
    access_key_id: str,
    secret: str,
    *,
    dialects: tuple[str, ...] = DIALECTS,
    policy: str = ALLOW_ALL,
    enabled: bool = True,
    expires: int = 0,
) -> Signer:
    """A credential with a secret of the test's choice, and a signer that uses it by the clock of `kms`."""
    binding = credential_binding(kms.settings.site.tenant, access_key_id)
    credential = Credential(
        access_key_id=access_key_id,
        name=access_key_id,
        sealed=kms.settings.access._parent.seal(secret.encode(), binding),
        dialects=dialects,
        policy=policy,
        created=0,
        enabled=enabled,
        expires=expires,
    )
    kms.settings.access.store.put_credential(credential, new=True)
    return Signer(access_key_id, secret, kms.signer.now)
