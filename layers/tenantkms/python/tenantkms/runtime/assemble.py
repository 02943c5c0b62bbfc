"""From the environment, or from a data directory, to `Deps`: the only place that chooses adapters."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from tenantkms.access.credentials import Access
from tenantkms.access.limits import ADDRESSES, Limiter, limits_of_text
from tenantkms.access.sessions import Sessions
from tenantkms.audit.line import Audit, StreamAudit
from tenantkms.audit.metrics import INTEGRITY_FAULTS, EmbeddedMetrics, MeteredParentKey, Metrics, NoMetrics
from tenantkms.errors import Unavailable
from tenantkms.keys.deps import Deps
from tenantkms.keys.keyring import Keyring
from tenantkms.model.limits import DEFAULT, Limits
from tenantkms.model.site import Site, check_homes
from tenantkms.names import SAFE_AGAIN
from tenantkms.parent.file import ParentFile, parent_of
from tenantkms.parent.port import ParentKey
from tenantkms.parent.root import AnchoredParentKey, Root
from tenantkms.store.buckets import AnyBuckets
from tenantkms.store.changes import Changes
from tenantkms.store.fence import OPEN, Fence
from tenantkms.store.file_lock import FileLock, Later, at_once
from tenantkms.store.integrity import PURPOSE as ROWS_KEY
from tenantkms.store.integrity import UNCHECKED, RowMac
from tenantkms.store.port import MAX_BUCKETS, AccessStore, KeyStore

if TYPE_CHECKING:
    from botocore.config import Config

    from tenantkms.audit.file_audit import FileAudit
    from tenantkms.store.shared import Memory, SharedBuckets

AUDIT_KEY = "audit"
"""What the key of the audit log's chain is called among those of the root secret."""
PARENT_FILE = "parent.key"
"""In a data directory: the parent key, or the ARN of one."""
AUDIT_FILE, REFUSED_FILE = "audit.jsonl", "refused.jsonl"
"""In a data directory: calls, and what was refused before it was known whose it was."""
RATES_LOCK = "rates.lock"
"""In a data directory: held by who counts requests, where several processes serve."""
_TENANT = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class Settings(Struct, frozen=True, kw_only=True):
    """Everything a process of this system works with. `access`, `limiter`, `sessions` and `site` are the endpoint's.

    `log` is `deps.audit` where that rests in files of this machine, which somebody has to look after. Of Actions
    `without_nonce` a signed request may be sent again, as long as its time is good. `explorer`: the endpoint serves the
    page of that name. No request that is dated before what `not_before` answers (Unix seconds) is good: a store that
    was restored has forgotten which ones were served. It may raise `Unavailable`.
    """

    site: Site
    deps: Deps
    access: Access
    sessions: Sessions
    root: Root
    limiter: Limiter
    metrics: Metrics = NoMetrics()
    log: FileAudit | None = None
    without_nonce: frozenset[str] = frozenset()
    explorer: bool = False
    not_before: Callable[[], int] = int


class SettingsError(Exception):
    """The deployment is not configured right; the message says what to do."""


def check_tenant(name: str) -> str:
    if not _TENANT.fullmatch(name):
        raise SettingsError(f"Tenant {name!r} is not valid: 1 to 63 lower-case letters, digits and '-'.")
    return name


def _assemble(
    site: Site,
    keys: KeyStore,
    access: AccessStore,
    root: Root,
    audit: Audit,
    metrics: Metrics,
    state_seconds: float,
    limits: Limits,
    most: float = inf,
    failed: AnyBuckets | None = None,
    changes: Changes | None = None,
    fence: Fence = OPEN,
) -> Settings:
    clock = time.monotonic
    parent = AnchoredParentKey(root)
    sessions = Sessions(access, root, os.urandom, clock=clock)
    root.when_changed(sessions.forget)
    return Settings(
        site=site,
        root=root,
        metrics=metrics,
        sessions=sessions,
        deps=Deps(
            tenant=site.tenant,
            account=site.account,
            keyring=Keyring(
                site.tenant, keys, parent, clock=clock, state_seconds=state_seconds, changes=changes, fence=fence
            ),
            audit=audit,
            clock=time.time,
            random=os.urandom,
            limits=limits,
            sessions=sessions,
            fence=fence,
        ),
        access=Access(site.tenant, access, parent, clock=clock, state_seconds=state_seconds),
        limiter=Limiter(access, limits, most, failed),
    )


