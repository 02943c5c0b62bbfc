"""What the Actions of grants have in common."""

from __future__ import annotations

from collections.abc import Sequence

from tenantkms.action.scope import Scope
from tenantkms.errors import ResourceNotFound
from tenantkms.model.key import Key
from tenantkms.store.port import PutKey, Write


def without(scope: Scope, keys: Sequence[Key], grant_id: str) -> list[Write]:
    """The writes that end a grant of the one key. Raises `ResourceNotFound`."""
    (key,) = keys
    left = tuple(grant for grant in key.grants if grant.id != grant_id)
    if len(left) == len(key.grants):
        raise ResourceNotFound(f"Grant {grant_id} is not found.")
    return [PutKey(scope.revise(key, grants=left))]
