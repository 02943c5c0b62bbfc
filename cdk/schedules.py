"""When the scheduled functions run, and where an event goes that could not be delivered or done."""

from __future__ import annotations

from aws_cdk import Duration
from aws_cdk import aws_events as events
from aws_cdk import aws_events_targets as targets
from constructs import Construct

from cdk.functions import Functions, pascal
from cdk.tenants import SCHEDULED, Tenant

MINUTES = 15
"""A rotation or a destruction comes that much later than it is due, at most; both are due in days."""


class Schedules(Construct):
    def __init__(self, scope: Construct, name: str, tenant: Tenant, functions: Functions) -> None:
        super().__init__(scope, name)
        for folder in SCHEDULED:
            events.Rule(
                self,
                pascal(folder),
                description=f"{folder} of tenant {tenant.name}",
                schedule=events.Schedule.rate(Duration.minutes(MINUTES)),
                targets=[
                    targets.LambdaFunction(
                        functions.by_folder[folder],
                        dead_letter_queue=functions.dead_letters[folder],
                        retry_attempts=3,
                        max_event_age=Duration.hours(1),
                    )
                ],
            )
