"""A private address: who reaches it, what it may do, and that there is no other beside it."""

from __future__ import annotations

from typing import Any

from kit import templates
from kit.templates import Template

PRIVATE: dict[str, Any] = templates.INSIDE["private"]  # type: ignore[assignment]
ELB = "AWS::ElasticLoadBalancingV2"


def attributes(rows: list[dict[str, str]]) -> dict[str, str]:
    return {row["Key"]: row["Value"] for row in rows}


def test_there_is_no_other_way_in(inside: Template, example: Template) -> None:
    assert inside.only("AWS::ApiGatewayV2::Api")["DisableExecuteApiEndpoint"] is True
    assert not inside.of("AWS::ApiGatewayV2::DomainName")
    assert inside.outputs["Url"] == inside.outputs["PrivateUrl"] == "https://kms.corp.example.com"
    assert not {
        kind for kind in (row["Type"] for row in example.resources.values()) if kind.startswith((ELB, "AWS::EC2"))
    }


def test_it_lies_in_the_vpc_and_speaks_tls(inside: Template) -> None:
    balancer = inside.only(f"{ELB}::LoadBalancer")
    assert (balancer["Scheme"], balancer["Type"], balancer["IpAddressType"]) == ("internal", "application", "dualstack")
    assert balancer["Subnets"] == PRIVATE["subnets"]
    assert attributes(balancer["LoadBalancerAttributes"]) == {
        "routing.http.drop_invalid_header_fields.enabled": "true",
        "routing.http.desync_mitigation_mode": "strictest",
        "routing.http.xff_header_processing.mode": "append",
        "deletion_protection.enabled": "true",
    }
    listener = inside.only(f"{ELB}::Listener")
    assert (listener["Port"], listener["Protocol"]) == (443, "HTTPS")
    assert "TLS13-1-2" in listener["SslPolicy"]
    assert listener["Certificates"] == [{"CertificateArn": PRIVATE["certificate"]}]


def test_only_its_clients_connect_and_nothing_goes_out(inside: Template) -> None:
    door = inside.only("AWS::EC2::SecurityGroup")
    assert door["VpcId"] == PRIVATE["vpc"]
    https = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443}
    assert door["SecurityGroupIngress"] == [
        {**https, "CidrIp": "10.1.0.0/16"},
        {**https, "CidrIpv6": "fd00:1::/32"},
        {**https, "SourceSecurityGroupId": "sg-0123456789abcdef0"},
        {**https, "SourcePrefixListId": "pl-01234567"},
    ]
    (nowhere,) = door["SecurityGroupEgress"]
    assert (nowhere["CidrIp"], nowhere["IpProtocol"]) == ("255.255.255.255/32", "icmp")


def test_its_target_group_invokes_the_endpoint_and_no_other_one_does(inside: Template) -> None:
    target = inside.only(f"{ELB}::TargetGroup")
    assert (target["Name"], target["TargetType"]) == ("tkms-inside", "lambda")
    assert attributes(target["TargetGroupAttributes"]) == {"lambda.multi_value_headers.enabled": "true"}
    ((_, row),) = inside.of(f"{ELB}::TargetGroup").items()
    (endpoint,) = target["Targets"]
    assert endpoint["Id"].endswith(":function:tkms-inside-endpoint")
    (permission,) = [
        row
        for row in inside.properties("AWS::Lambda::Permission")
        if row["Principal"].startswith("elasticloadbalancing")
    ]
    assert permission["FunctionName"] == endpoint["Id"]
    group = f"arn:aws:elasticloadbalancing:{templates.REGION}:{templates.ACCOUNT}:targetgroup/tkms-inside/*"
    assert permission["SourceArn"] == group
    assert any(name.startswith("PrivatePermission") for name in row["DependsOn"])


def test_somebody_is_told(inside: Template) -> None:
    rows = {
        row["MetricName"]: row
        for row in inside.properties("AWS::CloudWatch::Alarm")
        if row["Namespace"] == "AWS/ApplicationELB"
    }
    assert {name: row["Threshold"] for name, row in rows.items()} == {
        "HTTPCode_Target_5XX_Count": 5,
        "HTTPCode_ELB_5XX_Count": 5,
        "TargetResponseTime": 3,
    }
    assert all(row["Dimensions"][0]["Name"] == "LoadBalancer" for row in rows.values())
    assert rows["TargetResponseTime"]["ExtendedStatistic"] == "p99"
    shown = inside.only("AWS::CloudWatch::Dashboard")["DashboardBody"]
    assert all(name in shown for name in (*rows, "RequestCount"))
