"""Every way for a ciphertext blob to be wrong ends in the one error with the one text, at the envelope and above it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from kit import format_v1
from kit.samples import key as sample_key
from tenantkms.crypto import envelope
from tenantkms.crypto.context import canonical
from tenantkms.errors import ERRORS, InvalidCiphertext, KmsError
from tenantkms.keys.keyring import Keyring
from tenantkms.model.alias import Alias
from tenantkms.model.key import Key, KeyFilter
from tenantkms.model.specs import KeySpec
from tenantkms.model.version import KeyVersion
from tenantkms.parent.port import Binding
from tools import make_negative_vectors as negative

FILES = sorted(negative.DIRECTORY.glob("*.json"))
SPECS = {1: KeySpec.AES_256, 2: KeySpec.SM4}


def blobs(case: dict[str, Any]) -> Iterator[bytes]:
    whole = base64.b64decode(case["blob_base64"])
    for length in case.get("lengths", [len(whole)]):
        yield whole[:length]


class OneKey:
    """A store with one key that has one version, and the parent key of it: material rests in clear."""

    def __init__(self, row: dict[str, Any]) -> None:
        version = KeyVersion(number=row["key_version"], created=0, sealed=bytes.fromhex(row["material_hex"]))
        self.key = sample_key(id=row["key_id"], spec=SPECS[row["suite"]], primary=version)

    def get(self, key_id: str) -> Key | None:
        return self.key if key_id == self.key.id else None

    def get_version(self, key_id: str, number: int) -> KeyVersion | None:
        return None

    def get_alias(self, name: str) -> Alias | None:
        return None

    def commit(self, writes: object) -> None:
        raise NotImplementedError

    def list_keys(
        self, where: KeyFilter, *, offset: int, limit: int, descending: bool = False
    ) -> tuple[int, list[Key]]:
        raise NotImplementedError

    def list_aliases(self, *, offset: int, limit: int) -> tuple[int, list[Alias]]:
        raise NotImplementedError

    def seal(self, secret: bytes, binding: Binding) -> bytes:
        raise NotImplementedError

    def unseal(self, sealed: bytes, binding: Binding) -> bytes:
        return sealed


Open = Callable[[dict[str, Any], bytes], bytes]


def by_envelope(case: dict[str, Any], blob: bytes) -> bytes:
    """With the material of the file, whatever key and version the header names."""
    header = envelope.parse_header(blob)
    material = bytes.fromhex(case["key"]["material_hex"])
    return envelope.open_blob(envelope.derive(material), header, blob, canonical(case["context"]))


def by_keyring(case: dict[str, Any], blob: bytes) -> bytes:
    """As Decrypt does it: with the key and version that the header names, if they exist."""
    one = OneKey(case["key"])
    keyring = Keyring("test", one, one, clock=lambda: 0.0)
    header = envelope.parse_header(blob)
    return keyring.decrypt(keyring.key(header.key_id), header, blob, case["context"])


def by_specification(case: dict[str, Any], blob: bytes) -> bytes:
    """By the second implementation: the files are wrong by the format's text, not by the layer's opinion."""
    key = case["key"]
    if blob[1:2] != bytes([key["suite"]]):
        raise InvalidCiphertext
    try:
        return format_v1.open_(
            bytes.fromhex(key["material_hex"]),
            key["key_id"],
            key["key_version"],
            blob,
            format_v1.canonical_context(case["context"]),
        )
    except format_v1.Refused:
        raise InvalidCiphertext from None


OPENERS: list[Open] = [by_envelope, by_keyring, by_specification]


@pytest.mark.parametrize("open_", OPENERS)
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_does_not_open(path: Path, open_: Open) -> None:
    case = json.loads(path.read_text("utf-8"))
    expected: type[KmsError] = ERRORS[case["expected"]]
    assert expected is InvalidCiphertext
    for blob in blobs(case):
        with pytest.raises(KmsError) as refused:
            open_(case, blob)
        assert type(refused.value) is expected
        assert refused.value.message == InvalidCiphertext.text, f"a text of its own for: {case['why']}"


@pytest.mark.parametrize("open_", OPENERS)
@pytest.mark.parametrize("suite", [1, 2])
def test_the_blob_they_are_made_from_opens(suite: int, open_: Open) -> None:
    fields = format_v1.Fields(suite, negative.KEY_ID, negative.VERSION, bytes(24))
    material = negative.MATERIAL[suite]
    row = {
        "key_id": negative.KEY_ID,
        "key_version": negative.VERSION,
        "suite": suite,
        "material_hex": material.hex(),
    }
    blob = format_v1.seal(material, fields, b"x", format_v1.canonical_context(negative.CONTEXT))
    assert open_({"key": row, "context": negative.CONTEXT}, blob) == b"x"


def test_the_generator_makes_the_committed_files() -> None:
    files = {path.name: path.read_text("utf-8") for path in FILES}
    assert files == negative.render(), "run: make negative-vectors"


def test_there_is_a_file_for_each_way_to_be_wrong() -> None:
    names = {path.stem for path in FILES}
    assert {name[7:9] for name in names if name.startswith("header-")} == {f"{offset:02}" for offset in range(48)}
    for suite in ("aes", "sm4"):
        case = json.loads((negative.DIRECTORY / f"{suite}-truncated.json").read_text("utf-8"))
        assert case["lengths"] == list(range(len(base64.b64decode(case["blob_base64"]))))


def test_a_key_that_is_gone_or_of_another_spec_says_the_same() -> None:
    blob = base64.b64decode(json.loads(FILES[0].read_text("utf-8"))["blob_base64"])
    one = OneKey({"key_id": negative.KEY_ID, "key_version": 1, "suite": 2, "material_hex": "00" * 16})
    keyring = Keyring("test", one, one, clock=lambda: 0.0)
    header = envelope.Header(1, 0, negative.KEY_ID, 1, blob[:48])
    for key in (None, one.key):
        with pytest.raises(InvalidCiphertext) as refused:
            keyring.decrypt(key, header, blob, {})
        assert refused.value.message == InvalidCiphertext.text
