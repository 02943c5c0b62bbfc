"""What is deployed: tables, parent key, functions, API and schedules as a production deployment needs them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cdk.tenants import ROOT, SCHEDULED, actions
from kit import moto_aws, templates
from kit.templates import FOLDERS, Template
from tenantkms.runtime.assemble import SettingsError, invoke_config, on_aws
from tenantkms.store import dynamodb_layout as layout

KEPT = ("AWS::DynamoDB::Table", "AWS::KMS::Key", "AWS::Logs::LogGroup")


class _Recorder:
    """A DynamoDB client that remembers the tables it was told to create."""

    def __init__(self) -> None:
        self.tables: dict[str, Any] = {}

    def create_table(self, **how: Any) -> None:
        self.tables[how["TableName"]] = how

    def update_time_to_live(self, **_how: Any) -> None: ...


def _shape(table: Any) -> Any:
    """What a table's data is found by, in no order."""
    keys = [(index["IndexName"], index["KeySchema"], index["Projection"]) for index in table["GlobalSecondaryIndexes"]]
    names = sorted((one["AttributeName"], one["AttributeType"]) for one in table["AttributeDefinitions"])
    return table["KeySchema"], sorted(keys, key=lambda key: str(key[0])), names


def test_the_tables_are_those_that_the_store_is_tested_on(template: Template) -> None:
    made: Any = _Recorder()
    moto_aws.create_tables(made, "keys", "access")
    deployed = sorted(template.properties("AWS::DynamoDB::Table"), key=lambda table: len(table["KeySchema"]))
    assert [_shape(table) for table in deployed] == [_shape(made.tables["access"]), _shape(made.tables["keys"])]
    expiry = [table.get("TimeToLiveSpecification") for table in deployed]
    assert expiry == [{"AttributeName": layout.TTL, "Enabled": True}, None], "key material never expires by itself"


def test_tables_are_on_demand_encrypted_and_restorable(template: Template) -> None:
    for table in template.properties("AWS::DynamoDB::Table"):
        assert table["BillingMode"] == "PAY_PER_REQUEST"
        assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
        assert table["SSESpecification"]["SSEEnabled"] is True


def test_what_cannot_be_made_again_outlives_the_stack_except_in_a_sandbox(
    example: Template, full: Template, sandbox: Template, assembly: Path
) -> None:
    stacks = json.loads((assembly / "manifest.json").read_text())["artifacts"]
    for template in (example, full, sandbox):
        gone = template is sandbox
        for kind in KEPT:
            for row in template.of(kind).values():
                assert row["DeletionPolicy"] == row["UpdateReplacePolicy"] == ("Delete" if gone else "Retain")
        protected = [table.get("DeletionProtectionEnabled") for table in template.properties("AWS::DynamoDB::Table")]
        assert protected == [not gone] * 2
        assert stacks[template.stack]["properties"].get("terminationProtection", False) is not gone


def test_the_parent_key_is_rotated_and_symmetric(template: Template) -> None:
    key = template.only("AWS::KMS::Key")
    assert key["EnableKeyRotation"] is True
    assert "KeySpec" not in key


def test_every_function_runs_as_the_layer_was_built(template: Template) -> None:
    (layer,) = template.of("AWS::Lambda::LayerVersion")
    for folder, function in template.functions.items():
        assert (function["Runtime"], function["Architectures"]) == ("python3.13", ["arm64"])
        assert function["Handler"] == f"functions.{folder}.handler.handler"
        assert function["Layers"] == [f"{template.stack}-{layer}"]
        assert 512 <= function["MemorySize"] <= 1769
    made = template.only("AWS::Lambda::LayerVersion")
    assert (made["CompatibleRuntimes"], made["CompatibleArchitectures"]) == (["python3.13"], ["arm64"])


def test_no_function_outlasts_who_waits_for_it(template: Template) -> None:
    for folder in actions():
        assert template.functions[folder]["Timeout"] < invoke_config().read_timeout
    assert template.functions["endpoint"]["Timeout"] < 30


def test_each_function_logs_into_a_group_of_its_own(example: Template, full: Template) -> None:
    for template, days in ((example, 365), (full, 30)):
        groups = [function["LoggingConfig"]["LogGroup"] for function in template.functions.values()]
        assert len(set(groups)) == len(FOLDERS)
        assert {group["RetentionInDays"] for group in template.properties("AWS::Logs::LogGroup")} == {days}


