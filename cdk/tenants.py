"""Tenants as they are listed: what an entry may say, and errors that name the entry and what is wrong."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from cdk import snapshots, standby
from cdk.private_entry import Private, wrong
from cdk.standby import Regions, Standby
from tenantkms.access.limits import limits_of
from tenantkms.keys.maintenance import JOBS
from tenantkms.model.limits import COUNTS
from tenantkms.model.site import check_homes
from tenantkms.names import SAFE_AGAIN, folder
from tenantkms_events.names import FUNCTIONS

ROOT = Path(__file__).parent.parent
RETENTION_DAYS = (
    1,
    3,
    5,
    7,
    14,
    30,
    60,
    90,
    120,
    150,
    180,
    365,
    400,
    545,
    731,
    1096,
    1827,
    2192,
    2557,
    2922,
    3288,
    3653,
)
"""What CloudWatch Logs allows."""
SCHEDULED = {folder(job.name): job for job in JOBS.values()}
"""The functions that a timer invokes, by their folders."""
SEALING = dict(zip(("messages", "objects"), FUNCTIONS, strict=True))
"""Sources of an entry's `events` -> folders of the functions that seal what comes from them."""


class TenantError(Exception):
    """An entry is not valid; the message names it and says what is wrong."""


class Target(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where sealed messages may go. A `*` may be the end of `name`, but of a table's or a bus's.

    The name of an object is its key in the bucket of what is sealed.
    """

    type: Literal["secretsmanager", "ssm", "s3", "dynamodb", "eventbridge"]
    name: str


class Messages(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`bus`: what is put on the tenant's bus as `SealSecret` is sealed too, besides what comes by the queue.

    `keys`: the CMKs that a message may name, as policies name resources.
    """

    targets: tuple[Target, ...]
    keys: tuple[str, ...] = ("*",)
    bus: bool = False


class Objects(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`key`: the CMK of what is put into the inbox; `context` is a part of each object's encryption context."""

    key: str
    context: dict[str, str] = {}


class Events(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The sources of secrets that are sealed without a call of the API; each is off unless it is named."""

    messages: Messages | None = None
    objects: Objects | None = None


class Tenant(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of the list. docs/operations.md describes each field."""

    name: str
    account: str
    region: str
    arn_account: str = ""
    arn_region: str = ""
    other_arns: tuple[str, ...] = ()
    domain: str = ""
    certificate: str = ""
    truststore: str = ""
    rate: int = 100
    burst: int = 200
    limits: dict[str, int] = {}
    inline_actions: tuple[str, ...] = ()
    without_nonce: tuple[str, ...] = ()
    snapstart: tuple[str, ...] = ()
    memory: dict[str, int] = {}
    platform_lines: bool = False
    state_cache_seconds: float = 1
    log_retention_days: int = 365
    alarm_topic: str = ""
    break_glass_role: str = "tkms-break-glass"
    operator_roles: tuple[str, ...] = ()
    keys_table: str = ""
    access_table: str = ""
    listing_index: bool = False
    parent_key_arn: str = ""
    multi_region: bool = True
    standby: Standby | None = None
    other_parent_key_arn: str = ""
    reserved_concurrency: dict[str, int] = {}
    events: Events | None = None
    private: Private | None = None
    explorer: bool | None = None
    sandbox: bool = False
    tags: dict[str, str] = {}

    @property
    def identity(self) -> dict[str, str]:
        """What the functions are told of the ARNs that stand in users' messages for ever."""
        return {"REGION": self.arn_region or self.region, "ACCOUNT": self.arn_account or self.account}

    @property
    def explores(self) -> bool:
        """Whether the endpoint serves the explorer, a page that calls it: in a sandbox, unless the entry says."""
        return self.sandbox if self.explorer is None else self.explorer

    @property
    def public(self) -> bool:
        """Whether the API has an address that everybody reaches."""
        return not (self.private and self.private.only)

    @property
    def moved(self) -> bool:
        """Whether keys that were made elsewhere are adopted: under a parent key of another account or other regions."""
        elsewhere = f":{self.account}:key/" not in self.parent_key_arn or ":key/mrk-" in self.parent_key_arn
        return bool(self.keys_table and self.parent_key_arn) and elsewhere

    @property
    def regions(self) -> Regions | None:
        """Where there are two."""
        return Regions(here=self.region, peer=self.standby.region, first=self.region) if self.standby else None

    @property
    def twin(self) -> Twin | None:
        """The entry of the stack in the standby's region, if there are copies for it."""
        if not (of := self.standby) or not of.parent_key:
            return None
        own = {name: getattr(self, name) for name in self.__struct_fields__}
        there = {
            "region": of.region,
            "arn_region": self.identity["REGION"],
            "arn_account": self.identity["ACCOUNT"],
            "keys_table": of.keys_table,
            "access_table": of.access_table,
            "parent_key_arn": standby.parent_arn(self, of),
            "domain": self.domain if of.certificate else "",
            "certificate": of.certificate,
            "truststore": of.truststore,
            "alarm_topic": of.alarm_topic,
            "events": None,  # what waits to be sealed is in one region only
            "private": None,  # and so is the VPC
        }
        return Twin(**own | there, first=self.region)

    @property
    def construct(self) -> str:
        """What the CDK calls the stack."""
        return self.stack

    @property
    def dashboard(self) -> str:
        """It is one of the account, in whatever region."""
        return self.stack

    @property
    def stack(self) -> str:
        return f"tkms-{self.name}"

    @property
    def function_prefix(self) -> str:
        return f"{self.stack}-"

    @property
    def role_path(self) -> str:
        """Of the roles of the stack, by which policies know them all."""
        return f"/{self.stack}/"

    @property
    def made_prefix(self) -> str:
        """What names begin with that CloudFormation makes: 24 characters of the stack's, however long all are."""
        return f"{self.stack}-"[:24]


class Twin(Tenant, frozen=True, kw_only=True):
    """A tenant in its second region, in a stack of the same name. `first` is the region of the other stack."""

    first: str

    @property
    def regions(self) -> Regions:
        return Regions(here=self.region, peer=self.first, first=self.first)

    @property
    def construct(self) -> str:
        return f"{self.stack}-standby"

    @property
    def dashboard(self) -> str:
        return f"{self.stack}-{self.region}"


@cache
def folders() -> tuple[str, ...]:
    """The folders under `functions/` that hold a Lambda function of every stack."""
    there = {path.parent.name for path in (ROOT / "functions").glob("*/handler.py")}
    return tuple(sorted(there - {*SEALING.values()}))


@cache
def actions() -> dict[str, str]:
    """Folder -> Action of the functions that serve callers, by the `@action` line of each handler."""
    found = {}
    for name in folders():
        text = (ROOT / "functions" / name / "handler.py").read_text("utf-8")
        if match := re.search(r'^@action\(\s*"(\w+)"', text, re.MULTILINE):
            found[name] = match[1]
    return found


Check = tuple[str, Callable[[Tenant], bool], str]


def _matches(pattern: str, text: str) -> bool:
    return re.fullmatch(pattern, text, re.ASCII) is not None


def _are_limits(given: Mapping[str, int]) -> bool:
    try:
        limits_of(given)
    except ValueError:
        return False
    return True


def _are_homes(given: Sequence[str]) -> bool:
    try:
        check_homes(given)
    except ValueError:
        return False
    return True


def _targets(tenant: Tenant) -> tuple[Target, ...]:
    return tenant.events.messages.targets if tenant.events and tenant.events.messages else ()


def _keys(tenant: Tenant) -> tuple[str, ...]:
    return tenant.events.messages.keys if tenant.events and tenant.events.messages else ()


_TARGET_NAMES = {
    "secretsmanager": r"[\w/+=.@-]{1,512}\*?",
    "ssm": r"/?[\w./-]{1,1000}\*?",
    "s3": r"[\w!.'()/=-]{1,1000}\*?",
    "dynamodb": r"[\w.-]{3,255}",
    "eventbridge": r"[\w./-]{1,256}",
}


def _fits_beside_a_name(context: Mapping[str, str]) -> bool:
    """Metadata of an object have 2 KB, and its name of up to 1 KB is in the context too."""
    size = sum(len(name) + len(value) for name, value in context.items())
    return size <= 100 and not {"bucket", "key", "version"} & context.keys()


def _is_own(target: Target, tenant: Tenant) -> bool:
    """Whether it is a part of the tenant's stack, or what stands for one."""
    own = target.name.startswith(f"{tenant.stack}-") or target.name in (tenant.keys_table, tenant.access_table)
    return target.type == "dynamodb" and own


_ARN = r"arn:aws[a-z-]*"


def _is_key(arn: str, tenant: Tenant) -> bool:
    """Whether it is of a key in the tenant's region, if there is one."""
    return not arn or _matches(rf"{_ARN}:kms:{tenant.region}:\d{{12}}:key/[\w-]+", arn)


_DOMAIN = r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}"
_CHECKS: tuple[Check, ...] = (
    (
        "name",
        lambda t: _matches(r"[a-z]([a-z0-9-]{0,20}[a-z0-9])?", t.name),
        "1 to 22 lower-case letters, digits and '-', a letter first and no '-' last: it is a part of function names",
    ),
    ("account", lambda t: _matches(r"\d{12}", t.account), "the 12 digits of an AWS account, as a string"),
    ("region", lambda t: _matches(standby.REGION, t.region), "an AWS region such as eu-central-1"),
    ("arn_account", lambda t: not t.arn_account or _matches(r"\d{12}", t.arn_account), "12 digits, as a string"),
    (
        "arn_region",
        lambda t: not t.arn_region or _matches(r"[a-z0-9-]{1,32}", t.arn_region),
        "up to 32 lower-case letters, digits and '-'",
    ),
    (
        "other_arns",
        lambda t: _are_homes(t.other_arns) and len(set(t.other_arns)) == len(t.other_arns),
        "<region>:<account> as they stand in the ARNs that clients have, each once",
    ),
    (
        "other_arns",
        lambda t: ":".join(t.identity.values()) not in t.other_arns,
        "without what stands in the tenant's own ARNs",
    ),
    *(
        (
            field,
            lambda t, field=field: bool(getattr(t, field)) or not t.moved,
            "name the one that stood in the ARNs of the moved keys, or no message of an encryption SDK opens any more",
        )
        for field in ("arn_account", "arn_region")
    ),
    ("domain", lambda t: not t.domain or _matches(_DOMAIN, t.domain), "a host name in lower case"),
    ("certificate", lambda t: bool(t.certificate) == bool(t.domain), "domain and certificate go together"),
    (
        "certificate",
        lambda t: (
            not t.certificate or _matches(rf"{_ARN}:acm:{t.region}:{t.account}:certificate/[\w-]+", t.certificate)
        ),
        "the ARN of an ACM certificate in the tenant's account and region",
    ),
    ("truststore", lambda t: not t.truststore or bool(t.domain), "mutual TLS needs a domain"),
    (
        "truststore",
        lambda t: not t.truststore or _matches(r"s3://[a-z0-9.-]{3,63}/.+", t.truststore),
        "s3://bucket/key of a PEM file with the authorities of client certificates",
    ),
    ("private", lambda t: not (t.private and t.private.only and t.domain), "without `only`, or without a domain"),
    ("rate", lambda t: 1 <= t.rate <= 10_000, "requests per second, 1 to 10000"),
    ("burst", lambda t: 1 <= t.burst <= 5_000, "requests at once, 1 to 5000"),
    (
        "limits",
        lambda t: _are_limits(t.limits),
        f"figures, 0 for none, of Actions, * and {', '.join(COUNTS)}",
    ),
    (
        "inline_actions",
        lambda t: set(t.inline_actions) <= set(actions().values()),
        "names of Actions such as Encrypt; `functions/` has no other",
    ),
    (
        "inline_actions",
        lambda t: len(set(t.inline_actions)) == len(t.inline_actions),
        "each Action once",
    ),
    (
        "without_nonce",
        lambda t: set(t.without_nonce) <= SAFE_AGAIN,
        f"of {', '.join(sorted(SAFE_AGAIN))}; what any other answers tells something to who sends it again",
    ),
    ("snapstart", lambda t: set(t.snapstart) <= set(folders()), "names of folders under functions/, such as encrypt"),
    *(
        (
            "snapstart",
            lambda t, refused=refused: not refused & set(t.snapstart),
            f"{reason}: {', '.join(sorted(refused))}",
        )
        for reason, refused in snapshots.REFUSED.items()
    ),
    (
        "snapstart",
        lambda t: "endpoint" not in t.snapstart or {folder(name) for name in t.inline_actions} <= snapshots.ALLOWED,
        "the endpoint is refused it while an Action that is refused it runs inside it (inline_actions)",
    ),
    ("memory", lambda t: set(t.memory) <= set(folders()), "names of folders under functions/, such as endpoint"),
    ("memory", lambda t: all(256 <= mb <= 10_240 for mb in t.memory.values()), "256 to 10240 MB for each function"),
    ("state_cache_seconds", lambda t: 0 <= t.state_cache_seconds <= 60, "0 to 60"),
    (
        "log_retention_days",
        lambda t: t.log_retention_days in RETENTION_DAYS,
        f"one of {', '.join(map(str, RETENTION_DAYS))}",
    ),
    (
        "alarm_topic",
        lambda t: not t.alarm_topic or _matches(rf"{_ARN}:sns:{t.region}:\d{{12}}:[\w-]+", t.alarm_topic),
        "the ARN of an SNS topic in the tenant's region",
    ),
    (
        "break_glass_role",
        lambda t: _matches(r"[\w+=,.@/-]{1,128}", t.break_glass_role),
        "the name of an IAM role of the account, with its path if it has one",
    ),
    (
        "operator_roles",
        lambda t: all(_matches(r"[\w+=,.@/-]+\*?", role) and len(role) <= 512 for role in t.operator_roles),
        "names of IAM roles of the account, each with its path if it has one; a `*` may be its end",
    ),
    *(
        (
            field,
            lambda t, field=field: not getattr(t, field) or _matches(r"[\w.-]{3,255}", getattr(t, field)),
            "the name of a DynamoDB table of the tenant's account and region, restored or moved there",
        )
        for field in ("keys_table", "access_table")
    ),
    (
        "access_table",
        lambda t: not t.access_table or t.access_table != t.keys_table,
        "another table than keys_table",
    ),
    (
        "parent_key_arn",
        lambda t: _is_key(t.parent_key_arn, t),
        "the ARN of an AWS KMS key (no alias) in the tenant's region",
    ),
    *standby.CHECKS,
    (
        "other_parent_key_arn",
        lambda t: _is_key(t.other_parent_key_arn, t) and t.other_parent_key_arn != (t.parent_key_arn or " "),
        "the ARN of another AWS KMS key (no alias) in the tenant's region, for tkms reseal",
    ),
    (
        "other_parent_key_arn",
        lambda t: not (t.other_parent_key_arn and t.standby),
        "of a tenant without a standby, whose region would need such a key, too",
    ),
    (
        "reserved_concurrency",
        lambda t: set(t.reserved_concurrency) <= set(folders()),
        "names of folders under functions/, such as endpoint",
    ),
    (
        "reserved_concurrency",
        lambda t: all(1 <= count <= 1000 for count in t.reserved_concurrency.values()),
        "1 to 1000 for each function",
    ),
    ("events", lambda t: not t.events or bool(t.events.messages or t.events.objects), "messages, objects or both"),
    (
        "events",
        lambda t: not (t.events and t.events.messages) or bool(_targets(t)),
        "messages need one target at least",
    ),
    (
        "events",
        lambda t: all(_matches(_TARGET_NAMES[target.type], target.name) for target in _targets(t)),
        "targets are named as AWS names them; a `*` may be the end of the name, but of a table's and a bus's",
    ),
    (
        "events",
        lambda t: all(_matches(r"\*|(key|alias)/[\w/-]{1,256}\*?", key) for key in _keys(t)),
        "keys are *, key/<id> or alias/<name>",
    ),
    ("events", lambda t: not any(_is_own(target, t) for target in _targets(t)), "no target is of the tenant's stack"),
    (
        "events",
        lambda t: not (t.events and t.events.objects) or _matches(r"[\w:/-]{1,512}", t.events.objects.key),
        "the key of objects is an id, or alias/<name>",
    ),
    (
        "events",
        lambda t: _fits_beside_a_name(t.events.objects.context) if t.events and t.events.objects else True,
        "the context of objects has 100 characters at most, and none of the names bucket, key and version",
    ),
)


def _problems(tenant: Tenant) -> Iterator[str]:
    for field, holds, expected in _CHECKS:
        if not holds(tenant):
            yield f"{field}: {getattr(tenant, field)!r} is not valid: {expected}"
    if tenant.private and (expected := wrong(tenant.private, tenant.account, tenant.region)):
        yield f"private.{expected}"


def parse(entries: object) -> Sequence[Tenant]:
    """The tenants of a list. Raises `TenantError` that names every entry that is not valid."""
    if not isinstance(entries, list) or not entries:
        raise TenantError("there is no list of tenants: one entry for each, as docs/operations.md describes them")
    tenants: list[Tenant] = []
    problems: list[str] = []
    for number, entry in enumerate(entries):
        name = entry.get("name") if isinstance(entry, dict) else None
        where = f"tenants[{number}] ({repr(name) if name else 'no name'})"
        try:
            tenant = _convert(entry)
        except msgspec.ValidationError as e:
            problems.append(f"{where}: {_readable(e)}")
            continue
        problems += [f"{where}: {problem}" for problem in _problems(tenant)]
        if tenant.name in {other.name for other in tenants}:
            problems.append(f"{where}: name: {tenant.name!r} stands in an earlier entry too")
        if tenant.construct in {twin.construct for other in tenants if (twin := other.twin)}:
            problems.append(f"{where}: name: the standby of an earlier entry is called {tenant.construct}")
        tenants.append(tenant)
    if problems:
        raise TenantError("\n".join(problems))
    return tenants


def _convert(entry: Any) -> Tenant:
    if isinstance(entry, dict):
        # A comment in JSON, since JSON has none.
        entry = {field: value for field, value in entry.items() if not field.startswith("//")}
    return msgspec.convert(entry, Tenant)


def _readable(error: msgspec.ValidationError) -> str:
    """`rate: Expected `int`, got `str`` of "Expected `int`, got `str` - at `$.rate`"."""
    text, _, place = str(error).partition(" - at `$")
    place = place.rstrip("`").lstrip(".")
    return f"{place}: {text}" if place else text
