"""A browser of the console that has no window: it keeps the cookie, and sends what pages send."""

from __future__ import annotations

import hmac
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tenantkms.wire.http import Request, Response
from tkms.console.pages import Console

ORIGIN = "http://127.0.0.1:8480"


@dataclass
class Browser:
    """`get` and `post` answer (status, what the JSON says); the cookie goes along as browsers send it."""

    console: Console
    secure: bool = False
    cookie: str = ""
    last: Response = field(init=False)

    def _send(self, method: str, path: str, query: str, body: bytes, headers: dict[str, str]) -> tuple[int, Any]:
        request = Request(
            method=method,
            path=f"/console/{path}",
            query=query,
            headers={"host": urlsplit(ORIGIN).netloc, **headers},
            body=body,
            source_ip="127.0.0.1",
            cookie=self.cookie,
        )
        self.last = self.console.respond(request)
        if set_ := self.last.headers.get("set-cookie"):
            self.cookie = set_.partition(";")[0]
        return self.last.status, json.loads(self.last.body)

    def get(self, path: str, query: str = "") -> tuple[int, Any]:
        return self._send("GET", path, query, b"", {})

    def post(self, path: str, body: object, **headers: str) -> tuple[int, Any]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        every = {"origin": ORIGIN, "content-type": "application/json", "sec-fetch-site": "same-origin", **named}
        return self._send("POST", path, "", json.dumps(body).encode(), {k: v for k, v in every.items() if v})


def signed(access_key_id: str, secret: str, time: int, nonce: str = "once", origin: str = ORIGIN) -> dict[str, Any]:
    """What a page sends to sign in, written apart from the code under test."""
    text = f"TKMS-CONSOLE-SIGN-IN\n{origin}\n{access_key_id}\n{time}\n{nonce}"
    signature = hmac.new(secret.encode(), text.encode(), "sha256").hexdigest()
    return {"id": access_key_id, "time": time, "nonce": nonce, "signature": signature}
