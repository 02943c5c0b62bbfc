"""Parameters that several operations of AWS KMS have."""

from __future__ import annotations

from tenantkms.wire.dialects.aws import fields
from tenantkms.wire.translate import SPREAD, Codec, In, Target


def given(wire: str, to: str | Target, codec: Codec, *, required: bool = False) -> In:
    """An empty text is a value here, mostly a wrong one."""
    return In(wire, to, codec, required, blank=True)


KEY = given("KeyId", "key_id", fields.key, required=True)
MANAGED = given("KeyId", "key_id", fields.managed_key, required=True)
ONE_KEY = given("KeyId", "key_ids", fields.one_key, required=True)
ONE_MANAGED = given("KeyId", "key_ids", fields.one_managed_key, required=True)
GRANTS = given("GrantTokens", SPREAD, fields.accepted(fields.texts(fields.text(1, 8192), 10)))
BLOB = fields.blob(1, 6144)
