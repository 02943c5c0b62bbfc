"""Keys made here like those of a vendor, and the file that says which became which."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import msgspec

from tenantkms.errors import AliasExists, KmsError
from tenantkms.model.alias import ALIAS_PREFIX
from tenantkms.model.site import Site
from tenantkms.wire.dialects.aws.names import named_arn
from tkms.each import Each, Outcome, retried
from tkms.moving.vendor import TheirKey, Vendor
from tkms.output import Failed, NotDone, decode
from tkms.places import Place, reason
from tkms.whole import write_whole


class Key(NamedTuple):
    name: str


class KeysReport(Outcome, kw_only=True):
    """`already`: made by a run before this one; `others`: of the vendor's own services, or about to be deleted."""

    found: int = 0
    moved: int = 0
    already: int = 0
    others: int = 0
    keys: dict[str, str] = {}


def read_map(path: Path) -> dict[str, str]:
    """From the vendor's name of a key to the ARN, id or alias here. Nothing, if there is no such file."""
    try:
        return msgspec.json.decode(decode(path.read_bytes()), type=dict[str, str])
    except FileNotFoundError:
        return {}
    except (OSError, msgspec.DecodeError, UnicodeDecodeError) as e:
        raise Failed(f"{path} is no JSON object from keys there to keys here: {e}") from None


class MakeKeys:
    """`keep` is given the whole map after each key: who is stopped goes on where it was."""

    def __init__(self, vendor: Vendor, place: Place, path: Path, *, check: bool) -> None:
        self._vendor, self._place, self._path, self._check = vendor, place, path, check
        self.report = KeysReport(keys=read_map(path))

    def run(self, progress: Callable[[int], None] | None = None) -> KeysReport:
        """Nothing that is foreseen is raised."""
        Each(self._one, self.report, Lock()).run(self._keys(), progress)
        return self.report

    def _keys(self) -> Iterator[Key]:
        yield from map(Key, self._vendor.keys())

    def _one(self, key: Key) -> None:
        report = self.report
        if key.name in report.keys:
            report.already += 1
            return
        theirs = retried(lambda: self._vendor.describe(key.name))
        if theirs is None:
            report.others += 1
            return
        report.found += 1
        if theirs.spec is None or theirs.usage is None:
            raise NotDone(f"is of a kind that is not here: {theirs.kind}")
        if theirs.imported:
            raise NotDone("has material that you imported: import it here, and name both keys in the map")
        if self._check:
            return
        key_id = self._make(theirs)
        report.keys[key.name] = named_arn(key_id, self._site)
        write_whole(self._path, msgspec.json.format(msgspec.json.encode(report.keys), indent=2) + b"\n")
        report.moved += 1
        if taken := self._name(key_id, theirs.aliases):
            raise NotDone(f"is made, without what other keys here have: {', '.join(taken)}")

    @property
    def _site(self) -> Site:
        return self._place.settings.site

    def _call(self, action: str, **params: object) -> Any:
        return retried(lambda: self._place.call(action, params))

    def _make(self, theirs: TheirKey) -> str:
        """The same one, however often it is asked for: what was stopped before its line in the map makes no second."""
        made = self._call(
            "CreateKey",
            spec=theirs.spec,
            usage=theirs.usage,
            description=theirs.description,
            tags=dict(theirs.tags),
            rotate=theirs.rotation_seconds > 0,
            rotation_seconds=theirs.rotation_seconds,
            client_token=hashlib.sha256(f"import-from {theirs.name}".encode()).hexdigest(),
        )
        key_id = str(made["key"]["id"])
        if theirs.state == "Disabled":
            self._call("DisableKey", key_ids=[key_id])
        return key_id

    def _name(self, key_id: str, aliases: tuple[str, ...]) -> list[str]:
        """Those that another key has."""
        taken = []
        for alias in aliases:
            try:
                self._call("CreateAlias", key_id=key_id, alias=alias)
            except AliasExists:
                has = self._call("DescribeKey", key_ids=[ALIAS_PREFIX + alias])["keys"][0]["id"]
                taken += [ALIAS_PREFIX + alias] if has != key_id else []
            except KmsError as e:
                if e.retryable:
                    raise
                taken.append(f"{ALIAS_PREFIX}{alias} ({reason(e)})")
        return taken
