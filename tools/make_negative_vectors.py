"""Writes `vectors/format/negative/`: one file for each way in which a blob can be wrong. None of them may open.

    make negative-vectors

The files are the same on every run. They are made with `format_v1`, not with the layer that they test.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from kit.format_v1 import Encrypt, Fields, canonical_context, encrypt, message_keys, seal

DIRECTORY = Path(__file__).parent.parent / "tests" / "vectors" / "format" / "negative"
EXPECTED = "InvalidCiphertext"

KEY_ID = "5c438b18-05be-40ad-b6c2-3be6752cfa7e"
VERSION = 7
MATERIAL = {1: bytes(range(32)), 2: bytes(range(16))}
CONTEXT = {"Example": "Example"}
PLAINTEXT = b"database password"
NAMES = {1: "aes", 2: "sm4"}
FIELDS = ((0, "format"), (1, "suite"), (2, "content"), (3, "reserved"), (4, "key-id"), (20, "version"), (24, "salt"))

Case = dict[str, Any]


def _salt(name: str) -> bytes:
    """Any 24 bytes, others for each blob."""
    return hashlib.sha512(b"salt of " + name.encode()).digest()[:24]


def _fields(name: str, suite: int = 1, **changes: Any) -> Fields:
    return Fields(suite, KEY_ID, VERSION, _salt(name))._replace(**changes)


def _case(why: str, blob: bytes, context: dict[str, str] | None = None, *, suite: int = 1, **changes: Any) -> Case:
    """A file: the key that the reader holds, the context it gives, the blob, and what must come of it."""
    return {
        "why": why,
        "expected": EXPECTED,
        "key": {
            "key_id": KEY_ID,
            "key_version": VERSION,
            "suite": suite,
            "material_hex": MATERIAL[suite].hex(),
            **changes,
        },
        "context": CONTEXT if context is None else context,
        "blob_base64": base64.b64encode(blob).decode(),
    }


def _good(name: str, suite: int = 1, context: dict[str, str] | None = None, **changes: Any) -> bytes:
    associated = canonical_context(CONTEXT if context is None else context)
    return seal(MATERIAL[suite], _fields(name, suite, **changes), PLAINTEXT, associated)


def _flipped(blob: bytes, offset: int) -> bytes:
    return blob[:offset] + bytes([blob[offset] ^ 1]) + blob[offset + 1 :]


def headers() -> Iterator[tuple[str, Case]]:
    good = _good("header")
    for offset in range(48):
        field = [name for start, name in FIELDS if start <= offset][-1]
        yield f"header-{offset:02}-{field}", _case(f"byte {offset} ({field}) is changed", _flipped(good, offset))
    for suite, other in ((1, 2), (2, 1)):
        swapped = _good("suite", suite)
        swapped = swapped[:1] + bytes([other]) + swapped[2:]
        why = f"the suite byte says {NAMES[other]}, the blob was made with {NAMES[suite]}"
        yield f"suite-{NAMES[suite]}-as-{NAMES[other]}", _case(why, swapped, suite=suite)
        yield f"suite-{NAMES[suite]}-as-{NAMES[other]}-key", _case(why, swapped, suite=other)


def fixed_fields() -> Iterator[tuple[str, Case]]:
    """Commitment and tag are right for the header, but the header has a value that the format does not know."""
    for field, values in {"format": (0, 2), "suite": (0, 3), "content": (2, 255), "reserved": (1,)}.items():
        for value in values:
            fields = _fields("fixed")._replace(**{field: value})
            blob = seal(MATERIAL[1], fields, PLAINTEXT, canonical_context(CONTEXT))
            yield f"value-{field}-{value}", _case(f"{field} is {value}, all else fits", blob)
    yield "value-version-0", _case("version is 0, all else fits", _good("fixed", version=0), key_version=0)


def bodies() -> Iterator[tuple[str, Case]]:
    for suite, name in NAMES.items():
        good = _good("body", suite)
        end = len(good)
        parts = {
            "commitment-first": 48,
            "commitment-middle": 63,
            "commitment-last": 79,
            "ciphertext-first": 80,
            "ciphertext-last": end - 17,
            "tag-first": end - 16,
            "tag-last": end - 1,
        }
        for part, offset in parts.items():
            yield f"{name}-{part}", _case(f"byte {offset} ({part}) is changed", _flipped(good, offset), suite=suite)
        other = _good("other body", suite)
        zeros = good[:48] + bytes(32) + good[80:]
        yield f"{name}-commitment-zero", _case("the commitment is zeros, the tag is right", zeros, suite=suite)
        header = _fields("body", suite).header()
        foreign = message_keys(bytes(len(MATERIAL[suite])), header, len(MATERIAL[suite]))[1]
        blob = good[:48] + foreign + good[80:]
        yield (
            f"{name}-commitment-foreign",
            _case("the commitment is to another key, the tag is right", blob, suite=suite),
        )
        for part, start, stop in (("salt", 24, 48), ("commitment", 48, 80), ("tag", end - 16, end)):
            swapped = good[:start] + other[start:stop] + good[stop:]
            yield f"{name}-{part}-swapped", _case(f"the {part} is another blob's", swapped, suite=suite)


def lengths() -> Iterator[tuple[str, Case]]:
    for suite, name in NAMES.items():
        good = seal(MATERIAL[suite], _fields("length", suite), b"x", canonical_context(CONTEXT))
        why = "cut to each of these lengths"
        yield f"{name}-truncated", {**_case(why, good, suite=suite), "lengths": list(range(len(good)))}
        yield f"{name}-trailing-byte", _case("a byte too many at the end", good + b"\0", suite=suite)
        yield f"{name}-leading-byte", _case("a byte too many at the beginning", b"\x01" + good, suite=suite)
        yield f"{name}-twice", _case("two blobs, one after the other", good + good, suite=suite)


def keys() -> Iterator[tuple[str, Case]]:
    other_id = "5c438b18-05be-40ad-b6c2-3be6752cfa7f"
    for suite, name in NAMES.items():
        good = _good("key", suite)
        other = hashlib.sha512(b"other material").digest()[: len(MATERIAL[suite])].hex()
        yield f"{name}-material-other", _case("the key has other material", good, suite=suite, material_hex=other)
        flipped = _flipped(MATERIAL[suite], 0).hex()
        yield f"{name}-material-bit", _case("one bit of the material differs", good, suite=suite, material_hex=flipped)
    claimed = _good("version")[:20] + (VERSION + 1).to_bytes(4, "big") + _good("version")[24:]
    why = "made under version 7, the header says 8"
    yield "version-claimed", _case(why, claimed, key_version=VERSION + 1)
    old = hashlib.sha512(b"version 8").digest()[:32].hex()
    why = "made with the material of another version than the one it names"
    yield "version-material", _case(why, _good("version"), material_hex=old)
    moved = _good("moved")[:4] + UUID(other_id).bytes + _good("moved")[20:]
    yield "key-id-claimed", _case("the header names another key", moved, key_id=other_id)


def contexts() -> Iterator[tuple[str, Case]]:
    pairs: dict[str, tuple[dict[str, str], dict[str, str]]] = {
        "boundary-a-bc": ({"a": "bc"}, {"ab": "c"}),
        "boundary-ab-c": ({"ab": "c"}, {"a": "bc"}),
        "boundary-pairs": ({"a": "b", "c": "d"}, {"a": "bcd"}),
        "missing": (CONTEXT, {}),
        "unasked": ({}, CONTEXT),
        "pair-missing": ({"a": "1", "b": "2"}, {"a": "1"}),
        "pair-more": ({"a": "1"}, {"a": "1", "b": "2"}),
        "empty-pair": ({}, {"": ""}),
        "name-and-value-swapped": ({"a": "b"}, {"b": "a"}),
        "values-swapped": ({"a": "1", "b": "2"}, {"a": "2", "b": "1"}),
        "case": ({"a": "b"}, {"a": "B"}),
        "space": ({"a": "b"}, {"a": "b "}),
        "normalisation": ({"\u00e9": "1"}, {"e\u0301": "1"}),
    }
    for what, (made, given) in pairs.items():
        for suite, name in NAMES.items():
            blob = _good("context", suite, made)
            yield f"{name}-context-{what}", _case("opened with another context", blob, given, suite=suite)


def texts() -> Iterator[tuple[str, Case]]:
    bad = {
        "invalid": b"\xff\xfe",
        "cut": "é".encode()[:1],
        "overlong": b"\xc0\xaf",
        "surrogate": b"\xed\xa0\x80",
        "beyond-unicode": b"\xf4\x90\x80\x80",
    }
    for what, data in bad.items():
        for suite, name in NAMES.items():
            blob = seal(MATERIAL[suite], _fields("text", suite, content=1), data, canonical_context(CONTEXT))
            yield f"{name}-text-{what}", _case("content is text, the plaintext is not UTF-8", blob, suite=suite)


def constructions() -> Iterator[tuple[str, Case]]:
    """Made almost as the format says."""
    fields = _fields("construction")
    header = fields.header()
    associated = canonical_context(CONTEXT)
    ciphers: dict[str, tuple[str, bytes, Encrypt]] = {
        "nonce": ("the nonce is not zero", associated, lambda k, p, a: encrypt(k, p, a, b"\1" * 12)),
        "header-as-data": ("the header is in the associated data too", header + associated, encrypt),
        "context-json": ("the context is authenticated as JSON", json.dumps(CONTEXT).encode(), encrypt),
        "context-none": ("the context is not authenticated", b"", encrypt),
    }
    for what, (why, data, cipher) in ciphers.items():
        yield f"made-{what}", _case(why, seal(MATERIAL[1], fields, PLAINTEXT, data, cipher))
    _, commitment = message_keys(MATERIAL[1], header, 32)
    raw = header + commitment + encrypt(MATERIAL[1], PLAINTEXT, associated)
    yield "made-without-derivation", _case("the material itself is the message key", raw)


GROUPS = (headers, fixed_fields, bodies, lengths, keys, contexts, texts, constructions)


def render() -> dict[str, str]:
    """File name -> text."""
    cases = [case for group in GROUPS for case in group()]
    files = {f"{name}.json": json.dumps(case, indent=2, ensure_ascii=True) + "\n" for name, case in cases}
    if len(files) != len(cases):
        raise ValueError("two cases have one name")
    return files


def main(directory: Path) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    files = render()
    for stale in {path.name for path in directory.iterdir()} - files.keys():
        (directory / stale).unlink()
    for name, text in files.items():
        (directory / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DIRECTORY)
