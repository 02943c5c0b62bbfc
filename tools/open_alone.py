"""Open a ciphertext blob with nothing of this project: for whoever inherits its data and not its service.

    python open_alone.py ROWS [PARENT] [--tenant NAME] [--context NAME=VALUE ..] [--passphrase FILE] < blob.txt

ROWS is an export, a backup, a copy of `kms.sqlite3`, or a copy of the DynamoDB table of keys: what `aws dynamodb scan`
prints, or an export to S3 has. Of a file for age, it is what `age --decrypt` makes of it. PARENT is `parent.key`, which
an export does not need, or a file that has the ARN of a key of AWS KMS, or what AWS KMS has answered. A tenant's name
is in a backup; beside a bare copy it is given (`site.json` has it).
Everything here is written from FORMAT.md, docs/backup.md and docs/export.md, on Python's own library and `cryptography`
alone.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import hashlib
import hmac
import io
import json
import re
import shlex
import shutil
import sqlite3
import struct
import sys
import tarfile
import tempfile
import zlib
from pathlib import Path
from typing import IO, Any, NamedTuple
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

SUITES = {1: ("AES_256", algorithms.AES, 32), 2: ("SM4_128", algorithms.SM4, 16)}
SEGMENT = 1 << 20
DAMAGED = (ValueError, LookupError, TypeError, AttributeError, EOFError, RecursionError)
DAMAGED += (sqlite3.Error, tarfile.TarError, zlib.error)
"""What the libraries raise where something else is than rows."""


class Refused(Exception):
    """It does not open."""


class Found(NamedTuple):
    """A key and its versions by their numbers, the newest in the key. `clear`: what is `sealed` in them is not."""

    key: dict[str, Any]
    versions: dict[int, dict[str, Any]]
    tenant: str = ""
    clear: bool = False


def named(blob: bytes) -> tuple[str, int]:
    """(id of the key, number of its version)"""
    suite, content = blob[1:2], blob[2:3]
    if len(blob) < 96 or blob[0] != 1 or suite not in (b"\1", b"\2") or content not in (b"\0", b"\1", b"\3") or blob[3]:
        raise Refused("This is no ciphertext blob of version 1.")
    return str(UUID(bytes=blob[4:20])), int.from_bytes(blob[20:24], "big")


def open_blob(blob: bytes, material: bytes, context: dict[str, str]) -> bytes:
    """The plaintext of a blob under the material of the key version that its header names (FORMAT.md)."""
    named(blob)
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
        if blob[2] == 1:
            plaintext.decode()
    except (InvalidTag, UnicodeDecodeError):
        raise Refused("The blob is damaged, or was made with another encryption context.") from None
    if len(material) != size or header[20:24] == bytes(4) or not hmac.compare_digest(commitment, okm[size:]):
        raise Refused("The blob is damaged, or of other material.")
    return plaintext


def material_of(blob: bytes, found: Found, parent: bytes, tenant: str) -> bytes:
    """The material of the version that a blob's header names."""
    key_id, number = named(blob)
    if not found.key:
        raise Refused(f"There is no key {key_id} in these rows.")
    spec, newest = found.key["spec"], found.key["primary"]
    version = newest if newest and newest["number"] == number else found.versions.get(number)
    if spec != SUITES[blob[1]][0] or not version or not version["sealed"]:
        raise Refused(f"The key {key_id} has no material of version {number} in these rows.")
    sealed = base64.b64decode(version["sealed"])
    return sealed if found.clear else unsealed(sealed, parent, tenant, key_id, number, spec)


