"""Rows of an export that no release can have written: what came of them would be a fault, or mean something else.

A policy, a tag or a date that could not be set today, and could once, is as good as ever.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from msgspec import json

from tenantkms.access import key_policy, policy
from tenantkms.access.credentials import ID_FORM, SECRET_FORM
from tenantkms.keys.rotation import check_rotates
from tenantkms.model.alias import ALIAS_PREFIX, MAX_ALIASES, check_alias
from tenantkms.model.credential import Credential
from tenantkms.model.grant import MAX_GRANTS, MAX_SIZE, PRINCIPAL, Grant, operations_of
from tenantkms.model.key import Key
from tenantkms.model.profiles import DAY, PROFILES
from tenantkms.model.specs import SPEC_USAGES, SYMMETRIC, Origin
from tenantkms.model.states import KeyState
from tenantkms.model.version import UUID_FORM, KeyVersion
from tenantkms.names import DIALECTS
from tkms.backup.rows import material_fits
from tkms.backup.valid import SHOWN, WHENCE, WHOSE, Checks, flaws, is_time
from tkms.transfer.about import About

_LONGEST = 1 << 16
"""Characters of what has no limit of its own: a request has no more."""
_DESCRIPTION = max(profile.description_limit for profile in PROFILES.values())
_DAYS = [day for profile in PROFILES.values() for day in profile.rotation_days]
_TAG_NAME, _TAG_VALUE = 128, max(profile.tag_value_limit for profile in PROFILES.values())
_CALLER = 256
"""Characters of who calls, in whatever way."""
_VERSIONS = (1 << 32) - 1
_DIGEST = 32
_WITHDRAWN = (KeyState.PENDING_IMPORT, KeyState.PENDING_DELETION)


def _external(key: Key) -> bool:
    return key.origin is Origin.EXTERNAL


def _rotates(key: Key) -> bool:
    if key.rotation_seconds:
        check_rotates(key, asymmetric=False)
    return not key.rotation_seconds or min(_DAYS) * DAY <= key.rotation_seconds <= max(_DAYS) * DAY


def _are_tags(tags: Mapping[str, str]) -> bool:
    return all(1 <= len(name) <= _TAG_NAME and len(value) <= _TAG_VALUE for name, value in tags.items())


def _is_hex(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


_ABOUT: Checks[About] = {**WHENCE, **WHOSE}
_GRANT: Checks[tuple[Key, Grant]] = {
    "id": lambda of: _is_hex(of[1].id),
    "grantee": lambda of: re.fullmatch(PRINCIPAL, of[1].grantee),
    "retiring": lambda of: not of[1].retiring or re.fullmatch(PRINCIPAL, of[1].retiring),
    "operations": lambda of: of[1].operations and operations_of(of[0].spec, of[0].usage).issuperset(of[1].operations),
    "created": lambda of: is_time(of[1].created),
    "issuer": lambda of: len(of[1].issuer) <= _CALLER,
    "constraints": lambda of: not (of[1].equals or of[1].subset) or of[0].spec in SYMMETRIC,
    "name": lambda of: len(of[1].name) <= 256,
}
_KEY: Checks[Key] = {
    "id": lambda key: UUID_FORM.fullmatch(key.id),
    "usage": lambda key: key.usage in SPEC_USAGES[key.spec],
    "state": lambda key: key.primary or (_external(key) and key.state in _WITHDRAWN),
    "created": lambda key: is_time(key.created),
    "creator": lambda key: len(key.creator) <= _CALLER,
    "description": lambda key: len(key.description) <= _DESCRIPTION,
    "aliases": lambda key: len(set(key.aliases)) == len(key.aliases) <= MAX_ALIASES,
    "tags": lambda key: _are_tags(key.tags),
    "policy": lambda key: not key.policy or key_policy.parse(key.policy) is not None,
    "deletion_date": lambda key: is_time(key.deletion_date),
    "protection_description": lambda key: len(key.protection_description) <= _LONGEST,
    "destroying": lambda key: not key.destroying,
    "rotation_seconds": _rotates,
    "last_rotation": lambda key: is_time(key.last_rotation),
    "material_expires": lambda key: not key.material_expires or (_external(key) and is_time(key.material_expires)),
    "imported": lambda key: len(key.imported) == (_DIGEST if _external(key) and key.newest else 0),
    "spent": lambda key: not key.spent or (_external(key) and not key.primary and not key.spent.sealed),
    "primary": lambda key: not key.primary or key.primary.sealed,
    "grants": lambda key: len({grant.id for grant in key.grants}) == len(key.grants) <= MAX_GRANTS,
    "grants' size": lambda key: len(json.encode(key.grants)) <= MAX_SIZE,
}
_VERSION: Checks[tuple[Key, KeyVersion]] = {
    "number": lambda of: 1 <= of[1].number <= _VERSIONS,
    "created": lambda of: is_time(of[1].created),
    "material": lambda of: material_fits(of[0].spec, of[1].sealed) if of[1].sealed else _external(of[0]),
}
_CREDENTIAL: Checks[Credential] = {
    "id": lambda its: ID_FORM.fullmatch(its.access_key_id),
    "name": lambda its: len(its.name) <= _LONGEST,
    "secret": lambda its: SECRET_FORM.fullmatch(its.sealed.decode()),
    "dialects": lambda its: its.dialects and set(DIALECTS).issuperset(its.dialects),
    "policy": lambda its: policy.parse(its.policy) is not None,
    "created": lambda its: is_time(its.created),
    "expires": lambda its: is_time(its.expires),
}


def about_flaws(about: About) -> Iterator[str]:
    return flaws(_ABOUT, about, "it")


def key_flaws(key: Key) -> Iterator[str]:
    """Sentences."""
    whose = f"the key {key.id[:SHOWN]}"
    yield from flaws(_KEY, key, whose)
    for alias in key.aliases[: MAX_ALIASES + 1]:
        yield from flaws({"name": check_alias}, alias, f"{ALIAS_PREFIX}{alias[:SHOWN]}")
    for grant in key.grants[: MAX_GRANTS + 1]:
        yield from flaws(_GRANT, (key, grant), f"{whose}, grant {grant.id[:SHOWN]}")
    if key.newest:
        yield from version_flaws(key, key.newest)


def version_flaws(key: Key, version: KeyVersion) -> Iterator[str]:
    """What would be used as it is, however weak."""
    return flaws(_VERSION, (key, version), f"the key {key.id[:SHOWN]}, version {version.number}")


def credential_flaws(credential: Credential, last_used: int) -> Iterator[str]:
    whose = f"the access key {credential.access_key_id[:SHOWN]}"
    yield from flaws(_CREDENTIAL, credential, whose)
    yield from flaws({"last use": is_time}, last_used, whose)
