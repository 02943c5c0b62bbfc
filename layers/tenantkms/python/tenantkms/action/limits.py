"""How many there may be: keys and aliases of a tenant, versions and tags of a key."""

from __future__ import annotations

from collections.abc import Sequence

from tenantkms.errors import LimitExceeded
from tenantkms.model.key import Key
from tenantkms.model.limits import AS_VENDOR, NO_LIMIT, Limits
from tenantkms.model.profiles import PROFILES
from tenantkms.names import NATIVE
from tenantkms.store.port import DeleteAlias, KeyStore, PutAlias, PutKey, Write


def check_limits(limits: Limits, store: KeyStore, profile: str, keys: Sequence[Key], writes: Sequence[Write]) -> None:
    """What `writes` add to, `keys` being what is changed, stays within `limits`. Raises `LimitExceeded`.

    What is there beyond a limit stays, and may be changed. The operator's own doors have the limit of tags only, which
    a key's row must hold.
    """
    before = {key.id: key for key in keys}
    tags = PROFILES[profile].tags if limits.tags == AS_VENDOR else limits.tags
    for write in writes:
        if isinstance(write, PutKey):
            old, new = before.get(write.key.id), write.key
            _check("tags of a key", tags, len(old.tags) if old else 0, len(new.tags))
            if profile != NATIVE:
                _check("versions of a key", limits.versions, old.primary_number if old else 0, new.primary_number)
    if profile == NATIVE:
        return
    keys_more = sum(isinstance(write, PutKey) and write.key.revision == 1 for write in writes)
    if keys_more and limits.keys != NO_LIMIT:
        there = store.count_keys()
        _check("keys", limits.keys, there, there + keys_more)
    aliases_more = sum(isinstance(write, PutAlias) and write.expect is None for write in writes)
    aliases_more -= sum(isinstance(write, DeleteAlias) for write in writes)
    if aliases_more > 0 and limits.aliases != NO_LIMIT:
        there = store.count_aliases()
        _check("aliases", limits.aliases, there, there + aliases_more)


def _check(what: str, most: int, before: int, after: int) -> None:
    if most != NO_LIMIT and after > most and after > before:
        raise LimitExceeded(f"There are at most {most} {what}.")
