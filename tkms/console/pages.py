"""`/console`: a page for who has an access key, and what it asks for.

Who is signed in has a cookie that no script reads and that no other site's page can send. Nothing changes by a GET;
what does is a POST of JSON whose `Origin` is the page's own.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

import msgspec

from tenantkms import __version__
from tenantkms import errors as e
from tenantkms.audit.faults import log_fault
from tenantkms.wire.http import Request, Response
from tkms.console import acts
from tkms.console.activity import activity, uses
from tkms.console.caller import Caller, Place, decode_sign_in
from tkms.console.sessions import LONGEST_SECONDS, Sessions

PATH = "/console"
_PAGE = 1_000
_MOST_KEYS = 20_000
"""Keys that the list shows. There are more only where the operator's limit says so."""
_MOST_VERSIONS = 100
_HOURS = (1, 24, 168)
_JSON = "application/json"
_PACKED_FROM = 1_024
_HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
_STATUS: Mapping[type[e.KmsError], int] = {
    e.AccessDenied: 403,
    e.KeyNotFound: 404,
    e.Throttled: 429,
    e.SignatureMismatch: 403,
}
_ENDS = (e.UnknownAccessKey, e.CredentialDisabled)
"""What ends the sessions of an access key."""
_encode = msgspec.json.Encoder().encode


class _NotSignedIn(Exception):
    pass


class _Refused(Exception):
    """A request that the page would not make: the status, and why."""


def mine(request: Request) -> bool:
    """Whether a request is for the console."""
    return request.path == PATH or request.path.startswith(f"{PATH}/")


