"""The address inside a VPC: an internal load balancer in front of the endpoint."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

from aws_cdk import Acknowledgment, Aws, CfnOutput, Duration, Validations
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_elasticloadbalancingv2 as balancing
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from cdk.private_entry import Private, is_group, is_list
from cdk.tenants import Tenant

_ATTRIBUTES = {
    # What is no HTTP to it, or would be another request to somebody else, goes no further.
    "routing.http.drop_invalid_header_fields.enabled": "true",
    "routing.http.desync_mitigation_mode": "strictest",
    # The endpoint takes the last address of X-Forwarded-For for its caller's.
    "routing.http.xff_header_processing.mode": "append",
}


class PrivateAddress(Construct):
    """Metrics: `requests`, `errors` that the endpoint answered, `own_errors` of the load balancer itself, `latency`."""

    def __init__(
        self, scope: Construct, name: str, tenant: Tenant, private: Private, endpoint: lambda_.IFunction
    ) -> None:
        super().__init__(scope, name)
        self._balancer = balancing.CfnLoadBalancer(
            self,
            "Balancer",
            type="application",
            scheme="internal",
            ip_address_type="dualstack" if private.ipv6 else "ipv4",
            subnets=[*private.subnets],
            security_groups=[self._door(private).attr_group_id],
            load_balancer_attributes=[
                balancing.CfnLoadBalancer.LoadBalancerAttributeProperty(key=key, value=value)
                for key, value in (
                    *_ATTRIBUTES.items(),
                    ("deletion_protection.enabled", str(not tenant.sandbox).lower()),
                )
            ],
        )
        Validations.of(self._balancer).acknowledge(
            Acknowledgment(
                id="AwsSolutions::AwsSolutions-ELB2",
                reason="Its access log has the whole query string, in which SDKs put secrets-to-be.",
            )
        )
        # Named, so that the permission can name it before it is there: a target is taken only with the permission.
        group = tenant.stack
        permission = lambda_.CfnPermission(
            self,
            "Permission",
            action="lambda:InvokeFunction",
            function_name=endpoint.function_arn,
            principal="elasticloadbalancing.amazonaws.com",
            source_arn=f"arn:{Aws.PARTITION}:elasticloadbalancing:{tenant.region}:{tenant.account}:targetgroup/{group}/*",
        )
        target = balancing.CfnTargetGroup(
            self,
            "Target",
            name=group,
            target_type="lambda",
            targets=[balancing.CfnTargetGroup.TargetDescriptionProperty(id=endpoint.function_arn)],
            target_group_attributes=[
                balancing.CfnTargetGroup.TargetGroupAttributeProperty(
                    key="lambda.multi_value_headers.enabled", value="true"
                )
            ],
        )
        target.node.add_dependency(permission)
        balancing.CfnListener(
            self,
            "Listener",
            load_balancer_arn=self._balancer.ref,
            port=443,
            protocol="HTTPS",
            ssl_policy="ELBSecurityPolicy-TLS13-1-2-2021-06",
            certificates=[balancing.CfnListener.CertificateProperty(certificate_arn=private.certificate)],
            default_actions=[balancing.CfnListener.ActionProperty(type="forward", target_group_arn=target.ref)],
        )
        self.requests = self._metric("RequestCount", "Sum")
        self.errors = self._metric("HTTPCode_Target_5XX_Count", "Sum")
        self.own_errors = self._metric("HTTPCode_ELB_5XX_Count", "Sum")
        self.latency = self._metric("TargetResponseTime", "p99")
        for output, value in {
            "PrivateUrl": f"https://{private.domain}",
            "PrivateTarget": self._balancer.attr_dns_name,
        }.items():
            CfnOutput(self, output, value=value).override_logical_id(output)

    def _door(self, private: Private) -> ec2.CfnSecurityGroup:
        """Nobody but `clients`, at one port, and nothing out: AWS Lambda is not invoked through the VPC."""
        https: dict[str, Any] = {"ip_protocol": "tcp", "from_port": 443, "to_port": 443}
        return ec2.CfnSecurityGroup(
            self,
            "Door",
            vpc_id=private.vpc,
            group_description="Clients of the key management service",
            security_group_ingress=[
                ec2.CfnSecurityGroup.IngressProperty(**https, **_source(client)) for client in private.clients
            ],
            # One that leads nowhere: with none there would be one that leads everywhere.
            security_group_egress=[
                ec2.CfnSecurityGroup.EgressProperty(
                    ip_protocol="icmp", from_port=252, to_port=86, cidr_ip="255.255.255.255/32", description="nowhere"
                )
            ],
        )

    def _metric(self, name: str, statistic: str) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace="AWS/ApplicationELB",
            metric_name=name,
            dimensions_map={"LoadBalancer": self._balancer.attr_load_balancer_full_name},
            statistic=statistic,
            period=Duration.minutes(5),
        )


def _source(client: str) -> dict[str, str]:
    if is_group(client):
        return {"source_security_group_id": client}
    if is_list(client):
        return {"source_prefix_list_id": client}
    return {"cidr_ip" if ip_network(client).version == 4 else "cidr_ipv6": client}
