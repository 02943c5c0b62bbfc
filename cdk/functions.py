"""The functions of every tenant: the endpoint, one for each Action, and the scheduled ones, each under its own role."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aws_cdk import Acknowledgment, Duration, RemovalPolicy, Validations
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from constructs import Construct
from msgspec import Struct

from cdk import bundles, catalog
from cdk.layer import ARCHITECTURE, RUNTIME, Layer, code
from cdk.parent_key import ParentKey
from cdk.tables import Tables
from cdk.tenants import RETENTION_DAYS, SCHEDULED, SEALING, Tenant, actions, folders
from tenantkms.runtime.invoke import LIVE

ENDPOINT = "endpoint"


class Size(Struct, frozen=True):
    """Memory in MB, of which 1769 are one core; `timeout` in seconds."""

    memory: int = 512
    timeout: int = 7


_RSA = Size(memory=1769)
_SWEEPER = Size(timeout=300)
SIZES: Mapping[str, Size] = {
    # The API waits 30 s; an Action's function must have ended before the endpoint stops waiting (runtime/assemble.py).
    # It waits most of its time, and memory is paid for while it does (docs/decisions/0042-cost.md).
    ENDPOINT: Size(memory=768, timeout=29),
    "create_key": _RSA,
    "create_key_version": _RSA,
    "get_parameters_for_import": _RSA,
    "asymmetric_decrypt": _RSA,
    "asymmetric_sign": _RSA,
    **dict.fromkeys(SCHEDULED, _SWEEPER),
    # Ten messages of a few calls each, of which every one may be waited for. The core is for 100 MB of an object in a
    # second, and the time for 5 GB of it, written and read back (docs/events.md).
    SEALING["messages"]: Size(memory=1024, timeout=60),
    SEALING["objects"]: Size(memory=1769, timeout=900),
}

_TEXT: Mapping[str, Any] = {"logging_format": lambda_.LoggingFormat.TEXT}
_JSON: Mapping[str, Any] = {
    "logging_format": lambda_.LoggingFormat.JSON,
    "system_log_level_v2": lambda_.SystemLogLevel.WARN,
    "application_log_level_v2": lambda_.ApplicationLogLevel.INFO,
}
"""What AWS Lambda itself logs of an invocation, START, END and REPORT, only if it went wrong.

