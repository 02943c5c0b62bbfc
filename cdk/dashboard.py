"""A tenant's dashboard: requests, errors, latency, throttles and faults at one look."""

from __future__ import annotations

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from cdk.alarms import Alarms
from cdk.api import Api
from cdk.functions import Functions
from cdk.tenants import Tenant


class Dashboard(Construct):
    def __init__(
        self, scope: Construct, name: str, tenant: Tenant, functions: Functions, api: Api, alarms: Alarms
    ) -> None:
        super().__init__(scope, name)
        http, each = api.http, f'{{AWS/Lambda,FunctionName}} FunctionName="{tenant.function_prefix}"'

        def search(metric: str, statistic: str) -> cloudwatch.MathExpression:
            expression = f"SEARCH('{each} MetricName=\"{metric}\"', '{statistic}', 300)"
            return cloudwatch.MathExpression(expression=expression, using_metrics={}, label="")

        board = cloudwatch.Dashboard(self, "Board", dashboard_name=tenant.stack)
        for row in (
            {
                "Requests": [http.metric_count(statistic="Sum")],
                "Errors": [http.metric_client_error(statistic="Sum"), http.metric_server_error(statistic="Sum")],
                "Latency": [http.metric_latency(statistic=statistic) for statistic in ("p50", "p99")],
            },
            {
                "Duration by function, p99": [search("Duration", "p99")],
                "Invocations by function": [search("Invocations", "Sum")],
                "Throttles by function": [search("Throttles", "Sum")],
            },
            {
                "Faults": [alarms.metrics["Faults"], alarms.metrics["ParentKeyFaults"]],
                "Authentication failures": [alarms.metrics["AuthenticationFailures"]],
                "Dead letters": [
                    queue.metric_approximate_number_of_messages_visible() for queue in functions.dead_letters.values()
                ],
            },
        ):
            board.add_widgets(
                *(cloudwatch.GraphWidget(title=title, left=metrics, width=8) for title, metrics in row.items())
            )