def unsealed(sealed: bytes, parent: bytes, tenant: str, key_id: str, number: int, spec: str) -> bytes:
    """What the parent key makes of it (FORMAT.md). That of AWS KMS is asked by whoever may ask it."""
    if not parent or not tenant:
        raise Refused("The parent key is needed for these rows, and the tenant's name: PARENT and --tenant.")
    names = b"".join(bytes([len(name)]) + name for name in (tenant.encode(), spec.encode()))
    binding = struct.pack(">4sB16sI", b"TKS1", 1, UUID(key_id).bytes, number) + names
    if arn := re.fullmatch(
        r"(arn:[a-z0-9-]+:kms:([a-z0-9-]+):\d{12}:key/[\w-]+)\s*", parent.decode("ascii", "replace")
    ):
        context = shlex.quote(f"tenant={tenant},kind=1,key={key_id},version={number},spec={spec}")
        raise Refused(
            "Give as PARENT a file of what this prints (AWS's command line, version 2); it is a key, so remove it:\n"
            f"aws kms decrypt --region {arn[2]} --key-id {arn[1]} --ciphertext-blob {base64.b64encode(sealed).decode()}"
            f" --encryption-context {context} --query Plaintext --output text"
        )
    local = len(parent) == 32
    try:
        opened = AESGCM(parent).decrypt(sealed[1:13], sealed[13:], binding) if local else base64.b64decode(parent)
    except (InvalidTag, ValueError):
        opened = b""
    if not opened.startswith(binding):
        what = "The parent key" if local else "PARENT is no parent key of 32 bytes and no ARN, or the answer"
        raise Refused(f"{what} is another one, or the tenant's name.")
    return opened[len(binding) :]


def in_store(store: Path, key_id: str) -> Found:
    """In a copy of `kms.sqlite3`."""
    rows = sqlite3.connect(store)
    keys = rows.execute("SELECT doc FROM keys WHERE id = ?", (key_id,)).fetchall()
    older = rows.execute("SELECT number, doc FROM versions WHERE key_id = ?", (key_id,))
    return Found(json.loads(keys[0][0]) if keys else {}, {number: json.loads(doc) for number, doc in older})


def in_export(lines: list[bytes], key_id: str) -> Found:
    """Among the rows of an export: a key, and its older versions behind it."""
    found, within = Found({}, {}, clear=True), False
    for row in map(json.loads, lines):
        within = row["key"]["id"] == key_id if "key" in row else within
        if within:
            found.key.update(row.get("key", {}))
            found.versions.update({version["number"]: version for version in row.get("versions", ())})
    return found


def in_table(text: str, key_id: str) -> Found:
    """In JSON documents that follow each other, each with one row of the table of keys, or with a page of them."""
    found, decoder, at = Found({}, {}), json.JSONDecoder(), 0
    while rest := re.compile(r"\S").search(text, at):
        said, at = decoder.raw_decode(text, rest.start())
        for row in said["Items"] if "Items" in said else [said["Item"]]:
            if row["pk"]["S"] != f"KEY#{key_id}":
                continue
            doc = json.loads((row.get("record") or row["doc"])["S"])
            if row["sk"]["S"] != "META":
                found.versions[doc["number"]] = doc
                continue
            found.key.update(doc)
            if "material" in row:  # of the newest version, which the record has without it
                found.key["primary"]["sealed"] = row["material"]["B"]
    return found


def open_backup(source: IO[bytes], passphrase: bytes, out: IO[bytes]) -> None:
    """Write the tar that is in a backup, or an export, under a passphrase (docs/backup.md)."""
    if not passphrase:
        raise Refused("The file is under a passphrase: --passphrase FILE has it.")
    head = source.read(56)
    log_n, r, p = head[5:8] if len(head) == 56 else (0, 0, 0)
    if not (0 < log_n < 20 and 0 < r < 9 and 0 < p < 5):
        raise Refused("The file is damaged or not whole.")
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
            raise Refused("The file is damaged or not whole.") from None
        number, segment = number + 1, following