The functions' own lines have no level and count as INFO: above it the audit log would be lost. Below it the runtime
sets Python's root logger to DEBUG, and botocore logs bodies. Lines that are JSON already stay as they are.
"""

_RETENTION = dict(
    zip(
        RETENTION_DAYS,
        "ONE_DAY THREE_DAYS FIVE_DAYS ONE_WEEK TWO_WEEKS ONE_MONTH TWO_MONTHS THREE_MONTHS FOUR_MONTHS FIVE_MONTHS"
        " SIX_MONTHS ONE_YEAR THIRTEEN_MONTHS EIGHTEEN_MONTHS TWO_YEARS THREE_YEARS FIVE_YEARS SIX_YEARS SEVEN_YEARS"
        " EIGHT_YEARS NINE_YEARS TEN_YEARS".split(),
        strict=True,
    )
)


def log_group(scope: Construct, name: str, tenant: Tenant) -> logs.LogGroup:
    """Audit lines are in it, so it outlives the stack, except in a sandbox."""
    return logs.LogGroup(
        scope,
        name,
        retention=logs.RetentionDays[_RETENTION[tenant.log_retention_days]],
        removal_policy=RemovalPolicy.DESTROY if tenant.sandbox else RemovalPolicy.RETAIN,
    )


def pascal(folder: str) -> str:
    return "".join(word.capitalize() for word in folder.split("_"))


def made(
    room: Construct,
    tenant: Tenant,
    folder: str,
    *,
    layers: Sequence[lambda_.ILayerVersion],
    logs_into: logs.LogGroup,
    may: Iterable[iam.PolicyStatement],
    environment: Mapping[str, str],
    inline: Iterable[str] = (),
    **how: Any,
) -> lambda_.Function:
    """A function under a role of its own, which may do what `may` says and write its log."""
    size = SIZES.get(folder, Size())
    logging = _TEXT if tenant.platform_lines else _JSON
    return lambda_.Function(
        room,
        "Function",
        function_name=f"{tenant.function_prefix}{folder}",
        runtime=RUNTIME,
        architecture=ARCHITECTURE,
        handler=f"functions.{folder}.handler.handler",
        code=code(bundles.function(folder, inline)),
        layers=layers,
        role=_role(room, tenant.role_path, logs_into, may),
        log_group=logs_into,
        memory_size=tenant.memory.get(folder, size.memory),
        timeout=Duration.seconds(size.timeout),
        environment=environment,
        snap_start=lambda_.SnapStartConf.ON_PUBLISHED_VERSIONS if folder in tenant.snapstart else None,
        **logging,
        **how,
    )


def _role(room: Construct, path: str, group: logs.LogGroup, may: Iterable[iam.PolicyStatement]) -> iam.Role:
    write = iam.PolicyStatement(actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[group.log_group_arn])
    return iam.Role(
        room,
        "Role",
        path=path,
        assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        inline_policies={"Catalog": iam.PolicyDocument(statements=[write, *may])},
    )


class Functions(Construct):
    """`by_folder` has them all; `logs` their log groups, `dead_letters` the queues of the scheduled ones."""

    def __init__(self, scope: Construct, name: str, tenant: Tenant, tables: Tables, parent: ParentKey) -> None:
        super().__init__(scope, name)
        Validations.of(self).acknowledge(
            Acknowledgment(
                id="AwsSolutions::AwsSolutions-L1",
                reason="python3.13 is the runtime that the layer's wheels are pinned, compiled and tested for.",
            )
        )
        self._tenant = tenant
        self.layer = Layer(self, "Layer", bundles.layer(bundles.target()), "tenantkms and its libraries").version
        self._resources = catalog.Resources(
            tenant=tenant.name,
            tables={"keys": tables.keys.table_arn, "access": tables.access.table_arn},
            parent_keys=parent.arns,
        )
        self._environment = {
            "TENANT": tenant.name,
            **tenant.identity,
            "KEYS_TABLE": tables.keys.table_name,
            "ACCESS_TABLE": tables.access.table_name,
            "PARENT_KEY_ARN": parent.key.key_arn,
            "STATE_CACHE_SECONDS": f"{tenant.state_cache_seconds:g}",
            **(tenant.regions.environment if tenant.regions else {}),
        }
        if tenant.other_parent_key_arn:
            self._environment["OTHER_PARENT_KEY_ARN"] = tenant.other_parent_key_arn
        if tenant.limits:
            self._environment["LIMITS"] = ",".join(f"{name}={figure}" for name, figure in tenant.limits.items())
        self.logs: dict[str, logs.LogGroup] = {}
        self.dead_letters: dict[str, sqs.Queue] = {}
        self.by_folder = {folder: self._function(folder) for folder in folders() if folder != ENDPOINT}
        self.endpoint = self.by_folder[ENDPOINT] = self._endpoint()

    def served(self, folder: str) -> lambda_.IFunction:
        """What is invoked, to be made once: the function, or the alias of its newest version, which starts from a
        snapshot."""
        function = self.by_folder[folder]
        if folder not in self._tenant.snapstart:
            return function
        return lambda_.Alias(function, "Live", alias_name=LIVE, version=function.current_version)

    def _endpoint(self) -> lambda_.Function:
        """It invokes the functions of exactly those Actions that do not run inside it."""
        inline = [folder for folder, action in actions().items() if action in self._tenant.inline_actions]
        invoked = [self.served(folder).function_arn for folder in actions() if folder not in inline]
        statements = [iam.PolicyStatement(actions=[catalog.INVOKE], resources=invoked)] if invoked else []
        tenant = self._tenant
        environment = {"FUNCTION_PREFIX": tenant.function_prefix, "API_PER_SECOND": str(tenant.rate + tenant.burst)}
        if tenant.other_arns:
            environment["OTHER_ARNS"] = ",".join(tenant.other_arns)
        if inline:
            environment["INLINE_ACTIONS"] = ",".join(self._tenant.inline_actions)
        if live := sorted(set(tenant.snapstart) & set(actions()) - set(inline)):
            environment["LIVE_FOLDERS"] = ",".join(live)
        if tenant.explores:
            environment["EXPLORER"] = "on"
        if tenant.without_nonce:
            environment["WITHOUT_NONCE"] = ",".join(tenant.without_nonce)
        return self._function(ENDPOINT, inline=inline, more=statements, environment=environment)

    def _function(
        self,
        folder: str,
        *,
        inline: list[str] | None = None,
        more: list[iam.PolicyStatement] | None = None,
        environment: dict[str, str] | None = None,
    ) -> lambda_.Function:
        inline = inline or []
        room = Construct(self, pascal(folder))
        group = self.logs[folder] = log_group(room, "Logs", self._tenant)
        rows = catalog.rows_of(folder, inline, replicated=self._tenant.regions is not None)
        statements = [*catalog.statements(rows, self._resources), *(more or [])]
        scheduled = folder in SCHEDULED
        if scheduled:
            self.dead_letters[folder] = sqs.Queue(
                room, "DeadLetters", enforce_ssl=True, retention_period=Duration.days(14)
            )
        return made(
            room,
            self._tenant,
            folder,
            inline=inline,
            layers=[self.layer],
            logs_into=group,
            may=statements,
            environment={**self._environment, **(environment or {})},
            reserved_concurrent_executions=self._tenant.reserved_concurrency.get(folder),
            dead_letter_queue=self.dead_letters.get(folder),
            retry_attempts=2 if scheduled else None,
            max_event_age=Duration.hours(1) if scheduled else None,
        )
