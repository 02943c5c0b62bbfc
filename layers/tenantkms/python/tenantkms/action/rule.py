"""What an Action asks of a key before it works with it."""

from __future__ import annotations

from msgspec import Struct

from tenantkms import errors as e
from tenantkms.model.key import Key
from tenantkms.model.specs import BLOBS, RSA_BLOBS, Need
from tenantkms.model.states import OPEN, USE, Refusals

NO_KEY = None
"""As `refuses` and `needs`: the Action uses no key, or keys only by the rules of the Actions that it works through."""


class Rule(Struct, frozen=True):
    """`name` is what policies call it; `refuses` and `needs` are what `@action` says of the Action of that name."""

    name: str
    refuses: Refusals | None
    needs: Need | None


# The Actions that others work through; a test compares them with what these say of themselves.
ENCRYPT = Rule("Encrypt", USE, BLOBS)
DECRYPT = Rule("Decrypt", OPEN, BLOBS)
ASYMMETRIC_ENCRYPT = Rule("AsymmetricEncrypt", USE, RSA_BLOBS)
ASYMMETRIC_DECRYPT = Rule("AsymmetricDecrypt", OPEN, RSA_BLOBS)


def check_fits(key: Key, needs: Need) -> None:
    """Raises `InvalidKeyUsage`."""
    if needs.usage not in (None, key.usage):
        raise e.InvalidKeyUsage(key=key.id, usage=key.usage)
    if key.spec not in needs.specs:
        raise e.InvalidKeyUsage(f"Keys of spec {key.spec} do not do this.", key=key.id, spec=key.spec)
