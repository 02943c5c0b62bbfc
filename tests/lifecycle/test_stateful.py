"""Whatever is asked in whatever order, in whatever dialect: answers are the model's, and invariants hold after each.

`TKMS_CAMPAIGN=N` (make campaign) takes N times as many examples, and new ones each time.
"""

from __future__ import annotations

import os
import time
from collections import Counter

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from kit.campaign.codes import CODES
from kit.campaign.machine import Machine
from kit.campaign.rules_aws import AwsRules
from kit.campaign.rules_names import NameRules
from kit.campaign.world import STORES
from tenantkms import errors
from tenantkms.wire.dialects import DIALECTS

CAMPAIGN = int(os.environ.get("TKMS_CAMPAIGN", "0"))
STEPS = 100
"""Of one example."""
BATCH = 6
"""Examples with one seed."""
PARTS = [("sqlite", part, 4_700) for part in range(4)] + [("dynamodb", part, 600) for part in range(2)]
"""Store, which part, and how many steps it has at least. DynamoDB under moto takes twenty times as long."""
LEAST = 20_000
"""Steps of all parts together."""


_POLICIES = "policies of AWS's form have tests of their own: the model sets them by Alibaba's API"
UNMODELLED = {("aws", f"{verb}KeyPolicy"): _POLICIES for verb in ("Get", "Put")}
"""Operations that the model does not know, each with the reason."""


def run_part(store: str, part: int, least: int) -> int:
    """So many steps at least, and on, with one seed after another, until every operation was asked for."""

    class Part(NameRules, AwsRules):
        steps = 0
        seen: Counter[tuple[str, str]] = Counter()

    Part.store = store
    Part.whole_every = 1 if store == "sqlite" else 20
    how = settings(
        max_examples=BATCH,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    number = time.time_ns() if CAMPAIGN else 1_000 * part
    served = {(name, operation) for name in DIALECTS for operation in DIALECTS[name].operations}
    served -= set(UNMODELLED)
    while Part.steps < least * (CAMPAIGN or 1) or (store == "sqlite" and served - set(Part.seen)):
        assert Part.steps < 3 * least * (CAMPAIGN or 1), f"never asked for: {served - set(Part.seen)}"
        run_state_machine_as_test(seed(number)(Part), settings=how)
        number += 1
    return Part.steps


@pytest.mark.parametrize(("store", "part", "least"), PARTS)
def test_every_answer_is_the_models(store: str, part: int, least: int) -> None:
    assert run_part(store, part, least) >= least


def test_there_are_enough_steps() -> None:
    """Each part counts its own; together they are what is asked for, and both stores are among them."""
    assert sum(least for _, _, least in PARTS) >= LEAST
    assert {store for store, _, _ in PARTS} == set(STORES)


def test_every_refusal_of_the_model_exists() -> None:
    assert set(CODES) - {""} <= set(errors.ERRORS)
    assert Machine.store in STORES
