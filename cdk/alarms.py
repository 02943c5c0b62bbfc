"""What wakes somebody: alarms of a tenant, and the metrics that are counted from its log lines."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct

from cdk.api import Api
from cdk.catalog import CATALOG
from cdk.functions import ENDPOINT, Functions, pascal
from cdk.schedules import MINUTES
from cdk.tenants import SCHEDULED, Tenant

_REFUSED = ("UnknownAccessKey", "SignatureMismatch", "CredentialDisabled", "NonceReused", "RequestExpired")
_PARENT_KEY = ("DisabledException", "KMSInvalidStateException")


class Alarms(Construct):
    """They go to the tenant's topic, if it names one. `metrics` are those that the dashboard shows too."""

    def __init__(self, scope: Construct, name: str, tenant: Tenant, functions: Functions, api: Api) -> None:
        super().__init__(scope, name)
        self._tenant = tenant
        topic = sns.Topic.from_topic_arn(self, "Topic", tenant.alarm_topic) if tenant.alarm_topic else None
        self._action = actions.SnsAction(topic) if topic else None
        self.metrics = {
            "AuthenticationFailures": self._counted(
                "AuthenticationFailures", functions.logs[ENDPOINT], logs.FilterPattern.any(*map(_outcome, _REFUSED))
            ),
            "Faults": self._counted("Faults", functions.logs[ENDPOINT], _equals("$.level", "error")),
            "ParentKeyFaults": self._parent_key(functions),
        }
        self._service(functions, api)
        for folder in SCHEDULED:
            self._sweeper(folder, functions)

    def _service(self, functions: Functions, api: Api) -> None:
        minutes = Duration.minutes(5)
        endpoint = functions.endpoint
        self._alarm("ServerErrors", api.http.metric_server_error(period=minutes, statistic="Sum"), 5)
        self._alarm("Latency", api.http.metric_latency(period=minutes, statistic="p99"), 3000, periods=3)
        self._alarm("Throttles", endpoint.metric_throttles(period=minutes), 1)
        self._alarm("EndpointErrors", endpoint.metric_errors(period=minutes), 1)
        self._alarm("Faults", self.metrics["Faults"], 5)
        self._alarm("ParentKey", self.metrics["ParentKeyFaults"], 1)
        self._alarm("AuthenticationFailures", self.metrics["AuthenticationFailures"], 100)

    def _sweeper(self, folder: str, functions: Functions) -> None:
        function, name = functions.by_folder[folder], pascal(folder)
        hour = Duration.minutes(4 * MINUTES)
        self._alarm(f"{name}Errors", function.metric_errors(period=hour), 1)
        waiting = functions.dead_letters[folder].metric_approximate_number_of_messages_visible(statistic="Maximum")
        self._alarm(f"{name}DeadLetters", waiting, 1)
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
        """AWS KMS says why it does not seal or unseal, and each function that asks it logs that."""
        pattern = logs.FilterPattern.any_term(*(f"({code})" for code in _PARENT_KEY))
        for folder, row in CATALOG.items():
            if row.seals or row.unseals:
                metric = self._counted("ParentKeyFaults", functions.logs[folder], pattern, pascal(folder))
        return metric

    def _counted(
        self, name: str, group: logs.ILogGroup, pattern: logs.IFilterPattern, source: str = ""
    ) -> cloudwatch.Metric:
        """How many lines of a log match, as a metric of the tenant without dimensions."""
        found = logs.MetricFilter(
            self,
            f"{name}{source}Filter",
            log_group=group,
            filter_pattern=pattern,
            metric_namespace=f"TenantKms/{self._tenant.name}",
            metric_name=name,
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


def _equals(field: str, value: str) -> logs.JsonPattern:
    return logs.FilterPattern.string_value(field, "=", value)


def _outcome(name: str) -> logs.JsonPattern:
    return _equals("$.outcome", name)