def found_in(rows: Path, folder: Path, passphrase: bytes, key_id: str) -> Found:
    """Whatever the rows are in. What is read of them is in `folder` meanwhile."""
    store = folder / "kms.sqlite3"
    with rows.open("rb") as source:
        magic = source.read(32)
        source.seek(0)
        if magic.startswith(b"SQLite format 3"):
            shutil.copy(rows, store)
            newest = Path(f"{rows}-wal")  # of one that was copied, or lies, as a running server has it
            if newest.exists():
                shutil.copy(newest, f"{store}-wal")
            return in_store(store, key_id)
        if magic.startswith(b"\x1f\x8b") or magic.lstrip().startswith(b"{"):
            text = gzip.decompress(source.read()) if magic[0] == 31 else source.read()
            return in_table(text.decode(), key_id)
        if magic.startswith((b"age-encryption.org", b"-----BEGIN AGE")):
            raise Refused(f"{rows} is for age: age --decrypt makes of it what opens here.")
        if not magic.startswith(b"TKB1"):
            return in_tar(source, store, key_id)
        tar = io.BytesIO()  # no file: there may be key material in it
        open_backup(source, passphrase, tar)
        tar.seek(0)
        return in_tar(tar, store, key_id)


def in_tar(source: IO[bytes], store: Path, key_id: str) -> Found:
    """In an export or a backup, whose store is written to `store`."""
    with tarfile.open(fileobj=source, mode="r:") as members:
        files = {member.name: members.extractfile(member) for member in members}
        if "SHA256SUMS" not in files:
            raise Refused("The file is damaged or not whole.")
        read = {name: file.read() for name, file in files.items() if file and name != store.name}
        if "export.json" in read:
            lines = [line for name in sorted(read) if name.startswith("rows/") for line in read[name].splitlines()]
            return in_export(lines, key_id)
        members.extract(store.name, store.parent, filter="data")
    return in_store(store, key_id)._replace(tenant=json.loads(read["site.json"])["tenant"])


def pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise argparse.ArgumentTypeError(f"{text} is not NAME=VALUE")
    return name, value


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Open a ciphertext blob with rows, parent key and nothing else.", epilog="The blob: standard input."
    )
    rows = "an export, a backup, a copy of kms.sqlite3 or of a table of keys (for age: what age --decrypt makes of it)"
    parent = "parent.key, a file with the ARN of a key of AWS KMS, or with its answer; an export needs none"
    parser.add_argument("rows", type=Path, help=rows)
    parser.add_argument("parent", type=Path, nargs="?", help=parent)
    parser.add_argument("--tenant", default="", help="its name, which a backup has (else: site.json)")
    parser.add_argument(
        "--context", action="append", type=pair, default=[], metavar="NAME=VALUE", help="one pair of it; repeat"
    )
    parser.add_argument("--passphrase", type=Path, metavar="FILE", help="of the backup or the export")
    args = parser.parse_args()
    passphrase = args.passphrase.read_bytes().removesuffix(b"\n").removesuffix(b"\r") if args.passphrase else b""
    parent_key = args.parent.read_bytes() if args.parent else b""
    try:
        blob = base64.b64decode("".join(sys.stdin.read().split()), validate=True)
    except ValueError:
        raise Refused("The standard input is no base64.") from None
    key_id, _ = named(blob)
    try:
        with tempfile.TemporaryDirectory() as folder:
            found = found_in(args.rows, Path(folder), passphrase, key_id)
        material = material_of(blob, found, parent_key, args.tenant or found.tenant)
    except (OSError, Refused):
        raise
    except DAMAGED:
        raise Refused(f"{args.rows} is no export, backup, store or copy of a table, or is damaged.") from None
    plaintext = open_blob(blob, material, dict(args.context))
    # Content 3 is a text that is base64, and is kept as what it is the base64 of.
    sys.stdout.buffer.write(base64.b64encode(plaintext) if blob[2] == 3 else plaintext)


if __name__ == "__main__":
    try:
        main()
    except (Refused, OSError) as e:
        sys.exit(str(e))
