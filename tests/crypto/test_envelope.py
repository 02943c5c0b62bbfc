"""The ciphertext blob: FORMAT.md's vectors, a second implementation in both directions, blobs of released versions."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit import format_v1
from kit.support import VECTORS
from tenantkms.crypto import envelope, strings
from tenantkms.crypto.context import canonical
from tenantkms.errors import InvalidCiphertext

FORMAT = VECTORS / "format"
KEY_ID = "5c438b18-05be-40ad-b6c2-3be6752cfa7e"
SALT = bytes(range(24))


def cases(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((FORMAT / name).read_text("utf-8"))["cases"]
    return found


def opened(material: bytes, blob: bytes, context: dict[str, str]) -> bytes:
    header = envelope.parse_header(blob)
    return envelope.open_blob(envelope.derive(material), header, blob, canonical(context))


def sealed(material: bytes, plaintext: bytes, context: dict[str, str], *, content: int = 0, version: int = 1) -> bytes:
    return envelope.seal_blob(
        envelope.derive(material),
        suite=SUITES[len(material)],
        content=content,
        key_id=KEY_ID,
        version=version,
        salt=SALT,
        plaintext=plaintext,
        context=canonical(context),
    )


SUITES = {32: 1, 16: 2}
V1 = cases("v1.json")
BASE64 = cases("v1-base64.json")
GOLDEN = cases("golden-0.1.json")


def ids(case: dict[str, Any]) -> str:
    context = ",".join(case["context"])[:20].encode("ascii", "backslashreplace").decode()
    size = len(base64.b64decode(case["plaintext_base64"]))
    return f"suite{case['suite']}-content{case['content']}-{size}bytes-[{context}]"


@pytest.mark.parametrize("case", V1 + BASE64, ids=ids)
def test_sealing_with_a_pinned_salt_gives_the_vector(case: dict[str, Any]) -> None:
    blob = envelope.seal_blob(
        envelope.derive(bytes.fromhex(case["material_hex"])),
        suite=case["suite"],
        content=case["content"],
        key_id=case["key_id"],
        version=case["key_version"],
        salt=bytes.fromhex(case["salt_hex"]),
        plaintext=base64.b64decode(case["plaintext_base64"]),
        context=canonical(case["context"]),
    )
    assert base64.b64encode(blob).decode() == case["blob_base64"]


def test_the_vectors_cover_both_suites_both_contents_and_contexts() -> None:
    assert len(V1) == 14
    assert {(c["suite"], c["content"]) for c in V1} == {(1, 0), (1, 1), (2, 0), (2, 1)}
    assert {len(c["context"]) for c in V1} == {0, 1, 3}
    assert {(c["suite"], c["content"]) for c in BASE64} == {(1, 3), (2, 3)}


@pytest.mark.parametrize("case", V1 + BASE64, ids=ids)
def test_the_vectors_say_what_each_api_answers(case: dict[str, Any]) -> None:
    kind, held = case["content"], base64.b64decode(case["plaintext_base64"])
    if kind == envelope.BYTES:
        assert strings.string(kind, held) == case["plaintext_base64"]
        assert strings.plaintext(kind, held) == held
    else:
        text = case.get("text", held.decode("utf-8", "replace"))
        assert strings.held(text) == (kind, held)
        assert strings.string(kind, held) == text
        assert strings.plaintext(kind, held) == text.encode()


@pytest.mark.parametrize("case", V1 + BASE64 + GOLDEN, ids=ids)
def test_a_blob_of_a_released_version_opens(case: dict[str, Any]) -> None:
    blob = base64.b64decode(case["blob_base64"])
    material, plaintext = bytes.fromhex(case["material_hex"]), base64.b64decode(case["plaintext_base64"])
    header = envelope.parse_header(blob)
    said = (header.suite, header.content, header.key_id, header.version)
    assert said == (case["suite"], case["content"], case["key_id"], case["key_version"])
    assert opened(material, blob, case["context"]) == plaintext
    again = format_v1.open_(
        material, case["key_id"], case["key_version"], blob, format_v1.canonical_context(case["context"])
    )
    assert again == plaintext


materials = st.one_of(st.binary(min_size=32, max_size=32), st.binary(min_size=16, max_size=16))
plaintexts = st.one_of(
    st.binary(max_size=64), st.integers(0, 6144).map(lambda size: bytes(i % 251 for i in range(size)))
)
words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
contexts = st.dictionaries(words, words, max_size=5)
versions = st.integers(1, 2**32 - 1)
salts = st.binary(min_size=24, max_size=24)
key_ids = st.uuids().map(str)


@st.composite
def contents(draw: st.DrawFn) -> tuple[int, bytes]:
    """(content, plaintext that may have it)."""
    content = draw(st.sampled_from(envelope.CONTENTS))
    return content, draw(words).encode() if content == envelope.TEXT else draw(plaintexts)


@settings(max_examples=150, deadline=None)
@given(materials, key_ids, versions, salts, contents(), contexts)
def test_layer_and_specification_open_each_other(
    material: bytes, key_id: str, version: int, salt: bytes, content: tuple[int, bytes], context: dict[str, str]
) -> None:
    kind, plaintext = content
    suite = SUITES[len(material)]
    associated = format_v1.canonical_context(context)
    assert canonical(context) == associated
    ours = envelope.seal_blob(
        envelope.derive(material),
        suite=suite,
        content=kind,
        key_id=key_id,
        version=version,
        salt=salt,
        plaintext=plaintext,
        context=canonical(context),
    )
    theirs = format_v1.seal(material, format_v1.Fields(suite, key_id, version, salt, kind), plaintext, associated)
    assert ours == theirs
    assert len(ours) == len(plaintext) + envelope.OVERHEAD
    assert format_v1.open_(material, key_id, version, ours, associated) == plaintext
    assert opened(material, theirs, context) == plaintext


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.builds(
            lambda head, body: bytes(head) + body,
            st.tuples(st.just(1), st.sampled_from([1, 2]), st.sampled_from(envelope.CONTENTS), st.just(0)),
            st.binary(max_size=200),
        ),
    ),
    materials,
    contexts,
)
def test_no_byte_string_does_anything_but_be_refused(blob: bytes, material: bytes, context: dict[str, str]) -> None:
    with pytest.raises(InvalidCiphertext):
        opened(material, blob, context)


@settings(max_examples=150, deadline=None)
@given(materials, st.binary(max_size=40), contexts, st.data())
def test_a_blob_with_any_bit_changed_is_refused(
    material: bytes, plaintext: bytes, context: dict[str, str], data: st.DataObject
) -> None:
    blob = bytearray(sealed(material, plaintext, context))
    assert opened(material, bytes(blob), context) == plaintext
    bit = data.draw(st.integers(0, len(blob) * 8 - 1))
    blob[bit // 8] ^= 1 << bit % 8
    with pytest.raises(InvalidCiphertext):
        opened(material, bytes(blob), context)


@settings(max_examples=100, deadline=None)
@given(materials, contexts, contexts)
def test_a_blob_opens_with_its_own_context_only(
    material: bytes, context: dict[str, str], other: dict[str, str]
) -> None:
    blob = sealed(material, b"data key", context)
    assert opened(material, blob, dict(reversed(context.items()))) == b"data key"
    if other != context:
        with pytest.raises(InvalidCiphertext):
            opened(material, blob, other)


@pytest.mark.parametrize("size", [16, 32])
def test_a_valid_tag_without_the_commitment_does_not_open(size: int) -> None:
    material, other = bytes(range(size)), bytes(size)
    blob = sealed(material, b"plaintext", {})
    foreign = format_v1.message_keys(other, blob[:48], size)[1]
    assert opened(material, blob, {}) == b"plaintext"
    with pytest.raises(InvalidCiphertext):
        opened(material, blob[:48] + foreign + blob[80:], {})


@pytest.mark.parametrize("size", [16, 32])
def test_the_commitment_without_a_valid_tag_does_not_open(size: int) -> None:
    material = bytes(range(size))
    blob = sealed(material, b"plaintext", {})
    forged = blob[:80] + format_v1.encrypt(bytes(size), b"plaintext", b"\0\0")
    with pytest.raises(InvalidCiphertext):
        opened(material, forged, {})


def test_a_header_names_suite_content_key_and_version() -> None:
    header = envelope.parse_header(sealed(bytes(32), b"", {}, content=1, version=2**32 - 1))
    assert (header.suite, header.content, header.key_id, header.version) == (1, 1, KEY_ID, 2**32 - 1)


def test_the_salt_stands_whole_in_the_header() -> None:
    salt = bytes(range(1, envelope.SALT_SIZE + 1))
    blob = envelope.seal_blob(
        envelope.derive(bytes(32)),
        suite=1,
        content=0,
        key_id=KEY_ID,
        version=1,
        salt=salt,
        plaintext=b"",
        context=b"\0\0",
    )
    assert blob[24:48] == salt
    assert len(blob) == envelope.OVERHEAD