def one_machine(
    data_dir: Path,
    site: Site,
    *,
    state_seconds: float = 1,
    limits: Limits = DEFAULT,
    later: Later = at_once,
    memory: Memory | None = None,
    metrics: Metrics | None = None,
) -> Settings:
    """SQLite, a parent key in a file, and an audit log in `data_dir`, which `tkms.machine.directory` has prepared.

    `later` gives back the locks of files (`FileLock`). `memory` is that of all processes of one server. `metrics` are
    told what the parent key does and which rows are not believed.
    """
    from tenantkms.audit.file_audit import FileAudit
    from tenantkms.store.shared import SharedChanges
    from tenantkms.store.sqlite import SqliteStore

    told = metrics or NoMetrics()

    def parent_key(spec: bytes) -> ParentKey:
        parent = parent_of(spec, aws_parent)
        return MeteredParentKey(parent, metrics) if metrics else parent

    parents = ParentFile(data_dir / PARENT_FILE, parent_key)
    rates, failed = _shared_buckets(data_dir / RATES_LOCK, later, memory) if memory else (None, None)
    changes = SharedChanges(memory) if memory else None
    rows = SqliteStore(data_dir / "kms.sqlite3", UNCHECKED, later, rates)
    root = Root(site.tenant, parents, rows.get_root, parent_key)  # not of the store below, which has the root
    store = rows.authenticated(row_macs(root, lambda: told.put(**{INTEGRITY_FAULTS: 1})))
    audit_key = partial(root.newest, AUDIT_KEY)
    audit = FileAudit(data_dir / AUDIT_FILE, data_dir / REFUSED_FILE, audit_key, later=later, memory=memory)
    settings = _assemble(
        site,
        store,
        store,
        root,
        audit,
        told,
        state_seconds,
        limits,
        failed=failed,
        changes=changes,
    )
    return replace(settings, log=audit, explorer=True)


def _shared_buckets(path: Path, later: Later, memory: Memory) -> tuple[SharedBuckets, SharedBuckets]:
    """Of access keys and of addresses. Raises `Unavailable`."""
    from tenantkms.store.shared import SharedBuckets

    try:
        lock = FileLock(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), later)
        return SharedBuckets(memory, MAX_BUCKETS, lock), SharedBuckets(memory, ADDRESSES, lock)
    except OSError as e:
        raise Unavailable(f"{path} cannot be opened: {e.strerror}.") from e


def row_macs(root: Root, alarm: Callable[[], None] = lambda: None) -> RowMac:
    """Of rows under the root secret, and while a reseal is under way under the one from before."""
    macs = RowMac(partial(root.key, ROWS_KEY), alarm, partial(root.valid, ROWS_KEY))
    root.when_changed(macs.forget)
    return macs


def aws_parent(arn: str) -> ParentKey:
    """A key of AWS KMS in the region of its ARN, with the AWS settings of this process."""
    import botocore.session

    from tenantkms.parent.aws_kms import AwsParentKey

    session = botocore.session.get_session()
    client: Any = session.create_client("kms", region_name=arn.split(":")[3], config=aws_config())
    return AwsParentKey(client, arn)


def aws_config() -> Config:
    """Time-outs and retries of a call of DynamoDB or AWS KMS: at most 2 x (0.5 + 1) s, and a pause of 1 s between them.

    The endpoint makes up to five before it invokes an Action: 20 s of the API's 30 s.
    """
    from botocore.config import Config

    return Config(connect_timeout=0.5, read_timeout=1, retries={"total_max_attempts": 2, "mode": "standard"})


