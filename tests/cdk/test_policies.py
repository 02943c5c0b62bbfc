"""Who may do what: each function exactly what its row of the catalog says, for its own tenant, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from cdk.catalog import CATALOG, rows_of
from cdk.tenants import SCHEDULED, actions
from kit import iam, templates
from kit.iam import Context, decide, flat, key_statements, listed, may, principal, role_statements
from kit.templates import FOLDERS, Template

GET, PUT, DELETE, QUERY, UPDATE = (
    f"dynamodb:{name}" for name in ("GetItem", "PutItem", "DeleteItem", "Query", "UpdateItem")
)
SEAL, UNSEAL = "kms:Encrypt", "kms:Decrypt"
INVOKE = "lambda:InvokeFunction"


def table(template: Template, name: str) -> str:
    (found,) = (template.arn(row) for row in template.of("AWS::DynamoDB::Table") if row.startswith(f"Tables{name}"))
    return found


def parent_key(template: Template) -> str:
    (found,) = template.of("AWS::KMS::Key")
    return template.arn(found)


def function(template: Template, folder: str) -> str:
    return f"arn:aws:lambda:{templates.REGION}:{templates.ACCOUNT}:function:{template.stack}-{folder}"


def inline(template: Template) -> list[str]:
    said = template.functions["endpoint"]["Environment"]["Variables"].get("INLINE_ACTIONS", "")
    return [folder for folder, action in actions().items() if action in said.split(",")]


def expected(template: Template, folder: str) -> set[tuple[str, str, str]]:
    """The row of a function as (action, resource, conditions), written apart from the code that makes policies."""
    replicated = "Peer" in template.outputs
    rows = rows_of(folder, inline(template) if folder == "endpoint" else (), replicated=replicated)
    logs = template.functions[folder]["LoggingConfig"]["LogGroup"].removeprefix(f"{template.stack}-")
    found = {(f"logs:{action}", template.arn(logs), "{}") for action in ("CreateLogStream", "PutLogEvents")}
    for on in (on for row in rows for on in row.tables):
        arn = table(template, on.table.capitalize()) + (f"/index/{on.index}" if on.index else "")
        condition = {"ForAllValues:StringLike": {"dynamodb:LeadingKeys": list(on.rows)}}
        if on.attributes:
            condition["ForAllValues:StringEquals"] = {"dynamodb:Attributes": list(on.attributes)}
        found |= {(action, arn, repr(condition)) for action in on.actions}
    tenant = template.stack.removeprefix("tkms-")
    for action, kinds in (
        (SEAL, [k for row in rows for k in row.seals]),
        (UNSEAL, [k for row in rows for k in row.unseals]),
    ):
        if kinds:
            context = {"tenant": tenant, "kind": sorted({str(kind) for kind in kinds})}
            condition = {"StringEquals": {f"kms:EncryptionContext:{name}": value for name, value in context.items()}}
            found.add((action, parent_key(template), repr(condition)))
    if folder == "endpoint":
        found |= {(INVOKE, function(template, name), "{}") for name in actions() if name not in inline(template)}
    if folder in SCHEDULED:
        found.add(("sqs:SendMessage", template.functions[folder]["DeadLetterConfig"]["TargetArn"], "{}"))
    return found


def test_every_function_has_a_row_and_every_row_a_function(template: Template) -> None:
    assert set(CATALOG) == set(FOLDERS) == set(template.functions)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_role_holds_exactly_its_row(template: Template, folder: str) -> None:
    assert set(flat(role_statements(template, folder))) == expected(template, folder)


def test_each_function_has_its_own_role_and_each_role_its_function(template: Template) -> None:
    used = [row["Role"] for row in template.functions.values()]
    assert len(set(used)) == len(used)
    assert {template.arn(name) for name in template.of("AWS::IAM::Role")} == set(used)
    assert not any(row.get("ManagedPolicyArns") for row in template.properties("AWS::IAM::Role"))


def test_no_right_is_a_wildcard(template: Template) -> None:
    """Except for the streams of a function's own log group, which AWS Lambda names."""
    for folder in FOLDERS:
        for action, resource, _ in flat(role_statements(template, folder)):
            assert "*" not in action
            assert "*" not in resource.removesuffix(":*" if action.startswith("logs:") else "")


def test_only_the_gateway_and_the_timers_invoke_from_outside(template: Template) -> None:
    found = {
        (row["FunctionName"].rpartition("-")[2], row["Principal"])
        for row in template.properties("AWS::Lambda::Permission")
    }
    timers = {(folder, "events.amazonaws.com") for folder in SCHEDULED}
    assert found == {("endpoint", "apigateway.amazonaws.com"), *timers}
    assert all(row["SourceArn"] for row in template.properties("AWS::Lambda::Permission"))


def context(tenant: str, kind: int) -> Context:
    return {"kms:EncryptionContext:tenant": [tenant], "kms:EncryptionContext:kind": [str(kind)]}


def row(key: str) -> Context:
    return {"dynamodb:LeadingKeys": [key]}


