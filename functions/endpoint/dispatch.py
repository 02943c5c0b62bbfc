"""How the endpoint reaches an Action: in its own process, or in a Lambda function of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from tenantkms.action.vouch import CALLS, vouch
from tenantkms.keys.deps import Deps
from tenantkms.names import folder, module
from tenantkms.runtime.assemble import Settings
from tenantkms.runtime.invoke import Dispatcher, LambdaClient, LambdaDispatcher

if TYPE_CHECKING:
    from tenantkms.action.action import Action


def load(action: str) -> Action[Any]:
    """The Action of that name: the one in its handler module that is named as its folder is."""
    found: Action[Any] = getattr(import_module(module(action)), folder(action))
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


class _Either:
    """Some Actions in this process, the others in their functions."""

    def __init__(self, inline_actions: frozenset[str], inline: Dispatcher, remote: Dispatcher) -> None:
        self._inline_actions, self._inline, self._remote = inline_actions, inline, remote

    def __call__(self, call: Mapping[str, Any]) -> Mapping[str, Any]:
        return (self._inline if call["action"] in self._inline_actions else self._remote)(call)


def inline_actions(environment: Mapping[str, str]) -> frozenset[str]:
    """Of INLINE_ACTIONS, their names joined by commas."""
    return frozenset(filter(None, environment.get("INLINE_ACTIONS", "").split(",")))


def live_folders(environment: Mapping[str, str]) -> frozenset[str]:
    """Of LIVE_FOLDERS, joined by commas: the functions that are invoked by their alias."""
    return frozenset(filter(None, environment.get("LIVE_FOLDERS", "").split(",")))


def dispatcher(
    settings: Settings,
    prefix: str,
    inline: frozenset[str],
    client: Callable[[], LambdaClient],
    live: frozenset[str] = frozenset(),
) -> Dispatcher:
    """Actions `inline` run in this process, the others in the functions whose names begin with `prefix`, those of the
    folders `live` by their alias: the endpoint vouches for what it asks of them."""
    clock = settings.deps.clock
    remote = LambdaDispatcher(client(), prefix, lambda call: vouch(call, settings.root.key(CALLS), int(clock())), live)
    return _Either(inline, InlineDispatcher(settings.deps), remote) if inline else remote
