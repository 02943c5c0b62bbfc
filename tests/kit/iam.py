"""IAM's decision over synthesized policies: actions, resources and conditions, as far as ours use them.

An operator that is not known here fails the test that meets it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from kit.templates import ACCOUNT, Template

Context = Mapping[str, Sequence[str]]
Statement = Mapping[str, Any]


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def role_statements(template: Template, folder: str) -> list[Statement]:
    """What the role of a function says, inline or in a policy of its own."""
    role = template.functions[folder]["Role"]
    name = next(name for name in template.of("AWS::IAM::Role") if template.arn(name) == role)
    properties = template.resolved(template.resources[name]["Properties"])
    attached = [row for row in template.properties("AWS::IAM::Policy") if f"{template.stack}-{name}" in row["Roles"]]
    found = [policy["PolicyDocument"] for policy in [*properties["Policies"], *attached]]
    return [statement for document in found for statement in document["Statement"]]


def key_statements(template: Template) -> list[Statement]:
    return [statement for key in template.properties("AWS::KMS::Key") for statement in key["KeyPolicy"]["Statement"]]


def _like(value: str, patterns: Any) -> bool:
    return any(fnmatchcase(value, pattern) for pattern in listed(patterns))


def _holds(operator: str, key: str, expected: Any, context: Context) -> bool:
    given = context.get(key, ())
    match operator:
        case "StringEquals":
            return any(value in listed(expected) for value in given)
        case "StringNotEquals" | "ArnNotEquals":
            return not any(value in listed(expected) for value in given)
        case "ForAllValues:StringLike":
            return all(_like(value, expected) for value in given)
        case "ForAllValues:StringEquals":
            return all(value in listed(expected) for value in given)
        case "ArnNotLike":
            return not any(_like(value, expected) for value in given)
    raise AssertionError(f"the operator {operator} is not known here")


def _applies(statement: Statement, action: str, resource: str, context: Context) -> bool:
    return (
        _like(action, statement["Action"])
        and _like(resource, statement["Resource"])
        and all(
            _holds(operator, key, expected, context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, expected in keys.items()
        )
    )


def decide(statements: Sequence[Statement], action: str, resource: str, context: Context) -> bool:
    """Allowed, if a statement allows it and none denies it."""
    effects = {s["Effect"] for s in statements if _applies(s, action, resource, context)}
    return effects == {"Allow"}


def may(template: Template, folder: str, action: str, resource: str, context: Context | None = None) -> bool:
    """Whether a function's role may do `action`; the parent key's own policy may deny it as well."""
    denials = [s for s in key_statements(template) if s["Effect"] == "Deny"] if action.startswith("kms:") else []
    role = {"aws:PrincipalArn": [template.functions[folder]["Role"]]}
    return decide([*role_statements(template, folder), *denials], action, resource, {**(context or {}), **role})


def principal(role: str) -> Context:
    return {"aws:PrincipalArn": [f"arn:aws:iam::{ACCOUNT}:role/{role}"]}


def flat(statements: Sequence[Statement]) -> Iterator[tuple[str, str, str]]:
    """(action, resource, conditions) one by one."""
    for statement in statements:
        assert statement["Effect"] == "Allow"
        for action in listed(statement["Action"]):
            for resource in listed(statement["Resource"]):
                yield action, resource, repr(statement.get("Condition", {}))
