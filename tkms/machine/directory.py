"""The data directory of one machine: what is in it, how it is made, who may use it at a time.

site.json     tenant, region, account; `ready` once the first credential and key exist, `authenticated` once the rows
              have MACs: outside the store, so that nobody who writes there brings their take-over about again;
              `welcomed` once the operator was told the first credential; `restored` when `tkms restore` made it what it
              is, and `paused` from then on until an operator says `tkms resume`
parent.key    32 bytes that seal everything else (mode 0600): back it up apart from the rest
kms.sqlite3   keys and credentials; kms.sqlite3-nonces/ holds used nonces
audit.jsonl   one line per call; refused.jsonl what strangers tried; and what of both is closed
server.lock   held by the running server; server.json says where it serves, credentials-uri where it gives access keys
tls/          the certificates of `tkms tls`, if any; backup.json says when `tkms backup` made the last one, and where
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Protocol

import msgspec

from functions.endpoint.dispatch import InlineDispatcher
from tenantkms.access.policy import ALLOW_ALL
from tenantkms.audit.metrics import Metrics
from tenantkms.model.limits import DEFAULT, Limits
from tenantkms.model.site import Site
from tenantkms.names import DIALECTS
from tenantkms.parent.port import SealBroken
from tenantkms.runtime.assemble import Settings, SettingsError, one_machine
from tenantkms.runtime.invoke import Dispatcher, ask
from tenantkms.store.file_lock import Later, at_once
from tenantkms.store.shared import Memory
from tkms.anchor import anchor, take_over
from tkms.machine.lock import closing, is_held, locked
from tkms.machine.server_file import ServerFile, read_server, write_server
from tkms.machine.site_file import NAME, Restored, SiteFile, made, new_site, read_site, write_site
from tkms.whole import WRITING, write_whole

DEFAULT_ALIAS = "default"
RESTORING = ".restoring"
"""Where `tkms restore` keeps what is to be in a directory, until all of it is there."""
HARMLESS = {"setup.lock", "parent.key", "lost+found", ".gitkeep", ".keep", ".gitignore", ".DS_Store"}
"""What may be in a directory before it is made: what others of us, file systems and people put there."""


class Seed(Protocol):
    """What is to be in a directory when it is made. Both raise `SettingsError`."""

    def check(self, account: str) -> None:
        """Before anything is made; `account` is that of its ARNs."""

    def apply(self, settings: Settings) -> None:
        """Before the directory gets what it would have without it."""


def default_directory() -> Path:
    """$TKMS_DATA_DIR, or `tenant-kms` in the user's data directory."""
    if chosen := os.environ.get("TKMS_DATA_DIR"):
        return Path(chosen)
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "tenant-kms"


