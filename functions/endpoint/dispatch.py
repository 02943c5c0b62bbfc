"""How the endpoint reaches an Action: in its own process, or in a Lambda function of its own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

import msgspec
from msgspec import Struct

from tenantkms.action.vouch import CALLS, vouch
from tenantkms.errors import MalformedRequest, Unavailable
from tenantkms.keys.deps import Deps
from tenantkms.names import folder, module
from tenantkms.runtime.assemble import Settings

if TYPE_CHECKING:
    from tenantkms.action.action import Action

Dispatcher = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""From a canonical call to `{"result": ..}` or `{"error": ..}`. Raises a domain error if the Action was not reached."""


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


class LambdaClient(Protocol):
    """What is asked of botocore's client of AWS Lambda."""

    def invoke(self, *, FunctionName: str, Payload: bytes) -> Mapping[str, Any]: ...  # noqa: N803 - AWS's names


class _Answer(Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a function may answer: one of both."""

    result: dict[str, Any] | None = None
    error: dict[str, str] | None = None


class FunctionFailed(Exception):
    """The function did not answer as one; `response` has what AWS calls its error, as botocore's exceptions do."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.response = {"Error": {"Code": code}}


Encode = Callable[[Mapping[str, Any]], bytes]
"""From a canonical call to what a function is invoked with."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Answer).decode


class LambdaDispatcher:
    """Invokes the function of an Action, named `<prefix><folder>`, with what `encode` makes of the call, and waits."""

    def __init__(self, client: LambdaClient, prefix: str, encode: Encode = _encode) -> None:
        self._client = client
        self._prefix = prefix
        self._encode = encode

    def __call__(self, call: Mapping[str, Any]) -> Mapping[str, Any]:
        """Raises `Unavailable` for every fault of the function, of AWS Lambda and of the way to it."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            payload = self._encode(call)
        except UnicodeEncodeError as e:
            raise MalformedRequest("The call is not a canonical call of version 1.") from e
        try:
            answer = self._client.invoke(FunctionName=self._prefix + folder(call["action"]), Payload=payload)
            # The answer's body is read here, and may break off.
            return _read(answer.get("FunctionError"), answer["Payload"].read())
        except (BotoCoreError, ClientError, FunctionFailed) as e:
            raise Unavailable("The function of this action is not available.") from e


def _read(failure: str | None, payload: bytes) -> Mapping[str, Any]:
    if failure:
        raise FunctionFailed(_type_of(payload) or failure)
    try:
        answer = _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise FunctionFailed("PayloadIsNoAnswer") from None
    if (answer.result is None) == (answer.error is None):
        raise FunctionFailed("PayloadIsNoAnswer")
    return {"error": answer.error} if answer.result is None else {"result": answer.result}


def _type_of(payload: bytes) -> str:
    """The class that the runtime says was raised; nothing else of the payload is fit for a log."""
    try:
        kind = msgspec.json.decode(payload, type=dict[str, Any]).get("errorType")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return kind if isinstance(kind, str) and re.fullmatch(r"[\w.]{1,64}", kind, re.ASCII) else ""


class _Either:
    """Some Actions in this process, the others in their functions."""

    def __init__(self, inline_actions: frozenset[str], inline: Dispatcher, remote: Dispatcher) -> None:
        self._inline_actions, self._inline, self._remote = inline_actions, inline, remote

    def __call__(self, call: Mapping[str, Any]) -> Mapping[str, Any]:
        return (self._inline if call["action"] in self._inline_actions else self._remote)(call)


def inline_actions(environment: Mapping[str, str]) -> frozenset[str]:
    """Of INLINE_ACTIONS, their names joined by commas."""
    return frozenset(filter(None, environment.get("INLINE_ACTIONS", "").split(",")))


def dispatcher(
    settings: Settings, prefix: str, inline: frozenset[str], client: Callable[[], LambdaClient]
) -> Dispatcher:
    """Actions `inline` run in this process, the others in the functions whose names begin with `prefix`: the endpoint
    vouches for what it asks of them."""
    clock = settings.deps.clock
    remote = LambdaDispatcher(client(), prefix, lambda call: vouch(call, settings.root.key(CALLS), int(clock())))
    return _Either(inline, InlineDispatcher(settings.deps), remote) if inline else remote
