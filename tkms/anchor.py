"""The root secret of a tenant: made once, by whoever prepares it, and opened by everything that seals, reads or writes.

With it comes, once, the take-over: rows of a release before it have no MAC, and are believed as they are then.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import islice

from tenantkms.parent.port import IMPORT_DIGEST, Binding, SealBroken, credential_binding, key_binding
from tenantkms.runtime.assemble import Settings
from tenantkms.store.integrity import IntegrityFault
from tenantkms.store.port import AccessStore, KeyStore

_TRIES = 20
"""Of each kind of sealed rows, so many are tried before the parent key is said to be another one."""


def anchor(settings: Settings) -> None:
    """Make the tenant's root secret, if it has none. Raises `SealBroken` if the parent key is not the tenant's."""
    if not settings.root.exists() and not _opens(settings):
        raise SealBroken("The parent key opens nothing of what rests here.")
    settings.root.make(settings.deps.keyring.store.put_root)


def check_rows(settings: Settings) -> Iterator[IntegrityFault | None]:
    """`AuthenticRows.check_rows` of all that a tenant has."""
    for store in stores(settings):
        yield from store.check_rows()


def take_over(settings: Settings) -> Iterator[None]:
    """`AuthenticRows.take_over` of all that a tenant has: for whoever knows that nobody else took MACs away."""
    for store in stores(settings):
        yield from store.take_over()


def has_rows(settings: Settings) -> bool:
    """Whether there are keys or access keys that a root secret would have authenticated."""
    keys = settings.deps.keyring.store.unauthenticated()
    return settings.access.store.has_credentials() or bool(keys.keys_after((0, ""), limit=1))


def stores(settings: Settings) -> tuple[KeyStore | AccessStore, ...]:
    """On one machine both are one."""
    return tuple(dict.fromkeys((settings.deps.keyring.store, settings.access.store)))


def _opens(settings: Settings) -> bool:
    """Whether the parent key opens anything of what rests here, if there is anything: a damaged row proves nothing."""
    tried = False
    for sealed in (_sealed_secrets(settings), _sealed_of_keys(settings)):
        for blob, binding in islice(sealed, _TRIES):
            tried = True
            with suppress(SealBroken):
                settings.deps.keyring.parent.unseal(blob, binding)
                return True
    return not tried


def _sealed_secrets(settings: Settings) -> Iterator[tuple[bytes, Binding]]:
    for credential in settings.access.store.unauthenticated().credentials():
        yield credential.sealed, credential_binding(settings.site.tenant, credential.access_key_id)


def _sealed_of_keys(settings: Settings) -> Iterator[tuple[bytes, Binding]]:
    """Material, and the digest of what was once imported, however many keys have neither."""
    tenant, store, after = settings.site.tenant, settings.deps.keyring.store.unauthenticated(), (0, "")
    while page := store.keys_after(after, limit=100):
        for key in page:
            if key.primary:
                yield key.primary.sealed, key_binding(tenant, key.id, key.primary_number, key.spec)
            if key.imported:
                yield key.imported, Binding(IMPORT_DIGEST, tenant, key.id, 1, key.spec)
        after = (page[-1].created, page[-1].id)
