"""Backups that tests make and open, closed in each way there is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pyrage import x25519

from tkms.backup.container import Age, Closing, Passphrase, Plain, Secrets
from tkms.backup.contents import Unpacked, unpack
from tkms.backup.write import back_up
from tkms.machine.directory import Directory

ROOT = Path(__file__).parents[2]
PASSPHRASE = b"correct horse battery staple"
QUICK = 10
"""log2 of N, where the cost of a guess is not what is tested."""


def asked() -> bytes:
    return PASSPHRASE


def made(directory: Directory, target: Path, closing: Closing | None = None, *, with_parent: bool = False) -> Path:
    back_up(directory, target, closing or Passphrase(PASSPHRASE, log_n=QUICK), with_parent=with_parent, tell=None)
    return target


def opened(file: Path, folder: Path, passphrase: Callable[[], bytes] = asked, identity: str = "") -> Unpacked:
    folder.mkdir()
    with file.open("rb") as source:
        return unpack(Secrets(passphrase, identity).opened(source, file.name), file.name, folder)


def identity_in(path: Path) -> tuple[str, str]:
    """(recipient, the file of its identity)."""
    identity = x25519.Identity.generate()
    path.write_text(f"# a comment\n{identity}\n")
    return str(identity.to_public()), str(path)


CLOSINGS: dict[str, Callable[[str], Closing]] = {
    "passphrase": lambda _: Passphrase(PASSPHRASE, log_n=QUICK),
    "age": lambda recipient: Age([recipient]),
    "plain": lambda _: Plain(),
}
