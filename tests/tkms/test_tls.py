"""`tkms tls` and `tkms serve --tls`: what is made, what is kept, and what is wrong with files of one's own."""

from __future__ import annotations

import argparse
import asyncio
import datetime as dt
import http.client
import json
import os
import pty
import signal
import ssl
import stat
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from kit.callers import Callers
from kit.connections import Wire, command, starting
from kit.memory import children, open_files
from kit.sdk_clients import make_certificate
from kit.support import Server, Signer, new_directory, run_tkms
from tenantkms.runtime.assemble import SettingsError
from tkms.machine import worker
from tkms.tls import serving
from tkms.tls.authority import Authority, names_of

DAY = dt.timedelta(days=1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return new_directory(tmp_path / "data").path


def _tls(data: Path, *args: str) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(run_tkms("tls", *args, "--json", "--data-dir", str(data)).stdout)
    return facts


def _failed(*words: str) -> str:
    done = run_tkms(*words, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1), done
    return done.stderr


def _strict(ca: Path) -> ssl.SSLContext:
    """As Python 3.13 looks at certificates, whichever this is."""
    context = ssl.create_default_context(cafile=str(ca))
    context.verify_flags |= ssl.VerifyFlags.VERIFY_X509_STRICT
    return context


def _status(host: str, port: int, ca: Path) -> int:
    client = http.client.HTTPSConnection(host, port, context=_strict(ca), timeout=20)
    try:
        client.request("GET", "/healthz")
        return client.getresponse().status
    finally:
        client.close()


# -- what is made --------------------------------------------------------------------------------------


def test_it_is_made_once_and_private(data: Path) -> None:
    made = _tls(data)
    files = {path.name: path.read_bytes() for path in (data / "tls").iterdir()}
    assert files.keys() == {"ca.key", "ca.pem", "server.pem"}
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (data / "tls", *(data / "tls").iterdir())]
    assert modes == [0o700, 0o600, 0o600, 0o600]
    assert b"PRIVATE" not in files["ca.pem"]
    assert {"localhost", "127.0.0.1", "::1"} <= set(made["names"])
    assert made["sha256"] == x509.load_pem_x509_certificate(files["ca.pem"]).fingerprint(hashes.SHA256()).hex()
    assert made.pop("made") is True
    again = _tls(data, "localhost")
    assert again.pop("made") is False
    assert again == made
    assert {path.name: path.read_bytes() for path in (data / "tls").iterdir()} == files


def test_names_are_added_and_a_renewal_keeps_them(data: Path) -> None:
    before = _tls(data)
    added = _tls(data, "KMS.example.test", "10.0.0.1", "kms_1")
    assert added["names"] == [*before["names"], "kms.example.test", "10.0.0.1", "kms_1"]
    old = (data / "tls" / "server.pem").read_bytes()
    renewed = _tls(data, "--renew")
    assert (renewed["names"], renewed["ca"], renewed["sha256"]) == (added["names"], before["ca"], before["sha256"])
    assert (data / "tls" / "server.pem").read_bytes() != old


@pytest.mark.parametrize("name", ["a b", "https://kms", "kms:8443", "bücher.example", "-x.example", "a" * 254, ""])
def test_what_is_no_name_is_told(data: Path, name: str) -> None:
    assert "neither a host name nor an address" in _failed("tls", "--data-dir", str(data), "--", name)
    assert not (data / "tls").exists()


def test_it_makes_no_data_directory(tmp_path: Path) -> None:
    assert "There is no data directory" in _failed("tls", "--data-dir", str(tmp_path / "typo"))
    assert list(tmp_path.iterdir()) == []


def test_certificates_last_and_say_what_they_are_for(data: Path) -> None:
    authority = Authority(data / "tls", "blue")
    assert authority.ensure()
    ca, leaf = x509.load_pem_x509_certificate(authority.ca.read_bytes()), authority.certificate()
    now = dt.datetime.now(dt.UTC)
    assert now + 390 * DAY < leaf.not_valid_after_utc < now + 398 * DAY
    assert now + 3600 * DAY < ca.not_valid_after_utc < now + 3700 * DAY
    assert leaf.not_valid_before_utc < now - dt.timedelta(minutes=50)
    assert isinstance(leaf.public_key(), ec.EllipticCurvePublicKey)
    usages = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    assert list(usages) == [x509.ExtendedKeyUsageOID.SERVER_AUTH]
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert ca.extensions.get_extension_for_class(x509.BasicConstraints).value.path_length == 0


