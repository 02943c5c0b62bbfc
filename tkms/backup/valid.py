"""What a file of a backup or an export says that no release can have written: of it would come a fault, or a right.

Whoever makes such a file for others to open, which a plain one and a recipient of age allow, may say anything in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from tenantkms.errors import KmsError
from tenantkms.runtime.assemble import SettingsError, check_tenant
from tkms.machine.site_file import ACCOUNT_FORM, REGION_FORM, SiteFile

LATEST = 1 << 37
"""Unix seconds that every dialect can write, with an interval of rotation added."""
SHOWN = 64
"""Characters of what a file says."""
_SAID = 300
"""Characters of why that cannot be."""
T = TypeVar("T")
Checks = Mapping[str, Callable[[T], object]]
"""Name of what is looked at -> whether it can be; that may also be an error that says why not."""


def is_time(seconds: int) -> bool:
    return 0 <= seconds < LATEST


WHOSE: Checks[Any] = {
    "tenant": lambda of: check_tenant(of.tenant),
    "region": lambda of: REGION_FORM.fullmatch(of.region),
    "account": lambda of: ACCOUNT_FORM.fullmatch(of.account),
}
WHENCE: Checks[Any] = {
    "format": lambda of: of.format > 0,
    "release": lambda of: len(of.release) <= SHOWN,
    "date": lambda of: is_time(of.created),
}
_COUNTS = ("keys", "older_versions", "aliases", "credentials")
_BACKUP: Checks[Any] = {
    **WHENCE,
    **{name: lambda of, name=name: getattr(of, name) >= 0 for name in _COUNTS},  # type: ignore[misc]
    "audit_head": lambda of: re.fullmatch("|[0-9]{1,20}:[0-9a-f]{1,64}", of.audit_head),
    "parent_fingerprint": lambda of: re.fullmatch("|[0-9a-f]{16}", of.parent_fingerprint),
}
_VISIBLE = re.compile("[!-~]{1,64}")
"""What somebody may have written there by hand is no reason to keep a backup shut."""
_SITE: Checks[SiteFile] = {
    "tenant": WHOSE["tenant"],
    "region": lambda of: _VISIBLE.fullmatch(of.region),
    "account": lambda of: _VISIBLE.fullmatch(of.account),
    "ready": lambda of: of.ready and not of.empty,
    # Else the rows would get their MACs where it is restored, whoever has written them.
    "authenticated": lambda of: of.authenticated,
    "restored": lambda of: is_time(of.restored),
}


def backup_flaws(about: object, site: SiteFile) -> Iterator[str]:
    """Sentences. `about` is a backup's `About`."""
    yield from flaws(_BACKUP, about, "it")
    yield from flaws(_SITE, site, "its site.json")


def flaws(checks: Checks[T], of: T, whose: str) -> Iterator[str]:
    """Sentences about `of`, which is called `whose`."""
    for name, holds in checks.items():
        why = ""
        try:
            if holds(of):
                continue
        except (KmsError, SettingsError) as e:
            why = f": {e}"[:_SAID]
        except ValueError:  # of a library, which may quote what it was given
            pass
        yield f"{whose}: its {name} is none that it can have{why}"
