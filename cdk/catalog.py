"""What each function may touch: one row for each folder under `functions/`, and nothing that is not in a row.

`tests/cdk/test_catalog.py` runs every Action against DynamoDB and KMS and compares the calls with its row.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from aws_cdk import aws_iam as iam
from msgspec import Struct

from cdk.tenants import SCHEDULED
from tenantkms.keys.maintenance import DESTROY, ROTATE, Job
from tenantkms.parent.port import CREDENTIAL, IMPORT_DIGEST, IMPORT_TOKEN, KEY_MATERIAL
from tenantkms.parent.port import ROOT as ROOT_SECRET
from tenantkms.store.dynamodb_fence import fence_pk
from tenantkms.store.dynamodb_layout import (
    ALIASES,
    CHANGED,
    CREDENTIALS,
    DUE_INDEX,
    INDEX,
    KEYS,
    NAMES_INDEX,
    PARTITION_KEY,
    ROOT,
    SEGMENTS,
    SORT_KEY,
    WAITING,
    watch_pk,
)

GET, PUT, DELETE, QUERY = "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:Query"
UPDATE, BATCH, CHECK = "dynamodb:UpdateItem", "dynamodb:BatchGetItem", "dynamodb:ConditionCheckItem"
SEAL, UNSEAL = "kms:Encrypt", "kms:Decrypt"
INVOKE = "lambda:InvokeFunction"

KEY_ROWS, ALIAS_ROWS, FENCE_ROWS = "KEY#*", "ALIAS#*", fence_pk("*")
CREDENTIAL_ROWS, NONCE_ROWS, RATE_ROWS, USE_ROWS = "CREDENTIAL#*", "NONCE#*", "RATE#*", "USE#*"


class On(Struct, frozen=True):
    """Actions on rows of a table, or of an index of it, whose partition key is like one of `rows`.

    A transaction needs the rights of its parts: `PutItem` for a put, `UpdateItem` for an update. `attributes`, where
    there are some, are all that a request may name, those of the row's and the indexes' keys among them.
    """

    table: str
    actions: tuple[str, ...]
    rows: tuple[str, ...]
    index: str = ""
    attributes: tuple[str, ...] = ()


class Row(Struct, frozen=True):
    """`seals` and `unseals`: the kinds of secrets that the parent key may be asked to seal and unseal."""

    tables: tuple[On, ...] = ()
    seals: tuple[int, ...] = ()
    unseals: tuple[int, ...] = ()


def keys(action: str, *rows: str, index: str = "") -> On:
    return On("keys", (action,), rows, index)


# Keys are named by id or by alias; a key's row holds its aliases.
_FIND = keys(GET, KEY_ROWS, ALIAS_ROWS)
_GET = keys(GET, KEY_ROWS)
_PUT = keys(PUT, KEY_ROWS)
_PUT_ALIAS = keys(PUT, ALIAS_ROWS)
_PUT_WITH_ALIAS = keys(PUT, KEY_ROWS, ALIAS_ROWS)
# No material, whatever becomes of the function: a put could replace it, also that of an older version.
_UPDATE = On("keys", (UPDATE,), (KEY_ROWS,), attributes=(PARTITION_KEY, SORT_KEY, *CHANGED))
_NAMES = keys(QUERY, KEYS, index=NAMES_INDEX)
_COUNT_KEYS = (_NAMES, keys(QUERY, SEGMENTS))
_LIST_KEYS = (*_COUNT_KEYS, keys(BATCH, KEY_ROWS))
_COUNT_ALIASES = keys(QUERY, ALIASES, index=NAMES_INDEX)
_LIST_ALIASES = (_COUNT_ALIASES, keys(BATCH, ALIAS_ROWS))
_LIST_DUE = keys(QUERY, *WAITING, index=DUE_INDEX)
_SETTLE = (*_LIST_KEYS, *(keys(action, SEGMENTS) for action in (GET, PUT, UPDATE)))


def _watch(job: Job) -> tuple[On, On]:
    return keys(GET, watch_pk(job.name)), keys(PUT, watch_pk(job.name))


_READ = Row((_FIND,))
_CHANGE = Row((_FIND, _UPDATE))
_USE = Row((_FIND,), unseals=(KEY_MATERIAL,))
_OPEN = Row((_GET,), unseals=(KEY_MATERIAL,))

EVERY = Row((keys(GET, ROOT),), unseals=(ROOT_SECRET,))
"""What every function may besides its own row."""

CATALOG: Mapping[str, Row] = {
    "endpoint": Row(
        (
            On("access", (GET,), (CREDENTIAL_ROWS, NONCE_ROWS, USE_ROWS)),
            On("access", (QUERY,), (CREDENTIALS,), INDEX),
            On("access", (PUT,), (NONCE_ROWS, USE_ROWS)),
            On("access", (UPDATE,), (RATE_ROWS,)),
        ),
        unseals=(CREDENTIAL,),
    ),
    "archive_key": _CHANGE,
    "asymmetric_decrypt": _USE,
    "asymmetric_encrypt": _USE,
    "asymmetric_sign": _USE,
    "asymmetric_verify": _USE,
    "cancel_key_archive": _CHANGE,
    "cancel_key_deletion": _CHANGE,
    "create_alias": Row((_FIND, _UPDATE, _PUT_ALIAS, _COUNT_ALIASES)),
    "create_grant": _CHANGE,
    "create_key": Row((_GET, _PUT_WITH_ALIAS, *_COUNT_KEYS, _COUNT_ALIASES), seals=(KEY_MATERIAL,)),
    "create_key_version": Row((_FIND, _PUT), seals=(KEY_MATERIAL,)),
    "decrypt": _USE,
    "delete_alias": Row((_FIND, _UPDATE, keys(DELETE, ALIAS_ROWS))),
    "delete_due_keys": Row((_LIST_DUE, _GET, _PUT, keys(DELETE, KEY_ROWS, ALIAS_ROWS), *_watch(DESTROY), *_SETTLE)),
    "delete_key_material": _CHANGE,
    "derive_shared_secret": _USE,
    "describe_key": _READ,
    "describe_key_version": _READ,
    "describe_service": Row(_LIST_KEYS),
    "disable_key": _CHANGE,
    "enable_key": _CHANGE,
    "encrypt": _USE,
    "export_data_key": _OPEN,
    "generate_and_export_data_key": _USE,
    "generate_data_key": _USE,
    "generate_data_key_pair": _USE,
    "generate_data_key_pair_without_plaintext": _USE,
    "generate_data_key_without_plaintext": _USE,
    "generate_mac": _USE,
    "generate_random": Row(),
    "get_key_policy": _READ,
    "get_parameters_for_import": Row((_FIND,), seals=(IMPORT_TOKEN,)),
    "get_public_key": _USE,
    "import_key_material": Row(
        (_FIND, _PUT), seals=(KEY_MATERIAL, IMPORT_DIGEST), unseals=(IMPORT_TOKEN, IMPORT_DIGEST)
    ),
    "issue_session": Row(
        (On("access", (GET,), (CREDENTIAL_ROWS,)), On("access", (QUERY,), (CREDENTIALS,), INDEX)),
    ),
    "list_aliases": Row((_FIND, *_LIST_ALIASES)),
    "list_grants": _READ,
    "list_key_versions": Row((_FIND, keys(QUERY, KEY_ROWS))),
    "list_keys": Row((*_LIST_KEYS, keys(BATCH, ALIAS_ROWS))),
    "list_retirable_grants": Row((_NAMES, keys(BATCH, KEY_ROWS))),
    "list_tag_resources": Row((_FIND, _NAMES, keys(BATCH, KEY_ROWS))),
    "re_encrypt": _USE,
    "retire_grant": _CHANGE,
    "revoke_grant": _CHANGE,
    "rotate_due_keys": Row((_LIST_DUE, _GET, _PUT, *_watch(ROTATE)), seals=(KEY_MATERIAL,)),
    "schedule_key_deletion": _CHANGE,
    "set_deletion_protection": _CHANGE,
    "set_key_alias": Row((_FIND, _UPDATE, _PUT_ALIAS, _COUNT_ALIASES, keys(DELETE, ALIAS_ROWS))),
    "set_key_policy": _CHANGE,
    "tag_resources": _CHANGE,
    "untag_resources": _CHANGE,
    "update_alias": Row((_FIND, _UPDATE, _PUT_ALIAS)),
    "update_key_description": _CHANGE,
    "update_rotation_policy": _CHANGE,
    "verify_mac": _USE,
}


_WRITES = {PUT, UPDATE, DELETE}


def changes(row: Row) -> bool:
    """Whether it may write keys or aliases."""
    return any(
        on.table == "keys" and _WRITES & {*on.actions} and {KEY_ROWS, ALIAS_ROWS} & {*on.rows} for on in row.tables
    )


class Resources(Struct, frozen=True, kw_only=True):
    """ARNs of a tenant's tables (`keys`, `access`) and of its parent keys."""

    tenant: str
    tables: Mapping[str, str]
    parent_keys: Sequence[str]


