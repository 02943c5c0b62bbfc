"""Where a command works: a data directory of this machine, or a deployed stack. The commands see no difference."""

from __future__ import annotations

import argparse
import re
import secrets
import socket
import sys
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Protocol
from urllib.parse import urlsplit

from tenantkms.access.credentials import Access
from tenantkms.errors import InvalidKeyId, Unavailable
from tenantkms.keys import maintenance
from tenantkms.keys.maintenance import Progress, Report
from tenantkms.runtime.assemble import Settings
from tenantkms.store.integrity import IntegrityFault
from tkms.machine.directory import Directory, call
from tkms.output import PAUSED, Failed

_ARN = re.compile(r"(?:arn:aws|acs):kms:([^:]*):([^:]*):(?:key/|(?=alias/))(.*)", re.DOTALL)
"""What the servers of both vendors' dialects print; without `key/` it names an alias."""
DEFAULT_URL = "http://127.0.0.1:8480"
_SECONDS = 2


class Place(Protocol):
    @property
    def settings(self) -> Settings:
        """What it is made of, in this process."""

    @property
    def access(self) -> Access:
        """The credentials."""

    @property
    def url(self) -> str:
        """Where clients go."""

    def call(self, action: str, params: dict[str, object]) -> dict[str, object]:
        """Run an Action as the operator. Raises its domain error."""

    def maintain(
        self, bar: Callable[[str], Progress] | None, *, dry_run: bool, trust_clock: bool
    ) -> Iterator[tuple[str, Report]]:
        """Do the scheduled work now, all of it: (work, what of it is done so far), again and again, `left` until it is.

        `bar(name)` shows how many keys have been looked at. Raises what hinders the rest.
        """


class OneMachine:
    """A data directory."""

    def __init__(self, directory: Directory) -> None:
        self._directory, self.settings = directory, directory.open()
        self.access = self.settings.access
        self.url = directory.server_url() or DEFAULT_URL

    def close(self) -> None:
        """To be called once, when nothing is done there any more. Its files are closed when it is dropped."""
        if self.settings.log:
            self.settings.log.close()

    def call(self, action: str, params: dict[str, object]) -> dict[str, object]:
        return call(self.settings, action, params)

    def maintain(
        self, bar: Callable[[str], Progress] | None, *, dry_run: bool, trust_clock: bool
    ) -> Iterator[tuple[str, Report]]:
        if not dry_run and self._directory.paused:
            raise Failed(f"{PAUSED}.")
        how: Any = {"dry_run": dry_run, "trust_clock": trust_clock}
        for name, job in maintenance.JOBS.items():
            how["progress"] = bar(name) if bar else None
            sweep = partial(maintenance.run, job, self.settings.deps, secrets.token_hex(16), **how)
            for report in maintenance.complete(sweep):
                yield name, report


def _listens(url: str) -> bool:
    """Whether something takes connections at a URL with a host."""
    parts = urlsplit(url)
    try:
        address = parts.hostname, parts.port or {"http": 80, "https": 443}[parts.scheme]
        socket.create_connection(address, _SECONDS).close()
    except (OSError, UnicodeError):  # the latter for a name that is none
        return False
    return True


def tell_absence(url: str, directory: Directory | None) -> None:
    """Say on standard error if nothing serves at `url`, or not `directory` but another one."""
    if not _listens(url):
        found = "no server"
    elif directory and not directory.running():
        found = f"a server that is not of {directory.path}"
    else:
        return
    rest = ": tkms serve" if directory else ", as seen from this machine"
    print(f"tkms: {found} runs at {url} now{rest}", file=sys.stderr)


def reason(error: Exception) -> str:
    """What an error says. Callers of the API are not told what is behind an `Unavailable`; the operator is.

    Nor does the API say how this command names a key.
    """
    if isinstance(error, InvalidKeyId):
        return f"{error} A key is named by its id, alias/NAME or ARN: tkms key list"
    if isinstance(error, IntegrityFault):
        return f"The row {error.details}: tkms doctor finds all such rows."
    behind = error.__cause__ if isinstance(error, Unavailable) else None
    said = getattr(behind, "strerror", None) or str(behind)
    return f"{error} ({behind})" if behind and said not in str(error) else str(error)


def key_of(place: Place, text: str) -> str:
    """As `named_by`, there."""
    site = place.settings.site
    return named_by(text, site.region, site.account)


def named_by(text: str, region: str, account: str) -> str:
    """The id or alias/NAME that `text` is, or is the ARN of. Raises `Failed` for an ARN that is of elsewhere."""
    arn = _ARN.fullmatch(text)
    if arn is None:
        return text
    if (arn[1], arn[2]) != (region, account):
        raise Failed(f"There is no key {text}: ARNs of this tenant have the region {region} and the account {account}.")
    return arn[3]


def find(args: argparse.Namespace) -> Place:
    """The place that the command line names, until the command ends. An ARN in its `key` is replaced by what it names
    there.

    Raises `SettingsError` that says what to do, and `Failed` as `key_of`.
    """
    if args.stack:
        from tkms.stack.stack import Stack  # botocore is not the other commands' to load

        place: Place = Stack(args.stack)
    else:
        place = machine = OneMachine(Directory(args.data_dir))
        args.ending.callback(machine.close)
    if getattr(args, "key", ""):
        args.key = key_of(place, args.key)
    return place
