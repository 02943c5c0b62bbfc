"""Certificates and private keys in PEM files. Whatever is wrong with a file is told with its name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from tenantkms.runtime.assemble import SettingsError

_BEGIN = b"-----BEGIN "
_ENCRYPTED = b"ENCRYPTED"
Password = Callable[[], bytes]
"""The password of an encrypted private key. Raises `SettingsError` where nobody has one."""


def read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as e:
        raise SettingsError(f"The TLS file {file} cannot be read: {e.strerror}.") from e


def is_encrypted(key: Path) -> bool:
    """Whether a password opens it. Raises `SettingsError` if it cannot be read."""
    return _ENCRYPTED in read(key)


def read_certificates(file: Path) -> list[x509.Certificate]:
    """At least one. Raises `SettingsError`."""
    data = read(file)
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError as e:
        if _BEGIN + b"CERTIFICATE" in data:
            raise SettingsError(f"The certificate in {file} is damaged: {e}.") from e
        if b"PRIVATE KEY-----" in data:
            raise SettingsError(f"{file} has a private key and no certificate.") from None
        raise SettingsError(f"{file} has no certificate in PEM{_other_form(data)}.") from None


def read_key(file: Path, password: Password) -> PrivateKeyTypes:
    """Raises `SettingsError`; `password` is asked for if the key is encrypted."""
    data = read(file)
    if b"PRIVATE KEY-----" not in data:
        is_certificate = _BEGIN + b"CERTIFICATE" in data
        other = " but a certificate" if is_certificate else _other_form(data)
        raise SettingsError(f"{file} has no private key in PEM{other}.")
    encrypted = _ENCRYPTED in data
    secret = password() if encrypted else None
    try:
        return load_pem_private_key(data, secret)
    except (ValueError, TypeError, UnsupportedAlgorithm) as e:  # the text of a wrong password differs by its cipher
        why = (
            "the password is wrong, or the key is damaged" if encrypted else f"it is damaged, or of no known kind: {e}"
        )
        raise SettingsError(f"The private key in {file} cannot be used: {why}.") from None


def _other_form(data: bytes) -> str:
    der = data[:1] == b"\x30"
    return ": it is in DER, which openssl (x509 or pkey, -inform DER) turns into PEM" if der else ""


def check_pair(cert: Path, key: Path, password: Password) -> x509.Certificate:
    """The server's certificate, the first one in `cert`, if it is good now and `key` is its private key.

    Raises `SettingsError` that names the file that is to be mended.
    """
    leaf, *others = read_certificates(cert)
    public = _der(read_key(key, password))
    if _der(leaf) != public:
        if any(_der(other) == public for other in others):
            raise SettingsError(f"The server's own certificate must be the first one in {cert}.")
        raise SettingsError(f"The private key in {key} is not that of the certificate in {cert}.")
    check_dates(leaf, cert)
    return leaf


def check_dates(leaf: x509.Certificate, cert: Path) -> None:
    """Raises `SettingsError` if the certificate in `cert` is not good now."""
    now = datetime.now(UTC)
    if now >= leaf.not_valid_after_utc:
        raise SettingsError(f"The certificate in {cert} has expired at {leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC.")
    if now < leaf.not_valid_before_utc:
        begins = f"{leaf.not_valid_before_utc:%Y-%m-%d %H:%M}"
        raise SettingsError(f"The certificate in {cert} is not valid before {begins} UTC: is the clock right?")


def _der(of: x509.Certificate | PrivateKeyTypes) -> bytes:
    """The public key in it; nothing, if it is of a kind that is not known."""
    try:
        return of.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        return b""
