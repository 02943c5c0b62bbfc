"""What the reference says of operations is so: compared with the tables, the Actions and the endpoint's answers."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

from functions.endpoint.dispatch import load
from functions.endpoint.explorer import refusals
from functions.endpoint.explorer.reference import CODES, build, words
from kit.catalogue import error_code, prepare
from kit.support import Kms, Signer, event
from tenantkms import errors as e
from tenantkms import names
from tenantkms.model import states
from tenantkms.wire.dialects import DIALECTS
from tenantkms.wire.translate import decode, refused

ROOT = Path(__file__).parents[2]
REFERENCE: dict[str, Any] = json.loads(build())
BY_NAME = {dialect["name"]: dialect for dialect in REFERENCE["dialects"]}
OPERATIONS = [(dialect, operation) for dialect in REFERENCE["dialects"] for operation in dialect["operations"]]
IDS = [f"{dialect['name']} {operation['name']}" for dialect, operation in OPERATIONS]
KEY = "1234abcd-12ab-34cd-56ef-1234567890ab"
SERVING = {action for _, operation in OPERATIONS for action in operation["actions"]}
"""The Actions that some operation is served by."""
each = pytest.mark.parametrize(("dialect", "operation"), OPERATIONS, ids=IDS)


def test_every_operation_of_every_dialect_is_there() -> None:
    assert set(BY_NAME) == set(DIALECTS) == set(CODES)
    for name, dialect in DIALECTS.items():
        assert {operation["name"] for operation in BY_NAME[name]["operations"]} == set(dialect.operations)
        assert BY_NAME[name]["unsupported"] == dialect.unsupported


@each
def test_its_parameters_are_those_that_it_takes(dialect: dict[str, Any], operation: dict[str, Any]) -> None:
    table = DIALECTS[dialect["name"]].operations[operation["name"]]
    refuse = refused("")[0].codec
    taken = {row.wire for row in table.params if row.codec is not refuse and "-" not in row.wire}
    assert {param["name"] for param in operation["params"]} == taken
    assert {param["name"] for param in operation["params"] if param.get("required")} == table.needs
    assert set(operation["refused"]) == {row.wire for row in table.params if row.codec is refuse}


def test_words_are_of_what_there_is_and_of_all_of_it() -> None:
    said = words()
    assert set(said.actions) == SERVING
    assert set(said.operations) <= {name for dialect in DIALECTS.values() for name in dialect.operations}
    assert set(said.errors) == set(e.ERRORS)
    params = {param["name"].lower() for _, operation in OPERATIONS for param in operation["params"]}
    assert set(said.parameters) == params
    for english, chinese in (*said.actions.values(), *said.operations.values(), *said.parameters.values()):
        assert english.endswith(".")
        assert re.search("[\u4e00-\u9fff]", chinese)
        assert chinese.endswith("。")
    for meaning, way, way_zh in said.errors.values():
        assert re.search("[\u4e00-\u9fff]", meaning)
        assert re.search("[\u4e00-\u9fff]", way_zh)
        assert way.endswith(".")


@pytest.mark.parametrize("action", sorted(SERVING))
def test_states_are_those_that_the_actions_refuse(action: str) -> None:
    refuses = load(action).rule.refuses or states.NOTHING
    # It works through two others, of which one encrypts.
    assert refusals.STATES[action] == (states.USE if action == "ReEncrypt" else refuses)


def _raised(action: str) -> set[str]:
    """The errors that an Action's own module raises."""
    tree = ast.parse((ROOT / "functions" / names.folder(action) / "handler.py").read_text("utf-8"))
    raises = [node for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc]
    called = [node.exc.func if isinstance(node.exc, ast.Call) else node.exc for node in raises]
    return {node.attr if isinstance(node, ast.Attribute) else ast.unparse(node) for node in called if node} & set(
        e.ERRORS
    )


def test_what_an_action_raises_is_told_of_its_operations() -> None:
    order = list(e.ERRORS)
    told: dict[str, set[str]] = {}
    for _, operation in OPERATIONS:
        for action in operation["actions"]:
            told.setdefault(action, set()).update(order[n] for n in (*operation["errors"], *REFERENCE["always"]))
    missing = {action: sorted(_raised(action) - told[action]) for action in told}
    assert {action: errors for action, errors in missing.items() if errors} == {}
    assert sum(len(_raised(action)) for action in told) > 20


def _filled(param: dict[str, Any]) -> Any:
    """The value of a field as the form fills it in; what an answer fills in later is made up."""
    text = param.get("example") or {"key": KEY, "list": KEY}.get(param["kind"]) or "f" * 64
    if param["kind"] == "integer":
        return int(text)
    if param["kind"] == "boolean":
        return text == "true"
    if param["kind"] == "list":
        return [text]
    if param["kind"] in ("map", "json") and not param.get("json"):
        return json.loads(text)
    return text


@each
def test_what_a_form_fills_in_is_accepted(dialect: dict[str, Any], operation: dict[str, Any]) -> None:
    spoken = DIALECTS[dialect["name"]]
    params = {param["name"]: _filled(param) for param in operation["params"] if param.get("filled")}
    for example in ({}, {param["name"]: _filled(param) for param in operation["params"] if param["kind"] == "map"}):
        chosen = spoken.operation(operation["name"], {**params, **example})
        assert chosen
        made = {name: value for name, value in {**params, **example}.items() if name in chosen.wires}
        if "GrantToken" in chosen.needs:
            continue
        canonical, _ = decode(chosen, made, spoken.common)
        assert canonical.keys() >= chosen.constant.keys()


@pytest.mark.parametrize("name", DIALECTS)
def test_codes_are_those_of_answers(name: str, kms: Kms) -> None:
    prepare(kms)
    wrong = Signer(kms.signer.access_key_id, "wrong")
    nobody = Signer("TKMSnobody", "wrong")

    def requests(signer: Signer) -> dict[str, Any]:
        return {
            "alibaba": signer.alibaba_rpc("ListKeys"),
            "tencent": signer.tencent("ListKeys"),
            "tencent-v2": signer.tencent_v2("ListKey"),
            "aws": signer.aws("ListKeys"),
        }[name]

    order = list(e.ERRORS)
    for signer, error in ((wrong, "SignatureMismatch"), (nobody, "UnknownAccessKey")):
        answer = kms.send(requests(signer))
        status, code = BY_NAME[name]["errors"][order.index(error)]
        assert answer["statusCode"] == status
        found = json.loads(answer["body"])
        parts = []
        for path in CODES[name]:
            at = found
            for step in path:
                at = at[step]
            parts.append(str(at))
        assert " ".join(parts) == code
        assert str(error_code(name, answer)) in code


def test_it_names_no_tenant(kms: Kms) -> None:
    """It is shown to who has no access key."""
    text = build().decode()
    site = kms.settings.site
    assert site.account not in text
    assert kms.signer.access_key_id not in text
    assert event()["headers"]["host"] not in text
