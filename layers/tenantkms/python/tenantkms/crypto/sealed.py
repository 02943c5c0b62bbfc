"""Where the data key of sealed data lies, wrapped (FORMAT.md): before the stream in a file, in an object's metadata."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import msgspec

from tenantkms.crypto.streaming import Reader, read_full
from tenantkms.errors import InvalidCiphertext

MAGIC = b"TKO1"
VERSION, WRAPPED_KEY, SOURCE = "tkms-v", "tkms-key", "tkms-source"
"""Names in an object's metadata."""
_HEAD = len(MAGIC) + 2
_NO_FILE = "This is no sealed file, or its head is damaged."
_NO_OBJECT = "The metadata of the sealed object is damaged."


def pack_head(blob: bytes) -> bytes:
    """What stands before the stream in a file. Raises `OverflowError` for a blob longer than 64 KB."""
    return MAGIC + len(blob).to_bytes(2, "big") + blob


def read_head(source: Reader) -> bytes:
    """The blob of a sealed file, whose stream is then what `source` reads. Raises `InvalidCiphertext`."""
    start = read_full(source, _HEAD)
    if len(start) < _HEAD or not start.startswith(MAGIC):
        raise InvalidCiphertext(_NO_FILE)
    size = int.from_bytes(start[len(MAGIC) :], "big")
    blob = read_full(source, size)
    if len(blob) < size:
        raise InvalidCiphertext(_NO_FILE)
    return blob


def pack_metadata(blob: bytes, context: Mapping[str, str]) -> dict[str, str]:
    """Metadata of a sealed object whose data key is wrapped in `blob` under `context`. One context has one text.

    Base64, since metadata is ASCII of 2 KB at most, and the name of an object may be 1 KB of anything.
    """
    text = msgspec.json.encode(dict(sorted(context.items())))
    return {
        VERSION: "1",
        WRAPPED_KEY: base64.b64encode(blob).decode(),
        SOURCE: base64.b64encode(text).decode(),
    }


def read_metadata(metadata: Mapping[str, str]) -> tuple[bytes, dict[str, str]] | None:
    """Blob and context of a sealed object, None for another one. Raises `InvalidCiphertext` for what is damaged."""
    if VERSION not in metadata:
        return None
    try:
        if metadata[VERSION] != "1":
            raise ValueError(VERSION)
        blob, text = (_canonical(metadata[name]) for name in (WRAPPED_KEY, SOURCE))
        return blob, msgspec.json.decode(text, type=dict[str, str])
    except (KeyError, ValueError):  # of base64, UTF-8, JSON and its shape
        raise InvalidCiphertext(_NO_OBJECT) from None


def _canonical(text: str) -> bytes:
    """The bytes of which `text` is the one base64. Raises `ValueError`."""
    found = base64.b64decode(text)
    if base64.b64encode(found).decode() != text:
        raise ValueError("another text of the same bytes")
    return found