# Function, action, resource, context, and whether it is allowed. `other` is another tenant's template.
DATA = [
    ("encrypt", GET, "Keys", "KEY#1", True),
    ("encrypt", GET, "Keys", "ALIAS#a", True),
    ("encrypt", PUT, "Keys", "KEY#1", False),
    ("encrypt", DELETE, "Keys", "KEY#1", False),
    ("encrypt", QUERY, "Keys", "KEY#1", False),
    ("encrypt", GET, "Access", "CREDENTIAL#1", False),
    ("decrypt", GET, "Keys", "ALIAS#a", True),
    ("create_alias", PUT, "Keys", "ALIAS#a", True),
    ("disable_key", UPDATE, "Keys", "KEY#1", True),
    ("disable_key", UPDATE, "Keys", "ALIAS#a", False),
    ("disable_key", UPDATE, "Access", "CREDENTIAL#1", False),
    ("disable_key", PUT, "Keys", "KEY#1", False),
    ("disable_key", PUT, "Keys", "ALIAS#a", False),
    ("delete_due_keys", DELETE, "Keys", "KEY#1", True),
    ("delete_alias", DELETE, "Keys", "ALIAS#a", True),
    ("delete_alias", DELETE, "Keys", "KEY#1", False),
    ("generate_random", GET, "Keys", "KEY#1", False),
    ("endpoint", GET, "Access", "CREDENTIAL#1", True),
    ("endpoint", PUT, "Access", "NONCE#1", True),
    ("endpoint", PUT, "Access", "USE#1", True),
    ("endpoint", PUT, "Access", "CREDENTIAL#1", False),
    ("endpoint", DELETE, "Access", "CREDENTIAL#1", False),
    ("endpoint", GET, "Keys", "KEY#1", False),
]


@pytest.mark.parametrize(("folder", "action", "name", "key", "allowed"), DATA)
def test_rows_of_the_tables(
    example: Template, full: Template, folder: str, action: str, name: str, key: str, allowed: bool
) -> None:
    assert may(example, folder, action, table(example, name), row(key)) is allowed
    assert not may(example, folder, action, table(full, name), row(key)), "another tenant's table"


MAKERS = {"create_key", "create_key_version", "delete_due_keys", "import_key_material", "rotate_due_keys"}
"""Functions that make, replace or destroy material."""


@pytest.mark.parametrize("folder", FOLDERS)
def test_only_who_makes_or_destroys_material_may_write_it(template: Template, folder: str) -> None:
    """Of the primary version it stands in a key's row as `material`, of older ones in their rows as `doc`."""
    arn, where = table(template, "Keys"), row("KEY#1")
    parts = CATALOG.keys() & {folder, *(inline(template) if folder == "endpoint" else ())}
    makes = bool(parts & MAKERS)
    assert may(template, folder, PUT, arn, where) is makes
    assert may(template, folder, DELETE, arn, where) is ("delete_due_keys" in parts)
    for attribute in ("material", "doc"):
        for named in ([attribute], ["pk", "sk", "record", "mac", attribute], [attribute, "state"]):
            assert not may(template, folder, UPDATE, arn, {**where, "dynamodb:Attributes": named})


def test_who_changes_a_key_may_write_the_rest_of_its_row(template: Template) -> None:
    named = {"dynamodb:Attributes": ["pk", "sk", "record", "state", "revision", "waiting", "due", "mac"]}
    changing = {f for f in FOLDERS if may(template, f, UPDATE, table(template, "Keys"), {**row("KEY#1"), **named})}
    assert {"disable_key", "tag_resources", "set_key_alias", "delete_key_material"} <= changing
    assert not changing & MAKERS


@pytest.mark.parametrize(
    ("folder", "action", "kind", "allowed"),
    [
        ("encrypt", UNSEAL, 1, True),
        ("encrypt", UNSEAL, 2, False),
        ("encrypt", SEAL, 1, False),
        ("create_key", SEAL, 1, True),
        ("create_key", UNSEAL, 1, False),
        ("import_key_material", UNSEAL, 3, True),
        ("import_key_material", UNSEAL, 1, False),
        ("endpoint", UNSEAL, 2, True),
        ("endpoint", UNSEAL, 1, False),
        ("endpoint", SEAL, 2, False),
        ("list_keys", UNSEAL, 1, False),
    ],
)
def test_use_of_the_parent_key(
    example: Template, full: Template, folder: str, action: str, kind: int, allowed: bool
) -> None:
    parent = parent_key(example)
    assert may(example, folder, action, parent, context("acme", kind)) is allowed
    assert not may(example, folder, action, parent, context("full", kind)), "another tenant's material"
    assert not may(example, folder, action, parent, {"kms:EncryptionContext:tenant": ["acme"]}), "no kind"
    assert not may(example, folder, action, parent), "no context"
    assert not may(example, folder, action, parent_key(full), context("acme", kind)), "another tenant's parent key"
    assert not may(example, folder, action, parent_key(full), context("full", kind)), "another tenant's parent key"


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_function_touches_another_tenant(example: Template, full: Template, folder: str) -> None:
    """Whatever the row and the context."""
    contexts: Sequence[Context] = [{}, *(row(key) for key in ("KEY#1", "ALIAS#a", "CREDENTIAL#1", "NONCE#1", "KEYS"))]
    tables = [
        table(full, name) + index
        for name in ("Keys", "Access")
        for index in ("", "/index/listing", "/index/names", "/index/due")
    ]
    for arn in tables:
        assert not any(
            may(example, folder, action, arn, where)
            for action in (GET, PUT, DELETE, QUERY, UPDATE)
            for where in contexts
        )
    for kind in range(6):
        assert not may(example, folder, UNSEAL, parent_key(full), context("full", kind))
    assert not any(may(example, folder, INVOKE, function(full, name)) for name in FOLDERS)


