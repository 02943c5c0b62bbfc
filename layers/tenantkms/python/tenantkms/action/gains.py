"""What a change of a key would allow its caller: by its aliases and tags policies know it."""

from __future__ import annotations

from collections.abc import Iterable

from tenantkms.access import key_policy, policy
from tenantkms.action.call import Call
from tenantkms.errors import AccessDenied
from tenantkms.model.grant import EVERYBODY
from tenantkms.model.key import Key
from tenantkms.names import NATIVE


def check_gains(call: Call, policies: Iterable[str], old: Key, new: Key) -> None:
    """Raises `AccessDenied` if who calls, under `policies`, may do more with `new` than with `old`."""
    if (old.aliases, old.tags) == (new.aliases, new.tags):
        return
    who = call.principal.id
    granted = any(grant.grantee in (who, EVERYBODY) for grant in old.grants)
    if any(policy.gains(text, old, new, granted=granted) for text in policies):
        raise AccessDenied("With these aliases or tags the access key's policy would allow it more on the key.")
    if call.profile != NATIVE and key_policy.gains(who, old, new, granted=granted):
        raise AccessDenied("With these tags the key's policy would allow the access key more on it.")
