"""The tenant's own metrics, as its functions' log lines tell them (`tenantkms.audit.metrics`)."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_sqs as sqs

from cdk.tenants import Tenant
from tenantkms.audit.metrics import NAMESPACE


def own(tenant: Tenant, name: str, statistic: str = "Sum", minutes: int = 5) -> cloudwatch.Metric:
    """A metric of the whole tenant."""
    return cloudwatch.Metric(
        namespace=NAMESPACE.format(tenant.name),
        metric_name=name,
        dimensions_map={"tenant": tenant.name},
        statistic=statistic,
        period=Duration.minutes(minutes),
    )


def waiting(queue: sqs.Queue) -> cloudwatch.Metric:
    """Messages of a queue that nobody has taken."""
    return queue.metric_approximate_number_of_messages_visible(statistic="Maximum")


def by_action(tenant: Tenant, name: str, statistic: str) -> cloudwatch.MathExpression:
    """A line for each Action that is called."""
    return search(f'{{"{NAMESPACE.format(tenant.name)}",action}} MetricName="{name}"', statistic)


def by_function(tenant: Tenant, name: str, statistic: str) -> cloudwatch.MathExpression:
    """What AWS Lambda tells, a line for each function of the tenant."""
    return search(f'{{AWS/Lambda,FunctionName}} FunctionName="{tenant.function_prefix}" MetricName="{name}"', statistic)


def search(what: str, statistic: str) -> cloudwatch.MathExpression:
    expression = f"SEARCH('{what}', '{statistic}', 300)"
    return cloudwatch.MathExpression(expression=expression, using_metrics={}, label="")
