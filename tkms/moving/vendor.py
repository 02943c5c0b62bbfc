"""What is asked of a vendor whose keys and ciphertexts move here, and how its refusals are told.

Each vendor's own SDK is asked. What it raises becomes one of three: `NotDone` for this one thing, `Unavailable` for
what may work later, `Stopped` for what nothing that follows would fare better with.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping
from threading import Lock, local
from typing import Generic, Protocol, TypeVar
from urllib.parse import urlsplit

from msgspec import Struct

from tenantkms.errors import Unavailable
from tenantkms.model.specs import KeySpec, KeyUsage
from tkms.each import Stopped
from tkms.output import NotDone, UsageError

C = TypeVar("C")
V = TypeVar("V")


class Where(Struct, frozen=True, kw_only=True):
    """Of the vendor; empty is the SDK's own choice."""

    endpoint: str = ""
    region: str = ""
    profile: str = ""


class Opened(Struct, frozen=True, kw_only=True):
    """`plaintext`: bytes, or a string where the vendor's API takes and gives one. `key`: as the vendor names it."""

    plaintext: bytes | str
    key: str

    def __repr__(self) -> str:
        return f"Opened(key={self.key!r})"


class TheirKey(Struct, frozen=True, kw_only=True):
    """A key there. `spec` and `usage` are None where nothing here is like it; `kind` is what they are called there."""

    name: str
    kind: str
    spec: KeySpec | None
    usage: KeyUsage | None
    state: str
    imported: bool
    description: str = ""
    tags: Mapping[str, str] = {}
    aliases: tuple[str, ...] = ()
    rotation_seconds: int = 0


class Vendor(Protocol):
    """Asked by several threads at once."""

    def decrypt(self, sealed: bytes, context: Mapping[str, str], key: str) -> Opened:
        """`sealed` as it was kept: binary, or the text that the API answered. `key`: it must be of this one, if any."""

    def keys(self) -> Iterator[str]:
        """The names of keys that are the user's own."""

    def describe(self, name: str) -> TheirKey | None:
        """None for a key of the vendor's own services."""


class PerThread(Generic[C]):
    """Not every SDK's client may be shared by threads, nor made by two at once."""

    def __init__(self, make: Callable[[], C]) -> None:
        self._make, self._making, self._own = make, Lock(), local()

    def __call__(self) -> C:
        if not hasattr(self._own, "client"):
            with self._making:
                self._own.client = self._make()
        client: C = self._own.client
        return client


def fault(code: str, message: str, status: int, passing: tuple[str, ...], final: tuple[str, ...]) -> Exception:
    """What an error of the API is. `passing`, `final`: how codes begin of what may work later, and of what stops."""
    text = f"{code}: {message}" if message else code
    if code.startswith(passing) or status == 429 or status >= 500:
        return Unavailable(text)
    return Stopped(text) if code.startswith(final) else NotDone(text)


def unreachable(error: Exception) -> Unavailable:
    """Its own text is not told: SDKs quote URLs in it, with what was sent."""
    return Unavailable(f"The endpoint does not answer ({type(error).__name__})")


def lacks(field: str) -> Stopped:
    """SDKs take any page with status 200 for a success, and what it lacks for empty."""
    return Stopped(f"The answer has no {field}: something in front of the API seems to answer in its place")


def there(value: V | None, field: str) -> V:
    """A field of an answer."""
    if value is None:
        raise lacks(field)
    return value


def text_of(sealed: bytes) -> str:
    """A ciphertext as the APIs take it that have texts of their own for it: base64 where it was kept as bytes."""
    try:
        text = sealed.decode("ascii").strip()
    except UnicodeDecodeError:
        return base64.b64encode(sealed).decode()
    return text if text.isprintable() else base64.b64encode(sealed).decode()


def must_be(found: str, wanted: str) -> None:
    """For APIs that cannot be told which key a ciphertext must be of."""
    if wanted and found != wanted:
        raise NotDone(f"is under the key {found}, not {wanted}")


def host_of(where: Where, otherwise: str) -> tuple[str, str]:
    """(scheme, host with port)"""
    if not where.endpoint:
        return "https", otherwise
    parts = urlsplit(where.endpoint if "://" in where.endpoint else f"https://{where.endpoint}")
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/"):
        raise UsageError(f"--endpoint {where.endpoint} is no URL such as https://kms.example.test")
    return parts.scheme, parts.netloc
