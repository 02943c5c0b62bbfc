"""What every Action has in common: typed request in, policy, run, result or domain error out, audit lines.

An Action is one function in `functions/<name>/handler.py`, and says all of itself there:

    @action("Encrypt", refuses=USE, needs=BLOBS)
    def encrypt(params: Params, scope: Scope) -> Result: ...

It is called with the canonical call, `{v, request_id, action, principal, profile, params}`, from two doors:
the endpoint, after it verified a signature, and AWS principals that IAM authorises to invoke the function
(`action/vouch.py` tells them apart).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar, get_type_hints

import msgspec
from msgspec.structs import replace

from tenantkms import errors as e
from tenantkms.action.call import Call, Params, Result, prepare
from tenantkms.action.rule import Rule
from tenantkms.action.scope import Scope
from tenantkms.audit.faults import log_fault
from tenantkms.audit.line import Record
from tenantkms.keys.deps import Deps
from tenantkms.model.profiles import PROFILES
from tenantkms.model.specs import Need
from tenantkms.model.states import Refusals
from tenantkms.names import CHANGING, NATIVE

_encode = msgspec.json.Encoder().encode
P = TypeVar("P", bound=Params)
Body = Callable[[P, Scope], Result]


class Action(Generic[P]):
    """A decorated function. `run` never raises: it answers `{"result": ..}` or `{"error": {type, message}}`."""

    def __init__(self, rule: Rule, body: Body[P]) -> None:
        self.rule = rule
        self.name = rule.name
        self.body = body
        self.params: type[P] = get_type_hints(body)["params"]
        prepare(self.params)

    def run(self, event: Mapping[str, Any], deps: Deps, *, native: bool = False) -> dict[str, Any]:
        """`native`: the endpoint does not vouch for the call, so it is no access key's."""
        try:
            call = msgspec.convert(event, Call)
            profile = PROFILES[call.profile]
            if call.profile == NATIVE:
                _encode(call)  # lone surrogates, which no log and no store can hold: dialects refuse them
        except (msgspec.ValidationError, UnicodeEncodeError, KeyError):
            return self.refuse(e.MalformedRequest("The call is not a canonical call of version 1."), deps)
        caller = call.principal
        borrowed = native and (call.profile != NATIVE or caller.session or not _CALLER.fullmatch(caller.id))
        if borrowed:  # the audit line tells whose call it is not
            call, profile = replace(call, profile=NATIVE), PROFILES[NATIVE]
        scope = Scope(call, deps, profile, self.rule)
        answer: dict[str, Any]
        outcome = "ok"
        try:
            if borrowed:
                raise e.AccessDenied("Who invokes a function is native, under a name of lower-case letters.")
            answer = {"result": msgspec.to_builtins(self._run(call, scope))}
        except e.KmsError as error:
            outcome = type(error).__name__
            answer = {"error": e.to_data(error)}
            if error.retryable:
                log_fault(call.request_id, error)
        except Exception as error:  # noqa: BLE001 - the last barrier: nothing of it may leave
            outcome = e.Internal.__name__
            answer = {"error": e.to_data(e.Internal())}
            log_fault(call.request_id, error)
        try:
            deps.audit.write(scope.record(outcome))
        except e.Unavailable as error:
            log_fault(call.request_id, error)
            return {"error": e.to_data(e.Unavailable())}
        return answer

    def refuse(self, error: e.KmsError, deps: Deps) -> dict[str, Any]:
        """The answer to what says nothing that is to be believed, not even who calls."""
        if error.retryable:
            log_fault("", error)
        outcome = type(error).__name__
        try:
            deps.audit.refuse(
                Record(
                    time=deps.clock(),
                    request_id="",  # the caller is told none
                    tenant=deps.tenant,
                    action=self.name,
                    profile=NATIVE,
                    principal="",
                    outcome=outcome,
                )
            )
        except e.Unavailable as fault:
            log_fault("", fault)
        return {"error": e.to_data(error)}

    def _run(self, call: Call, scope: Scope) -> Result:
        if call.action != self.name:
            raise e.UnknownAction
        if self.name in CHANGING:
            scope.deps.fence.check()
        try:
            params = msgspec.convert(call.params, self.params)
        except msgspec.ValidationError as error:
            raise _misfit(error) from error
        result = self.body(params, scope)
        if not scope.authorised:
            raise RuntimeError(f"{self.name} answered without asking the policy")
        if call.dry_run:
            wrong = getattr(result, "valid", True) is False
            raise e.DryRunSucceeded(**({"valid": "no"} if wrong else {}))
        return result


_CALLER = re.compile(r"[a-z][a-z0-9._-]{0,63}")
"""Who calls natively: no id of an access key looks so."""
_MISSING = re.compile(r"Object missing required field `(\w+)`")
_PLACE = re.compile(r" - at `\$\.(\w+)[^`]*`$")


def _misfit(error: msgspec.ValidationError) -> e.KmsError:
    """What msgspec says of parameters, with the canonical parameter that it says it of apart."""
    text = str(error)
    place, missing = _PLACE.search(text), _MISSING.match(text)
    if missing:
        return e.MissingParameter("is required.", field=place[1] if place else missing[1])
    if place is None:
        return e.InvalidParameter(f"{text}.")
    return e.InvalidParameter(f"is not valid: {text[: place.start()]}.", field=place[1])


def action(name: str, *, refuses: Refusals | None, needs: Need | None) -> Callable[[Body[P]], Action[P]]:
    """Make a function the Action `name`. It must ask the policy, through `Scope.allow`, `use` or `update`.

    `refuses`: what the states of a key refuse (`model.states`); `needs`: what a key must be (`model.specs`).
    An Action without a key of its own says `NO_KEY` twice.
    """
    rule = Rule(name, refuses, needs)
    return lambda body: Action(rule, body)
