"""The certificate that a server serves with: loaded, looked at meanwhile, and loaded again when it was replaced."""

from __future__ import annotations

import argparse
import ipaddress
import ssl
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from msgspec import Struct

from tenantkms.runtime.assemble import Settings, SettingsError
from tkms.machine.directory import Directory
from tkms.output import typed
from tkms.tls.authority import RENEW, Authority
from tkms.tls.pem import Password, check_pair, is_encrypted, read

_AGAIN = timedelta(days=1)
"""How often it is warned of the same."""


class ServerCertificate:
    """`context` is what connections that come now are served with. Raises `SettingsError` that names the file.

    `renew` is asked first of all when it is looked at.
    """

    def __init__(self, cert: Path, key: Path, password: Password, renew: Callable[[], object] = lambda: None) -> None:
        self._cert, self._key, self._password, self._renew = cert, key, password, renew
        self._warned = datetime.min.replace(tzinfo=UTC)
        self._seen = self._stamp()
        self.context = self._load()

    def _stamp(self) -> object:
        try:
            return [(s.st_ino, s.st_mtime_ns, s.st_size) for s in (f.stat() for f in (self._cert, self._key))]
        except OSError:
            return None

    def _load(self) -> ssl.SSLContext:
        self._ends = check_pair(self._cert, self._key, self._password).not_valid_after_utc
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self._cert, self._key, self._password)
        except (OSError, ssl.SSLError) as e:
            raise SettingsError(f"The TLS certificate {self._cert} or its key {self._key} cannot be used: {e}.") from e
        return context

    def look(self) -> Iterator[str]:
        """What the operator is to be told. Files that were replaced are served from now on, if they can be."""
        try:
            self._renew()
            stamp = self._stamp()
            if stamp not in (None, self._seen):
                self._seen = stamp
                self.context = self._load()
                yield f"the certificate in {self._cert} is a new one, until {self._ends:%Y-%m-%d}"
        except SettingsError as e:
            yield f"warning: {e} The server goes on with the certificate that it has."
        now = datetime.now(UTC)
        if self._ends - now < RENEW and now >= self._warned + _AGAIN:
            self._warned = now
            ends = "has expired" if now >= self._ends else "expires"
            yield f"warning: the certificate in {self._cert} {ends} at {self._ends:%Y-%m-%d %H:%M} UTC"


def _password(file: Path | None, key: Path) -> Password:
    """Asked for once, and now: several processes load the key, and may have to load it again."""
    known: list[bytes] = []

    def password() -> bytes:
        if not known:
            if file:
                given, where = read(file).rstrip(b"\r\n"), f"{file} has no password: it is empty."
            elif sys.stdin.isatty():
                given, where = typed(f"Password of {key}: "), "No password was typed."
            else:
                raise SettingsError(
                    f"The private key in {key} is encrypted, and there is no terminal to ask for its password: name a"
                    " file with it by --tls-key-password-file."
                )
            if not given:
                raise SettingsError(where)
            known.append(given)
        return known[0]

    if not file and sys.stdin.isatty() and is_encrypted(key):
        password()
    return password


class Choice(Struct):
    """The certificate that a command line chooses. Both raise `SettingsError`.

    `check` looks at it before there is a directory, and `certificate` loads it. `files` are those of the certificate
    and of its key, where they are not the directory's own.
    """

    check: Callable[[], object]
    certificate: Callable[[Directory, Settings], ServerCertificate]
    files: tuple[str, str] = ("", "")


def chosen(args: argparse.Namespace) -> Choice:
    """Raises `SettingsError`. Nothing secret was read then, but a password where somebody was asked for it."""
    if bool(args.tls_cert) != bool(args.tls_key):
        raise SettingsError("--tls-cert and --tls-key go together.")
    if args.tls and args.tls_cert:
        raise SettingsError("--tls makes a certificate: it does not go with --tls-cert and --tls-key.")
    if args.tls_key_password_file and not args.tls_key:
        raise SettingsError("--tls-key-password-file goes with --tls-key.")
    if args.tls:
        return Choice(lambda: None, partial(_own, args.host))
    password = _password(args.tls_key_password_file, args.tls_key)
    load = partial(ServerCertificate, args.tls_cert, args.tls_key, password)
    files = (str(args.tls_cert.absolute()), str(args.tls_key.absolute()))
    return Choice(load, lambda _directory, _settings: load(), files)


def _own(host: str, directory: Directory, settings: Settings) -> ServerCertificate:
    """The certificate of the directory's own authority, made where it is not there yet, with the name `host`.

    Raises `SettingsError`.
    """
    authority = Authority(directory.tls, settings.site.tenant)
    with directory.alone():
        authority.ensure([] if _is_any(host) else [host])

    def renew() -> None:
        if authority.due():
            with directory.alone():
                authority.ensure()

    return ServerCertificate(authority.server, authority.server, lambda: b"", renew)


def _is_any(host: str) -> bool:
    """Whether `host` is no address, but all that this machine has."""
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_unspecified
    except ValueError:
        return not host
