"""What wakes somebody: the alarms of a tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct

from cdk.api import Api
from cdk.catalog import CATALOG
from cdk.events import VISIBILITY, Events, Sealing
from cdk.functions import SIZES, Functions, pascal
from cdk.guard import Guard
from cdk.metrics import own, waiting
from cdk.schedules import MINUTES
from cdk.tenants import SCHEDULED, SEALING, Tenant
from tenantkms.audit import metrics

if TYPE_CHECKING:
    from cdk.private import PrivateAddress

_PARENT_KEY = ("DisabledException", "KMSInvalidStateException")
_LATE = 900
"""Seconds that a secret waits to be sealed when somebody is to know; longer where one delivery may take longer."""
_MANY = 1000
"""Messages that wait, for 15 minutes: more come than are sealed."""


class Alarms(Construct):
    """They go to the tenant's topic, if it names one. `parent_key_faults` is for the dashboard, too."""

    def __init__(
        self, scope: Construct, name: str, tenant: Tenant, functions: Functions, api: Api, guard: Guard, sealing: Events
    ) -> None:
        super().__init__(scope, name)
        self._tenant = tenant
        topic = sns.Topic.from_topic_arn(self, "Topic", tenant.alarm_topic) if tenant.alarm_topic else None
        self._action = actions.SnsAction(topic) if topic else None
        self.parent_key_faults = self._parent_key(functions)
        self._service(functions, api)
        self._alarm("Tampering", guard.seen, 1)
        for folder in SCHEDULED:
            self._sweeper(folder, functions)
        for source, of in sealing.by_source.items():
            self._sealing(pascal(SEALING[source]), of)
        if sealing.rejected:
            self._alarm("Rejected", waiting(sealing.rejected), 1)
        if sealing.left:
            self._alarm("SealObjectsLeft", sealing.left, 1)

    def watch(self, inside: PrivateAddress) -> None:
        """As `ServerErrors` and `Latency`, of what comes by the private address, whose latency is in seconds."""
        self._alarm("PrivateServerErrors", inside.errors, 5)
        self._alarm("PrivateUnanswered", inside.own_errors, 5)
        self._alarm("PrivateLatency", inside.latency, 3, periods=3)

    def _sealing(self, name: str, of: Sealing) -> None:
        late = max(_LATE, SIZES[of.folder].timeout * VISIBILITY)
        self._alarm(f"{name}Age", of.queue.metric_approximate_age_of_oldest_message(statistic="Maximum"), late)
        self._alarm(f"{name}Lag", waiting(of.queue), _MANY, periods=3)
        self._alarm(f"{name}DeadLetters", waiting(of.dead_letters), 1)
        self._alarm(f"{name}Errors", of.function.metric_errors(period=Duration.minutes(5)), 1)

    def _service(self, functions: Functions, api: Api) -> None:
        minutes = Duration.minutes(5)
        endpoint = functions.endpoint
        self._alarm("ServerErrors", api.http.metric_server_error(period=minutes, statistic="Sum"), 5)
        self._alarm("Latency", api.http.metric_latency(period=minutes, statistic="p99"), 3000, periods=3)
        self._alarm("Throttles", endpoint.metric_throttles(period=minutes), 1)
        self._alarm("EndpointErrors", endpoint.metric_errors(period=minutes), 1)
        self._alarm("Faults", own(self._tenant, metrics.ERRORS), 5)
        self._alarm("ParentKey", self.parent_key_faults, 1)
        self._alarm("Integrity", own(self._tenant, metrics.INTEGRITY_FAULTS), 1)
        self._alarm("AuthenticationFailures", own(self._tenant, metrics.AUTHENTICATION_FAILURES), 100)

    def _sweeper(self, folder: str, functions: Functions) -> None:
        function, name = functions.by_folder[folder], pascal(folder)
        hour = Duration.minutes(4 * MINUTES)
        self._alarm(f"{name}Errors", function.metric_errors(period=hour), 1)
        self._alarm(f"{name}Failures", own(self._tenant, SCHEDULED[folder].metric("Failed"), minutes=4 * MINUTES), 1)
        if SCHEDULED[folder].careful:
            self._alarm(f"{name}Held", own(self._tenant, SCHEDULED[folder].metric("Held"), minutes=4 * MINUTES), 1)
        self._alarm(f"{name}DeadLetters", waiting(functions.dead_letters[folder]), 1)
        cloudwatch.Alarm(
            self,
            f"{name}Missed",
            metric=function.metric_invocations(period=hour),
            threshold=1,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
        ).add_alarm_action(*self._actions())

    def _parent_key(self, functions: Functions) -> cloudwatch.Metric:
        """AWS KMS says why it does not seal or unseal, and each function that asks it logs that: no metric tells."""
        pattern = logs.FilterPattern.any_term(*(f"({code})" for code in _PARENT_KEY))
        for folder, row in CATALOG.items():
            if row.seals or row.unseals:
                found = logs.MetricFilter(
                    self,
                    f"ParentKeyFaults{pascal(folder)}Filter",
                    log_group=functions.logs[folder],
                    filter_pattern=pattern,
                    metric_namespace=metrics.NAMESPACE.format(self._tenant.name),
                    metric_name="ParentKeyFaults",
                )
        return found.metric(statistic="Sum", period=Duration.minutes(5))

    def _actions(self) -> list[cloudwatch.IAlarmAction]:
        return [self._action] if self._action else []

    def _alarm(self, name: str, metric: cloudwatch.IMetric, threshold: float, periods: int = 1) -> None:
        cloudwatch.Alarm(
            self,
            name,
            metric=metric,
            threshold=threshold,
            evaluation_periods=periods,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        ).add_alarm_action(*self._actions())
