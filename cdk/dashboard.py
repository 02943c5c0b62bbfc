"""A tenant's dashboard: one look says whether it is well, and if not, where."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from cdk.alarms import Alarms
from cdk.api import Api
from cdk.events import Events
from cdk.functions import Functions
from cdk.metrics import by_action, by_function, own, waiting
from cdk.tables import Tables
from cdk.tenants import SCHEDULED, Tenant
from tenantkms.audit import metrics

if TYPE_CHECKING:
    from cdk.private import PrivateAddress

Row = Mapping[str, list[cloudwatch.IMetric]]
_DONE = [metric for job in SCHEDULED.values() for metric in (job.metric("Done"), job.metric("Failed"))]


class Dashboard(Construct):
    def __init__(
        self,
        scope: Construct,
        name: str,
        tenant: Tenant,
        functions: Functions,
        tables: Tables,
        api: Api,
        alarms: Alarms,
        sealing: Events,
        inside: PrivateAddress | None,
    ) -> None:
        super().__init__(scope, name)
        board = cloudwatch.Dashboard(self, "Board", dashboard_name=tenant.dashboard)
        for row in (
            _callers_see(tenant, api),
            *([_clients_inside_see(inside)] if inside else []),
            _actions(tenant),
            _limits(tenant, tables),
            _parent_key(tenant, alarms),
            _scheduled(tenant, functions),
            *([_sealing(sealing)] if sealing.by_source else []),
        ):
            board.add_widgets(
                *(cloudwatch.GraphWidget(title=title, left=metrics, width=8) for title, metrics in row.items())
            )


def _callers_see(tenant: Tenant, api: Api) -> Row:
    http = api.http
    return {
        "Requests": [http.metric_count(statistic="Sum")],
        "Errors": [
            http.metric_client_error(statistic="Sum"),
            http.metric_server_error(statistic="Sum"),
            own(tenant, metrics.REFUSED),
            own(tenant, metrics.ERRORS),
        ],
        "Latency": [http.metric_latency(statistic=statistic) for statistic in ("p50", "p99")],
    }


def _clients_inside_see(inside: PrivateAddress) -> Row:
    return {
        "Requests by the private address": [inside.requests],
        "Errors there": [inside.errors, inside.own_errors],
        "Latency there, p99": [inside.latency],
    }


def _actions(tenant: Tenant) -> Row:
    return {
        "Requests by Action": [by_action(tenant, metrics.LATENCY, "SampleCount")],
        "Errors by Action": [by_action(tenant, name, "Sum") for name in (metrics.ERRORS, metrics.REFUSED)],
        "Latency by Action, p99": [by_action(tenant, metrics.LATENCY, "p99")],
    }


def _limits(tenant: Tenant, tables: Tables) -> Row:
    throttled = [
        table.metric(f"{way}ThrottleEvents", statistic="Sum") for table in tables.all for way in ("Read", "Write")
    ]
    return {
        "Throttles": [by_function(tenant, "Throttles", "Sum"), own(tenant, metrics.THROTTLED), *throttled],
        "Cold starts": [own(tenant, metrics.COLD_START)],
        "Concurrency by function": [by_function(tenant, "ConcurrentExecutions", "Maximum")],
    }


def _parent_key(tenant: Tenant, alarms: Alarms) -> Row:
    return {
        "Parent-key calls": [own(tenant, metrics.PARENT_KEY_CALLS), alarms.parent_key_faults],
        "Parent-key latency, p99": [own(tenant, metrics.PARENT_KEY_LATENCY, "p99")],
        "Authentication failures, rows not believed": [
            own(tenant, name) for name in (metrics.AUTHENTICATION_FAILURES, metrics.INTEGRITY_FAULTS)
        ],
    }


def _scheduled(tenant: Tenant, functions: Functions) -> Row:
    return {
        "Keys pending deletion": [own(tenant, metrics.KEYS_PENDING_DELETION, "Maximum", minutes=15)],
        "Rotations and deletions": [own(tenant, name, minutes=15) for name in _DONE],
        "Dead letters": [waiting(functions.dead_letters[folder]) for folder in SCHEDULED],
    }


def _sealing(sealing: Events) -> Row:
    sources = sealing.by_source.values()
    refused = [sealing.rejected] if sealing.rejected else []
    return {
        "To be sealed": [waiting(of.queue) for of in sources],
        "To be sealed, age of the oldest": [of.queue.metric_approximate_age_of_oldest_message() for of in sources],
        "Not sealed: rejected, dead letters, left in the inbox": [
            *(waiting(queue) for queue in (*refused, *(of.dead_letters for of in sources))),
            *([sealing.left] if sealing.left else []),
        ],
    }
