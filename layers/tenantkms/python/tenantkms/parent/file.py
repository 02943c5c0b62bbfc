"""The parent key of one machine: a file, which has the key itself, or the ARN of a key of AWS KMS."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tenantkms.errors import Unavailable
from tenantkms.parent.port import Binding, ParentKey, SealBroken, content


class FileParentKey:
    """The parent key of one machine: 32 bytes in a file that only its owner can read.

    Sealed form: `0x01 || nonce 12 || AES-256-GCM`. A random nonce is safe for 2^32 seals.
    """

    _VERSION = b"\x01"

    def __init__(self, key: bytes, random: Callable[[int], bytes] = os.urandom) -> None:
        self._aead = AESGCM(key)
        self._random = random

    @classmethod
    def load(cls, path: Path) -> FileParentKey:
        """Raises `Unavailable` with what to do when the file is missing, damaged, or open to others."""
        return cls(_checked(read_private(path), path))

    def seal(self, secret: bytes, binding: Binding) -> bytes:
        nonce = self._random(12)
        header = binding.header()
        return self._VERSION + nonce + self._aead.encrypt(nonce, header + secret, header)

    def unseal(self, sealed: bytes, binding: Binding) -> bytes:
        if sealed[:1] != self._VERSION:
            raise SealBroken("Sealed material has an unknown version.")
        header = binding.header()
        try:
            plaintext = self._aead.decrypt(sealed[1:13], sealed[13:], header)
        except (InvalidTag, ValueError):
            raise SealBroken("Sealed material does not open under this parent key.") from None
        return content(plaintext, header)


_SIZE = 32
_ARN = re.compile(rb"arn:[a-z0-9-]+:kms:([a-z0-9-]+):[0-9]{12}:key/[A-Za-z0-9-]+")


def read_private(path: Path) -> bytes:
    """The file, which nobody else may read. Raises `Unavailable`."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        data = path.read_bytes()
    except OSError as e:
        raise Unavailable(f"The parent key {path} cannot be read: {e.strerror}.") from e
    if mode & 0o077:
        raise Unavailable(f"The parent key {path} is open to others (mode {mode:04o}): chmod 600 it.")
    return data


def _checked(key: bytes, path: Path) -> bytes:
    if len(key) != _SIZE:
        raise Unavailable(f"The parent key {path} is not 32 bytes long: restore it from your backup.")
    return key


def arn_in(spec: bytes) -> str:
    """The ARN that says which key of AWS KMS it is, without the end of its line; empty for what is no ARN of one."""
    return spec.strip().decode() if _ARN.fullmatch(spec.strip()) and len(spec) != _SIZE else ""


AwsParent = Callable[[str], ParentKey]
"""The parent key that an ARN names."""


def parent_of(spec: bytes, aws: AwsParent) -> ParentKey:
    """What a parent key's file says: 32 bytes, or an ARN. Raises `Unavailable` for what is neither."""
    if arn := arn_in(spec):
        return aws(arn)
    if len(spec) != _SIZE:
        raise Unavailable("It is no parent key: that has 32 bytes, or is the ARN of a key of AWS KMS.")
    return FileParentKey(spec)


class ParentFile:
    """The parent key that `make` makes of what the file `path` says: another one once the file is another one.

    If it cannot be read any more, it is as it was.
    """

    def __init__(self, path: Path, make: Callable[[bytes], ParentKey]) -> None:
        self._path, self._make = path, make
        self._seen = self._look()
        self._parents = self._load()

    def _look(self) -> tuple[int, ...]:
        """Another answer for another file; nothing where it cannot be looked at."""
        try:
            found = self._path.stat()
        except OSError:
            return ()
        return found.st_ino, found.st_mtime_ns, found.st_size

    def _load(self) -> tuple[ParentKey]:
        data = read_private(self._path)
        return (self._make(data if arn_in(data) else _checked(data, self._path)),)

    def __call__(self) -> tuple[ParentKey]:
        seen = self._look()
        if seen and seen != self._seen:
            self._parents, self._seen = self._load(), seen
        return self._parents