def test_the_endpoint_invokes_actions_and_nothing_else(example: Template, full: Template, sandbox: Template) -> None:
    for template in (example, full, sandbox):
        invoked = {name for name in FOLDERS if may(template, "endpoint", INVOKE, function(template, name))}
        assert invoked == set(actions()) - set(inline(template))
    assert inline(full) == ["encrypt", "generate_data_key"]
    assert inline(sandbox) == list(actions())
    for folder in actions():
        assert not any(may(example, folder, INVOKE, function(example, name)) for name in FOLDERS)


def test_inline_actions_bring_their_rights_into_the_endpoint(full: Template) -> None:
    assert may(full, "endpoint", UNSEAL, parent_key(full), context("full", 1))
    assert may(full, "endpoint", GET, table(full, "Keys"), row("KEY#1"))
    assert not may(full, "endpoint", PUT, table(full, "Keys"), row("KEY#1"))


@pytest.mark.parametrize(
    "action", ["kms:ScheduleKeyDeletion", "kms:PutKeyPolicy", "kms:ReplicateKey", "kms:UpdatePrimaryRegion"]
)
def test_only_break_glass_ends_the_parent_key_or_changes_its_policy(
    example: Template, full: Template, sandbox: Template, action: str
) -> None:
    def allowed(template: Template, role: str) -> bool:
        return decide([ADMINISTRATOR, *denials(template)], action, parent_key(template), principal(role))

    assert not allowed(example, "admin")
    assert allowed(example, "tkms-break-glass")
    assert not allowed(full, "tkms-break-glass")
    assert allowed(full, templates.BREAK_GLASS)
    assert allowed(sandbox, "admin")


ADMINISTRATOR = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def denials(template: Template) -> list[iam.Statement]:
    return [statement for statement in key_statements(template) if statement["Effect"] == "Deny"]


@pytest.mark.parametrize("action", [SEAL, UNSEAL, "kms:ReEncryptFrom", "kms:GenerateDataKeyWithoutPlaintext"])
def test_not_even_an_administrator_uses_the_parent_key_for_another_tenant(template: Template, action: str) -> None:
    tenant = template.stack.removeprefix("tkms-")
    statements = [ADMINISTRATOR, *denials(template)]
    role = principal(templates.BREAK_GLASS if tenant == "full" else "tkms-break-glass")
    assert decide(statements, action, parent_key(template), {**role, **context(tenant, 1)})
    assert not decide(statements, action, parent_key(template), {**role, **context("other", 1)})
    assert not decide(statements, action, parent_key(template), role)


@pytest.mark.parametrize("action", [SEAL, UNSEAL, "kms:ReEncryptFrom", "kms:GenerateDataKeyWithoutPlaintext"])
def test_only_the_stack_its_operators_and_break_glass_use_the_parent_key(
    example: Template, full: Template, sandbox: Template, action: str
) -> None:
    def allowed(template: Template, role: str) -> bool:
        where = {**context(template.stack.removeprefix("tkms-"), 1), **principal(role)}
        return decide([ADMINISTRATOR, *denials(template)], action, parent_key(template), where)

    for role in ("admin", "operators-1", "full", "tkms-full/x", f"x/{example.stack}/y", f"{example.stack}-x"):
        assert not allowed(example, role), role
    assert allowed(example, "tkms-break-glass")
    assert allowed(example, f"{example.stack}/tkms-acme-FunctionsDecryptRole")
    assert allowed(full, "platform/operators-1")
    assert not allowed(full, "operators-1")
    assert allowed(sandbox, "admin")
    root = {**context("acme", 1), "aws:PrincipalArn": [f"arn:aws:iam::{templates.ACCOUNT}:root"]}
    assert not decide([ADMINISTRATOR, *denials(example)], action, parent_key(example), root)
    for kept in ("kms:DescribeKey", "kms:EnableKey", "kms:CancelKeyDeletion", "kms:GetKeyPolicy"):
        assert decide([ADMINISTRATOR, *denials(example)], kept, parent_key(example), root)


def test_the_parent_key_s_policy_lets_only_its_account_in(template: Template) -> None:
    allowing = [statement for statement in key_statements(template) if statement["Effect"] == "Allow"]
    assert [listed(s["Principal"]["AWS"]) for s in allowing] == [[f"arn:aws:iam::{templates.ACCOUNT}:root"]]
