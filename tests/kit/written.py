"""Programs that the explorer writes of calls, and what comes of them: the requests that they send, as they are read."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any, NamedTuple

from functions.endpoint import clients
from functions.endpoint.explorer import reference
from kit.catalogue import error_code
from kit.in_node import call
from kit.support import Kms, event
from tenantkms.wire.dialects import DIALECTS, recognise
from tenantkms.wire.http import request_from_event

Params = Mapping[str, Any]
KNOWN: dict[str, Any] = json.loads(json.dumps(clients.build()))
"""As the page has it."""
OPERATIONS: dict[str, dict[str, dict[str, Any]]] = {
    dialect["name"]: {
        operation["name"]: {**operation, "dialect": {"name": dialect["name"]}} for operation in dialect["operations"]
    }
    for dialect in json.loads(reference.build())["dialects"]
}
"""Dialect -> name -> operation, as the page has it."""
ODD = "a'b \"c\" \\d $HOME ${e:?} `f` @HOST@ 100% é 键 <g> # 'h"
"""What some language would read as something else than a text."""
KEY = "1234abcd-12ab-34cd-56ef-1234567890ab"
SIGNERS = {"alibaba": "alibaba-acs3", "tencent": "tencent-tc3", "tencent-v2": "tencent-v2-sha256", "aws": "aws-sigv4"}


class Written(NamedTuple):
    lacks: bool
    left: Sequence[str]
    text: str


def sample(param: Mapping[str, Any]) -> Any:
    """A value of the parameter's kind; what may be any text is an odd one."""
    kind, example = param["kind"], param.get("example", "")
    if kind == "integer":
        return param.get("least") or 7
    if kind == "boolean":
        return param["name"] != "MultiRegion"
    if kind == "list":
        return [(param["of"].get("names") or [ODD])[-1], (param["of"].get("names") or ["second"])[0]]
    if kind == "map":
        value: Any = {"purpose": ODD, ODD: "value"}
    elif kind == "json":
        value = json.loads(example.replace("payments", json.dumps(ODD)[1:-1]))
    else:
        return (example or KEY) if kind in ("choice", "base64", "key") else ODD
    return json.dumps(value, ensure_ascii=False) if param.get("json") else value


def samples(operation: Mapping[str, Any]) -> dict[str, Any]:
    """All parameters of an operation at once."""
    return {param["name"]: sample(param) for param in operation["params"]}


def write(jobs: Sequence[tuple[str, str, Params]], host: str, scheme: str = "http") -> list[Written]:
    """The programs of (client, operation, parameters)."""
    at = {"host": host, "scheme": scheme, "region": ""}
    rows = [(id_, OPERATIONS[KNOWN["clients"][id_]["dialect"]][name], params) for id_, name, params in jobs]
    answers = call("programs.js", "program", [[KNOWN, id_, operation, params, at] for id_, operation, params in rows])
    assert all(isinstance(answer, dict) for answer in answers), answers
    return [Written(**answer) for answer in answers]


def jobs_of(id_: str) -> list[tuple[str, str, Params]]:
    """A job for each operation of a client's dialect, with all parameters."""
    operations = OPERATIONS[KNOWN["clients"][id_]["dialect"]]
    return [(id_, name, samples(operation)) for name, operation in operations.items()]


def covering(jobs: Sequence[tuple[str, str, Params]]) -> list[tuple[str, str, Params]]:
    """Few of them, in which each kind of parameter is once."""
    chosen, seen = [], set[tuple[str, ...]]()
    for job in sorted(jobs, key=lambda job: (-len(job[2]), job[1])):
        operation = OPERATIONS[KNOWN["clients"][job[0]]["dialect"]][job[1]]
        kinds = {(p["kind"], p.get("of", {}).get("kind", ""), str(p.get("json", ""))) for p in operation["params"]}
        if kinds - seen:
            chosen.append(job)
            seen |= kinds
    return chosen


class Asked(NamedTuple):
    """One request as the endpoint read it; `code` is the refusal's, if it was refused."""

    operation: str
    params: dict[str, Any]
    code: str | int | None


def read(raw: Mapping[str, Any]) -> tuple[str, str, dict[str, Any]]:
    """(dialect, operation, parameters) of an event, as the endpoint parses it; what is JSON in a text is unpacked."""
    request = request_from_event(raw)
    spoken = recognise(request)
    assert spoken, raw
    dialect, scheme = spoken.dialect, spoken.scheme
    operation, _, params = dialect.parse(request, scheme, dialect.parameters(request, scheme))
    known = {param["name"] for param in OPERATIONS[dialect.name][operation]["params"]}
    return dialect.name, operation, {name: _plain(value) for name, value in params.items() if name in known}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, str) and value[:1] in ("{", "["):
        return _plain(json.loads(value))
    # Python's SDKs write a boolean as Python does.
    return str(value).lower() if str(value) in ("True", "False") else str(value)


def by_the_page(kms: Kms, jobs: Sequence[tuple[str, str, Params]]) -> list[dict[str, Any]]:
    """The parameters of the same calls as the page itself sends them."""
    common = {"host": "127.0.0.1", "accessKeyId": kms.signer.access_key_id, "secret": kms.signer.secret}
    rows = [(SIGNERS[KNOWN["clients"][id_]["dialect"]], name, params) for id_, name, params in jobs]
    signed = call(
        "sign.js", "sign", [[scheme, {**common, "operation": name, "params": params}] for scheme, name, params in rows]
    )
    return [
        read(event(one["method"], one["url"].partition("?")[0], "", dict(one["headers"]), one["body"].encode()))[2]
        for one in signed
    ]


class Listener:
    """A port at which an endpoint in this process is asked."""

    def __init__(self, kms: Kms, port: int) -> None:
        self.kms, self.host, self.asked = kms, f"127.0.0.1:{port}", list[Asked]()

    @property
    def environ(self) -> dict[str, str]:
        """The access key, as programs look for it."""
        pairs = KNOWN["environment"].values()
        signer = self.kms.signer
        return {
            name: value
            for id_, secret in pairs
            for name, value in ((id_, signer.access_key_id), (secret, signer.secret))
        }

    def take(self) -> list[Asked]:
        asked, self.asked = self.asked, []
        return asked


@contextmanager
def listening(kms: Kms) -> Iterator[Listener]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            raw = event(self.command, path, query, dict(self.headers.items()), body)
            dialect, operation, params = read(raw)
            answer = kms.send(raw)
            listener.asked.append(Asked(operation, params, error_code(dialect, answer)))
            self.send_response(answer["statusCode"])
            content = answer["body"].encode()
            for name, value in {
                **answer["headers"],
                "content-length": str(len(content)),
                "connection": "close",
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)
            self.close_connection = True

        def do_POST(self) -> None:
            self.do_GET()

        def log_message(self, *args: object) -> None:
            """Nothing is logged."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        listener = Listener(kms, server.server_port)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield listener
        finally:
            server.shutdown()
            thread.join()


assert DIALECTS.keys() == OPERATIONS.keys() == SIGNERS.keys()