class Directory:
    """A data directory. `open` gives the settings of what is in it, with these `limits`; `make` makes it before,
    if it is not there. `later` gives back the locks of its files (`FileLock`), `memory` is that of all processes of one
    server; `other_arns` as `Site` has them, `metrics` as `one_machine`.
    """

    def __init__(
        self,
        path: Path,
        limits: Limits = DEFAULT,
        later: Later = at_once,
        memory: Memory | None = None,
        other_arns: tuple[str, ...] = (),
        metrics: Metrics | None = None,
    ) -> None:
        self.path, self._other_arns = path, other_arns
        self._limits, self._later, self._memory, self._metrics = limits, later, memory, metrics

    @property
    def _site(self) -> Path:
        return self.path / NAME

    @property
    def absent(self) -> str:
        """What is said where there is none."""
        return (
            f"There is no data directory at {self.path}: name yours with --data-dir or $TKMS_DATA_DIR, make one of a"
            " backup with tkms restore, or a new one with tkms init or tkms serve."
        )

    @property
    def credentials_uri(self) -> Path:
        return self.path / "credentials-uri"

    @property
    def tls(self) -> Path:
        return self.path / "tls"

    def open(self) -> Settings:
        """Raises `SettingsError` that says what to do, and `Unavailable` when something in it is damaged."""
        with self._held(new=False):
            return self._settings(read_site(self.path))

    def make(
        self,
        tenant: str | None = None,
        region: str | None = None,
        account: str | None = None,
        seed: Seed | None = None,
        *,
        empty: bool = False,
    ) -> Settings:
        """What is given names a new directory for ever; an existing one must have these names. Raises as `open`.
        `empty`: a new one has no first access key and no first key, and nobody is told of them."""
        with self._held(new=True):
            if self._site.exists():
                site = read_site(self.path)
                if tenant not in (None, site.tenant):
                    raise SettingsError(f"{self.path} belongs to tenant {site.tenant!r}, not to {tenant!r}.")
                self._check_arns(site, region, account)
            else:
                site = new_site(tenant, region, account, empty=empty)
            if seed:
                seed.check(site.account)
            if not self._site.exists():
                write_site(self.path, site)
            return self._settings(site, seed, empty=empty)

    def alone(self) -> AbstractContextManager[None]:
        """Nobody else makes something in it meanwhile."""
        return self._held(new=False)

    @contextmanager
    def _held(self, *, new: bool) -> Iterator[None]:
        """Alone in it, so that all of it is there or none. Raises `SettingsError` for what it cannot be used as."""
        try:
            if new:
                self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._site.exists():
                self._refuse_foreign()
                if not new and not self._site.exists():
                    raise SettingsError(self.absent)
            self._check_owner()
            if not self._site.exists():
                self.path.chmod(0o700)
            self._check_modes()
            with locked(self.path / "setup.lock", held=""):
                yield
        except OSError as e:
            raise SettingsError(f"The data directory {self.path} cannot be used: {e.strerror}.") from e

    def _refuse_foreign(self) -> None:
        """Raises `SettingsError` for a directory with something in it that is not of one that is being made."""
        names = {path.name for path in self.path.iterdir()} if self.path.is_dir() else set()
        if self._site.exists():  # somebody makes it now: what was listed came after this
            return
        if RESTORING in names:
            raise SettingsError(f"A restore did not come to its end in {self.path}: tkms restore FILE again.")
        if "kms.sqlite3" in names:
            raise SettingsError(
                f"{self._site} is missing, which has tenant, region and account of the store beside it: restore it."
            )
        if any(name not in HARMLESS and not name.startswith(WRITING) for name in names):
            raise SettingsError(
                f"{self.path} is not a data directory and not empty: choose another one with --data-dir."
            )

    def _check_owner(self) -> None:
        owner = self.path.stat().st_uid
        if os.geteuid() not in (0, owner):
            raise SettingsError(
                f"The data directory {self.path} belongs to user {owner}, and this is user {os.geteuid()}:"
                f" chown {os.geteuid()} it, or run as its owner."
            )

    def _check_modes(self) -> None:
        """Nobody else may look into the directory, and its files are the owner's alone.

        Those of older releases were not, which mattered to nobody as long as the directory was closed. What the mode
        of `parent.key` says is told by `FileParentKey`: if it was open, somebody may have read it.
        """
        mode = stat.S_IMODE(self.path.stat().st_mode)
        if mode & 0o077:
            raise SettingsError(f"The data directory {self.path} is open to others (mode {mode:04o}): chmod 700 it.")
        for path in self.path.iterdir():
            if path.name == "parent.key":
                continue
            with suppress(FileNotFoundError):  # what others write meanwhile comes and goes
                found = path.stat().st_mode
                if stat.S_ISREG(found) and found & 0o077:
                    path.chmod(0o600)

    def _check_arns(self, site: SiteFile, region: str | None, account: str | None) -> None:
        """Region and account stand in ARNs, and ARNs in what the users' encryption SDKs have written."""
        for name, given, has in (("region", region, site.region), ("account", account, site.account)):
            if given not in (None, has):
                raise SettingsError(
                    f"{self.path} has the {name} {has!r}, which stands in every message that an encryption SDK has"
                    f" made with a key of it: with {given!r} those would not open. If there are none, change"
                    f" {self._site}."
                )

    def _check_parts(self, site: SiteFile) -> None:
        """A part that is missing is never made anew beside the others. Raises `SettingsError`."""
        parent, store = ((self.path / name).exists() for name in ("parent.key", "kms.sqlite3"))
        missing = [
            f"{self.path}/{name}"
            for name, there, wanted in (
                ("parent.key", parent, site.ready or store),
                ("kms.sqlite3", store, site.ready),
            )
            if wanted and not there
        ]
        if missing:
            raise SettingsError(
                f"{' and '.join(missing)} {'are' if missing[1:] else 'is'} missing: restore"
                f" {'them' if missing[1:] else 'it'} from a backup. For a new KMS choose another --data-dir."
            )
        if not parent:
            write_whole(self.path / "parent.key", os.urandom(32))

    def _settings(self, site: SiteFile, seed: Seed | None = None, *, empty: bool = False) -> Settings:
        self._check_parts(site)
        where = Site(tenant=site.tenant, region=site.region, account=site.account, other_arns=self._other_arns)
        settings = one_machine(
            self.path, where, limits=self._limits, later=self._later, memory=self._memory, metrics=self._metrics
        )
        if site.authenticated and not settings.root.exists():
            raise SettingsError(
                f"{self.path}/kms.sqlite3 has no root secret, so no row of it is believed: restore it from a backup,"
                " and if it was copied while a server ran, kms.sqlite3-wal with it, which has what was new."
                ' If that is of a release before MACs, set "authenticated" in site.json to false, once.'
            )
        try:
            anchor(settings)
        except SealBroken:
            raise SettingsError(
                f"{self.path}/parent.key is not the one that this directory was sealed with: restore the right one."
                " With another one nothing here opens, and what is made would be lost when the right one is back."
            ) from None
        if not site.authenticated:
            for _ in take_over(settings):
                pass
        if seed:
            seed.apply(settings)
        if not (site.ready or site.empty or empty):
            self._first_contents(settings)
        done = made(site, empty=empty)
        if done != site:
            write_site(self.path, done)
        return msgspec.structs.replace(settings, not_before=Restored(self.path))

    def _first_contents(self, settings: Settings) -> None:
        if not settings.access.store.has_credentials():
            settings.access.create("first", DIALECTS, ALLOW_ALL, int(settings.deps.clock()))
        if settings.deps.keyring.alias(DEFAULT_ALIAS) is None:
            call(settings, "CreateKey", {"alias": DEFAULT_ALIAS, "description": "The first key"})

    @property
    def welcomed(self) -> bool:
        """Whether the operator was told the first credential."""
        return read_site(self.path).welcomed

    def note_welcomed(self) -> None:
        with self._held(new=False):
            write_site(self.path, msgspec.structs.replace(read_site(self.path), welcomed=True))

    @property
    def paused(self) -> bool:
        """Whether nothing is rotated or destroyed, since it was restored and nobody has said `tkms resume`."""
        return read_site(self.path).paused

    # -- the running server --

    @contextmanager
    def serving(self, server: ServerFile, credentials_uri: str = "", lock: int = -1) -> Iterator[int]:
        """Hold the directory as its one `server`, by the open file that is answered. `lock` is that of the server
        whose place this one takes. Raises `SettingsError` if there is another one.

        Without a `credentials_uri` that of the last server goes.
        """
        with closing(lock) if lock >= 0 else locked(self.path / "server.lock", self.served) as file:
            write_server(self.path, server)
            if credentials_uri:
                write_whole(self.credentials_uri, f"{credentials_uri}\n".encode())
            else:
                self.credentials_uri.unlink(missing_ok=True)
            yield file

    @property
    def served(self) -> str:
        """What is said to a second server."""
        where = self.server_url() or "another address"
        return f"A server is already running on {self.path} ({where}): stop it, or use another --data-dir."

    def running(self) -> bool:
        """Whether a server holds the directory now."""
        return is_held(self.path / "server.lock")

    def server_url(self) -> str | None:
        """Where the last server of this directory served."""
        return read_server(self.path).url or None


def as_operator(dispatch: Dispatcher, action: str, params: dict[str, object]) -> dict[str, object]:
    """Run an Action as the operator. Raises its domain error."""
    return ask(dispatch, "tkms", ALLOW_ALL, secrets.token_hex(16), action, params)


def call(settings: Settings, action: str, params: dict[str, object]) -> dict[str, object]:
    """`as_operator`, in this process."""
    return as_operator(InlineDispatcher(settings.deps), action, params)