def test_the_ca_is_copied_for_clients_of_others(data: Path, tmp_path: Path) -> None:
    copy = tmp_path / "shared" / "ca.pem"
    copy.parent.mkdir()
    facts = _tls(data, "--copy-ca", str(copy))
    assert facts["ca"] == str(copy)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o644
    assert copy.read_bytes() == (data / "tls" / "ca.pem").read_bytes()
    told = _failed("tls", "--data-dir", str(data), "--copy-ca", str(tmp_path / "none" / "ca.pem"))
    assert f"{tmp_path}/none/ca.pem cannot be written" in told


def test_what_is_told_is_of_this_certificate(data: Path) -> None:
    told = run_tkms("tls", "--data-dir", str(data)).stdout
    ca = data / "tls" / "ca.pem"
    for words in (
        f"SSL_CERT_FILE={ca}",
        f"NODE_EXTRA_CA_CERTS={ca}",
        f"AWS_CA_BUNDLE={ca}",
        f"ALIBABA_CLOUD_CA_BUNDLE={ca}",
        f"HttpProfile(certification='{ca}')",
        f"-file {ca} -keystore",
        "tkms serve --tls",
    ):
        assert words in told


# -- what is missing -----------------------------------------------------------------------------------


def test_without_the_ca_s_key_it_serves_and_signs_nothing(data: Path) -> None:
    _tls(data)
    (data / "tls" / "ca.key").unlink()
    assert _tls(data)["made"] is False
    with starting(data, "--tls") as start:
        assert _status("127.0.0.1", start.port, data / "tls" / "ca.pem") == 200
    told = _failed("tls", "--renew", "--data-dir", str(data))
    assert f"{data}/tls/ca.key is missing" in told
    (data / "tls" / "server.pem").unlink()
    assert f"{data}/tls/ca.key is missing" in _failed("serve", "--tls", "--port", "0", "--data-dir", str(data))


def test_a_lost_ca_pem_is_the_same_one_again(data: Path) -> None:
    before = _tls(data)
    (data / "tls" / "ca.pem").unlink()
    assert _tls(data, "--renew")["sha256"] == before["sha256"]


@pytest.mark.parametrize("name", ["ca.key", "server.pem"])
def test_a_damaged_file_is_named(data: Path, name: str) -> None:
    _tls(data)
    (data / "tls" / name).write_text("x")
    assert f"{data}/tls/{name} has no" in _failed("tls", "--renew", "--data-dir", str(data))


# -- serving with it -----------------------------------------------------------------------------------


