"""An alias is a resource: whoever makes, moves or takes one away may do so with its name and with its keys."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kit.action_samples import PLAINTEXT, Tenant
from tenantkms.access.policy import ALLOW_ALL

Row = tuple[str, Any, Any]


def policy(*rows: Row) -> str:
    return json.dumps({"Statement": [{"Effect": effect, "Action": a, "Resource": r} for effect, a, r in rows]})


@pytest.fixture(scope="module")
def tenant(tmp_path_factory: pytest.TempPathFactory) -> Tenant:
    return Tenant(tmp_path_factory.mktemp("aliases") / "data")


class Town:
    """A tenant's keys: `app` and `prod` with an alias each, `bare` without one. Names differ from test to test."""

    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self.app, self.prod, self.bare = (tenant.create() for _ in range(3))
        self.mark = self.bare[:8]
        for key, name in ((self.app, "app"), (self.prod, "prod")):
            tenant.result("CreateAlias", {"key_id": key, "alias": self.name(name)})

    def name(self, word: str) -> str:
        return f"{word}-{self.mark}" if word else ""

    def write(self, text: str) -> str:
        """A policy with `@app` for a key's id, and with this town's aliases."""
        for key in ("app", "prod", "bare"):
            text = text.replace(f"@{key}", getattr(self, key))
        return text.replace("%", self.mark)

    def params(self, action: str, alias: str, key: str) -> dict[str, Any]:
        named = {} if action in ("DeleteAlias", "CreateKey") else {"key_id": getattr(self, key)}
        return {"alias": self.name(alias), **named}

    def aliases(self) -> dict[str, tuple[str, ...]]:
        return {key: self.tenant.stored(getattr(self, key)).aliases for key in ("app", "prod", "bare")}


@pytest.fixture
def town(tenant: Tenant) -> Town:
    return Town(tenant)


ALL = ("Allow", "*", "*")
APP = ("Allow", "*", ["alias/app-*"])
APP_AND_BARE = ("Allow", "*", ["alias/app-*", "key/@bare"])
DENY_PROD = ("Deny", "*Alias", "alias/prod-*")

