"""A certificate authority of a data directory's own, and the certificate that its server has of it.

ca.key      the authority's private key and certificate; serving needs neither
ca.pem      its certificate, which clients are to trust
server.pem  the server's private key and certificate
"""

from __future__ import annotations

import ipaddress
import os
import re
import socket
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tenantkms.runtime.assemble import SettingsError
from tkms.tls.pem import read_certificates, read_key
from tkms.whole import write_whole

RENEW = timedelta(days=30)
"""What ends sooner is renewed, or warned of."""
_LIFETIME = timedelta(days=397)
"""Of the server's certificate: the most that clients take which are strict about it."""
_CA_LIFETIME = timedelta(days=3650)
_SKEW = timedelta(hours=1)
"""The clocks of clients may be behind by so much."""
_NAME = re.compile(r"(?=.{1,253}$)(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]{0,62})(\.[A-Za-z0-9_][A-Za-z0-9_-]{0,62})*")


def check_name(name: str) -> str:
    """A host name or an address, as certificates have it. Raises `SettingsError`."""
    try:
        return str(ipaddress.ip_address(name.partition("%")[0]))
    except ValueError:
        if not _NAME.fullmatch(name):
            raise SettingsError(
                f"{name!r} is neither a host name nor an address. One with other letters is written as xn--..."
            ) from None
        return name.lower()


def default_names() -> list[str]:
    """What a server on this machine is called by its clients."""
    own = socket.gethostname().lower()
    return ["localhost", *([own] if _NAME.fullmatch(own) and own != "localhost" else []), "127.0.0.1", "::1"]


def names_of(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in names if isinstance(name, x509.DNSName | x509.IPAddress)]


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _subject(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text[:64])])


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _begun(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    """What both certificates have, valid from now."""
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - _SKEW)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _pem(key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> bytes:
    """Both in one file, which is there whole or not at all."""
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return private + certificate.public_bytes(Encoding.PEM)


class Authority:
    """In the directory `folder` of a data directory, whose lock its users hold where something may be made."""

    def __init__(self, folder: Path, tenant: str) -> None:
        self._folder, self._tenant = folder, tenant
        self._ca_key = folder / "ca.key"
        self.ca, self.server = folder / "ca.pem", folder / "server.pem"

    def certificate(self) -> x509.Certificate:
        """The server's. Raises `SettingsError` that names the file."""
        return read_certificates(self.server)[0]

    def due(self) -> bool:
        """Whether the server's certificate ends soon, and another one can be made."""
        return self._ends_soon(self.certificate()) and self._can_sign()

    def ensure(self, names: Iterable[str] = (), *, renew: bool = False) -> bool:
        """Whether something was made: all of it, or the server's certificate, if it has not all `names`, ends soon, or
        is to be renewed. A new one keeps the names of the old one.

        Raises `SettingsError` that names the file which is missing or damaged.
        """
        wanted = [check_name(name) for name in names]
        if not self.server.exists():
            return self._issue([*default_names(), *wanted])
        has = names_of(self.certificate())
        if renew or not set(wanted) <= set(has) or self.due():
            return self._issue([*has, *wanted])
        return False

    def _ends_soon(self, certificate: x509.Certificate) -> bool:
        return certificate.not_valid_after_utc - datetime.now(UTC) < RENEW

    def _can_sign(self) -> bool:
        return self._ca_key.exists() and not self._ends_soon(read_certificates(self._ca_key)[0])

    def _signer(self) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        anew = f"or remove {self._folder} to begin anew, and have clients trust the new {self.ca.name}."
        if not self._ca_key.exists():
            if self.ca.exists():
                raise SettingsError(f"{self._ca_key} is missing, which signs certificates: put it back, {anew}")
            self._found()
        key, certificate = read_key(self._ca_key, lambda: b""), read_certificates(self._ca_key)[0]
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise SettingsError(f"{self._ca_key} is not the key that was made here: put it back, {anew}")
        if self._ends_soon(certificate):
            raise SettingsError(
                f"The authority in {self.ca} ends at {certificate.not_valid_after_utc:%Y-%m-%d}: remove {self._folder}"
                " to begin anew, and have clients trust the new one."
            )
        if not self.ca.exists():
            write_whole(self.ca, certificate.public_bytes(Encoding.PEM))
        return key, certificate

    def _found(self) -> None:
        """A name of its own, so that nobody takes it for another one that was made here."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _subject(f"tkms CA {os.urandom(4).hex()} of {self._tenant}")
        certificate = (
            _begun(subject, subject, key)
            .not_valid_after(datetime.now(UTC) + _CA_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        write_whole(self._ca_key, _pem(key, certificate))

    def _issue(self, names: list[str]) -> bool:
        ca_key, ca = self._signer()
        key = ec.generate_private_key(ec.SECP256R1())
        unique = list(dict.fromkeys(names))
        identifier = ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        certificate = (
            _begun(_subject(unique[0]), ca.subject, key)
            .not_valid_after(min(datetime.now(UTC) + _LIFETIME, ca.not_valid_after_utc))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.SubjectAlternativeName([_general(name) for name in unique]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
            .sign(ca_key, hashes.SHA256())
        )
        write_whole(self.server, _pem(key, certificate))
        return True
