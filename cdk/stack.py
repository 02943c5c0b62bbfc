"""The stack of one tenant: its constructs, wired."""

from __future__ import annotations

from aws_cdk import CfnOutput, Environment, Stack, Tags
from constructs import Construct

from cdk.alarms import Alarms
from cdk.api import Api
from cdk.dashboard import Dashboard
from cdk.events import Events
from cdk.functions import ENDPOINT, Functions
from cdk.guard import Guard
from cdk.parent_key import ParentKey
from cdk.schedules import Schedules
from cdk.tables import Tables
from cdk.tenants import Tenant
from tenantkms import __version__


class TenantStack(Stack):
    def __init__(self, scope: Construct, tenant: Tenant) -> None:
        super().__init__(
            scope,
            tenant.construct,
            stack_name=tenant.stack,
            env=Environment(account=tenant.account, region=tenant.region),
            description=f"Key management service of tenant {tenant.name}",
            termination_protection=not tenant.sandbox,
        )
        for name, value in {**tenant.tags, "tkms:tenant": tenant.name}.items():
            Tags.of(self).add(name, value)
        tables = Tables(self, "Tables", tenant)
        parent = ParentKey(self, "ParentKey", tenant)
        functions = Functions(self, "Functions", tenant, tables, parent)
        endpoint = functions.served(ENDPOINT)
        api = Api(self, "Api", tenant, endpoint)
        inside = None
        if tenant.private:
            from cdk.private import PrivateAddress  # half of the CDK's library for EC2

            inside = PrivateAddress(self, "Private", tenant, tenant.private, endpoint)
        Schedules(self, "Schedules", tenant, functions)
        sealing = Events(self, "Events", tenant, functions, tables)
        guard = Guard(self, "Guard", tenant, tables, parent, sealing)
        alarms = Alarms(self, "Alarms", tenant, functions, api, guard, sealing)
        if inside:
            alarms.watch(inside)
        Dashboard(self, "Dashboard", tenant, functions, tables, api, alarms, sealing, inside)
        # What `tkms` and people need to find the deployment; none of it is secret.
        for name, value in {
            "Url": api.url,
            "Tenant": tenant.name,
            "Region": tenant.identity["REGION"],
            "Account": tenant.identity["ACCOUNT"],
            "KeysTable": tables.keys.table_name,
            "AccessTable": tables.access.table_name,
            "ParentKeyArn": parent.key.key_arn,
            "FunctionPrefix": tenant.function_prefix,
            "Version": __version__,
            "Sandbox": str(tenant.sandbox).lower(),
            **(tenant.regions.outputs if tenant.regions else {}),
            **({"OtherParentKeyArn": tenant.other_parent_key_arn} if tenant.other_parent_key_arn else {}),
            **sealing.outputs,
        }.items():
            CfnOutput(self, name, value=value)
