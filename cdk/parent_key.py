"""The AWS KMS key that seals a tenant's keys and credentials."""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from cdk.tenants import Tenant

_USE = ("kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*")

_ENDS = ("kms:ScheduleKeyDeletion", "kms:PutKeyPolicy")
_COPIES = ("kms:ReplicateKey", "kms:UpdatePrimaryRegion")


class ParentKey(Construct):
    """Rotated and retained. Without it all of the tenant's keys are lost, so its policy guards it from its own account.

    Only the stack's functions, the tenant's operators and the break-glass role use it, and nobody without naming the
    tenant. Only the break-glass role deletes it or changes its policy. Roles are known by their names, so an
    administrator who makes the break-glass role is never locked out. Of a multi-Region key only the break-glass role
    makes replicas: whoever makes one says what its policy is.

    A sandbox's key goes with its stack. A key that the tenant names is used as it is, under the policy that it has; so
    is another one, to which or from which `tkms reseal` goes. `arns` are those of both.
    """

    def __init__(self, scope: Construct, name: str, tenant: Tenant) -> None:
        super().__init__(scope, name)
        adopted = tenant.parent_key_arn
        self.key: kms.IKey = kms.Key.from_key_arn(self, "Key", adopted) if adopted else self._made(tenant)
        self.arns = [self.key.key_arn, *filter(None, [tenant.other_parent_key_arn])]

    def _made(self, tenant: Tenant) -> kms.Key:
        key = kms.Key(
            self,
            "Key",
            description=f"Seals the keys of tenant {tenant.name}",
            enable_key_rotation=True,
            multi_region=tenant.multi_region or None,
            pending_window=Duration.days(7 if tenant.sandbox else 30),
            removal_policy=RemovalPolicy.DESTROY if tenant.sandbox else RemovalPolicy.RETAIN,
            policy=iam.PolicyDocument(statements=self._statements(tenant)),
        )
        if not tenant.sandbox:
            # AWS KMS refuses a policy that its caller could not change later, unless it is told that this is meant.
            resource = key.node.default_child
            assert isinstance(resource, kms.CfnKey)  # noqa: S101 - for the type checker
            resource.bypass_policy_lockout_safety_check = True
        return key

    def _statements(self, tenant: Tenant) -> list[iam.PolicyStatement]:
        account = iam.AccountRootPrincipal()
        found = [
            iam.PolicyStatement(sid="IamPoliciesDecide", principals=[account], actions=["kms:*"], resources=["*"]),
            iam.PolicyStatement(
                sid="NoUseForAnotherTenant",
                effect=iam.Effect.DENY,
                principals=[iam.AnyPrincipal()],
                actions=list(_USE),
                resources=["*"],
                conditions={"StringNotEquals": {"kms:EncryptionContext:tenant": tenant.name}},
            ),
        ]
        if not tenant.sandbox:
            break_glass = self._role(tenant.break_glass_role)
            using = [self._role(f"{tenant.stack}/*"), break_glass, *map(self._role, tenant.operator_roles)]
            found.append(
                iam.PolicyStatement(
                    sid="OnlyTheStackAndItsOperators",
                    effect=iam.Effect.DENY,
                    principals=[iam.AnyPrincipal()],
                    actions=list(_USE),
                    resources=["*"],
                    conditions={"ArnNotLike": {"aws:PrincipalArn": using}},
                )
            )
            found.append(
                iam.PolicyStatement(
                    sid="OnlyBreakGlass",
                    effect=iam.Effect.DENY,
                    principals=[iam.AnyPrincipal()],
                    actions=[*_ENDS, *(_COPIES if tenant.multi_region else ())],
                    resources=["*"],
                    conditions={"ArnNotEquals": {"aws:PrincipalArn": break_glass}},
                )
            )
        return found

    def _role(self, name: str) -> str:
        arn: str = Stack.of(self).format_arn(service="iam", region="", resource="role", resource_name=name)
        return arn
