"""What `site.json` of a data directory says: chosen once, when it is made."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import msgspec
from msgspec import Struct

from tenantkms.errors import Unavailable
from tenantkms.runtime.assemble import SettingsError, check_tenant
from tkms.whole import write_whole

NAME = "site.json"

_TENANT = "local"
DEFAULT_REGION = "cn-hangzhou"
"""Alibaba Cloud's Encryption SDK wants a region that it knows; AWS's clients take any."""
REGION_FORM = re.compile("[a-z0-9-]{1,32}")
ACCOUNT_FORM = re.compile("[0-9]{12}")


class SiteFile(Struct, frozen=True, kw_only=True):
    """See `tkms.machine.directory`. `restored` is when it was restored last, in Unix seconds; 0: never.

    `empty`: until it is ready it is to have no first contents, whoever goes on with it.
    """

    tenant: str
    region: str
    account: str
    ready: bool
    authenticated: bool = False
    welcomed: bool = True  # by a release that did not note it
    restored: int = 0
    paused: bool = False
    empty: bool = False


def read_site(directory: Path) -> SiteFile:
    """Raises `SettingsError` for one that is damaged, and `OSError`."""
    path = directory / NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=SiteFile)
    except msgspec.DecodeError as e:
        raise SettingsError(f"{path} is damaged: restore it from your backup ({e}).") from e


class Restored:
    """When a directory was restored last, as its `site.json` says now, to a server that runs too. Raises `Unavailable`.

    What is read after this was written is judged by it, in whatever process.
    """

    def __init__(self, directory: Path) -> None:
        self._directory, self._file = directory, directory / NAME
        self._known: tuple[tuple[int, int], int] | None = None

    def __call__(self) -> int:
        try:
            found = self._file.stat()
            seen = found.st_ino, found.st_mtime_ns
            known = self._known
            if known is None or known[0] != seen:
                known = self._known = seen, read_site(self._directory).restored
        except (OSError, SettingsError) as e:
            raise Unavailable(f"{self._file} cannot be read.") from e
        return known[1]


def write_site(directory: Path, site: SiteFile) -> None:
    write_whole(directory / NAME, msgspec.json.encode(site))


def made(site: SiteFile, *, empty: bool) -> SiteFile:
    """What is said of it when all is there that is to be at first."""
    welcomed = site.welcomed or empty
    return msgspec.structs.replace(site, ready=True, authenticated=True, welcomed=welcomed, empty=False)


def new_site(tenant: str | None, region: str | None, account: str | None, *, empty: bool = False) -> SiteFile:
    """What is given, and what stands for the rest. Raises `SettingsError`."""
    name = check_tenant(tenant or _TENANT)
    if not REGION_FORM.fullmatch(region or DEFAULT_REGION):
        raise SettingsError("--region has up to 32 lower-case letters, digits and '-'.")
    if account and not ACCOUNT_FORM.fullmatch(account):
        raise SettingsError("--account has 12 digits.")
    account = account or str(10**11 + secrets.randbelow(9 * 10**11))
    where = region or DEFAULT_REGION
    return SiteFile(tenant=name, region=where, account=account, ready=False, welcomed=empty, empty=empty)
