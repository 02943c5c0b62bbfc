"""From the environment, or from a data directory, to `Deps`: the only place that chooses adapters."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from tenantkms.access.credentials import Access
from tenantkms.access.sessions import Sessions
from tenantkms.audit.line import Audit, FileAudit, StreamAudit
from tenantkms.audit.metrics import EmbeddedMetrics, MeteredParentKey, Metrics, NoMetrics
from tenantkms.keys.deps import Deps
from tenantkms.keys.keyring import Keyring
from tenantkms.model.site import Site
from tenantkms.parent.port import ParentKey
from tenantkms.parent.root import AnchoredParentKey, Root
from tenantkms.store.port import AccessStore, KeyStore

if TYPE_CHECKING:
    from botocore.config import Config

_TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Settings(Struct, frozen=True, kw_only=True):
    """Everything a process of this system works with. `access`, `sessions` and `site` are the endpoint's."""

    site: Site
    deps: Deps
    access: Access
    sessions: Sessions
    root: Root
    metrics: Metrics = NoMetrics()


class SettingsError(Exception):
    """The deployment is not configured right; the message says what to do."""


def check_tenant(name: str) -> str:
    if not _TENANT.fullmatch(name):
        raise SettingsError(f"Tenant {name!r} is not valid: 1 to 63 lower-case letters, digits and '-'.")
    return name


def _assemble(
    site: Site, keys: KeyStore, access: AccessStore, parent: ParentKey, audit: Audit, state_seconds: float
) -> Settings:
    clock = time.monotonic
    root = Root(site.tenant, parent, keys.get_root)
    parent = AnchoredParentKey(parent, root)
    sessions = Sessions(access, root, os.urandom, clock=clock)
    return Settings(
        site=site,
        root=root,
        sessions=sessions,
        deps=Deps(
            tenant=site.tenant,
            keyring=Keyring(site.tenant, keys, parent, clock=clock, state_seconds=state_seconds),
            audit=audit,
            clock=time.time,
            random=os.urandom,
            sessions=sessions,
        ),
        access=Access(site.tenant, access, parent, clock=clock, state_seconds=state_seconds),
    )


def one_machine(data_dir: Path, site: Site, *, state_seconds: float = 1) -> Settings:
    """SQLite, a parent key in a file, and an audit log in `data_dir`, which `tkms.machine.directory` has prepared."""
    from tenantkms.parent.file import FileParentKey
    from tenantkms.store.sqlite import SqliteStore

    store = SqliteStore(data_dir / "kms.sqlite3")
    parent = FileParentKey.load(data_dir / "parent.key")
    return _assemble(site, store, store, parent, FileAudit(data_dir / "audit.jsonl"), state_seconds)


def aws_config() -> Config:
    """Time-outs and retries of a call of DynamoDB or AWS KMS: at most 2 x (1 + 1) s, and a pause of 1 s between them.

    The endpoint makes up to four before it invokes an Action: 20 s of the API's 30 s.
    """
    from botocore.config import Config

    return Config(connect_timeout=1, read_timeout=1, retries={"total_max_attempts": 2, "mode": "standard"})


def invoke_config() -> Config:
    """Time-outs of an Action's invocation, 8.5 s. It is not repeated: CreateKey would make a second key."""
    from botocore.config import Config

    return Config(connect_timeout=1, read_timeout=7.5, retries={"total_max_attempts": 1, "mode": "standard"})


def on_aws(environment: Mapping[str, str], session: Any = None, *, metered: bool = False) -> Settings:
    """DynamoDB and an AWS KMS key, named by the environment variables that the CDK app sets.

    TENANT, REGION, ACCOUNT, KEYS_TABLE, ACCESS_TABLE, PARENT_KEY_ARN, and optionally STATE_CACHE_SECONDS.
    `metered`: what is written to standard output is metrics too, as a Lambda function's is.
    """
    import botocore.session

    from tenantkms.parent.aws_kms import AwsParentKey
    from tenantkms.store.dynamodb import DynamoAccessStore, DynamoKeyStore

    try:
        site = Site(
            tenant=check_tenant(environment["TENANT"]),
            region=environment["REGION"],
            account=environment["ACCOUNT"],
        )
        keys_table, access_table = environment["KEYS_TABLE"], environment["ACCESS_TABLE"]
        parent_arn = environment["PARENT_KEY_ARN"]
        state_seconds = float(environment.get("STATE_CACHE_SECONDS", "1"))
        if not 0 <= state_seconds <= 60:
            raise ValueError("STATE_CACHE_SECONDS is not from 0 to 60")
    except (KeyError, ValueError) as e:
        raise SettingsError(f"The environment is not complete: {e}.") from e
    session = session or botocore.session.get_session()
    dynamodb = session.create_client("dynamodb", config=aws_config())
    keys, access = DynamoKeyStore(dynamodb, keys_table), DynamoAccessStore(dynamodb, access_table)
    parent: ParentKey = AwsParentKey(session.create_client("kms", config=aws_config()), parent_arn)
    if not metered:
        return _assemble(site, keys, access, parent, StreamAudit(), state_seconds)
    metrics = EmbeddedMetrics(site.tenant)
    settings = _assemble(site, keys, access, MeteredParentKey(parent, metrics), metrics, state_seconds)
    return replace(settings, metrics=metrics)
