"""What holds for every Action there is: it asks the policy, and its row of states is what it does."""

from __future__ import annotations

import json

import msgspec
import pytest

from functions.endpoint.dispatch import load
from kit.action_samples import PLAINTEXT, SAMPLES, Tenant, in_state, new_key, rules
from kit.samples import key_id
from kit.support import VECTORS
from tenantkms import names
from tenantkms.action.action import action
from tenantkms.action.call import KeyRefs, Nothing
from tenantkms.action.rule import ASYMMETRIC_DECRYPT, ASYMMETRIC_ENCRYPT, DECRYPT, ENCRYPT, NO_KEY, Rule
from tenantkms.action.scope import Scope
from tenantkms.model.specs import KeySpec, KeyUsage
from tenantkms.model.states import KeyState

RULES = rules()
ACTIONS = list(RULES)
RELEASED = json.loads((VECTORS / "calls/v1.json").read_text("utf-8"))
WITHOUT_KEY = ("CreateKey", "DescribeService", "GenerateRandom", "IssueSession", "ListKeys", "ListRetirableGrants")
ON_KEYS = {name: rule for name, rule in RULES.items() if rule.refuses is not None}
CELLS = [(action, state) for action in ON_KEYS for state in KeyState]

DENIALS = {
    "nothing": {"Statement": []},
    "denied": {"Statement": [{"Effect": "Allow", "Action": "*"}, {"Effect": "Deny", "Action": "*"}]},
    "another key": {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": f"key/{key_id(0)}"}]},
    "another action": {"Statement": [{"Effect": "Allow", "Action": "Nothing"}]},
}


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Tenant:
    return Tenant(tmp_path_factory.mktemp("rules") / "data")


def test_every_action_has_a_sample() -> None:
    assert set(ACTIONS) == set(SAMPLES), "tests/kit/action_samples.py: one row for each Action"
    assert len(ACTIONS) == len(set(ACTIONS))


def field_names(kind: type, before: str = "") -> set[str]:
    """Of the fields of a type, as they stand in a call, and of those inside them."""
    found = set()
    for field in msgspec.structs.fields(kind):
        found.add(before + field.encode_name)
        for part in (field.type, *getattr(field.type, "__args__", ())):
            if isinstance(part, type) and issubclass(part, msgspec.Struct):
                found |= field_names(part, f"{before}{field.encode_name}.")
    return found


@pytest.mark.parametrize(("action", "released"), RELEASED.items())
def test_what_a_call_of_version_1_may_say_it_may_still_say(action: str, released: list[str]) -> None:
    """An endpoint and functions of two releases work together while a stack is updated."""
    assert set(released) <= field_names(load(action).params)


def test_the_names_of_actions_are_those_of_the_handlers() -> None:
    """Policies are checked against the names, so one that is missing could not be allowed."""
    assert list(names.ACTIONS) == sorted(ACTIONS), "run: make coverage"


@pytest.mark.parametrize("action", ACTIONS)
def test_no_action_works_without_permission(action: str, tenant: Tenant) -> None:
    key = new_key(tenant, action)
    params = SAMPLES[action](tenant, key)
    before, count = tenant.stored(key), len(tenant.audit.records)
    for name, document in DENIALS.items():
        assert tenant.outcome(action, params, policy=json.dumps(document)) == "AccessDenied", name
    assert tenant.stored(key) == before
    assert [record.outcome for record in tenant.audit.records[count:]] == ["AccessDenied"] * len(DENIALS)


@pytest.mark.parametrize(("action", "state"), CELLS)
def test_each_state_refuses_what_the_table_says(action: str, state: KeyState, tenant: Tenant) -> None:
    key = new_key(tenant, action)
    params = SAMPLES[action](tenant, key)
    in_state(tenant, key, state)
    before = tenant.stored(key)
    expected = ON_KEYS[action].refuses.get(state)
    assert tenant.outcome(action, params) == (expected.__name__ if expected else "ok")
    assert tenant.audit.records[-1].keys[:1] == (key,)
    if expected:
        assert tenant.stored(key) == before


@pytest.mark.parametrize("action", WITHOUT_KEY)
def test_an_action_without_a_key_says_so(action: str, tenant: Tenant) -> None:
    assert (RULES[action].refuses, RULES[action].needs) == (None, None)
    assert tenant.outcome(action, SAMPLES[action](tenant, "")) == "ok"


@pytest.mark.parametrize("action", ["Encrypt", "GenerateDataKey", "GenerateDataKeyWithoutPlaintext"])
@pytest.mark.parametrize("spec", [KeySpec.AES_256, KeySpec.SM4])
def test_a_key_of_another_usage_is_refused(action: str, spec: KeySpec, tenant: Tenant) -> None:
    assert ON_KEYS[action].needs.usage is KeyUsage.ENCRYPT_DECRYPT
    key = tenant.create(spec=spec)
    params = SAMPLES[action](tenant, key)
    assert tenant.outcome(action, params) == "ok"
    tenant.put(key, usage=KeyUsage.SIGN_VERIFY)
    assert tenant.outcome(action, params) == "InvalidKeyUsage"


@pytest.mark.parametrize(
    "borrowed", [ENCRYPT, DECRYPT, ASYMMETRIC_ENCRYPT, ASYMMETRIC_DECRYPT], ids=lambda rule: rule.name
)
def test_a_rule_that_others_work_by_is_what_its_action_says(borrowed: Rule) -> None:
    assert RULES[borrowed.name] == borrowed


def test_an_action_that_said_it_uses_no_key_gets_none(tenant: Tenant) -> None:
    @action("Encrypt", refuses=NO_KEY, needs=NO_KEY)
    def sly(params: KeyRefs, scope: Scope) -> Nothing:
        scope.use(params.key_ids[0])
        return Nothing()

    call = tenant.call("Encrypt", {"key_ids": [tenant.create()]})
    assert sly.run(call, tenant.deps)["error"]["type"] == "Internal"


@pytest.mark.parametrize("state", KeyState)
def test_re_encrypt_decrypts_with_the_source_and_encrypts_with_the_destination(state: KeyState, tenant: Tenant) -> None:
    source, destination = tenant.create(), tenant.create()
    params = {**SAMPLES["Decrypt"](tenant, source), "destination_key_id": destination}
    for key, name in ((source, "Decrypt"), (destination, "Encrypt")):
        in_state(tenant, key, state)
        expected = ON_KEYS[name].refuses.get(state)
        assert tenant.outcome("ReEncrypt", params) == (expected.__name__ if expected else "ok"), name
        in_state(tenant, key, KeyState.ENABLED)


@pytest.mark.parametrize(
    ("allowed", "outcome"),
    [
        (["Decrypt"], "AccessDenied"),
        (["Encrypt"], "AccessDenied"),
        (["Decrypt", "Encrypt"], "AccessDenied"),
        (["ReEncrypt"], "AccessDenied"),
        (["ReEncrypt", "Decrypt", "Encrypt"], "ok"),
    ],
)
def test_re_encrypt_needs_its_own_permission_and_both_of_its_parts(
    allowed: list[str], outcome: str, tenant: Tenant
) -> None:
    policy = json.dumps({"Statement": [{"Effect": "Allow", "Action": allowed}]})
    params = SAMPLES["ReEncrypt"](tenant, tenant.create())
    assert tenant.outcome("ReEncrypt", params, policy=policy) == outcome


def test_permission_by_alias_follows_the_alias(tenant: Tenant) -> None:
    one, other = tenant.create(), tenant.create()
    name = tenant.alias(one)
    policy = json.dumps({"Statement": [{"Effect": "Allow", "Action": "Encrypt", "Resource": f"alias/{name}"}]})
    by_id = [{"key_id": key, "plaintext": PLAINTEXT} for key in (one, other)]
    assert [tenant.outcome("Encrypt", params, policy=policy) for params in by_id] == ["ok", "AccessDenied"]
    tenant.result("UpdateAlias", {"alias": name, "key_id": other})
    assert [tenant.outcome("Encrypt", params, policy=policy) for params in by_id] == ["AccessDenied", "ok"]
