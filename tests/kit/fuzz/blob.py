"""Ciphertext blobs: nothing leaves the envelope but `InvalidCiphertext`, and it opens what FORMAT.md opens.

An even first byte: the rest is a blob. An odd one: the rest is what a blob is made of, with a commitment and a tag
that fit it whatever it says, which no mutation would find, and one byte of it changed if the input says so.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from uuid import UUID

from kit import format_v1
from kit.support import VECTORS
from tenantkms.crypto import envelope
from tenantkms.errors import InvalidCiphertext
from tools.make_negative_vectors import CONTEXT, KEY_ID, MATERIAL

WORDS = (UUID(KEY_ID).bytes, b"\x01\x01\x00\x00", b"\x01\x02\x01\x00", b"\0\0\0\x07")
_ASSOCIATED = (b"\0\0", format_v1.canonical_context(CONTEXT))
_FIXED = 9


def run(data: bytes) -> None:
    if data[:1] and data[0] % 2:
        blob, associated = _made(data)
        _check(blob, associated)
    else:
        for associated in _ASSOCIATED:
            _check(data[1:], associated)


def _made(data: bytes) -> tuple[bytes, bytes]:
    _, suite, content, format_, reserved, version, at, change, length = data[:_FIXED].ljust(_FIXED, b"\0")
    rest = data[_FIXED:]
    associated, plaintext = rest[:length], rest[length:]
    fields = format_v1.Fields(suite, KEY_ID, version, data[:24].ljust(24, b"\0"), content, format_, reserved)
    blob = bytearray(format_v1.seal(MATERIAL.get(suite, MATERIAL[1]), fields, plaintext, associated))
    blob[at % len(blob)] ^= change
    return bytes(blob), associated


def _check(blob: bytes, associated: bytes) -> None:
    opened = _opened(blob, associated)
    assert opened == _specified(blob, associated), "it opens what the specification does not, or the other way round"


def _opened(blob: bytes, associated: bytes) -> bytes | None:
    try:
        header = envelope.parse_header(blob)
        prk = envelope.derive(MATERIAL[header.suite])
        plaintext = envelope.open_blob(prk, header, blob, associated)
    except InvalidCiphertext as error:
        refusal = error.message
    else:
        _check_sealing(prk, header, blob, associated, plaintext)
        return plaintext
    assert refusal == InvalidCiphertext.text, "a text of its own"
    return None


def _check_sealing(prk: bytes, header: envelope.Header, blob: bytes, associated: bytes, plaintext: bytes) -> None:
    again = envelope.seal_blob(
        prk,
        suite=header.suite,
        content=header.content,
        key_id=header.key_id,
        version=header.version,
        salt=header.raw[-envelope.SALT_SIZE :],
        plaintext=plaintext,
        context=associated,
    )
    assert again == blob, "what opens is sealed to something else"


def _specified(blob: bytes, associated: bytes) -> bytes | None:
    """What the second implementation opens, with the key and version that the blob itself names."""
    if len(blob) < envelope.OVERHEAD:
        return None
    key_id, version = str(UUID(bytes=blob[4:20])), int.from_bytes(blob[20:24], "big")
    try:
        return format_v1.open_(MATERIAL.get(blob[1], b""), key_id, version, blob, associated)
    except format_v1.Refused:
        return None


def seeds() -> Iterator[bytes]:
    for path in sorted((VECTORS / "format" / "negative").glob("*.json")):
        yield b"\0" + base64.b64decode(json.loads(path.read_text("utf-8"))["blob_base64"])
    for case in json.loads((VECTORS / "format" / "v1.json").read_text("utf-8"))["cases"]:
        yield b"\0" + base64.b64decode(case["blob_base64"])
        context = bytes.fromhex(case["canonical_context_hex"])
        if len(context) < 256:
            fixed = bytes([1, case["suite"], case["content"], 1, 0, 7, 0, 0, len(context)])
            yield fixed + context + base64.b64decode(case["plaintext_base64"])[:64]
