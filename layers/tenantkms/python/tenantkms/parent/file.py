"""The parent key of one machine: a file."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tenantkms.errors import Unavailable
from tenantkms.parent.port import Binding, SealBroken, content


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
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
            key = path.read_bytes()
        except OSError as e:
            raise Unavailable(f"The parent key {path} cannot be read: {e.strerror}.") from e
        if mode & 0o077:
            raise Unavailable(f"The parent key {path} is open to others (mode {mode:04o}): chmod 600 it.")
        if len(key) != 32:
            raise Unavailable(f"The parent key {path} is not 32 bytes long: restore it from your backup.")
        return cls(key)

    def seal(self, secret: bytes, binding: Binding) -> bytes:
        nonce = self._random(12)
        header = binding.header()
        return self._VERSION + nonce + self._aead.encrypt(nonce, header + secret, header)

    def unseal(self, sealed: bytes, binding: Binding) -> bytes:
        if sealed[:1] != self._VERSION:
            raise SealBroken("Sealed material has an unknown version.")
        try:
            plaintext = self._aead.decrypt(sealed[1:13], sealed[13:], binding.header())
        except (InvalidTag, ValueError):
            raise SealBroken("Sealed material does not open under this parent key.") from None
        return content(plaintext, binding)
