"""Tables that were restored and a parent key that was there before take the place of the stack's own."""

from __future__ import annotations

from kit import templates
from kit.iam import flat, key_statements, may, role_statements
from kit.templates import FOLDERS, Template

TABLES = {
    name: f"arn:aws:dynamodb:{templates.REGION}:{templates.ACCOUNT}:table/{templates.ADOPTED[f'{name}_table']}"
    for name in ("keys", "access")
}


def test_what_is_adopted_is_not_made(adopted: Template) -> None:
    assert not adopted.of("AWS::DynamoDB::Table")
    assert not adopted.of("AWS::KMS::Key")


def test_functions_and_outputs_name_it(adopted: Template) -> None:
    for folder in FOLDERS:
        variables = adopted.functions[folder]["Environment"]["Variables"]
        assert variables["KEYS_TABLE"] == adopted.outputs["KeysTable"] == "moved-keys-restored"
        assert variables["ACCESS_TABLE"] == adopted.outputs["AccessTable"] == "moved-access-restored"
        assert variables["PARENT_KEY_ARN"] == adopted.outputs["ParentKeyArn"] == templates.ADOPTED_KEY


def test_arns_stay_what_they_were(adopted: Template) -> None:
    """Encryption SDKs have written them into messages."""
    for folder in FOLDERS:
        variables = adopted.functions[folder]["Environment"]["Variables"]
        assert variables["ACCOUNT"] == adopted.outputs["Account"] == "999999999999"
        assert variables["REGION"] == adopted.outputs["Region"] == "eu-west-1"


def test_roles_are_as_narrow_as_those_for_the_stack_s_own(adopted: Template, example: Template) -> None:
    for folder in FOLDERS:
        rights = [(action, condition) for action, _, condition in flat(role_statements(adopted, folder))]
        own = [(action, condition) for action, _, condition in flat(role_statements(example, folder))]
        assert set(rights) == {(action, said.replace("acme", "moved")) for action, said in own}
    row = {"dynamodb:LeadingKeys": ["KEY#1"]}
    assert may(adopted, "encrypt", "dynamodb:GetItem", TABLES["keys"], row)
    assert not may(adopted, "encrypt", "dynamodb:GetItem", TABLES["access"], row)
    context = {"kms:EncryptionContext:tenant": ["moved"], "kms:EncryptionContext:kind": ["1"]}
    assert may(adopted, "encrypt", "kms:Decrypt", templates.ADOPTED_KEY, context)
    assert not may(adopted, "encrypt", "kms:Decrypt", templates.ADOPTED_KEY.replace("mrk-6", "mrk-7"), context)


def test_another_parent_key_may_be_used_as_the_first(adopted: Template) -> None:
    """By `tkms reseal` everything goes from one to the other, while functions use both."""
    other = templates.ADOPTED["other_parent_key_arn"]
    assert adopted.outputs["OtherParentKeyArn"] == other
    for folder in FOLDERS:
        assert adopted.functions[folder]["Environment"]["Variables"]["OTHER_PARENT_KEY_ARN"] == other
    context = {"kms:EncryptionContext:tenant": ["moved"], "kms:EncryptionContext:kind": ["1"]}
    assert may(adopted, "encrypt", "kms:Decrypt", other, context)
    assert not may(adopted, "encrypt", "kms:Encrypt", other, context)
    assert not may(adopted, "encrypt", "kms:Decrypt", other, {**context, "kms:EncryptionContext:kind": ["2"]})


def test_what_is_made_instead_keeps_its_name_in_the_stack(example: Template) -> None:
    """Another one would replace a deployed table by an empty one."""
    assert set(example.of("AWS::DynamoDB::Table")) == {"TablesKeys6B5A3ABF", "TablesAccessFC9D8B84"}
    assert set(example.of("AWS::KMS::Key")) == {"ParentKey6F2B4DB8"}
    assert key_statements(example)
