"""`tkms tls`: the authority and certificate of a data directory, and how clients trust it."""

from __future__ import annotations

import argparse

from cryptography.hazmat.primitives import hashes

from tenantkms.runtime.assemble import SettingsError
from tkms.machine.directory import Directory
from tkms.output import print_json, table
from tkms.tls.authority import Authority, names_of
from tkms.tls.pem import read, read_certificates
from tkms.tls.trust import told
from tkms.whole import writing


def tls(args: argparse.Namespace) -> int:
    directory = Directory(args.data_dir)
    authority = Authority(directory.tls, directory.open().site.tenant)
    with directory.alone():
        made = authority.ensure(args.names, renew=args.renew)
    if args.copy_ca:
        try:
            with writing(args.copy_ca, mode=0o644) as file:
                file.write(read(authority.ca))
        except OSError as e:
            raise SettingsError(f"{args.copy_ca} cannot be written: {e.strerror}.") from e
    ca, certificate = read_certificates(authority.ca)[0], authority.certificate()
    ca_path = (args.copy_ca or authority.ca).absolute()
    facts = {
        "ca": str(ca_path),
        "sha256": ca.fingerprint(hashes.SHA256()).hex(),
        "names": names_of(certificate),
        "expires": f"{certificate.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}",
        "made": made,
    }
    if args.json:
        print_json(facts)
        return 0
    table(
        [
            ("CA certificate", str(ca_path)),
            ("its SHA-256", str(facts["sha256"])),
            ("server's names", " ".join(names_of(certificate))),
            ("valid until", f"{facts['expires']}{', just made' if made else ''}"),
        ]
    )
    print("\nServe with it: tkms serve --tls. A server that runs takes a new one within a minute.")
    print("How clients trust it. A variable is of their process, and but for Node's no other authority counts then:\n")
    table(told(str(ca_path)))
    return 0
