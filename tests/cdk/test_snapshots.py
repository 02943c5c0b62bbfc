"""SnapStart: whose functions may be copied, and that their copies have nothing in common that must be unique."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from cdk import snapshots
from cdk.tenants import actions
from kit.clones import CLONES, OTHERS
from kit.templates import FOLDERS, Template
from tenantkms.names import CHANGING, folder
from tools.init_times import ENVIRONMENT

ROOT = Path(__file__).parent.parent.parent
UNIQUE = {
    "Encrypt": ("ciphertext",),
    "GenerateDataKey": ("plaintext", "ciphertext"),
    "GenerateDataKeyWithoutPlaintext": ("ciphertext",),
    "GenerateRandom": ("plaintext",),
    "ReEncrypt": ("ciphertext",),
}
"""Action -> fields of its result that have random numbers in them. All others answer the same call alike."""
CONTROLS = {"AsymmetricSign": "signature", "GenerateDataKeyPair": "public"}
"""Actions that are refused, and what their copies would have in common."""
ALLOWED = sorted(action for place, action in actions().items() if place in snapshots.ALLOWED)


def test_every_function_is_allowed_or_refused_with_a_reason() -> None:
    refused = [place for places in snapshots.REFUSED.values() for place in places]
    assert sorted([*refused, *snapshots.ALLOWED]) == sorted(FOLDERS)


def test_none_that_changes_something_is_allowed() -> None:
    assert not {folder(action) for action in CHANGING} & snapshots.ALLOWED


@pytest.mark.parametrize("place", sorted(snapshots.ALLOWED))
def test_what_is_allowed_has_nothing_of_asymmetric_cryptography(place: str) -> None:
    program = f"import sys, functions.{place}.handler; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert "tenantkms.crypto.asymmetric" not in loaded.stdout.split()


@pytest.fixture(scope="module")
def clones(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[dict[str, Any]]]:
    """What copies of one process answered, by Action and by `OTHERS`."""
    command = [sys.executable, "-m", "kit.clones", str(tmp_path_factory.mktemp("kms") / "data"), *ALLOWED, *CONTROLS]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, timeout=300)
    if "no PID namespace" in done.stderr:
        pytest.skip("nobody may make a PID namespace here, so no copy of a process has its id")
    assert done.returncode == 0, done.stderr
    found: dict[str, list[dict[str, Any]]] = json.loads(done.stdout)
    return found


def _values(clones: dict[str, list[dict[str, Any]]], action: str, field: str) -> list[str]:
    return [clone["answer"]["result"][field] for clone in clones[action]]


def test_copies_have_the_id_of_the_process_that_they_are_copies_of(clones: dict[str, list[dict[str, Any]]]) -> None:
    assert {clone["pid"] for copies in clones.values() for clone in copies} == {1}
    assert {len(copies) for copies in clones.values()} == {CLONES}


@pytest.mark.parametrize("action", ALLOWED)
def test_no_two_copies_answer_with_the_same_random_numbers(
    action: str, clones: dict[str, list[dict[str, Any]]]
) -> None:
    results = [clone["answer"]["result"] for clone in clones[action]]
    for field in UNIQUE.get(action, ()):
        assert len(set(_values(clones, action, field))) == CLONES
    rest = [{name: value for name, value in one.items() if name not in UNIQUE.get(action, ())} for one in results]
    assert rest == [rest[0]] * CLONES, "a field of random numbers that is not in UNIQUE"


@pytest.mark.parametrize("what", OTHERS)
def test_no_two_copies_have_the_same_ids_nor_tls_numbers_once_they_parted(
    what: str, clones: dict[str, list[dict[str, Any]]]
) -> None:
    made = {clone["answer"] for clone in clones[what]}
    assert len(made) == (1 if what == "tls" else CLONES)


@pytest.mark.parametrize(("action", "field"), CONTROLS.items())
def test_copies_of_what_is_refused_would_have_the_same(
    action: str, field: str, clones: dict[str, list[dict[str, Any]]]
) -> None:
    """So the copies are such as a snapshot makes: if this fails, the tests above prove nothing any more."""
    assert len(set(_values(clones, action, field))) == 1
    assert folder(action) in snapshots.REFUSED[snapshots.OPENSSL]


def test_the_alias_of_the_newest_version_is_what_is_invoked(adopted: Template, example: Template) -> None:
    """Of the entry with `snapstart`; who has none has neither versions nor aliases."""
    assert not example.of("AWS::Lambda::Alias")
    assert not any("SnapStart" in properties for properties in example.properties("AWS::Lambda::Function"))
    snapped = {row["FunctionName"] for row in adopted.properties("AWS::Lambda::Function") if "SnapStart" in row}
    assert snapped == {"tkms-moved-decrypt", "tkms-moved-endpoint"}
    assert adopted.functions["decrypt"]["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    aliases = adopted.of("AWS::Lambda::Alias")
    decrypt, endpoint = sorted(aliases, key=lambda name: "Endpoint" in name)
    for name, at in ((decrypt, "Decrypt"), (endpoint, "Endpoint")):
        row = aliases[name]["Properties"]
        assert row["Name"] == "live"
        assert at in row["FunctionName"]["Ref"]
        assert adopted.resources[row["FunctionVersion"]["Fn::GetAtt"][0]]["Type"] == "AWS::Lambda::Version"
    (integration,) = adopted.of("AWS::ApiGatewayV2::Integration").values()
    assert integration["Properties"]["IntegrationUri"] == {"Ref": endpoint}
    permissions = [row["Properties"]["FunctionName"] for row in adopted.of("AWS::Lambda::Permission").values()]
    assert {"Ref": endpoint} in permissions
    invoked = [
        statement["Resource"]
        for role in adopted.of("AWS::IAM::Role").values()
        for policy in role["Properties"].get("Policies", ())
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Action"] == "lambda:InvokeFunction"
    ]
    assert {"Ref": decrypt} in invoked[0]
    assert adopted.functions["endpoint"]["Environment"]["Variables"]["LIVE_FOLDERS"] == "decrypt"


@pytest.mark.parametrize(("how", "parts"), [("snap-start", True), ("on-demand", False)])
def test_a_function_that_starts_from_a_snapshot_parts_from_the_others(how: str, parts: bool) -> None:
    """It tells AWS's runtime what to run after a restore."""
    program = (
        "import functions.encrypt.handler, snapshot_restore_py; from tenantkms.runtime.lambda_entry import part_ways;"
        "print([row[0] for row in snapshot_restore_py.get_after_restore()] == [part_ways])"
    )
    environment = {
        **ENVIRONMENT,
        "PATH": os.environ["PATH"],
        "AWS_LAMBDA_FUNCTION_NAME": "tested",
        "AWS_LAMBDA_INITIALIZATION_TYPE": how,
    }
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=environment)
    assert done.stdout.splitlines()[-1] == str(parts)