def test_lambda_itself_logs_what_went_wrong_only(example: Template, full: Template, sealing: Template) -> None:
    """INFO for the functions' own lines: above it the audit log is lost, below it botocore logs bodies."""
    for template in (example, sealing):
        said = [function["LoggingConfig"] for function in template.functions.values()]
        levels = {(one["LogFormat"], one["SystemLogLevel"], one["ApplicationLogLevel"]) for one in said}
        assert levels == {("JSON", "WARN", "INFO")}
    for function in full.functions.values():  # platform_lines
        assert function["LoggingConfig"].keys() == {"LogFormat", "LogGroup"}
        assert function["LoggingConfig"]["LogFormat"] == "Text"


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_function_s_environment_is_what_its_settings_read(template: Template, folder: str) -> None:
    variables = template.functions[folder]["Environment"]["Variables"]
    settings = on_aws(variables, moto_aws.WiredSession(moto_aws.Wire()))
    assert settings.site.tenant == template.stack.removeprefix("tkms-")
    for name in set(variables) - {
        "STATE_CACHE_SECONDS",
        "FUNCTION_PREFIX",
        "INLINE_ACTIONS",
        "WITHOUT_NONCE",
        "LIMITS",
        "OTHER_ARNS",
        "EXPLORER",
        "API_PER_SECOND",
        "HERE",
        "FIRST",
    }:
        with pytest.raises(SettingsError, match=name):
            on_aws({other: value for other, value in variables.items() if other != name})


def test_the_endpoint_is_told_where_the_actions_are(example: Template, full: Template) -> None:
    for template, inline in ((example, None), (full, "Encrypt,GenerateDataKey")):
        variables = template.functions["endpoint"]["Environment"]["Variables"]
        assert variables["FUNCTION_PREFIX"] == f"{template.stack}-"
        assert variables.get("INLINE_ACTIONS") == inline


def test_options_reach_the_functions(full: Template, example: Template) -> None:
    reserved = {folder: function.get("ReservedConcurrentExecutions") for folder, function in full.functions.items()}
    assert {folder: count for folder, count in reserved.items() if count} == {"endpoint": 20, "decrypt": 10}
    assert full.functions["encrypt"]["Environment"]["Variables"]["STATE_CACHE_SECONDS"] == "0"
    assert example.functions["encrypt"]["Environment"]["Variables"]["STATE_CACHE_SECONDS"] == "1"
    limits = {folder: function["Environment"]["Variables"].get("LIMITS") for folder, function in full.functions.items()}
    assert set(limits.values()) == {"Encrypt=1000,*=20,strangers=0,keys=100"}
    arns = {
        folder for folder, function in full.functions.items() if "OTHER_ARNS" in function["Environment"]["Variables"]
    }
    assert arns == {"endpoint"}  # the others are told ids
    told = full.functions["endpoint"]["Environment"]["Variables"]["OTHER_ARNS"]
    assert told == "cn-beijing:1234567890123456,eu-west-1:111122223333"
    assert on_aws(
        full.functions["endpoint"]["Environment"]["Variables"], moto_aws.WiredSession(moto_aws.Wire())
    ).site.other_arns == tuple(told.split(","))
    assert "OTHER_ARNS" not in example.functions["endpoint"]["Environment"]["Variables"]
    assert "LIMITS" not in example.functions["endpoint"]["Environment"]["Variables"]
    assert full.functions["endpoint"]["Environment"]["Variables"]["WITHOUT_NONCE"] == "Encrypt,VerifyMac"
    assert "EXPLORER" not in example.functions["endpoint"]["Environment"]["Variables"]
    told = full.functions["endpoint"]["Environment"]["Variables"]
    assert on_aws(told, moto_aws.WiredSession(moto_aws.Wire())).explorer
    assert "WITHOUT_NONCE" not in example.functions["endpoint"]["Environment"]["Variables"]
    memory = {folder: full.functions[folder]["MemorySize"] for folder in ("endpoint", "decrypt", "encrypt")}
    assert memory == {"endpoint": 512, "decrypt": 1024, "encrypt": 512}
    assert example.functions["endpoint"]["MemorySize"] == 768
    assert full.functions["endpoint"]["Environment"]["Variables"]["API_PER_SECOND"] == "110"
    assert {"Key": "team", "Value": "platform ä"} in full.functions["encrypt"]["Tags"]
    assert {"Key": "tkms:tenant", "Value": "acme"} in example.functions["encrypt"]["Tags"]


def _assets(assembly: Path, template: Template) -> dict[str, set[str]]:
    """What the code of each function holds."""
    files = json.loads((assembly / f"{template.stack}.assets.json").read_text())["files"]
    found = {}
    for folder, function in template.functions.items():
        source = assembly / files[function["Code"]["S3Key"].removesuffix(".zip")]["source"]["path"]
        found[folder] = {path.relative_to(source).as_posix() for path in source.rglob("*.py")}
    return found


