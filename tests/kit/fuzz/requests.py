"""Whole requests at the endpoint, with each scheme's authentication: an answer in the caller's dialect, never a fault.

An input is a request as text: `METHOD target`, headers, a blank line, the body. Random bytes never have a right
signature, so where the placeholder of one stands (`UNSIGNED`) the right one is put. Or it is a request in short, which
is made and signed by the signers of the tests: `scheme Action`, and a line for each parameter, `name=value`. Both get
to the Actions. Those that change something are refused there: every input meets the same tenant.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from functions.endpoint.dispatch import load
from functions.endpoint.handler import Endpoint
from kit import catalogue, edits, format_v1
from kit.captures import Capture, captures
from kit.catalogue import SCHEMES
from kit.fuzz.parameters import LONGEST_REFUSAL
from kit.fuzz.parameters import WORDS as PARAMETERS
from kit.hostile import FRAGMENTS, HEADERS, verdict
from kit.samples import FACTS, ROW_MACS, key
from kit.support import Signer
from tenantkms.access.credentials import Access
from tenantkms.access.limits import Limiter
from tenantkms.access.sessions import Sessions
from tenantkms.audit.line import Record
from tenantkms.errors import KmsError
from tenantkms.keys.deps import Deps
from tenantkms.keys.keyring import Keyring
from tenantkms.model.alias import Alias
from tenantkms.model.credential import Credential
from tenantkms.model.limits import OFF
from tenantkms.model.site import Site
from tenantkms.model.version import KeyVersion
from tenantkms.names import ACTIONS, CHANGING, DIALECTS
from tenantkms.parent.file import FileParentKey
from tenantkms.parent.port import credential_binding, key_binding, root_binding
from tenantkms.parent.root import Root
from tenantkms.runtime.assemble import Settings
from tenantkms.store.port import PutAlias, PutKey
from tenantkms.store.sqlite import SqliteStore
from tenantkms.wire.dialects import recognise
from tenantkms.wire.http import Request, request_from_event
from tenantkms.wire.parse import escape
from tools.make_negative_vectors import KEY_ID, MATERIAL

TENANT = "fuzz"
NOW = FACTS.now
ID, SECRET = "TKMSfuzzfuzzfuzzfuzzfuzz", "an-example-of-a-secret-for-fuzzing-only"
_SIGNER = Signer(ID, SECRET, lambda: NOW)
_ACTIONS = {action: load(action) for action in ACTIONS}  # now, so that a fuzzer sees what they reach
UNSIGNED = "0" * 64
"""Where a signature in hexadecimal goes; the others have `Signature=0`."""
_BODY_HASH = "x-acs-content-sha256"
_DENY = '{"Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}'
_ALLOW = (  # not the one that is not even parsed
    '{"Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"Decrypt","Resource":"*",'
    '"Condition":{"StringEquals":{"kms:EncryptionContext:forbidden":"yes"}}}]}'
)
WORDS = (
    tuple(
        word.encode()
        for word in (
            *(f"\n{name}: {value}" for name, value in HEADERS if value.isprintable() and value.isascii()),
            *(f"\n{scheme} Credential=" for scheme in ("ACS3-HMAC-SHA256", "ACS4-HMAC-SHA256", "TC3-HMAC-SHA256")),
            *("SignedHeaders=content-type;host", f"Signature={UNSIGNED}", "&Signature=0", "\n\n", "\nx-tc-token: a"),
            *("SignatureMethod=HmacSHA256", "SignatureMethod=TC2-HmacSHA256", "SignatureMethod=HMAC-SHA1"),
            *(
                "GET /v2/index.php?",
                "POST / \n",
                f"{ID}/20270115/cn/Kms/aliyun_v4_request",
                "Format=XML",
                "DryRun=true",
            ),
        )
    )
    + PARAMETERS
)


class _Log:
    """An audit log in memory."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def write(self, *records: Record) -> None:
        self.records += records

    refuse = write


class _Access:
    """A store of access keys that remembers the nonces of one input."""

    def __init__(self, inner: SqliteStore) -> None:
        self._inner = inner
        self.nonces: set[bytes] = set()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def use_nonce(self, nonce: bytes, **_: Any) -> bool:
        new = nonce not in self.nonces
        self.nonces.add(nonce)
        return new