class Console:
    """Answers requests for which `mine` is true; it may take long, and never raises. `secure`: it is served by TLS."""

    def __init__(
        self, place: Place, sessions: Sessions, *, secure: bool, clock: Callable[[], float] = time.time
    ) -> None:
        self._place, self._sessions, self._secure, self._clock = place, sessions, secure, clock
        self._get: Mapping[str, Callable[[Request, Caller], object]] = {
            "keys": self._keys,
            "key": self._key,
            "activity": self._activity,
            "hand": self._hand,
        }

    def respond(self, request: Request) -> Response:
        try:
            return self._respond(request)
        except _NotSignedIn:
            return self._json(
                request, 401, {"error": "NotSignedIn", "message": "Sign in first."}, self._cookie(request)
            )
        except _Refused as refused:
            return self._json(request, 400, {"error": "Refused", "message": str(refused)})
        except e.KmsError as error:
            if error.retryable and not isinstance(error, e.Throttled):
                log_fault("", error)
            status = _STATUS.get(type(error), 503 if error.retryable else 400)
            return self._json(request, status, {"error": type(error).__name__, "message": error.message})
        except Exception as error:  # noqa: BLE001 - the last barrier: nothing of it may leave
            log_fault("", error)
            return self._json(request, 500, {"error": "Internal", "message": e.Internal.text})

    def _respond(self, request: Request) -> Response:
        name = request.path.removeprefix(PATH).removeprefix("/")
        if request.method in ("GET", "HEAD"):
            if name in self._get:
                return self._json(request, 200, self._get[name](request, self._caller(request)))
            if name == "session":
                return self._json(request, 200, self._session(request))
            from tkms.console.files import respond  # most processes are never asked for it

            found = respond(request)
        else:
            self._check_origin(request)
            found = self._post(request, name)
        if found is None:
            raise _Refused("There is nothing here.")
        return found

    def _post(self, request: Request, name: str) -> Response | None:
        try:
            if name == "sign-in":
                given = decode_sign_in(request.body)
                who = self._place.sign_in(given, request.header("origin"), request.source_ip)
                return self._json(request, 200, {}, self._cookie(request, self._sessions.begin(who)))
            if name == "sign-out":
                self._sessions.end(self._token(request))
                return self._json(request, 200, {}, self._cookie(request))
            if name == "act":
                caller = self._caller(request)
                return self._json(request, 200, acts.perform(acts.decode(request.body), self._ask(request, caller)))
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise _Refused("The request is not what this page sends.") from None
        return None

    # -- who asks --

    def _check_origin(self, request: Request) -> None:
        """Raises `_Refused` for what no page of this very server sends."""
        host = request.header("host")
        ours = host and request.header("origin") in (f"http://{host}", f"https://{host}")
        if request.method != "POST" or request.media_type != _JSON or not ours:
            raise _Refused("This is for the console's own page.")
        if request.header("sec-fetch-site") not in ("", "same-origin"):
            raise _Refused("This is for the console's own page.")

    def _name(self, request: Request) -> str:
        """Of the cookie: browsers send those of one host to all of its ports."""
        port = request.header("host").rpartition(":")[2]
        return f"tkms-console-{port}" if port.isdecimal() else "tkms-console"

    def _token(self, request: Request) -> str:
        """Empty where there is none, or are several: somebody else on this host has set one. Others' cookies may be of
        any form, and are passed over.
        """
        start = f"{self._name(request)}="
        found = [part for part in map(str.strip, request.cookie.split(";")) if part.startswith(start)]
        return found[0].removeprefix(start) if len(found) == 1 else ""

    def _cookie(self, request: Request, token: str = "") -> str:
        """`Set-Cookie` of a session, or of its end. Until the browser is closed, or `LONGEST_SECONDS`."""
        age = LONGEST_SECONDS if token else 0
        secure = "; Secure" if self._secure or request.header("origin").startswith("https://") else ""
        return f"{self._name(request)}={token}; Path={PATH}; Max-Age={age}; HttpOnly; SameSite=Strict{secure}"

    def _caller(self, request: Request) -> Caller:
        """Raises `_NotSignedIn`."""
        token = self._token(request)
        who = self._sessions.caller(token) if token else ""
        if not who:
            raise _NotSignedIn
        try:
            return self._place.caller(who, request.source_ip)
        except _ENDS:
            self._sessions.end_all(who)
            raise _NotSignedIn from None

    def _session(self, request: Request) -> dict[str, object]:
        """What the page begins with, for anybody: no more than whether somebody is signed in, and the time."""
        told: dict[str, object] = {"now": int(self._clock()), "ticket": self._place.ticket}
        try:
            caller = self._caller(request)
        except _NotSignedIn:
            return told
        return {**told, "id": caller.id, "whole": caller.whole, "tenant": self._place.tenant, "version": __version__}

    # -- what is asked for --

    def _ask(self, request: Request, caller: Caller) -> acts.Ask:
        return lambda action, params: self._place.call(caller, action, params, request.source_ip)

    def _keys(self, request: Request, caller: Caller) -> object:
        ask, total = self._ask(request, caller), 1
        keys: list[object] = []
        while len(keys) < min(total, _MOST_KEYS):
            page = ask("ListKeys", {"offset": len(keys), "limit": _PAGE})
            keys += page["keys"]
            total = page["total"]
            if not page["keys"]:
                break
        return {"total": total, "keys": keys}

    def _key(self, request: Request, caller: Caller) -> object:
        ask = self._ask(request, caller)
        key = ask("DescribeKey", {"key_ids": [self._asked(request, "id")]})["keys"][0]
        versions = self._versions(ask, key["id"])
        tail = self._place.audit(self._clock() - 24 * 3_600)
        found = uses(tail, caller, key["id"])
        return {"key": key, "versions": versions, "uses": found, "since": tail.since, "whole": caller.whole}

    @staticmethod
    def _versions(ask: acts.Ask, key_id: str) -> object:
        """The newest ones, and how many there are; None for who may not list them."""
        params = {"key_id": key_id, "offset": 0, "limit": _MOST_VERSIONS}
        try:
            found = ask("ListKeyVersions", params)
            if found["total"] > _MOST_VERSIONS:
                found = ask("ListKeyVersions", {**params, "offset": found["total"] - _MOST_VERSIONS})
        except e.AccessDenied:
            return None
        return found

    def _activity(self, request: Request, caller: Caller) -> object:
        asked = self._asked(request, "hours")
        hours = int(asked) if asked in map(str, _HOURS) else _HOURS[0]
        now = self._clock()
        return activity(self._place.audit(now - hours * 3_600), self._place.latencies(), caller, hours, now)

    def _hand(self, _request: Request, caller: Caller) -> object:
        """What is of no key. Who does not see the whole tenant sees its own access key alone."""
        credentials = self._place.credentials("" if caller.whole else caller.id)
        if not caller.whole:
            return {"credentials": credentials, "sweeps": None, "trouble": ""}
        return {"credentials": credentials, "sweeps": self._place.sweeps(), "trouble": self._place.trouble()}

    @staticmethod
    def _asked(request: Request, name: str) -> str:
        return parse_qs(request.query).get(name, [""])[0]

    # -- how it is answered --

    def _json(self, request: Request, status: int, body: object, cookie: str = "") -> Response:
        made: Any = _encode(body)
        headers = dict(_HEADERS)
        if cookie:
            headers["set-cookie"] = cookie
        if len(made) > _PACKED_FROM and "gzip" in request.header("accept-encoding"):
            made = gzip.compress(made, 1, mtime=0)
            headers["content-encoding"] = "gzip"
        return Response(status=status, content_type=_JSON, body=made, headers=headers)
