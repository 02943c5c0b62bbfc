"""What the console can change: the actions of `tkms key` that need no file, each confirmed by the name of its key."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from tenantkms.errors import InvalidParameter
from tenantkms.model.alias import ALIAS_PREFIX

Ask = Callable[[str, Mapping[str, object]], dict[str, Any]]
"""An Action by its name and parameters, as the caller. Raises its domain error."""


class Order(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`act` is a name of `ACTS`; `confirm` what was typed. The rest is what some of them need."""

    act: str
    key: str
    confirm: str
    days: int = 0
    name: str = ""
    value: str = ""


decode = msgspec.json.Decoder(Order).decode

_Made = tuple[str, dict[str, object]]


def _keys(action: str) -> Callable[[Order], _Made]:
    return lambda order: (action, {"key_ids": [order.key]})


def _key(action: str) -> Callable[[Order], _Made]:
    return lambda order: (action, {"key_id": order.key})


ACTS: Mapping[str, Callable[[Order], _Made]] = {
    "enable": _keys("EnableKey"),
    "disable": _keys("DisableKey"),
    "rotate": _key("CreateKeyVersion"),
    "schedule-deletion": lambda order: ("ScheduleKeyDeletion", {"key_id": order.key, "days": order.days}),
    "cancel-deletion": _key("CancelKeyDeletion"),
    "alias-add": lambda order: ("CreateAlias", {"key_id": order.key, "alias": order.name}),
    "alias-remove": lambda order: ("DeleteAlias", {"alias": order.name}),
    "tag-add": lambda order: ("TagResources", {"key_ids": [order.key], "tags": {order.name: order.value}}),
    "tag-remove": lambda order: ("UntagResources", {"key_ids": [order.key], "names": [order.name]}),
}
"""By the verbs of `tkms key`: the Action, and its parameters."""
_ONLY_ITS_OWN = "alias-remove"


def perform(order: Order, ask: Ask) -> dict[str, Any]:
    """What the Action answers. Raises its domain errors, and `InvalidParameter` for an order that names no key."""
    if order.act not in ACTS:
        raise InvalidParameter(f"is one of {', '.join(ACTS)}.", field="act")
    key = ask("DescribeKey", {"key_ids": [order.key]})["keys"][0]
    names = {key["id"], *key["aliases"]}
    if order.key != key["id"] or order.confirm.removeprefix(ALIAS_PREFIX) not in names:
        raise InvalidParameter("is not the id of the key, nor an alias of it: nothing was done.", field="confirm")
    if order.act == _ONLY_ITS_OWN and order.name not in key["aliases"]:
        raise InvalidParameter("is no alias of the key: nothing was done.", field="name")
    return ask(*ACTS[order.act](order))