def invoke_config() -> Config:
    """Time-outs of an Action's invocation, 8.5 s. It is not repeated: CreateKey would make a second key."""
    from botocore.config import Config

    return Config(connect_timeout=1, read_timeout=7.5, retries={"total_max_attempts": 1, "mode": "standard"})


def on_aws(environment: Mapping[str, str], session: Any = None, *, metered: bool = False) -> Settings:
    """DynamoDB and an AWS KMS key, named by the environment variables that the CDK app sets.

    TENANT, REGION, ACCOUNT, KEYS_TABLE, ACCESS_TABLE, PARENT_KEY_ARN, and optionally OTHER_PARENT_KEY_ARN, which the
    root secret may be under instead, STATE_CACHE_SECONDS, LIMITS, OTHER_ARNS (`Site.other_arns`, with commas),
    WITHOUT_NONCE (Actions, with commas), API_PER_SECOND, how many requests the API lets through at most, EXPLORER,
    `on` where the endpoint serves that page, and of a tenant that has two regions HERE, this one, and FIRST, where keys
    are changed until somebody says otherwise.
    `metered`: what is written to standard output is metrics too, as a Lambda function's is.
    """
    import botocore.session

    from tenantkms.parent.aws_kms import AwsParentKey
    from tenantkms.store.dynamodb import DynamoAccessStore, DynamoKeyStore
    from tenantkms.store.dynamodb_fence import DynamoFence, FenceRows

    try:
        site = Site(
            tenant=check_tenant(environment["TENANT"]),
            region=environment["REGION"],
            account=environment["ACCOUNT"],
            other_arns=check_homes(filter(None, environment.get("OTHER_ARNS", "").split(","))),
        )
        keys_table, access_table = environment["KEYS_TABLE"], environment["ACCESS_TABLE"]
        parent_arns = environment["PARENT_KEY_ARN"], environment.get("OTHER_PARENT_KEY_ARN", "")
        state_seconds = float(environment.get("STATE_CACHE_SECONDS", "1"))
        if not 0 <= state_seconds <= 60:
            raise ValueError("STATE_CACHE_SECONDS is not from 0 to 60")
        limits = limits_of_text(environment.get("LIMITS", ""))
        most = float(environment.get("API_PER_SECOND", inf))
        without_nonce = frozenset(filter(None, environment.get("WITHOUT_NONCE", "").split(",")))
        if without_nonce - SAFE_AGAIN:
            raise ValueError(f"WITHOUT_NONCE has more than {', '.join(sorted(SAFE_AGAIN))}")
    except (KeyError, ValueError) as e:
        raise SettingsError(f"The environment is not complete: {e}.") from e
    session = session or botocore.session.get_session()
    dynamodb = session.create_client("dynamodb", config=aws_config())

    kms = session.create_client("kms", config=aws_config())
    metrics: Metrics = NoMetrics()
    stream = StreamAudit(lambda: root.key(AUDIT_KEY))
    if metered:
        stream = metrics = EmbeddedMetrics(site.tenant, lambda: root.key(AUDIT_KEY))

    def parent_key(spec: bytes) -> ParentKey:
        parent = AwsParentKey(kms, spec.decode())
        return MeteredParentKey(parent, metrics) if metered else parent

    parents = [parent_key(arn.encode()) for arn in parent_arns if arn]
    root = Root(site.tenant, lambda: parents, DynamoKeyStore(dynamodb, keys_table, UNCHECKED).get_root, parent_key)
    root.when_changed(stream.forget)
    macs = row_macs(root, lambda: metrics.put(**{INTEGRITY_FAULTS: 1}))
    fence = None
    if here := environment.get("HERE"):
        fence = DynamoFence(FenceRows(dynamodb, keys_table, environment.get("FIRST", here)), here, state_seconds)
    keys = DynamoKeyStore(dynamodb, keys_table, macs, fence)
    access = DynamoAccessStore(dynamodb, access_table, macs, fence or OPEN)
    settings = _assemble(site, keys, access, root, stream, metrics, state_seconds, limits, most, fence=fence or OPEN)
    return replace(settings, without_nonce=without_nonce, explorer=environment.get("EXPLORER") == "on")
