"""Open a ciphertext blob with nothing of this project: for whoever inherits its data and not its service.

    python open_alone.py ROWS PARENT [--tenant NAME] [--context NAME=VALUE ..] [--passphrase FILE] < blob.txt

ROWS is a copy of `kms.sqlite3`, or a file of `tkms backup`; of one for age, what `age --decrypt` makes of it.
PARENT is `parent.key`. A tenant's name is in the backup; beside a bare copy it is given (`site.json` has it).
Everything here is written from FORMAT.md and docs/backup.md, on Python's own library and `cryptography` alone.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import hmac
import json
import shutil
import sqlite3
import struct
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import IO
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SUITES = {1: ("AES_256", algorithms.AES, 32), 2: ("SM4_128", algorithms.SM4, 16)}
SEGMENT = 1 << 20


class Refused(Exception):
    """It does not open."""


def check(blob: bytes) -> None:
    """The fixed parts of a blob's header."""
    if len(blob) < 96 or blob[0] != 1 or blob[1] not in SUITES or blob[2] not in (0, 1, 3) or blob[3]:
        raise Refused("This is no ciphertext blob of version 1.")


def open_blob(blob: bytes, material: bytes, context: dict[str, str]) -> bytes:
    """The plaintext of a blob under the material of the key version that its header names (FORMAT.md)."""
    check(blob)
    content = blob[2:3]
    header, commitment, tag = blob[:48], blob[48:80], blob[-16:]
    _, cipher, size = SUITES[blob[1]]
    prk = hmac.digest(b"tenantkms/v1", material, "sha512")
    okm = hmac.digest(prk, b"tenantkms/v1/message" + header + b"\1", "sha512")[: size + 32]
    pairs = sorted((name.encode(), value.encode()) for name, value in context.items())
    canonical = struct.pack(">H", len(pairs)) + b"".join(struct.pack(">H", len(t)) + t for pair in pairs for t in pair)
    gcm = Cipher(cipher(okm[:size]), modes.GCM(bytes(12))).decryptor()
    gcm.authenticate_additional_data(canonical)
    try:
        plaintext = gcm.update(blob[80:-16]) + gcm.finalize_with_tag(tag)
        if content == b"\1":
            plaintext.decode()
    except (InvalidTag, UnicodeDecodeError):
        raise Refused("The blob is damaged, or was made with another encryption context.") from None
    if len(material) != size or header[20:24] == bytes(4) or not hmac.compare_digest(commitment, okm[size:]):
        raise Refused("The blob is damaged, or of other material.")
    return plaintext


def material_of(blob: bytes, rows: sqlite3.Connection, parent: bytes, tenant: str) -> bytes:
    """What the parent key unseals of the version that a blob's header names."""
    key_id, number = str(UUID(bytes=blob[4:20])), int.from_bytes(blob[20:24], "big")
    key = rows.execute("SELECT doc FROM keys WHERE id = ?", (key_id,)).fetchone()
    if key is None:
        raise Refused(f"There is no key {key_id} in these rows.")
    spec, version = (json.loads(key[0]).get(name) for name in ("spec", "primary"))
    if not version or version["number"] != number:
        found = rows.execute("SELECT doc FROM versions WHERE key_id = ? AND number = ?", (key_id, number)).fetchone()
        version = json.loads(found[0]) if found else None
    if spec != SUITES.get(blob[1], ("",))[0] or not version or not version["sealed"]:
        raise Refused(f"The key {key_id} has no material of version {number} in these rows.")
    sealed = base64.b64decode(version["sealed"])
    names = b"".join(bytes([len(name)]) + name for name in (tenant.encode(), spec.encode()))
    binding = struct.pack(">4sB16sI", b"TKS1", 1, blob[4:20], number) + names
    try:
        opened = AESGCM(parent).decrypt(sealed[1:13], sealed[13:], binding)
    except InvalidTag:
        raise Refused("The parent key is another one, or the tenant's name.") from None
    return opened[len(binding) :]


