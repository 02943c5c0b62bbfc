"""What every Action has in common: typed request in, policy, run, result or domain error out, audit line.

An Action is one function in `functions/<name>/handler.py`:

    @action("Encrypt")
    def encrypt(params: Params, scope: Scope) -> Result: ...

It is called with the canonical call, `{v, request_id, action, principal, profile, params}`, from two doors:
the endpoint, after it verified a signature, and AWS principals that IAM authorises to invoke the function.
"""

from __future__ import annotations

import random as jitter
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Generic, Literal, TypeVar, get_type_hints

import msgspec
from msgspec import Meta, Struct

from tenantkms import errors as e
from tenantkms import key_policy, policy
from tenantkms.audit import Audit, Record, log_fault
from tenantkms.envelope import SALT_SIZE, Header, parse_header
from tenantkms.keyring import Keyring
from tenantkms.keystore import PutKey, RevisionConflict, Write
from tenantkms.model import ALIAS_PREFIX, SYMMETRIC, Key, KeyState, Principal, check_alias, check_key_id, revised
from tenantkms.rules import NATIVE, NEEDS, PROFILES, REFUSALS, Profile

_ATTEMPTS = 8
_encode = msgspec.json.Encoder().encode


class Call(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The canonical call. `params` are the Action's own; bytes travel as base64 text."""

    v: Literal[1]
    request_id: str
    action: str
    principal: Principal
    profile: str
    params: dict[str, Any]
    dry_run: bool = False
    source_ip: str = ""


def prepare(kind: type[Struct]) -> None:
    """Let msgspec build what it knows of a type now, on import: two threads that meet it first crash the process."""
    msgspec.json.Decoder(kind)


prepare(Call)


class Params(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of every Action's parameters."""


class Result(Struct, frozen=True, kw_only=True):
    """Base of every Action's result."""


class Nothing(Result, frozen=True, kw_only=True):
    """The result of an Action that has nothing to tell but success."""


class KeyRefs(Params, frozen=True, kw_only=True):
    """One key or up to a hundred: ids, or `alias/<name>`."""

    key_ids: Annotated[list[str], Meta(min_length=1, max_length=100)]


class Page(Params, frozen=True, kw_only=True):
    """A page of a listing: `limit` rows from `offset` on, or the `page`-th (from 1) of pages of `limit` rows."""

    offset: Annotated[int, Meta(ge=0, le=10_000_000)] = 0
    limit: Annotated[int, Meta(ge=1, le=1000)] = 10
    page: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None

    @property
    def start(self) -> int:
        return (self.page - 1) * self.limit if self.page else self.offset


class Deps(Struct, frozen=True, kw_only=True):
    """What an Action works with. `clock` gives Unix seconds; `random(n)` n bytes of the operating system's."""

    tenant: str
    keyring: Keyring
    audit: Audit
    clock: Callable[[], float]
    random: Callable[[int], bytes]


class Scope:
    """One call under way: what it may touch, and what it touched."""

    __slots__ = ("action", "authorised", "call", "deps", "now", "profile", "used")

    def __init__(self, call: Call, deps: Deps, profile: Profile) -> None:
        self.call = call
        self.deps = deps
        self.action = call.action
        self.profile = profile
        self.now = int(deps.clock())
        self.authorised = False
        self.used: list[str] = []

    def allow(self) -> None:
        """Ask the policy for an Action that uses no key. Raises `AccessDenied`."""
        if not policy.may(self.call.principal.policy, self.action, None):
            raise e.AccessDenied
        self.authorised = True

    def find(self, ref: str, *, fresh: bool = False) -> Key:
        """The key that `ref` (an id, or `alias/<name>`) names. Raises `KeyNotFound` or `AliasNotFound`."""
        keyring = self.deps.keyring
        if ref.startswith(ALIAS_PREFIX):
            alias = keyring.alias(check_alias(ref.removeprefix(ALIAS_PREFIX)), fresh=fresh)
            if alias is None:
                raise e.AliasNotFound
            ref = alias.key_id
        key = keyring.key(check_key_id(ref), fresh=fresh)
        if key is None:
            raise e.KeyNotFound
        return key

    def admit(self, key: Key, action: str = "") -> Key:
        """`key` if policy, usage and state allow `action` (the call's own by default) on it."""
        action = action or self.action
        if key.id not in self.used:
            self.used.append(key.id)
        principal = self.call.principal
        # An Action that works through others (ReEncrypt: Decrypt and Encrypt) needs its own permission as well.
        for name in (action,) if action == self.action else (action, self.action):
            if not policy.may(principal.policy, name, key):
                raise e.AccessDenied
            if key.policy and self.call.profile != NATIVE and not key_policy.allows(key.policy, principal.id, name):
                raise e.AccessDenied("The key's policy does not allow this.")
        self.authorised = True
        need = NEEDS.get(action)
        if need is not None and (key.spec not in need.specs or need.usage not in (None, key.usage)):
            raise e.InvalidKeyUsage
        state = key.state
        if key.material_expires and self.now >= key.material_expires and state is not KeyState.PENDING_DELETION:
            state = KeyState.PENDING_IMPORT  # the sweeper has not come by yet
        refusal = REFUSALS[action].get(state)
        if refusal is not None:
            raise refusal
        return key

    def use(self, ref: str, action: str = "") -> Key:
        """The key that `ref` names, if this call may do `action` with it now."""
        return self.admit(self.find(ref), action)

    def open(self, blob: bytes, context: Mapping[str, str]) -> tuple[Header, bytes]:
        """(header, plaintext) of a blob, if this call may Decrypt with its key. One error for all that is wrong."""
        header = parse_header(blob)
        keyring = self.deps.keyring
        key = keyring.key(header.key_id)
        if key is not None and key.spec in SYMMETRIC:
            self.admit(key, "Decrypt")
        return header, keyring.decrypt(key, header, blob, context)

    def seal(self, key: Key, plaintext: bytes, *, text: bool, context: Mapping[str, str]) -> tuple[int, bytes]:
        """(number of the primary version, new blob made under it)."""
        salt = self.deps.random(SALT_SIZE)
        return self.deps.keyring.encrypt(key, plaintext, text=text, context=context, salt=salt)

    def revise(self, key: Key, **changes: Any) -> Key:
        """The next revision of `key`, to be committed."""
        return revised(key, self.call.request_id, **changes)

    def switch(self, refs: Sequence[str], state: KeyState) -> None:
        """Move the keys to `state`; those that are in it already are not written."""
        self.update(
            refs,
            lambda keys: [
                PutKey(self.revise(key, state=state))
                for key in {key.id: key for key in keys}.values()
                if key.state is not state
            ],
        )

    def update(self, refs: Sequence[str], change: Callable[[Sequence[Key]], Sequence[Write]]) -> list[Key]:
        """Read the keys, let `change` decide, commit all of it or nothing; again if somebody else was faster.

        `change` gets freshly read and admitted keys and returns the writes, none if nothing is to be done.
        Answers the keys as they were read. Raises `Conflict` when others were faster each time.
        """
        for attempt in range(_ATTEMPTS):
            keys = [self.admit(self.find(ref, fresh=True)) for ref in refs]
            writes = change(keys)
            if not writes or self.call.dry_run:
                return keys
            try:
                self.deps.keyring.commit(writes)
            except RevisionConflict:
                time.sleep(jitter.uniform(0, 0.005 * 2**attempt))  # noqa: S311 - no secret depends on it
            else:
                return keys
        raise e.Conflict


P = TypeVar("P", bound=Params)
Body = Callable[[P, Scope], Result]


class Action(Generic[P]):
    """A decorated function. `run` never raises: it answers `{"result": ..}` or `{"error": {type, message}}`."""

    def __init__(self, name: str, body: Body[P]) -> None:
        self.name = name
        self.body = body
        self.params: type[P] = get_type_hints(body)["params"]
        prepare(self.params)

    def run(self, event: Mapping[str, Any], deps: Deps) -> dict[str, Any]:
        try:
            call = msgspec.convert(event, Call)
            profile = PROFILES[call.profile]
            _encode(call)  # JSON lets lone surrogates through, which no log and no store can hold
        except (msgspec.ValidationError, UnicodeEncodeError, KeyError):
            return {"error": e.to_data(e.MalformedRequest("The call is not a canonical call of version 1."))}
        scope = Scope(call, deps, profile)
        answer: dict[str, Any]
        outcome = "ok"
        try:
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
            deps.audit.write(
                Record(
                    time=deps.clock(),
                    request_id=call.request_id,
                    tenant=deps.tenant,
                    action=self.name,
                    profile=call.profile,
                    principal=call.principal.id,
                    outcome=outcome,
                    keys=tuple(scope.used),
                    source_ip=call.source_ip,
                    dry_run=call.dry_run,
                )
            )
        except e.Unavailable as error:
            log_fault(call.request_id, error)
            return {"error": e.to_data(e.Unavailable())}
        return answer

    def _run(self, call: Call, scope: Scope) -> Result:
        if call.action != self.name:
            raise e.UnknownAction
        try:
            params = msgspec.convert(call.params, self.params)
        except msgspec.ValidationError as error:
            missing = "missing required field" in str(error)
            raise (e.MissingParameter if missing else e.InvalidParameter)(f"{error}.") from error
        result = self.body(params, scope)
        if not scope.authorised:
            raise RuntimeError(f"{self.name} answered without asking the policy")
        if call.dry_run:
            raise e.DryRunSucceeded
        return result


def action(name: str) -> Callable[[Body[P]], Action[P]]:
    """Make a function an Action. It must ask the policy, through `Scope.allow`, `use` or `update`."""
    return lambda body: Action(name, body)
