"""From the environment, or from a data directory, to `Deps`: the only place that chooses adapters."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from tenantkms.access import Access
from tenantkms.action import Action, Deps
from tenantkms.audit import Audit, FileAudit, StreamAudit
from tenantkms.keyring import Keyring
from tenantkms.keystore import AccessStore, KeyStore
from tenantkms.metrics import COLD_START, EmbeddedMetrics, MeteredParentKey, Metrics, NoMetrics
from tenantkms.sealing import ParentKey

if TYPE_CHECKING:
    from botocore.config import Config

_TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Site(Struct, frozen=True, kw_only=True):
    """What answers say of this deployment: it stands in ARNs and in the list of regions."""

    tenant: str
    region: str = "local"
    account: str = "000000000000"


class Settings(Struct, frozen=True, kw_only=True):
    """Everything a process of this system works with. `access` and `site` are the endpoint's."""

    site: Site
    deps: Deps
    access: Access
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
    return Settings(
        site=site,
        deps=Deps(
            tenant=site.tenant,
            keyring=Keyring(site.tenant, keys, parent, clock=clock, state_seconds=state_seconds),
            audit=audit,
            clock=time.time,
            random=os.urandom,
        ),
        access=Access(site.tenant, access, parent, clock=clock, state_seconds=state_seconds),
    )


def one_machine(data_dir: Path, site: Site, *, state_seconds: float = 1) -> Settings:
    """SQLite, a parent key in a file, and an audit log in `data_dir`, which `local.data` has prepared."""
    from tenantkms.keystore.sqlite import SqliteStore
    from tenantkms.sealing import FileParentKey

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

    from tenantkms.keystore.dynamodb import DynamoAccessStore, DynamoKeyStore
    from tenantkms.sealing import AwsParentKey

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


@lru_cache(maxsize=1)
def _session() -> Any:
    """One per process: what it has read of botocore's data serves all its clients."""
    import botocore.session

    return botocore.session.get_session()


@lru_cache(maxsize=1)
def from_environment() -> Settings:
    """The settings of this Lambda function, made once per process."""
    settings = on_aws(os.environ, _session(), metered=True)
    settings.metrics.put(**{COLD_START: 1})
    return settings


def invoke_client() -> Any:
    """A client of AWS Lambda for the endpoint."""
    return _session().create_client("lambda", config=invoke_config())


def entry(action: Action[Any]) -> Callable[[Mapping[str, Any], object], dict[str, Any]]:
    """The Lambda handler of an Action."""
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        from_environment()  # until its first event a function has a whole core; nothing is unsealed
    known = (action.name,)

    def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
        settings = from_environment()
        settings.metrics.begin(known)
        return action.run(event, settings.deps)

    return handler
