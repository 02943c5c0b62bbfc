"""What `site.json` of a data directory says: chosen once, when it is made."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

import msgspec
from msgspec import Struct

from tenantkms.runtime.assemble import SettingsError, check_tenant
from tkms.whole import write_whole

NAME = "site.json"

_TENANT = "local"
DEFAULT_REGION = "cn-hangzhou"
"""Alibaba Cloud's Encryption SDK wants a region that it knows; AWS's clients take any."""
_REGION = re.compile("[a-z0-9-]{1,32}")
_ACCOUNT = re.compile("[0-9]{12}")


class SiteFile(Struct, frozen=True, kw_only=True):
    """See `tkms.machine.directory`. `restored` is when it was restored last, in Unix seconds; 0: never."""

    tenant: str
    region: str
    account: str
    ready: bool
    authenticated: bool = False
    welcomed: bool = True  # by a release that did not note it
    restored: int = 0
    paused: bool = False


def read_site(directory: Path) -> SiteFile:
    """Raises `SettingsError` for one that is damaged, and `OSError`."""
    path = directory / NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=SiteFile)
    except msgspec.DecodeError as e:
        raise SettingsError(f"{path} is damaged: restore it from your backup ({e}).") from e


def write_site(directory: Path, site: SiteFile) -> None:
    write_whole(directory / NAME, msgspec.json.encode(site))


def new_site(tenant: str | None, region: str | None, account: str | None) -> SiteFile:
    """What is given, and what stands for the rest. Raises `SettingsError`."""
    name = check_tenant(tenant or _TENANT)
    if not _REGION.fullmatch(region or DEFAULT_REGION):
        raise SettingsError("--region has up to 32 lower-case letters, digits and '-'.")
    if account and not _ACCOUNT.fullmatch(account):
        raise SettingsError("--account has 12 digits.")
    account = account or str(10**11 + secrets.randbelow(9 * 10**11))
    return SiteFile(tenant=name, region=region or DEFAULT_REGION, account=account, ready=False, welcomed=False)