def test_a_first_start_makes_it_and_says_so(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with starting(data, "--tls", "--host", "127.0.0.2") as start:
        assert start.url.startswith("https://127.0.0.2:")
        ca = data / "tls" / "ca.pem"
        assert f"clients are to trust {ca}" in start.printed
        assert f"CA certificate     {ca}" in (data / "welcome.txt").read_text()
        assert _status("127.0.0.2", start.port, ca) == 200
        made = _tls(data)
        assert (made["made"], "127.0.0.2" in made["names"]) == (False, True)
        assert f"CA certificate     {ca}" in run_tkms("welcome", "--data-dir", str(data)).stdout
    with starting(data, "--tls", "--host", "0.0.0.0") as start:
        assert _tls(data)["names"] == made["names"]
        assert _status("localhost", start.port, ca) == 200


def test_the_doctor_is_a_client_that_has_to_trust_it(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with starting(data, "--tls") as start:
        words = ("doctor", "--data-dir", str(data), "--endpoint", start.url)
        refused = run_tkms(*words, check=False)
        assert (refused.returncode, "SSL_CERT_FILE" in refused.stdout) == (1, True)
        monkeypatch.setenv("SSL_CERT_FILE", str(data / "tls" / "ca.pem"))
        assert f"at {start.url} it is the API that answers" in run_tkms(*words).stdout


def test_options_of_a_certificate_of_one_s_own_do_not_go_with_it(data: Path, tmp_path: Path) -> None:
    cert, key = map(str, make_certificate(tmp_path))
    for args, text in (
        (("--tls", "--tls-cert", cert, "--tls-key", key), "--tls makes a certificate"),
        (("--tls-key-password-file", key), "goes with --tls-key"),
    ):
        assert text in _failed("serve", "--port", "0", "--data-dir", str(data), *args)


# -- files of one's own --------------------------------------------------------------------------------


def _certificate(folder: Path, begins: dt.timedelta, ends: dt.timedelta) -> tuple[Path, Path]:
    """Like `make_certificate`, valid from and until then, from now."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tkms test")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    folder.mkdir(exist_ok=True)
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(made.public_bytes(Encoding.PEM))
    key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, serialization.NoEncryption()))
    return cert_file, key_file


def _encrypted(key: Path, password: bytes = b"pass word") -> Path:
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    file = key.with_name("encrypted.pem")
    file.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password)))
    return file


def _both(*files: Path) -> bytes:
    return b"".join(file.read_bytes() for file in files)


def _der(cert: Path, _key: Path, _other: tuple[Path, Path]) -> tuple[bytes, None]:
    return x509.load_pem_x509_certificate(cert.read_bytes()).public_bytes(Encoding.DER), None


Wrong = Callable[[Path, Path, tuple[Path, Path]], tuple[bytes | None, bytes | None]]
WRONG: dict[str, tuple[Wrong, str]] = {
    "no PEM": (lambda c, k, o: (b"x", None), "{cert} has no certificate in PEM."),
    "DER": (_der, "{cert} has no certificate in PEM: it is in DER"),
    "cut": (lambda c, k, o: (c.read_bytes()[:200] + b"\n-----END CERTIFICATE-----\n", None), "in {cert} is damaged"),
    "a key": (lambda c, k, o: (k.read_bytes(), None), "{cert} has a private key and no certificate"),
    "no key": (lambda c, k, o: (None, b"x"), "{key} has no private key in PEM."),
    "two certificates": (lambda c, k, o: (None, c.read_bytes()), "{key} has no private key in PEM but a certificate"),
    "broken key": (lambda c, k, o: (None, k.read_bytes()[:80] + b"\n-----END PRIVATE KEY-----\n"), "key in {key} can"),
    "other key": (lambda c, k, o: (None, o[1].read_bytes()), "key in {key} is not that of the certificate in {cert}"),
    "wrong order": (lambda c, k, o: (_both(o[0], c), None), "certificate must be the first one in {cert}"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_with_a_file_is_told_with_its_name(tmp_path: Path, wrong: str) -> None:
    cert, key = make_certificate(tmp_path)
    (tmp_path / "other").mkdir()
    make, text = WRONG[wrong]
    for file, content in zip((cert, key), make(cert, key, make_certificate(tmp_path / "other")), strict=True):
        if content is not None:
            file.write_bytes(content)
    files = ["--tls-cert", str(cert), "--tls-key", str(key)]
    told = _failed("serve", "--port", "0", "--data-dir", str(tmp_path / "data"), *files)
    assert text.format(cert=cert, key=key) in told
    assert not (tmp_path / "data").exists()


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    cert, _ = make_certificate(tmp_path)
    files = ["--tls-cert", str(cert), "--tls-key", str(tmp_path)]
    told = _failed("serve", "--port", "0", "--data-dir", str(tmp_path / "data"), *files)
    assert f"The TLS file {tmp_path} cannot be read: Is a directory" in told


@pytest.mark.parametrize(("begins", "ends", "text"), [(-9, -1, "has expired at 2"), (1, 9, "is not valid before 2")])
def test_a_certificate_that_is_not_good_now_is_named(tmp_path: Path, begins: int, ends: int, text: str) -> None:
    cert, key = _certificate(tmp_path / "tls", begins * DAY, ends * DAY)
    files = ["--tls-cert", str(cert), "--tls-key", str(key)]
    told = _failed("serve", "--port", "0", "--data-dir", str(tmp_path / "data"), *files)
    assert f"The certificate in {cert} {text}" in told


def test_an_encrypted_key_without_a_terminal_says_so(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)
    key = _encrypted(key)
    password = tmp_path / "password"
    files = ["--tls-cert", str(cert), "--tls-key", str(key)]
    told = _failed("serve", "--port", "0", "--data-dir", str(tmp_path / "data"), *files)
    assert f"{key} is encrypted, and there is no terminal" in told
    assert "--tls-key-password-file" in told
    files += ["--tls-key-password-file", str(password)]
    password.write_text("wrong\n")
    told = _failed("serve", "--port", "0", "--data-dir", str(tmp_path / "data"), *files)
    assert f"{key} cannot be used: the password is wrong" in told
    password.write_text("\n")
    told = _failed("serve", "--port", "0", "--data-dir", str(tmp_path / "data"), *files)
    assert f"{password} has no password: it is empty." in told
    password.write_text("pass word\n")
    with starting(tmp_path / "data", *files) as start:
        assert _status("127.0.0.1", start.port, cert) == 200


def test_an_encrypted_key_on_a_terminal_is_asked_for(tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)
    files = ["--tls-cert", str(cert), "--tls-key", str(_encrypted(key))]
    ours, terminal = pty.openpty()
    line = command("serve", "--port", "0", "--data-dir", str(tmp_path / "data"), *files)
    with subprocess.Popen(line, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True) as process:
        os.close(terminal)
        try:
            shown = ""
            while "Password of " not in shown:
                shown += os.read(ours, 65536).decode()
            os.write(ours, b"pass word\n")
            while "tkms: ready on https://" not in shown:
                shown += os.read(ours, 65536).decode()
        finally:
            process.kill()
            process.communicate(timeout=20)
            os.close(ours)
    assert "pass word" not in shown


# -- while it serves -----------------------------------------------------------------------------------


def _given(cert: Path, key: Path) -> serving.ServerCertificate:
    unused: Any = None
    args = argparse.Namespace(tls=False, tls_cert=cert, tls_key=key, tls_key_password_file=None)
    return serving.chosen(args).certificate(unused, unused)


def test_a_certificate_that_ends_soon_is_warned_of_once_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = _given(*_certificate(tmp_path, -DAY, 29 * DAY))
    (told,) = certificate.look()
    assert f"warning: the certificate in {tmp_path}/cert.pem expires at 2" in told
    assert list(certificate.look()) == []
    monkeypatch.setattr(serving, "_AGAIN", 0 * DAY)
    assert list(certificate.look()) == [told]
    assert list(_given(*_certificate(tmp_path, -DAY, 31 * DAY)).look()) == []


def test_a_certificate_that_was_replaced_is_served_and_a_bad_one_is_not(tmp_path: Path) -> None:
    cert, key = _certificate(tmp_path, -DAY, 99 * DAY)
    certificate = _given(cert, key)
    first = certificate.context
    whole = cert.read_bytes()
    cert.write_bytes(b"half")
    (told,) = certificate.look()
    assert f"{cert} has no certificate in PEM" in told
    assert list(certificate.look()) == []
    cert.unlink()
    assert list(certificate.look()) == []
    cert.write_bytes(whole)
    assert certificate.context is first
    _certificate(tmp_path, -DAY, 98 * DAY)
    (told,) = certificate.look()
    assert f"the certificate in {cert} is a new one" in told
    assert certificate.context is not first


def test_the_server_takes_a_new_one_for_the_connections_that_come(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    looks: list[str] = []

    class Certificate:
        context = "old"

        def look(self) -> list[str]:
            looks.append("look")
            if len(looks) == 1:
                raise TypeError("secret")
            if len(looks) == 3:
                raise SystemExit  # the test has seen enough
            self.context = "new"
            return ["it is new"]

    server: Any = object.__new__(worker.Work)
    server._place, server._hung_up = SimpleNamespace(number=0), asyncio.Event()
    server._listener = SimpleNamespace(tls="old")
    monkeypatch.setattr(worker, "_MAINTENANCE_SECONDS", 0)
    with pytest.raises(SystemExit):
        asyncio.run(server._certify(Certificate()))
    assert server._listener.tls == "new"
    said = capsys.readouterr().err
    assert "tkms: it is new\n" in said
    assert "TypeError" in said
    assert "secret" not in said


def _serial(port: int) -> int:
    pem = ssl.get_server_certificate(("127.0.0.1", port))
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


def test_a_word_of_the_operator_is_heard_by_all_workers_at_once(data: Path) -> None:
    with starting(data, "--tls", "--workers", "2") as start:
        old = _serial(start.port)
        _tls(data, "--renew")
        start.process.send_signal(signal.SIGHUP)
        assert start.process.stderr is not None
        assert "is a new one" in start.process.stderr.readline()
        deadline = time.monotonic() + 20
        while old in {_serial(start.port) for _ in range(8)}:
            assert time.monotonic() < deadline
    assert start.process.returncode == -signal.SIGKILL  # by `starting`: it was still there


def _who_serves(port: int, workers: list[int], trusted: ssl.SSLContext) -> dict[int, set[int]]:
    """The certificates of connections that come now, by the worker that has each (proc_net_tcp(5))."""
    served: dict[int, set[int]] = {worker: set() for worker in workers}
    with ExitStack() as stack:
        for _ in range(4 * len(workers)):
            wire = stack.enter_context(Wire(port, tls=trusted))
            assert isinstance(wire.socket, ssl.SSLSocket)
            leaf = x509.load_der_x509_certificate(wire.socket.getpeercert(binary_form=True) or b"")
            ends = f":{port:04X}", f":{wire.socket.getsockname()[1]:04X}"
            rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
            ours = {f"socket:[{row[9]}]" for row in rows if row[1].endswith(ends[0]) and row[2].endswith(ends[1])}
            for worker in workers:
                if ours & open_files(worker):
                    served[worker].add(leaf.serial_number)
    return served


def test_certificates_change_under_load_and_no_call_fails(data: Path) -> None:
    """Connections that are open stay, those that come get the new certificate, whichever worker has them."""
    trusted = _strict(Path(_tls(data)["ca"]))
    with starting(data, "--tls", "--workers", "2", "--limit", "off") as start:
        signer, workers = Signer(*Server(start.url, data, start.process).credential()), children(start.process.pid)
        with Callers(start.port, signer, kept=4, new=2, tls=trusted) as calls:
            for _ in range(3):
                calls.more(20)
                _tls(data, "--renew")
                leaf = x509.load_pem_x509_certificate((data / "tls" / "server.pem").read_bytes())
                start.process.send_signal(signal.SIGHUP)
                new = {worker: {leaf.serial_number} for worker in workers}
                calls.until(lambda new=new: _who_serves(start.port, workers, trusted) == new)
            calls.more(20)
        assert children(start.process.pid) == workers
    assert (calls.lost, calls.refused, calls.again) == ([], 0, 0)


def test_the_own_certificate_is_renewed_while_it_serves(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    directory = new_directory(data)
    monkeypatch.setattr("tkms.tls.authority._LIFETIME", 29 * DAY)
    args = argparse.Namespace(tls=True, tls_cert=None, tls_key=None, tls_key_password_file=None, host="127.0.0.1")
    certificate = serving.chosen(args).certificate(directory, directory.open())
    monkeypatch.undo()
    (told,) = certificate.look()
    assert "is a new one" in told
    assert list(certificate.look()) == []
    leaf = Authority(directory.tls, "local").certificate()
    assert leaf.not_valid_after_utc > dt.datetime.now(dt.UTC) + 300 * DAY
    assert "127.0.0.1" in names_of(leaf)


def test_an_authority_that_ends_is_told_and_signs_nothing(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority = Authority(data / "tls", "local")
    monkeypatch.setattr("tkms.tls.authority._CA_LIFETIME", 20 * DAY)
    with pytest.raises(SettingsError, match=r"The authority in .*ca.pem ends at 2.*: remove .*tls to begin anew"):
        authority.ensure()
