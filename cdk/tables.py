"""The DynamoDB tables of a tenant: keys and access as `dynamodb_layout` lays them out, and that of sealed messages."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from cdk.tenants import Tenant
from tenantkms.store import dynamodb_layout as layout
from tenantkms_events.names import EXPIRES


def _string(name: str) -> dynamodb.Attribute:
    return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)


def _index(table: dynamodb.Table, name: str, partition: str, sort: str, only: tuple[str, ...] = ()) -> None:
    """`only`: what it has besides keys, if that is not all."""
    table.add_global_secondary_index(
        index_name=name,
        partition_key=_string(partition),
        sort_key=_string(sort),
        projection_type=dynamodb.ProjectionType.INCLUDE if only else dynamodb.ProjectionType.ALL,
        non_key_attributes=list(only) or None,
    )


class Tables(Construct):
    """On demand, encrypted, restorable to any second of 35 days; kept when the stack goes, except in a sandbox.

    A table that the tenant names, one that was restored or moved, is used as it is: nothing of it is the stack's.
    `events` is there where messages are sealed.
    """

    def __init__(self, scope: Construct, name: str, tenant: Tenant) -> None:
        super().__init__(scope, name)
        self._tenant = tenant
        self.keys = self._adopted("Keys", tenant.keys_table) or self._keys()
        self.access = self._adopted("Access", tenant.access_table) or self._access()
        sealing = tenant.events and tenant.events.messages
        self.events = self._table("Events", time_to_live_attribute=EXPIRES) if sealing else None

    @property
    def all(self) -> list[dynamodb.ITable]:
        return [table for table in (self.keys, self.access, self.events) if table]

    def _adopted(self, name: str, table: str) -> dynamodb.ITable | None:
        return dynamodb.Table.from_table_name(self, name, table) if table else None

    def _keys(self) -> dynamodb.Table:
        table = self._table("Keys", sort_key=_string(layout.SORT_KEY))
        if self._tenant.listing_index:
            _index(table, layout.INDEX, layout.INDEX_PARTITION_KEY, layout.INDEX_SORT_KEY)
        _index(table, layout.DUE_INDEX, layout.DUE_PARTITION_KEY, layout.DUE_SORT_KEY)
        _index(table, layout.NAMES_INDEX, layout.INDEX_PARTITION_KEY, layout.INDEX_SORT_KEY, layout.NAMES)
        return table

    def _access(self) -> dynamodb.Table:
        table = self._table("Access", time_to_live_attribute=layout.TTL)
        _index(table, layout.INDEX, layout.INDEX_PARTITION_KEY, layout.INDEX_SORT_KEY)
        return table

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
