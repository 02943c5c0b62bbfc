"""How the endpoint reaches an Action: in its own process, or in a Lambda function of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from tenantkms.action import Action, Deps

Dispatcher = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""From a canonical call to `{"result": ..}` or `{"error": ..}`."""

_WORD = re.compile(r"(?<!^)(?=[A-Z])")


def folder(action: str) -> str:
    """The folder of an Action under `functions/`: `GenerateDataKey` lives in `generate_data_key`."""
    return _WORD.sub("_", action).lower()


def load(action: str) -> Action[Any]:
    """The Action of that name: the one in its handler module that is named as its folder is."""
    name = folder(action)
    found: Action[Any] = getattr(import_module(f"functions.{name}.handler"), name)
    return found


class InlineDispatcher:
    """Runs Actions in this process; each is imported when it is first called."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps
        self._actions: dict[str, Action[Any]] = {}

    def __call__(self, call: Mapping[str, Any]) -> Mapping[str, Any]:
        name = call["action"]
        action = self._actions.get(name)
        if action is None:
            action = self._actions[name] = load(name)
        return action.run(call, self._deps)
