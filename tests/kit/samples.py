"""Keys, versions and credentials to store."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from msgspec.structs import replace

from tenantkms.access.conditions import Facts
from tenantkms.model.credential import Credential
from tenantkms.model.grant import MAX_GRANTS, Grant
from tenantkms.model.key import Key
from tenantkms.model.specs import KeySpec, KeyUsage, Origin
from tenantkms.model.states import KeyState
from tenantkms.model.version import KeyVersion
from tenantkms.store.integrity import RowMac

ROW_MACS = RowMac(lambda: b"an example of a key, 32 bytes of")
"""What stores in tests make and check the MACs of their rows with."""

FACTS = Facts("alibaba", "192.0.2.1", 1_800_000_000)
"""What conditions may ask of a call, where a test has none."""


def key_id(number: int) -> str:
    return str(UUID(int=number, version=4))


def version(number: int = 1) -> KeyVersion:
    return KeyVersion(number=number, created=1_700_000_000 + number, sealed=bytes(range(256)) + bytes([number]))


def key(number: int = 1, **changes: Any) -> Key:
    """The first revision of the `number`-th key, created in the `number`-th second, by a write of its own."""
    made = Key(
        id=key_id(number),
        spec=KeySpec.AES_256,
        usage=KeyUsage.ENCRYPT_DECRYPT,
        origin=Origin.KMS,
        state=KeyState.ENABLED,
        created=1_700_000_000 + number,
        creator="AKID",
        description=f'key {number}: ключ, 密钥, \U0001f511, "quoted" \\ and \x00',
        primary=version(),
        tags={"env": "prod", "": "empty", "имя": ""},
        token=f"made-{number}",
    )
    return replace(made, **changes)


def revised(key: Key, token: str, **changes: Any) -> Key:
    """The next revision of `key`, by the write `token`."""
    return replace(key, revision=key.revision + 1, token=token, **changes)


def credential(number: int = 1, **changes: Any) -> Credential:
    made = Credential(
        access_key_id=f"TKMS{number:020}",
        name=f"credential {number}, ключ",
        sealed=bytes(range(256)),
        dialects=("alibaba", "tencent"),
        policy='{"Statement":[]}',
        created=1_700_000_000 + number,
    )
    return replace(made, **changes)


def largest_grants(number: int) -> tuple[Grant, ...]:
    """As many as a key may have, of the shortest pairs, which need the most memory for each byte of a row."""
    return tuple(
        Grant(
            id=f"{number:032}{each:032}",
            grantee="A",
            operations=("Decrypt",),
            created=1,
            issuer="A",
            equals={f"{pair:02}": "ab" for pair in range(50)},
        )
        for each in range(MAX_GRANTS)
    )
