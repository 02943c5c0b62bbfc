"""Recipients and identities of age, as they are given: nothing that may be a secret is repeated."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tkms.output import UsageError, called

RECIPIENT, IDENTITY = "Recipient", "Identity"
"""What pyrage calls the classes of each."""
_BEGIN = ("age1", "ssh-")
_EXPECTED = "one is age1.., or a public key of SSH (ssh-ed25519 .., ssh-rsa ..); a file has one on each line"
_IDENTITY = "AGE-SECRET-KEY-"


def recipients(texts: list[str]) -> list[Any]:
    """Of pyrage. Each text is one, or names a file that has some, as age's `--recipients-file`. Raises `UsageError`."""
    return [
        parsed(RECIPIENT, line, f"{where} is no recipient of age: {_EXPECTED}")
        for text in texts
        for where, line in _lines(text)
    ]


def identities(text: str) -> list[Any]:
    """Of pyrage, those of a file's `text`: one of SSH, or some of age, one on each line. Raises `UsageError`."""
    lines = [line for line in text.splitlines() if line.startswith(_IDENTITY)] or [text]
    return [parsed(IDENTITY, line, "This is no identity of age") for line in lines]


def _lines(text: str) -> Iterator[tuple[str, str]]:
    """(how it is called in an error, a recipient)."""
    if text.strip().startswith(_BEGIN):
        yield repr(text[:100]), text
        return
    try:
        lines = [line.strip() for line in Path(text).read_text("utf-8").splitlines()]
    except (OSError, ValueError):
        what = "An identity" if _IDENTITY in text.upper() else repr(text[:100])
        raise UsageError(f"{what} is no recipient of age, and no file of some: {_EXPECTED}.") from None
    found = [(number, line) for number, line in enumerate(lines, 1) if line and not line.startswith("#")]
    if not found:
        raise UsageError(f"{called(text)} has no recipient of age: {_EXPECTED}.")
    for number, line in found:
        yield f"Line {number} of {called(text)}", line


def parsed(what: str, text: str, told: str) -> Any:
    """A recipient or an identity. Raises `UsageError`, which says what is `told`: what a library says is not repeated,
    an identity being a secret."""
    import pyrage  # few have use for it

    ssh = not text.startswith((_BEGIN[0], _IDENTITY))
    try:
        if ssh:
            found = getattr(pyrage.ssh, what)
            return found.from_buffer(text.encode()) if what == IDENTITY else found.from_str(text)
        return getattr(pyrage.x25519, what).from_str(text.strip())
    except (pyrage.RecipientError, pyrage.IdentityError, ValueError, OSError):
        raise UsageError(f"{told}.") from None