CASES: dict[str, tuple[tuple[Row, ...], str, str, str, str]] = {
    # statements; the Action, the alias and the key that it names; what it gets
    "the names of its own key are not all that is": ((APP,), "CreateAlias", "prod2", "app", "AccessDenied"),
    "a name of its own on its own key": ((APP,), "CreateAlias", "app-2", "app", "ok"),
    "a key that may not be touched": ((APP,), "CreateAlias", "app-2", "prod", "AccessDenied"),
    "a key alone is no alias": ((("Allow", "*", "key/@app"),), "CreateAlias", "app-2", "app", "AccessDenied"),
    "both": ((("Allow", "*", ["key/@app", "alias/app-2*"]),), "CreateAlias", "app-2", "app", "ok"),
    "a denied name": ((ALL, DENY_PROD), "CreateAlias", "prod-2", "bare", "AccessDenied"),
    "a key with a denied name": ((ALL, DENY_PROD), "CreateAlias", "other", "prod", "AccessDenied"),
    "what it would be allowed by the name": (
        (("Allow", "CreateAlias", "*"), ("Allow", "Decrypt", "alias/app-*")),
        "CreateAlias",
        "app-2",
        "prod",
        "AccessDenied",
    ),
    "what it is allowed without the name": (
        (("Allow", ["CreateAlias", "Decrypt"], "*"), ("Allow", "Decrypt", "alias/app-*")),
        "CreateAlias",
        "app-2",
        "prod",
        "ok",
    ),
    "a move from a denied name": ((ALL, DENY_PROD), "UpdateAlias", "prod", "bare", "AccessDenied"),
    "a move that ends a denial": (
        (ALL, ("Deny", "Decrypt", "alias/prod-*")),
        "UpdateAlias",
        "prod",
        "bare",
        "AccessDenied",
    ),
    "a move of its name to a key of another": ((APP,), "UpdateAlias", "app", "prod", "AccessDenied"),
    "a move of another's name to its key": ((APP,), "UpdateAlias", "prod", "app", "AccessDenied"),
    "a move from a key of another": (
        (("Allow", "*", ["key/@bare", "alias/prod-*"]), ("Deny", "*", "key/@prod")),
        "UpdateAlias",
        "prod",
        "bare",
        "AccessDenied",
    ),
    "a move of its name to its key": ((APP_AND_BARE,), "UpdateAlias", "app", "bare", "ok"),
    "a move that allows more": (
        (("Allow", "UpdateAlias", "*"), ("Allow", "Decrypt", "alias/app-*")),
        "UpdateAlias",
        "app",
        "bare",
        "AccessDenied",
    ),
    "a move to where it is": ((("Allow", "*", "key/@app"),), "UpdateAlias", "app", "app", "AccessDenied"),
    "a new first name": ((APP,), "SetKeyAlias", "app-2", "app", "ok"),
    "a new first name of others": ((APP,), "SetKeyAlias", "prod2", "app", "AccessDenied"),
    "a first name that may not go": (
        (("Allow", "*", ["key/@app", "alias/new*"]),),
        "SetKeyAlias",
        "new",
        "app",
        "AccessDenied",
    ),
    "a first name whose going ends a denial": (
        (ALL, ("Deny", "Decrypt", "alias/prod-*")),
        "SetKeyAlias",
        "new",
        "prod",
        "AccessDenied",
    ),
    "a first name that it has": ((("Allow", "*", "key/@app"),), "SetKeyAlias", "app", "app", "AccessDenied"),
    "its name goes": ((APP,), "DeleteAlias", "app", "", "ok"),
    "a name goes from its key": ((("Allow", "*", "key/@app"),), "DeleteAlias", "app", "", "AccessDenied"),
    "a denied name goes": ((ALL, DENY_PROD), "DeleteAlias", "prod", "", "AccessDenied"),
    "a name goes that denied": ((ALL, ("Deny", "Decrypt", "alias/prod-*")), "DeleteAlias", "prod", "", "AccessDenied"),
    "a new key needs no alias": ((("Allow", "CreateKey", "*"), DENY_PROD), "CreateKey", "", "", "ok"),
    "a new key with an alias": ((("Allow", "CreateKey", "*"),), "CreateKey", "any", "", "ok"),
    "a new key with a denied alias": (
        (ALL, ("Deny", "CreateKey", "alias/prod-*")),
        "CreateKey",
        "prod-2",
        "",
        "AccessDenied",
    ),
    "a new key by its alias alone": ((APP,), "CreateKey", "app-2", "", "AccessDenied"),
}


@pytest.mark.parametrize(("rows", "action", "alias", "key", "outcome"), CASES.values(), ids=CASES)
def test_an_alias_is_a_resource(
    town: Town, rows: tuple[Row, ...], action: str, alias: str, key: str, outcome: str
) -> None:
    params, before = town.params(action, alias, key), town.aliases()
    assert town.tenant.outcome(action, params, policy=town.write(policy(*rows))) == outcome
    if outcome != "ok":
        assert town.aliases() == before
        created = params["alias"] and town.tenant.outcome("DescribeKey", {"key_ids": [f"alias/{params['alias']}"]})
        assert created in (("ok",) if alias in ("app", "prod") else ("AliasNotFound",))


def test_what_others_encrypt_is_not_read_under_a_name_of_ones_own(town: Town) -> None:
    """The attack: prod looks for a name that is free; who has app-* makes it on the own key, and waits."""
    mine = town.write(policy(APP))
    wanted = {"key_id": town.app, "alias": town.name("prod-new")}
    assert town.tenant.outcome("CreateAlias", wanted, policy=mine) == "AccessDenied"
    sent = {"key_id": f"alias/{town.name('prod-new')}", "plaintext": PLAINTEXT}
    assert town.tenant.outcome("Encrypt", sent) == "AliasNotFound"


@pytest.mark.parametrize("action", ["CreateAlias", "UpdateAlias", "SetKeyAlias", "DeleteAlias", "CreateKey"])
def test_a_dry_run_tells_of_it_too(town: Town, action: str) -> None:
    params = town.params(action, "app" if action in ("UpdateAlias", "DeleteAlias") else "new", "bare")
    for text, outcome in (
        (ALLOW_ALL, "DryRunSucceeded"),
        (policy(ALL, ("Deny", action, ["alias/app-*", "alias/new-*"])), "AccessDenied"),
    ):
        assert town.tenant.outcome(action, params, policy=text, dry_run=True) == outcome