def open_backup(source: IO[bytes], passphrase: bytes, out: IO[bytes]) -> None:
    """Write the tar that is in a backup under a passphrase (docs/backup.md)."""
    if not passphrase:
        raise Refused("The backup is under a passphrase: --passphrase FILE names a file that has it.")
    head = source.read(56)
    log_n, r, p = head[5:8] if len(head) == 56 else (0, 0, 0)
    if not (0 < log_n < 20 and 0 < r < 9 and 0 < p < 5):
        raise Refused("The backup is damaged or not whole.")
    made = hashlib.scrypt(passphrase, salt=head[8:24], n=1 << log_n, r=r, p=p, maxmem=1 << 30, dklen=64)
    if not hmac.compare_digest(made[32:], head[24:56]):
        raise Refused("The passphrase is another one.")
    start = source.read(40)  # of Tink's AES256-GCM-HKDF stream: its length, a salt of 32 bytes, a nonce prefix of 7
    key = hmac.digest(hmac.digest(start[1:33], made[:32], "sha256"), head + b"\1", "sha256")
    number, segment = 0, source.read(SEGMENT - 40)
    while segment:
        following = source.read(SEGMENT)
        nonce = start[33:] + number.to_bytes(4, "big") + (b"\0" if following else b"\1")
        try:
            out.write(AESGCM(key).decrypt(nonce, segment, None))
        except InvalidTag:
            raise Refused("The backup is damaged or not whole.") from None
        number, segment = number + 1, following


def unpacked(rows: Path, folder: Path, passphrase: bytes) -> tuple[Path, str]:
    """(a copy of `kms.sqlite3` in `folder`, the tenant's name if the rows say it)."""
    store, tar = folder / "kms.sqlite3", folder / "backup.tar"
    with rows.open("rb") as source:
        magic = source.read(16)
        source.seek(0)
        if magic.startswith(b"SQLite format 3"):
            shutil.copy(rows, store)
            newest = Path(f"{rows}-wal")  # of one that was copied, or lies, as a running server has it
            if newest.exists():
                shutil.copy(newest, f"{store}-wal")
            return store, ""
        if magic.startswith(b"age-encryption"):
            raise Refused("The backup is encrypted with age: give what age --decrypt makes of it.")
        with tar.open("wb") as out:
            if magic.startswith(b"TKB1"):
                open_backup(source, passphrase, out)
            else:
                shutil.copyfileobj(source, out)
    with tarfile.open(tar) as members:
        members.extract("kms.sqlite3", folder, filter="data")
        site = members.extractfile("site.json")
        return store, json.load(site)["tenant"] if site else ""


def parent_key(file: Path) -> bytes:
    key = file.read_bytes()
    if len(key) != 32:
        raise Refused(f"{file} is no parent key of 32 bytes (if an ARN is in it, the key is in AWS KMS, not here).")
    return key


def pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text} is not NAME=VALUE")
    return name, value


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Open a ciphertext blob with rows, parent key and nothing else.", epilog="The blob: standard input."
    )
    parser.add_argument(
        "rows", type=Path, help="a copy of kms.sqlite3, or a backup (of one for age: what age --decrypt makes of it)"
    )
    parser.add_argument("parent", type=Path, help="parent.key")
    parser.add_argument("--tenant", default="", help="its name, which a backup has (else: site.json)")
    parser.add_argument(
        "--context", action="append", type=pair, default=[], metavar="NAME=VALUE", help="one pair of it; repeat"
    )
    parser.add_argument("--passphrase", type=Path, metavar="FILE", help="of the backup")
    args = parser.parse_args()
    passphrase = args.passphrase.read_bytes().removesuffix(b"\n").removesuffix(b"\r") if args.passphrase else b""
    try:
        blob = base64.b64decode("".join(sys.stdin.read().split()), validate=True)
    except ValueError:
        raise Refused("The standard input is no base64.") from None
    check(blob)
    with tempfile.TemporaryDirectory() as folder:
        store, tenant = unpacked(args.rows, Path(folder), passphrase)
        material = material_of(blob, sqlite3.connect(store), parent_key(args.parent), args.tenant or tenant)
        plaintext = open_blob(blob, material, dict(args.context))
        # Content 3 is a text that is base64, and is kept as what it is the base64 of.
        sys.stdout.buffer.write(base64.b64encode(plaintext) if blob[2] == 3 else plaintext)


if __name__ == "__main__":
    try:
        main()
    except (Refused, OSError, ValueError, KeyError, sqlite3.Error, tarfile.TarError) as e:
        sys.exit(str(e))
