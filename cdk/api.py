"""The HTTP API: the one kind whose event has the raw query string and whose URL has no stage in its path."""

from __future__ import annotations

import json

from aws_cdk import Acknowledgment, CfnOutput, Validations
from aws_cdk import aws_apigatewayv2 as api
from aws_cdk import aws_apigatewayv2_integrations as integrations
from aws_cdk import aws_certificatemanager as acm
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_s3 as s3
from constructs import Construct

from cdk.functions import log_group
from cdk.tenants import Tenant

ACCESS_LOG = {
    "requestId": "requestId",
    "sourceIp": "identity.sourceIp",
    "status": "status",
    "responseLatency": "responseLatency",
    "integrationStatus": "integration.status",
    "error": "error.responseType",
}
"""Name in the log's lines -> the gateway's name of the value: what nobody else knows of a request.

CloudWatch has the time beside each line. SDKs put secrets-to-be into the query string, so neither it nor the path that
was requested is logged.
"""


class Api(Construct):
    """`url` is where clients go."""

    def __init__(self, scope: Construct, name: str, tenant: Tenant, endpoint: lambda_.IFunction) -> None:
        super().__init__(scope, name)
        self.http = api.HttpApi(
            self,
            "Http",
            api_name=tenant.stack,
            create_default_stage=False,
            disable_execute_api_endpoint=bool(tenant.domain) or not tenant.public,
            default_integration=integrations.HttpLambdaIntegration("Endpoint", endpoint),
        )
        Validations.of(self.http).acknowledge(
            Acknowledgment(
                id="AwsSolutions::AwsSolutions-APIG4",
                reason="The endpoint verifies the vendors' request signatures itself; no authorizer can.",
            )
        )
        self.logs = log_group(self, "AccessLogs", tenant)
        self.stage = api.HttpStage(
            self,
            "Stage",
            http_api=self.http,
            stage_name="$default",
            auto_deploy=True,
            throttle=api.ThrottleSettings(rate_limit=tenant.rate, burst_limit=tenant.burst),
        )
        stage = self.stage.node.default_child
        assert isinstance(stage, api.CfnStage)  # noqa: S101 - for the type checker
        stage.access_log_settings = api.CfnStage.AccessLogSettingsProperty(
            destination_arn=self.logs.log_group_arn,
            format=json.dumps({name: f"$context.{of}" for name, of in ACCESS_LOG.items()}, separators=(",", ":")),
        )
        domain = tenant.private.domain if tenant.private and tenant.private.only else tenant.domain
        self.url = f"https://{domain}" if domain else self.http.api_endpoint
        if tenant.domain:
            self._serve_at(tenant)

    def _serve_at(self, tenant: Tenant) -> None:
        """TLS 1.2 or newer; with a truststore only clients that show a certificate of its authorities come through."""
        mutual = None
        if tenant.truststore:
            bucket, _, key = tenant.truststore.removeprefix("s3://").partition("/")
            mutual = api.MTLSConfig(bucket=s3.Bucket.from_bucket_name(self, "Truststore", bucket), key=key)
        domain = api.DomainName(
            self,
            "Domain",
            domain_name=tenant.domain,
            certificate=acm.Certificate.from_certificate_arn(self, "Certificate", tenant.certificate),
            security_policy=api.SecurityPolicy.TLS_1_2,
            endpoint_type=api.EndpointType.REGIONAL,
            mtls=mutual,
        )
        api.ApiMapping(self, "Mapping", api=self.http, domain_name=domain, stage=self.stage)
        CfnOutput(self, "DomainTarget", value=domain.regional_domain_name).override_logical_id("DomainTarget")
