"""Heads of sealed files and metadata of sealed objects, and that what is sealed opens in one way only."""

from __future__ import annotations

import base64
import io
import os

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from kit import format_v1
from tenantkms.crypto import envelope, sealed, streaming
from tenantkms.crypto.ciphers import SUITES
from tenantkms.crypto.context import canonical
from tenantkms.errors import InvalidCiphertext

BLOB = bytes(range(128))
KEY_ID = "5c438b18-05be-40ad-b6c2-3be6752cfa7e"


def test_a_head_and_the_stream_behind_it() -> None:
    file = io.BytesIO(sealed.pack_head(BLOB) + b"stream")
    assert file.getvalue()[:6] == b"TKO1\x00\x80"
    assert sealed.read_head(file) == BLOB
    assert file.read() == b"stream"


@pytest.mark.parametrize("head", [b"", b"T", b"TKO1", b"TKO1\0", b"TKO2\0\0", b"tko1\0\0", b"TKO1\x00\x80" + BLOB[:-1]])
def test_what_has_no_whole_head_is_no_sealed_file(head: bytes) -> None:
    with pytest.raises(InvalidCiphertext, match="no sealed file"):
        sealed.read_head(io.BytesIO(head))


CONTEXT = {"bucket": "inbox", "key": "Berichte/März 2026/\U0001f600.csv", "version": "3/L4kqtJlcpXroDTDmJ+rmSpXd3dIb"}


def test_metadata_says_blob_and_context_and_nothing_but_ascii() -> None:
    metadata = sealed.pack_metadata(BLOB, CONTEXT)
    assert set(metadata) == {"tkms-v", "tkms-key", "tkms-source"}
    assert metadata["tkms-v"] == "1"
    assert all(value.isascii() and value.isprintable() for value in metadata.values())
    assert sealed.read_metadata(metadata) == (BLOB, CONTEXT)
    assert sealed.pack_metadata(BLOB, dict(reversed(CONTEXT.items()))) == metadata


def test_the_longest_name_of_an_object_fits_into_its_metadata() -> None:
    """2 KB, names and values together, is S3's limit."""
    longest = {"bucket": "b" * 63, "key": "\u4e2d" * 341, "version": "v" * 100}
    metadata = sealed.pack_metadata(BLOB, longest)
    assert sum(len(name) + len(value) for name, value in metadata.items()) <= 2048


def test_an_object_without_our_metadata_is_none() -> None:
    assert sealed.read_metadata({}) is None
    assert sealed.read_metadata({"tkms": "1", "owner": "somebody"}) is None


GOOD = sealed.pack_metadata(BLOB, CONTEXT)
DAMAGED = {
    "another version": {**GOOD, "tkms-v": "2"},
    "an older version": {**GOOD, "tkms-v": "0"},
    "no key": {name: value for name, value in GOOD.items() if name != "tkms-key"},
    "no source": {name: value for name, value in GOOD.items() if name != "tkms-source"},
    "a key that is no base64": {**GOOD, "tkms-key": GOOD["tkms-key"] + "="},
    "another text of the same key": {**GOOD, "tkms-key": GOOD["tkms-key"][:-2] + "9="},
    "a key with spaces": {**GOOD, "tkms-key": " " + GOOD["tkms-key"]},
    "a key that is not ASCII": {**GOOD, "tkms-key": "\u00e4" + GOOD["tkms-key"]},
    "a source that is no JSON": {**GOOD, "tkms-source": base64.b64encode(b"{").decode()},
    "a source that is no text": {**GOOD, "tkms-source": base64.b64encode(b'{"a":"\xff"}').decode()},
    "a source of numbers": {**GOOD, "tkms-source": base64.b64encode(b'{"a":1}').decode()},
    "a source that is a list": {**GOOD, "tkms-source": base64.b64encode(b"[]").decode()},
}


@pytest.mark.parametrize("metadata", DAMAGED.values(), ids=DAMAGED)
def test_damaged_metadata_is_said_to_be(metadata: dict[str, str]) -> None:
    with pytest.raises(InvalidCiphertext, match="metadata of the sealed object is damaged"):
        sealed.read_metadata(metadata)


