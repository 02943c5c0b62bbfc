"""What an operator may say of limits, and what a policy may."""

from __future__ import annotations

import pytest

from tenantkms.access.limits import limits_of, limits_of_text
from tenantkms.access.policy import check, rates
from tenantkms.errors import InvalidPolicy
from tenantkms.model.limits import DEFAULT, OFF, Limits

SAID = {
    "": DEFAULT,
    "off": OFF,
    "Encrypt=1000": Limits(rates={"Encrypt": 1000}),
    "*=0,Encrypt=5": Limits(rates={"*": 0, "Encrypt": 5}),
    "strangers=0,keys=1,aliases=2,versions=3,tags=4": Limits(strangers=0, keys=1, aliases=2, versions=3, tags=4),
}


@pytest.mark.parametrize(("text", "limits"), SAID.items())
def test_what_is_said_is_meant(text: str, limits: Limits) -> None:
    assert limits_of_text(text) == limits


WRONG = {
    "Encrypt": "'Encrypt' is not NAME=FIGURE",
    "Encrypt=": "is not NAME=FIGURE",
    "Encrypt=-1": "is not NAME=FIGURE",
    "Encrypt=1.5": "is not NAME=FIGURE",
    "Encrypt=1,Encrypt=2": "each name once",
    "off,Encrypt=1": "'off' is not NAME=FIGURE",
    "Encrypt=1000001": "the limit Encrypt is 1000001: 1 to 1000000, or 0 for none",
    "encrypt=1": "'encrypt' is no limit: .*; did you mean Encrypt",
    "SignByAsymmetricKey=1": "the Action is AsymmetricSign",
    "rates=1": "'rates' is no limit",
    "Crypt*=1": "is no limit",
}


@pytest.mark.parametrize(("text", "said"), WRONG.items())
def test_what_is_none_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        limits_of_text(text)


def test_a_figure_below_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="the limit keys is -1"):
        limits_of({"keys": -1})


def document(limits: str) -> str:
    return f'{{"Statement":[{{"Effect":"Allow","Action":"*","Resource":"*"}}],"Limits":{limits}}}'


def test_a_policy_has_limits_of_actions() -> None:
    assert rates(check(document('{"Encrypt":1000000,"*":0}'))) == {"Encrypt": 1_000_000, "*": 0}


POLICIES = {
    '{"encrypt":1}': "The limit 'encrypt' of the policy is for no Action: did you mean Encrypt.",
    '{"SignByAsymmetricKey":1}': "the Action is AsymmetricSign",
    '{"keys":1}': "is for no Action",
    '{"Encrypt":-1}': "The limit Encrypt of the policy is -1: 1 to 1000000, or 0 for none.",
    '{"Encrypt":1000001}': "The limit Encrypt of the policy is 1000001: 1 to 1000000, or 0 for none.",
    '{"Encrypt":"1"}': "The policy is not valid",
    '{"Encrypt":1,"Encrypt":2}': "The policy gives 'Encrypt' twice in one place.",
}


@pytest.mark.parametrize(("limits", "said"), POLICIES.items())
def test_a_policy_with_limits_of_nothing_is_refused(limits: str, said: str) -> None:
    with pytest.raises(InvalidPolicy, match=said):
        check(document(limits))