def test_a_function_s_code_is_its_own_folder_and_no_other(assembly: Path, example: Template, full: Template) -> None:
    for template, inline in ((example, []), (full, ["encrypt", "generate_data_key"])):
        for folder, files in _assets(assembly, template).items():
            own = [folder, *(inline if folder == "endpoint" else [])]
            sources = {path for name in own for path in (ROOT / "functions" / name).rglob("*.py")}
            assert files == {"functions/__init__.py", *(path.relative_to(ROOT).as_posix() for path in sources)}


def test_the_api_sends_everything_to_the_endpoint(template: Template) -> None:
    assert template.only("AWS::ApiGatewayV2::Api")["ProtocolType"] == "HTTP"
    assert template.only("AWS::ApiGatewayV2::Route")["RouteKey"] == "$default"
    integration = template.only("AWS::ApiGatewayV2::Integration")
    assert integration["PayloadFormatVersion"] == "2.0"
    assert integration["IntegrationUri"].endswith(f":function:{template.stack}-endpoint")
    stage = template.only("AWS::ApiGatewayV2::Stage")
    assert (stage["StageName"], stage["AutoDeploy"]) == ("$default", True)


@pytest.mark.parametrize(("name", "rate", "burst"), [("example", 100, 200), ("full", 50, 60)])
def test_the_api_throttles_at_the_tenant_s_rate(
    request: pytest.FixtureRequest, name: str, rate: int, burst: int
) -> None:
    settings = request.getfixturevalue(name).only("AWS::ApiGatewayV2::Stage")["DefaultRouteSettings"]
    assert (settings["ThrottlingRateLimit"], settings["ThrottlingBurstLimit"]) == (rate, burst)


def test_the_access_log_has_neither_queries_nor_bodies(template: Template) -> None:
    logged = json.loads(template.only("AWS::ApiGatewayV2::Stage")["AccessLogSettings"]["Format"])
    assert (logged["status"], logged["sourceIp"]) == ("$context.status", "$context.identity.sourceIp")
    assert "$context.requestId" in logged.values(), "API Gateway takes no format without it"
    for value in logged.values():
        assert not any(word in value.lower() for word in ("query", "path", "body", "header", "authorizer"))


def test_a_domain_replaces_the_default_address(example: Template, full: Template) -> None:
    assert example.only("AWS::ApiGatewayV2::Api")["DisableExecuteApiEndpoint"] is False
    assert not example.of("AWS::ApiGatewayV2::DomainName")
    assert full.only("AWS::ApiGatewayV2::Api")["DisableExecuteApiEndpoint"] is True
    domain = full.only("AWS::ApiGatewayV2::DomainName")
    (configuration,) = domain["DomainNameConfigurations"]
    assert configuration["SecurityPolicy"] == "TLS_1_2"
    assert configuration["CertificateArn"] == templates.FULL["certificate"]
    assert domain["MutualTlsAuthentication"]["TruststoreUri"] == templates.FULL["truststore"]
    assert full.outputs["Url"] == "https://kms.full.example.com"
    assert full.outputs["DomainTarget"]


@pytest.mark.parametrize("folder", SCHEDULED)
def test_a_sweeper_runs_by_itself_and_what_fails_is_kept(template: Template, folder: str) -> None:
    arn = template.arn(
        next(
            n
            for n, r in template.of("AWS::Lambda::Function").items()
            if r["Properties"]["FunctionName"].endswith(f"-{folder}")
        )
    )
    (rule,) = [rule for rule in template.properties("AWS::Events::Rule") if rule["Targets"][0]["Arn"] == arn]
    assert (rule["State"], rule["ScheduleExpression"]) == ("ENABLED", "rate(15 minutes)")
    (target,) = rule["Targets"]
    assert target["RetryPolicy"]["MaximumRetryAttempts"] == 3
    queue = template.functions[folder]["DeadLetterConfig"]["TargetArn"]
    assert target["DeadLetterConfig"]["Arn"] == queue
    assert queue in {template.arn(name) for name in template.of("AWS::SQS::Queue")}


def test_nothing_secret_stands_in_a_template(template: Template) -> None:
    text = json.dumps(template.body)
    assert "AWS::SecretsManager" not in text
    assert "access_key_secret" not in text
    outputs = {"Url", "Tenant", "Region", "Account", "KeysTable", "AccessTable", "ParentKeyArn"}
    named = {"DomainTarget", "Here", "Peer", "First"}
    assert set(template.outputs) - named == {*outputs, "FunctionPrefix", "Sandbox", "Version"}
