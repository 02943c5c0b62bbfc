"""Grants: what somebody lets an access key do with one key, beside what policies say."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from tenantkms.model.specs import SYMMETRIC, KeySpec, KeyUsage

MAX_GRANTS = 100
MAX_SIZE = 65_536
"""Bytes of the grants of one key as JSON: they stand in its row, which DynamoDB lets have 400 KB."""
EVERYBODY = "*"
"""As a grantee: every access key, within its own policy."""
PRINCIPAL = r"^(\*|[A-Za-z0-9_+=,.@-]{1,128})$"
"""What may be a grantee, or retire."""


class Grant(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`id` is 64 hexadecimal digits. `grantee` and `retiring` are ids of access keys, or `EVERYBODY`; `operations` are
    AWS's names. `equals`: the whole encryption context of what takes one; `subset`: pairs that it must have.

    `created` in Unix seconds, by the caller `issuer`.
    """

    id: str
    grantee: str
    operations: tuple[str, ...]
    created: int
    issuer: str
    retiring: str = ""
    equals: dict[str, str] = {}
    subset: dict[str, str] = {}
    name: str = ""

    @property
    def terms(self) -> tuple[object, ...]:
        """What makes two grants of one name the same."""
        return self.grantee, self.retiring, frozenset(self.operations), self.equals, self.subset


RETIRE, CREATE = "RetireGrant", "CreateGrant"
_OF_EVERY_KEY = frozenset({CREATE, RETIRE, "DescribeKey"})
_RE_ENCRYPT = frozenset({"Decrypt", "Encrypt", "ReEncryptFrom", "ReEncryptTo"})
_DATA_KEYS = frozenset(
    "GenerateDataKey GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext GenerateDataKeyWithoutPlaintext".split()
)
_BY_USAGE: Mapping[KeyUsage, frozenset[str]] = {
    KeyUsage.ENCRYPT_DECRYPT: _RE_ENCRYPT | {"GetPublicKey"},
    KeyUsage.SIGN_VERIFY: frozenset({"Sign", "Verify", "GetPublicKey"}),
    KeyUsage.GENERATE_VERIFY_MAC: frozenset({"GenerateMac", "VerifyMac"}),
    KeyUsage.KEY_AGREEMENT: frozenset({"DeriveSharedSecret", "GetPublicKey"}),
}
OPERATIONS = _OF_EVERY_KEY | _DATA_KEYS | frozenset().union(*_BY_USAGE.values())


def operations_of(spec: KeySpec, usage: KeyUsage) -> frozenset[str]:
    """What can be granted on such a key."""
    return _OF_EVERY_KEY | (_RE_ENCRYPT | _DATA_KEYS if spec in SYMMETRIC else _BY_USAGE[usage])
