"""The two DynamoDB tables of a tenant, as `dynamodb_layout` lays them out."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from cdk.tenants import Tenant
from tenantkms.keystore import dynamodb_layout as layout


def _string(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)


class Tables(Construct):
    """On demand, encrypted, restorable to any second of 35 days; kept when the stack goes, except in a sandbox."""

    def __init__(self, scope: Construct, name: str, tenant: Tenant) -> None:
        super().__init__(scope, name)
        self._tenant = tenant
        self.keys = self._table("Keys", sort_key=_string(layout.SORT_KEY))
        self.access = self._table("Access", time_to_live_attribute=layout.TTL)
        listing = (layout.INDEX, layout.INDEX_PARTITION_KEY, layout.INDEX_SORT_KEY)
        for table, (index, partition, sort) in (
            (self.keys, listing),
            (self.keys, (layout.DUE_INDEX, layout.DUE_PARTITION_KEY, layout.DUE_SORT_KEY)),
            (self.access, listing),
        ):
            table.add_global_secondary_index(
                index_name=index,
                partition_key=_string(partition),
                sort_key=_string(sort),
                projection_type=dynamodb.ProjectionType.ALL,
            )

    def _table(
        self, name: str, *, sort_key: dynamodb.Attribute | None = None, time_to_live_attribute: str | None = None
    ) -> dynamodb.Table:
        sandbox = self._tenant.sandbox
        return dynamodb.Table(
            self,
            name,
            partition_key=_string(layout.PARTITION_KEY),
            sort_key=sort_key,
            time_to_live_attribute=time_to_live_attribute,
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.AWS_MANAGED,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=not sandbox,
            removal_policy=RemovalPolicy.DESTROY if sandbox else RemovalPolicy.RETAIN,
        )
