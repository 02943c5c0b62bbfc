"""The file of `--seed`: keys and access keys with ids, material and secrets that are given. docs/seed.md shows one."""

from __future__ import annotations

import json
import stat
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec import Struct

from tenantkms.access import policy
from tenantkms.access.credentials import ID_FORM, MAX_ACTIVE, SECRET_FORM
from tenantkms.crypto import asymmetric, wrapping
from tenantkms.crypto.strings import decode_base64
from tenantkms.errors import InvalidParameter, KmsError
from tenantkms.model.alias import ALIAS_PREFIX, MAX_ALIASES, check_alias
from tenantkms.model.key import check_key_id, check_tags
from tenantkms.model.profiles import PROFILES
from tenantkms.model.specs import SIZES, SPEC_USAGES, KeySpec, KeyUsage
from tenantkms.names import DIALECTS, NATIVE
from tenantkms.runtime.assemble import SettingsError
from tkms.policies import READY

T = TypeVar("T")


class _Secret(Struct, frozen=True, kw_only=True):
    def __repr__(self) -> str:
        return type(self).__name__


class _Key(_Secret, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`material`: in base64, raw or PKCS #8; the file has either as it is, or PEM. Neither: it is made."""

    id: str
    spec: KeySpec = KeySpec.AES_256
    usage: KeyUsage | None = None
    aliases: list[str] = []
    description: str = ""
    tags: dict[str, str] = {}
    policy: dict[str, Any] | None = None
    material: str | None = None
    material_file: str | None = None


class _Credential(_Secret, frozen=True, kw_only=True, forbid_unknown_fields=True):
    id: str
    secret: str | None = None
    secret_file: str | None = None
    name: str = ""
    dialects: tuple[str, ...] = DIALECTS
    policy: str | dict[str, Any] | None = None


class _File(_Secret, frozen=True, kw_only=True, forbid_unknown_fields=True):
    keys: list[_Key] = []
    credentials: list[_Credential] = []


class SeedKey(_Secret, frozen=True, kw_only=True):
    """`where` it stands in the file. `material` as it is kept; None: to be made. No `policy`: the default."""

    where: str
    id: str
    spec: KeySpec
    usage: KeyUsage
    aliases: tuple[str, ...]
    description: str
    tags: dict[str, str]
    policy: str
    material: bytes | None


class SeedCredential(_Secret, frozen=True, kw_only=True):
    where: str
    id: str
    secret: str
    name: str
    dialects: tuple[str, ...]
    policy: str


class SeedFile:
    """What the file says, checked as far as it can be without a store. Raises `SettingsError` that names the place.

    `exposed`: of the files with secrets those that others can read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.exposed: list[Path] = []
        given = _parse(path, self._text(path, "utf-8"))
        credentials = given.credentials
        if any(key.material for key in given.keys) or any(row.secret for row in credentials):
            self._look(path)
        self.keys = [self._key(f"keys[{i}]", key) for i, key in enumerate(given.keys)]
        self.credentials = [self._credential(f"credentials[{i}]", row) for i, row in enumerate(credentials)]
        self._refuse_repeats()

    def wrong(self, where: str, what: str) -> SettingsError:
        return SettingsError(f"{self.path}: {where}: {what}")

    def _refuse_repeats(self) -> None:
        """Nothing is given twice, and no name has more access keys than may work at the same time."""
        self._once("key", [(key.where, key.id) for key in self.keys])
        self._once("alias", [(key.where, alias) for key in self.keys for alias in key.aliases])
        self._once("access key", [(row.where, row.id) for row in self.credentials])
        for name, count in Counter(row.name for row in self.credentials if row.name).items():
            if count > MAX_ACTIVE:
                raise self.wrong("credentials", f"{name} has {count}, and a name has at most {MAX_ACTIVE}.")

    def _once(self, what: str, rows: list[tuple[str, str]]) -> None:
        first: dict[str, str] = {}
        for where, name in rows:
            if name in first:
                raise self.wrong(where, f"the {what} {name} stands in {first[name]} already.")
            first[name] = where

    def _try(self, where: str, check: Callable[[], T]) -> T:
        try:
            return check()
        except KmsError as e:
            raise self.wrong(where, str(e)) from None

    # -- files --

    def _text(self, path: Path, encoding: str) -> str:
        try:
            return self._read(path).decode(encoding)
        except UnicodeDecodeError as e:
            raise SettingsError(f"{path} is not {encoding.upper()}: byte {e.start}.") from None

    @staticmethod
    def _read(path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as e:
            raise SettingsError(f"The seed's file {path} cannot be read: {e.strerror}.") from e

    def _look(self, path: Path) -> None:
        if stat.S_IMODE(path.stat().st_mode) & (stat.S_IRGRP | stat.S_IROTH):
            self.exposed.append(path)

    def _secret_file(self, name: str) -> Path:
        """A path in the file is relative to it."""
        path = self.path.parent / name
        self._read(path)
        self._look(path)
        return path

    # -- keys --

    def _key(self, where: str, key: _Key) -> SeedKey:
        profile, usages = PROFILES[NATIVE], SPEC_USAGES[key.spec]
        if key.usage not in (None, *usages):
            raise self.wrong(f"{where}.usage", f"a key of spec {key.spec} has {' or '.join(usages)}.")
        if len(key.aliases) > MAX_ALIASES:
            raise self.wrong(f"{where}.aliases", f"a key has at most {MAX_ALIASES}.")
        if len(key.description) > profile.description_limit:
            raise self.wrong(f"{where}.description", f"longer than {profile.description_limit} characters.")
        names = [alias.removeprefix(ALIAS_PREFIX) for alias in key.aliases]
        return SeedKey(
            where=where,
            id=self._try(f"{where}.id", lambda: check_key_id(key.id)),
            spec=key.spec,
            usage=key.usage or usages[0],
            aliases=tuple(self._try(f"{where}.aliases[{i}]", partial(check_alias, n)) for i, n in enumerate(names)),
            description=key.description,
            tags=self._try(f"{where}.tags", lambda: check_tags(key.tags, profile)),
            policy=_text_of(key.policy) if key.policy is not None else "",
            material=self._material(where, key),
        )

    def _material(self, where: str, key: _Key) -> bytes | None:
        if key.material is not None and key.material_file is not None:
            raise self.wrong(where, "has material and material_file.")
        if key.material_file is not None:
            data = self._read(self._secret_file(key.material_file))
            open_ = _raw if key.spec in SIZES else _private
            return self._try(f"{where}.material_file", lambda: open_(key.spec, data))
        if key.material is None:
            return None
        where, decoded = f"{where}.material", decode_base64(key.material)
        if decoded is None:
            raise self.wrong(where, "is not base64.")
        read = _raw if key.spec in SIZES else wrapping.private_key
        return self._try(where, lambda: read(key.spec, decoded))

    # -- access keys --

    def _credential(self, where: str, row: _Credential) -> SeedCredential:
        if not ID_FORM.fullmatch(row.id):
            raise self.wrong(f"{where}.id", "an access key id has 3 to 128 letters, digits, '.', '_' and '-'.")
        if not row.dialects or not set(row.dialects) <= set(DIALECTS):
            raise self.wrong(f"{where}.dialects", f"one or more of {', '.join(DIALECTS)}.")
        return SeedCredential(
            where=where,
            id=row.id,
            secret=self._secret(where, row),
            name=row.name,
            dialects=tuple(dict.fromkeys(row.dialects)),
            policy=self._policy(f"{where}.policy", row.policy),
        )

    def _secret(self, where: str, row: _Credential) -> str:
        if (row.secret is None) == (row.secret_file is None):
            raise self.wrong(where, "has secret or secret_file, one of both.")
        secret = row.secret
        if secret is None:
            where = f"{where}.secret_file"
            secret = self._text(self._secret_file(row.secret_file or ""), "ascii").rstrip("\r\n")
        if not SECRET_FORM.fullmatch(secret):
            raise self.wrong(where, "a secret has 1 to 128 characters of ASCII, and no blanks.")
        return secret

    def _policy(self, where: str, given: str | dict[str, Any] | None) -> str:
        if given is None:
            return policy.ALLOW_ALL
        if isinstance(given, str):
            if given not in READY:
                raise self.wrong(where, f"a document, or one of {', '.join(READY)}.")
            return READY[given].text
        return self._try(where, lambda: policy.check(_text_of(given)))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Of a name that stands twice JSON's readers keep one, each as it likes."""
    for name, count in Counter(name for name, _ in pairs).items():
        if count > 1:
            raise InvalidParameter(f"{name!r} stands twice in one place.")
    return dict(pairs)


def _parse(path: Path, text: str) -> _File:
    try:
        return msgspec.convert(json.loads(text, object_pairs_hook=_unique), _File)
    except json.JSONDecodeError as e:
        raise SettingsError(f"{path} is no JSON: line {e.lineno}, column {e.colno}: {e.msg}.") from None
    except msgspec.ValidationError as e:
        what, _, where = str(e).partition(" - at `$")
        raise SettingsError(f"{path}: {where.strip('.`') or 'the file'}: {what}.") from None
    except (KmsError, RecursionError) as e:
        raise SettingsError(f"{path}: {str(e) or 'it is too deep'}") from None


def _text_of(document: dict[str, Any]) -> str:
    return msgspec.json.encode(document).decode()


def _raw(spec: KeySpec, data: bytes) -> bytes:
    if len(data) != SIZES[spec]:
        raise InvalidParameter(f"{len(data)} bytes, where a key of spec {spec} has {SIZES[spec]}.")
    return data


def _private(spec: KeySpec, data: bytes) -> bytes:
    """A private key in PEM, or in PKCS #8 as DER."""
    if b"-----BEGIN " in data:
        try:
            data = asymmetric.material(load_pem_private_key(data, None))
        except (ValueError, TypeError):  # the last of one that is encrypted
            raise InvalidParameter("it is no private key in PEM, or an encrypted one.") from None
    return wrapping.private_key(spec, data)
