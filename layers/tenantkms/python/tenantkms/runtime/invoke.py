"""Actions called from outside their functions: the canonical call to an Action in a Lambda function of its own, and a
call in the name of a caller that no endpoint vouches for.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec
from msgspec import Struct

from tenantkms.errors import MalformedRequest, Unavailable, from_data
from tenantkms.names import NATIVE, folder

Dispatcher = Callable[[Mapping[str, Any]], Mapping[str, Any]]
"""From a canonical call to `{"result": ..}` or `{"error": ..}`. Raises a domain error if the Action was not reached."""


def ask(
    dispatch: Dispatcher, caller: str, policy: str, request_id: str, action: str, params: Mapping[str, object]
) -> dict[str, Any]:
    """The result of an Action that `caller` calls natively, with the policy it brings. Raises its domain error."""
    answer = dispatch(
        {
            "v": 1,
            "request_id": request_id,
            "action": action,
            "principal": {"id": caller, "policy": policy},
            "profile": NATIVE,
            "params": params,
        }
    )
    if "error" in answer:
        raise from_data(answer["error"])
    result: dict[str, Any] = answer["result"]
    return result


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

LIVE = "live"
"""The alias of functions that start from a snapshot, which only a published version does."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Answer).decode


class LambdaDispatcher:
    """Invokes the function of an Action, named `<prefix><folder>`, with what `encode` makes of the call, and waits.

    Those of the folders `live` by their alias.
    """

    def __init__(
        self, client: LambdaClient, prefix: str, encode: Encode = _encode, live: frozenset[str] = frozenset()
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._encode = encode
        self._live = live

    def __call__(self, call: Mapping[str, Any]) -> Mapping[str, Any]:
        """Raises `Unavailable` for every fault of the function, of AWS Lambda and of the way to it."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            payload = self._encode(call)
        except UnicodeEncodeError as e:
            raise MalformedRequest("The call is not a canonical call of version 1.") from e
        try:
            name = folder(call["action"])
            name = f"{self._prefix}{name}:{LIVE}" if name in self._live else self._prefix + name
            answer = self._client.invoke(FunctionName=name, Payload=payload)
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
