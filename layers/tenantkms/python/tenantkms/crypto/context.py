"""The canonical encryption context (FORMAT.md section 2): what a ciphertext is bound to besides its header."""

from __future__ import annotations

from collections.abc import Mapping

from tenantkms.errors import InvalidContext

_MAX_LENGTH = 0xFFFF


def canonical(context: Mapping[str, str]) -> bytes:
    """`u16 count`, then for each pair, sorted by the key's UTF-8 bytes, `u16 len || key || u16 len || value`.

    An absent context and an empty one give the same bytes. No Unicode normalisation takes place: two
    strings are the same when their UTF-8 bytes are.

    Raises `InvalidContext` for lone surrogates and for lengths that 16 bits cannot hold.
    """
    if not context:
        return b"\0\0"
    try:
        pairs = sorted((k.encode("utf-8"), v.encode("utf-8")) for k, v in context.items())
    except UnicodeEncodeError as e:
        raise InvalidContext("The EncryptionContext holds a character that UTF-8 cannot encode.") from e
    if len(pairs) > _MAX_LENGTH:
        raise InvalidContext("The EncryptionContext has too many pairs.")
    out = bytearray(len(pairs).to_bytes(2, "big"))
    for pair in pairs:
        for part in pair:
            if len(part) > _MAX_LENGTH:
                raise InvalidContext("A key or value of the EncryptionContext is too long.")
            out += len(part).to_bytes(2, "big")
            out += part
    return bytes(out)
