"""Messages that are to be sealed: nothing leaves their reader but a reason, and what it reads another reader reads."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

from tenantkms_events import errors as reasons
from tenantkms_events.errors import Rejected
from tenantkms_events.message import Message, kind_of, read, request_of

WORDS = tuple(f'"{name}":'.encode() for name in (*Message.__struct_fields__, "type", "name", "key"))
_REASONS = {text for name, text in vars(reasons).items() if name.isupper()}
_TARGETS = (
    {"type": "secretsmanager", "name": "shop/a"},
    {"type": "ssm", "name": "/shop/a"},
    {"type": "s3", "name": "shop/a.json"},
    {"type": "dynamodb", "name": "vault", "key": {"pk": "a", "sk": "b"}},
    {"type": "eventbridge", "name": "default"},
)


def seeds() -> Iterator[bytes]:
    for target in _TARGETS:
        whole = {"v": 1, "id": "a-1", "key": "alias/a", "plaintext": "x", "target": target}
        yield json.dumps(whole).encode()
        yield json.dumps({**whole, "sequence": 2, "encryption_context": {"a": "\u5bc6", "b": "\U0001f511"}}).encode()
    wrapped = {"v": 1, "id": "a", "key": "alias/a", "plaintext_wrapped": "AAAA", "target": _TARGETS[1]}
    yield json.dumps(wrapped).encode()
    yield json.dumps({**wrapped, "plaintext_base64": "AP8="}).encode()
    yield json.dumps(wrapped).encode()[:-1] + b',"id":"b"}'


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    assert len(dict(pairs)) == len(pairs), "a name stands twice, and readers differ about it"
    return dict(pairs)


def run(data: bytes) -> None:
    body = data.decode("utf-8", "replace")
    why: Rejected | None = None
    try:
        message, secret = read(body)
    except Rejected as rejected:
        why = rejected
    if why is not None:
        assert why.reason in _REASONS, "a reason that nobody knows"
        assert why.field in ("", *Message.__struct_fields__), "a word of the message is told"
        assert why.__cause__ is None, "what was raised may quote it"
        return
    other = json.loads(body, object_pairs_hook=_once)
    assert (message.id, message.key, message.sequence) == (other["id"], other["key"], other.get("sequence"))
    assert message.encryption_context == other.get("encryption_context", {})
    assert kind_of(message.target) == other["target"]["type"]
    assert message.target.name == other["target"]["name"]
    given = [other[name] for name in ("plaintext", "plaintext_base64", "plaintext_wrapped") if name in other]
    assert given == [secret.content.decode()] if "plaintext" in other else [base64.b64encode(secret.content).decode()]
    again, _ = read(json.dumps(other))
    assert request_of(again, secret.content) == request_of(message, secret.content), "two wishes of one text"
