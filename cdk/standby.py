"""A tenant's second region: what its entry says of it, and the entry of the stack that is made there.

docs/decisions/0056-standby.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from cdk.tenants import Tenant

REGION = r"[a-z]{2}(-[a-z]+){1,2}-\d"
_MRK = "mrk-"


class Standby(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`keys_table`, `access_table` and `parent_key` are what `tkms standby` prints when it has made the copies: without
    them there is no stack in the region yet. The rest is what the tenant's own fields are in theirs."""

    region: str
    keys_table: str = ""
    access_table: str = ""
    parent_key: str = ""
    certificate: str = ""
    truststore: str = ""
    alarm_topic: str = ""

    @property
    def copies(self) -> tuple[str, str, str]:
        return self.keys_table, self.access_table, self.parent_key


class Regions(Struct, frozen=True):
    """`here` a stack is, `peer` is the other one; in `first` keys are changed until somebody says otherwise."""

    here: str
    peer: str
    first: str

    @property
    def environment(self) -> dict[str, str]:
        return {"HERE": self.here, "FIRST": self.first}

    @property
    def outputs(self) -> dict[str, str]:
        return {"Here": self.here, "Peer": self.peer, "First": self.first}


def parent_arn(tenant: Tenant, standby: Standby) -> str:
    """Of the replica of the tenant's parent key, which may be in another account than the stack."""
    partition, account = "aws", tenant.account
    if tenant.parent_key_arn:
        _, partition, _, _, account, _ = tenant.parent_key_arn.split(":")
    elif standby.region.startswith("cn-"):
        partition = "aws-cn"
    elif standby.region.startswith("us-gov-"):
        partition = "aws-us-gov"
    return f"arn:{partition}:kms:{standby.region}:{account}:key/{standby.parent_key}"


def _fits(pattern: str, text: str) -> bool:
    return not text or re.fullmatch(pattern, text, re.ASCII) is not None


_Check = tuple[Callable[["Tenant", Standby], bool], str]
_ARN = r"arn:aws[a-z-]*"
_CHECKS: tuple[_Check, ...] = (
    (lambda _, s: bool(s.region) and _fits(REGION, s.region), "region is an AWS region such as eu-west-1"),
    (lambda t, s: s.region != t.region, "region is another one than the tenant's"),
    (
        lambda t, _: f":key/{_MRK}" in t.parent_key_arn if t.parent_key_arn else t.multi_region,
        "the parent key must be a multi-Region key, which is decided when it is made",
    ),
    (lambda _, s: all(s.copies) or not any(s.copies), "keys_table, access_table and parent_key go together"),
    (
        lambda _, s: all(_fits(r"[\w.-]{3,255}", name) for name in (s.keys_table, s.access_table)),
        "keys_table and access_table are names of DynamoDB tables, the same as in the tenant's region",
    ),
    (lambda _, s: not s.keys_table or s.keys_table != s.access_table, "access_table is another table than keys_table"),
    (lambda _, s: _fits(rf"{_MRK}[0-9a-f]{{32}}", s.parent_key), "parent_key is the id of a multi-Region key, mrk-..."),
    (lambda t, s: not s.certificate or bool(t.domain), "a certificate is for the tenant's domain, and there is none"),
    (
        lambda t, s: _fits(rf"{_ARN}:acm:{s.region}:{t.account}:certificate/[\w-]+", s.certificate),
        "certificate is the ARN of an ACM certificate in the tenant's account and the standby's region",
    ),
    (
        lambda t, s: not s.certificate or bool(s.truststore) == bool(t.truststore),
        "truststore stands in both regions, or in none: who needs a certificate in one needs it in the other",
    ),
    (lambda _, s: _fits(r"s3://[a-z0-9.-]{3,63}/.+", s.truststore), "truststore is s3://bucket/key of a PEM file"),
    (lambda _, s: not s.truststore or bool(s.certificate), "a truststore needs a certificate"),
    (
        lambda _, s: _fits(rf"{_ARN}:sns:{s.region}:\d{{12}}:[\w-]+", s.alarm_topic),
        "alarm_topic is the ARN of an SNS topic in the standby's region",
    ),
)
CHECKS = tuple(
    (
        "standby",
        lambda tenant, holds=holds: tenant.standby is None or holds(tenant, tenant.standby),
        expected,
    )
    for holds, expected in _CHECKS
)
"""As those of the other fields of an entry."""