class _Dispatch:
    """Actions in this process; those that change something in the name of somebody who may do nothing."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self.reached = False

    def __call__(self, call: Mapping[str, Any]) -> Mapping[str, Any]:
        self.reached = True
        if call["action"] in CHANGING:
            call = {**call, "principal": {**call["principal"], "policy": _DENY}}
        return _ACTIONS[call["action"]].run(call, self._deps)


class _Tenant:
    """An endpoint with one access key, a session of it, and one key. What it answers depends on nothing before."""

    def __init__(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="fuzz-")
        store = SqliteStore(Path(self.folder.name) / "kms.sqlite3", ROW_MACS)
        parent = FileParentKey(bytes(32))
        store.put_root(parent.seal(bytes(32), root_binding(TENANT)))
        root = Root(TENANT, lambda: [parent], store.get_root)
        sealed = parent.seal(MATERIAL[1], key_binding(TENANT, KEY_ID, 1, "AES_256"))
        primary = KeyVersion(number=1, created=NOW, sealed=sealed)
        store.commit(
            [
                PutKey(key(id=KEY_ID, aliases=("first",), primary=primary, description="first")),
                PutAlias(Alias(name="first", key_id=KEY_ID), None),
            ]
        )
        store.put_credential(
            Credential(
                access_key_id=ID,
                name=ID,
                sealed=parent.seal(SECRET.encode(), credential_binding(TENANT, ID)),
                dialects=DIALECTS,
                policy=_ALLOW,
                created=NOW,
            ),
            new=True,
        )
        self.log, self.access = _Log(), _Access(store)
        ring = Keyring(TENANT, store, parent, clock=lambda: 0.0)
        sessions = Sessions(store, root, bytes, clock=lambda: 0.0)
        self.session = sessions.issue(ID, 3600, "", NOW)
        self.secrets = {ID: SECRET, self.session.access_key_id: self.session.secret}
        deps = Deps(
            tenant=TENANT,
            account=Site(tenant=TENANT).account,
            keyring=ring,
            audit=self.log,
            clock=lambda: float(NOW),
            random=os.urandom,
            sessions=sessions,
            limits=OFF,
        )
        settings = Settings(
            site=Site(tenant=TENANT),
            deps=deps,
            access=Access(TENANT, self.access, parent, clock=lambda: 0.0, apart=lambda _work: None),
            root=root,
            limiter=Limiter(self.access, OFF),
            sessions=sessions,
        )
        self.dispatch = _Dispatch(deps)
        self.endpoint = Endpoint(settings, self.dispatch)

    def forget(self) -> None:
        self.access.nonces.clear()
        self.log.records.clear()
        self.dispatch.reached = False


_tenant = cache(_Tenant)


def run(data: bytes) -> None:
    tenant = _tenant()
    tenant.forget()
    request, signed = _made(data) or _sign(_parsed(data))
    answer = tenant.endpoint.respond(request).event()
    answer["body"].encode("utf-8")
    said = verdict(answer)
    records = tenant.log.records
    assert signed or not tenant.dispatch.reached, "it got to an Action without a right signature"
    assert signed or said != "ok", "it was answered without a right signature"
    assert bool(records) == (recognise(request) is not None), "no line of the log, or one of a stranger's"
    assert not any(secret in str(record) for record in records for secret in tenant.secrets.values())
    assert all(len(r.action) <= 64 and r.action.isascii() and r.action.isprintable() for r in records)
    assert not any(secret in answer["body"] for secret in tenant.secrets.values())
    if answer["headers"]["content-type"].startswith("text/html") or said == "ok":
        return
    host = len(request.header("host")) * 6  # Alibaba's answers say it
    assert len(answer["body"]) <= LONGEST_REFUSAL + host, "what was sent is sent back"
    right = None if signed else _right(request)
    assert right is None or right in request.query or right in str(request.headers) or right not in answer["body"]


def _made(data: bytes) -> tuple[Request, bool] | None:
    """The request that an input says in short, which is signed."""
    first, *lines = data.decode("utf-8", "replace").split("\n")
    scheme, _, action = first.partition(" ")
    if scheme not in SCHEMES:
        return None
    dialect, sign = SCHEMES[scheme]
    params: dict[str, Any] = {name: value for name, _, value in (line.partition("=") for line in lines)}
    if dialect in ("tencent", "aws"):
        params = {name: _json_or_text(value) for name, value in params.items()}
    try:
        return request_from_event(sign(_SIGNER, action, params)), True
    except UnicodeEncodeError:  # lone surrogates in JSON, which have no signed form as parameters
        return None


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _parsed(data: bytes) -> Request:
    head, _, content = data.partition(b"\n\n")
    first, *lines = head.decode("latin-1").split("\n")
    method, _, target = first.partition(" ")
    path, _, query = target.partition("?")
    headers: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        name = name.lower()
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return request_from_event(
        {
            "rawPath": path,
            "rawQueryString": query,
            "headers": headers,
            "requestContext": {"http": {"method": method, "sourceIp": FACTS.source_ip}},
            "body": base64.b64encode(content).decode(),
            "isBase64Encoded": True,
        }
    )


def _right(request: Request) -> str | None:
    """The right signature of a request of our access key, or of its session."""
    spoken = recognise(request)
    if spoken is None:
        return None
    try:
        claim = spoken.scheme.read(request, spoken.dialect.parameters(request, spoken.scheme))
    except KmsError:
        return None
    secret = _tenant().secrets.get(claim.access_key_id)
    return next((made.signature for made in claim.candidates(secret)), None) if secret else None


_PLACE = re.compile(r"(?:^|(?<=&))Signature=0(?=&|$)")


def _sign(request: Request) -> tuple[Request, bool]:
    """The request with right signatures where placeholders are, and whether it has one now."""
    headers = dict(request.headers)
    if headers.get(_BODY_HASH) == UNSIGNED:
        headers[_BODY_HASH] = hashlib.sha256(request.body).hexdigest()
        request = replace(request, headers=headers)
    right = _right(request)
    if right is None:
        return request, False
    place = f"Signature={UNSIGNED}"
    if headers.get("authorization", "").endswith(place):
        headers["authorization"] = headers["authorization"].removesuffix(UNSIGNED) + right
        return replace(request, headers=headers), True
    given = f"Signature={escape(right)}"
    query, there = _PLACE.subn(given, request.query)
    content, too = _PLACE.subn(given, request.body.decode("latin-1"))
    return replace(request, query=query, body=content.encode("latin-1")), bool(there or too)


# -- seeds -----------------------------------------------------------------------------------------------


def _text(event: edits.Event) -> bytes:
    """An event as an input, its signature as a placeholder."""
    query, headers, content = event["rawQueryString"], dict(event["headers"]), edits.body(event)
    if _BODY_HASH in headers:
        headers[_BODY_HASH] = UNSIGNED
    if "authorization" in headers:
        headers["authorization"] = re.sub(r"Signature=[0-9a-f]{64}$", f"Signature={UNSIGNED}", headers["authorization"])
    hidden = re.compile(r"(?:^|(?<=&))Signature=[^&]*")
    query = hidden.sub("Signature=0", query)
    content = hidden.sub("Signature=0", content.decode("latin-1")).encode("latin-1")
    lines = [f"{event['requestContext']['http']['method']} {event['rawPath']}{'?' if query else ''}{query}"]
    lines += [f"{name}:{value}" for name, value in headers.items()]
    return "\n".join(lines).encode("latin-1") + b"\n\n" + content


def _steady(text: bytes) -> bytes:
    """The same nonce each time."""
    return re.sub(rb"(Nonce=|x-acs-signature-nonce:)[0-9a-f]+", rb"\g<1>1", text)


def _short(scheme: str, action: str, params: Mapping[str, Any]) -> bytes:
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in params.items()}
    return "\n".join([f"{scheme} {action}", *(f"{name}={text}" for name, text in texts.items())]).encode()


def _ours(capture: Capture) -> bytes:
    """A recorded request as if our access key had sent it now."""
    credentials = capture.data["credentials"]
    theirs = credentials.get("access_key_id") or credentials.get("secret_id") or ID  # some are anonymous
    text = _text(capture.event).replace(theirs.encode(), ID.encode())
    text = re.sub(rb"T\d\d(:|%3A)\d\d(:|%3A)\d\d(\.\d+)?Z", rb"T08\g<1>00\g<1>00Z", text)
    text = re.sub(rb"2026(-?)11(-?)\d\d(?!\d)", rb"2027\g<1>01\g<1>15", text)
    return re.sub(rb"(?<!\d)179\d{7}(?!\d)", str(NOW).encode(), text)


def seeds() -> Iterator[bytes]:
    fields = format_v1.Fields(1, KEY_ID, 1, bytes(24))
    blob = format_v1.seal(MATERIAL[1], fields, b"hello", format_v1.canonical_context(catalogue.CONTEXT))
    tenant = catalogue.Tenant(KEY_ID, KEY_ID, "alias/first", base64.b64encode(blob).decode(), "0" * 12)
    for name, (dialect, sign) in SCHEMES.items():
        for action, params in catalogue.EXAMPLES[dialect](tenant).items():
            right = _steady(_text(sign(_SIGNER, action, params)))
            yield right
            yield _short(name, action, params)
            if action == "Encrypt":
                yield _short(name, action, {**params, next(n for n in params if "ontext" in n): '{"a":"\\ud800"}'})
                for changed in [*params, "NoParameter"]:
                    yield _steady(_text(sign(_SIGNER, action, {**params, changed: "long" * 1000})))
        yield right.replace(b"Signature=0", b"Signature=1")
        if name.startswith("alibaba"):
            yield _steady(_text(sign(_SIGNER, "DescribeKey", {"KeyId": KEY_ID, "Format": "XML"})))
    session = _tenant().session
    of_session = Signer(session.access_key_id, session.secret, lambda: NOW)
    for sign_with in catalogue.WITH_TOKEN.values():
        yield _steady(_text(sign_with(of_session, session.token, "Encrypt", {"KeyId": KEY_ID})))
    yield from map(_ours, captures())
    for fragment in FRAGMENTS:
        yield f"GET /?{fragment}\nhost:a\n\n".encode("latin-1")
    for name, value in HEADERS:
        yield f"POST /\n{name}:{value}\n\n".encode("latin-1")