# -- commitment ------------------------------------------------------------------------------------------


def _times(x: int, y: int) -> int:
    """In GF(2^128) as GCM has it: the most significant bit is the coefficient of 1."""
    product = 0
    for bit in range(127, -1, -1):
        product ^= x if y >> bit & 1 else 0
        x = x >> 1 ^ (0xE1 << 120 if x & 1 else 0)
    return product


def _inverse(x: int) -> int:
    result, power = 1 << 127, x
    for _ in range(127):  # x to the power of 2^128 - 2
        power = _times(power, power)
        result = _times(result, power)
    return result


def _block(key: bytes, block: bytes) -> int:
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return int.from_bytes(encryptor.update(block) + encryptor.finalize(), "big")


def _opens_under_both(one: bytes, two: bytes, nonce: bytes, associated: bytes = b"") -> bytes:
    """A ciphertext of three blocks with a tag that is right under both AES keys. `associated`: up to 16 bytes."""
    first, last = (int.from_bytes(os.urandom(16), "big") for _ in range(2))
    lengths = len(associated) * 8 << 64 | 3 * 128

    def parts(key: bytes) -> tuple[int, int]:
        """What is fixed of the tag, and what the free block is multiplied with."""
        h = _block(key, bytes(16))
        mask = _block(key, nonce + b"\0\0\0\1")
        hashed = 0
        for block in (int.from_bytes(associated.ljust(16, b"\0"), "big"), first, 0, last, lengths):
            hashed = _times(hashed ^ block, h)
        return hashed ^ mask, _times(h, _times(h, h))

    (fixed_one, times_one), (fixed_two, times_two) = parts(one), parts(two)
    free = _times(fixed_one ^ fixed_two, _inverse(times_one ^ times_two))
    tag = fixed_one ^ _times(free, times_one)
    return b"".join(number.to_bytes(16, "big") for number in (first, free, last, tag))


def _opened(data_key: bytes, context: bytes, stream: bytes) -> bytes:
    return b"".join(bytes(piece) for piece in streaming.open_stream(data_key, context, io.BytesIO(stream)))


CONTEXT_BYTES = canonical({"app": "shop"})


def test_a_stream_alone_commits_to_no_data_key() -> None:
    data_keys, header = (os.urandom(32), os.urandom(32)), bytes([40]) + os.urandom(39)
    one, two = (HKDF(hashes.SHA256(), 32, header[1:33], CONTEXT_BYTES).derive(key) for key in data_keys)
    stream = header + _opens_under_both(one, two, header[33:] + bytes(4) + b"\1")
    opened = [_opened(key, CONTEXT_BYTES, stream) for key in data_keys]
    assert [len(text) for text in opened] == [48, 48]
    assert opened[0] != opened[1]


def test_the_blob_beside_it_opens_to_one_data_key_under_one_key() -> None:
    """FORMAT.md's argument: a blob whose ciphertext is right under two keys names, by its commitment, one of them."""
    materials = [os.urandom(32), os.urandom(32)]
    prks = [envelope.derive(material) for material in materials]
    empty = canonical({})
    header = envelope.parse_header(
        envelope.seal_blob(
            prks[0], suite=1, content=0, key_id=KEY_ID, version=1, salt=os.urandom(24), plaintext=b"", context=empty
        )
    )
    (one, commitment), (two, other) = (format_v1.message_keys(material, header.raw, 32) for material in materials)
    both = _opens_under_both(one, two, bytes(12), empty)
    blob = header.raw + commitment + both
    assert len(envelope.open_blob(prks[0], header, blob, empty)) == 48
    for prk, committed in ((prks[1], commitment), (prks[0], other)):
        assert len(SUITES[1].open(one if prk is prks[0] else two, both, empty)) == 48
        with pytest.raises(InvalidCiphertext):
            envelope.open_blob(prk, header, header.raw + committed + both, empty)