def rows_of(folder: str, inline: Iterable[str] = (), *, replicated: bool = False) -> list[Row]:
    """The rows of a function; the endpoint has those of the folders whose Actions run inside it too."""
    names = (folder, *inline)
    fence = [_fence(name) for name in names] if replicated else []
    return [EVERY, *(CATALOG[name] for name in names), *fence]


def _fence(name: str) -> Row:
    """What a function of a tenant with two regions may besides: see where keys are changed, and have each change
    depend on it; of scheduled work, remember what the region has watched since the last failover."""
    there = [keys(GET, FENCE_ROWS)]
    if changes(CATALOG[name]):
        there.append(keys(CHECK, FENCE_ROWS))
    if job := SCHEDULED.get(name):
        there += [keys(action, f"{watch_pk(job.name)}#*") for action in (GET, PUT)]
    return Row(tuple(there))


def statements(rows: Sequence[Row], on: Resources) -> Iterator[iam.PolicyStatement]:
    """The rows as IAM has them; what several rows say is said once."""
    for grant in dict.fromkeys(grant for row in rows for grant in row.tables):
        arn = on.tables[grant.table]
        conditions = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(grant.rows)}}
        if grant.attributes:
            conditions["ForAllValues:StringEquals"] = {"dynamodb:Attributes": list(grant.attributes)}
        yield iam.PolicyStatement(
            actions=list(grant.actions),
            resources=[f"{arn}/index/{grant.index}" if grant.index else arn],
            conditions=conditions,
        )
    for action, kinds in (
        (SEAL, sorted({kind for row in rows for kind in row.seals})),
        (UNSEAL, sorted({kind for row in rows for kind in row.unseals})),
    ):
        if kinds:
            yield iam.PolicyStatement(
                actions=[action],
                resources=list(on.parent_keys),
                conditions={
                    "StringEquals": {
                        "kms:EncryptionContext:tenant": on.tenant,
                        "kms:EncryptionContext:kind": [str(kind) for kind in kinds],
                    }
                },
            )
