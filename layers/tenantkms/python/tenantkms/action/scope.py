"""One call under way: the keys that it may touch, and those that it touched."""

from __future__ import annotations

import random as jitter
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tenantkms import errors as e
from tenantkms.access import key_policy, policy
from tenantkms.access.conditions import NO_CONTEXT, NO_TAGS, Facts
from tenantkms.access.policy import KEY_PREFIX
from tenantkms.action.call import Call
from tenantkms.action.gains import check_gains
from tenantkms.action.limits import check_limits
from tenantkms.action.rule import DECRYPT, Rule, check_fits
from tenantkms.audit.line import INTENT, Record
from tenantkms.crypto.envelope import SALT_SIZE, Header, parse_header
from tenantkms.keys.deps import Deps
from tenantkms.keys.keyring import Keyring
from tenantkms.model.alias import ALIAS_PREFIX, check_alias
from tenantkms.model.credential import Session
from tenantkms.model.key import Key, check_key_id, distinct, revised
from tenantkms.model.profiles import Profile
from tenantkms.model.specs import SYMMETRIC
from tenantkms.model.states import KeyState
from tenantkms.names import NATIVE
from tenantkms.store.port import DeleteAlias, KeyStore, PutAlias, PutKey, RevisionConflict, Write

_ALLOW_ALL = (policy.ALLOW_ALL,)
_ATTEMPTS = 8
_NO_KEY_ID = "00000000-0000-4000-8000-000000000000"


class Scope:
    """What an Action's body gets beside its parameters. `now` is in Unix seconds, `used` the ids of keys.

    `note` is what its audit lines shall say besides, `grant_id` the grant that it is to retire.
    """

    __slots__ = ("authorised", "call", "deps", "grant_id", "note", "now", "policies", "profile", "rule", "used")

    def __init__(self, call: Call, deps: Deps, profile: Profile, rule: Rule) -> None:
        self.call = call
        self.deps = deps
        self.profile = profile
        self.rule = rule
        # All of them must allow what this call does.
        own, narrowed = call.principal.policy, call.principal.session_policy
        self.policies = (own, narrowed) if narrowed else (own,)
        self.now = int(deps.clock())
        self.authorised = False
        self.used: list[str] = []
        self.note = ""
        self.grant_id = ""

    @property
    def keyring(self) -> Keyring:
        return self.deps.keyring

    @property
    def store(self) -> KeyStore:
        """For listings; single keys come from `find`."""
        return self.deps.keyring.store

    @property
    def account(self) -> str:
        """The account in the tenant's ARNs."""
        return self.deps.account

    @property
    def asking(self) -> policy.Asking:
        """Whom grants are asked for."""
        return policy.Asking(self.call.principal.id, self.policies, self.call.profile != NATIVE)

    def random(self, size: int) -> bytes:
        return self.deps.random(size)

    def _facts(self, context: Mapping[str, str] = NO_CONTEXT) -> Facts:
        """What conditions of policies ask of this call."""
        return Facts(self.call.profile, self.call.source_ip, self.now, context)

    def allow(self) -> None:
        """Ask the policy for an Action that uses no key. Raises `AccessDenied`."""
        facts = self._facts()
        for text in self.policies:
            if not policy.may(text, self.rule.name, None, facts):
                raise e.AccessDenied
        self.authorised = True

    def alias(self, name: str) -> str:
        """`name` (without the prefix), if it may be an alias and this call may make, move or take away one of it.

        That is a permission of its own, beside those on the keys. Raises as `check_alias`, and `AccessDenied`.
        """
        resource = ALIAS_PREFIX + check_alias(name, self.profile.reserved_aliases)
        facts = self._facts()
        for text in self.policies:
            if not policy.may_name(text, self.rule.name, resource, facts, NO_TAGS):
                raise e.AccessDenied
        return name

    def find(self, ref: str, *, fresh: bool = False) -> Key:
        """The key that `ref` (an id, or `alias/<name>`) names. Raises `KeyNotFound` or `AliasNotFound`."""
        keyring = self.deps.keyring
        if ref.startswith(ALIAS_PREFIX):
            alias = keyring.alias(check_alias(ref.removeprefix(ALIAS_PREFIX)), fresh=fresh)
            if alias is None:
                raise e.AliasNotFound(key=ref)
            ref = alias.key_id
        key = keyring.key(check_key_id(ref), fresh=fresh)
        if key is None:
            raise e.KeyNotFound(key=ref)
        return key

    def admit(self, key: Key, rule: Rule | None, facts: Facts) -> Key:
        """`key` if policy, usage and state allow what `rule` says (None: the Action's own) on it."""
        rule = rule or self.rule
        refuses, needs = rule.refuses, rule.needs
        if refuses is None or needs is None:
            raise RuntimeError(f"{rule.name} has said that it uses no key")
        if key.id not in self.used:
            self.used.append(key.id)
        names = self._permissions(rule)
        denied = self._denied(key, names, facts)
        if denied and not (key.grants and self._granted(key, " ".join(names), facts)):
            raise e.AccessDenied(denied)
        self.authorised = True
        check_fits(key, needs)
        state = key.state_at(self.now)
        refusal = refuses.get(state)
        if refusal is not None:
            raise refusal(key=key.id, state=state)
        return key

    def _denied(self, key: Key, names: tuple[str, ...], facts: Facts) -> str:
        """What policies say against the Actions `names` on `key`; empty: nothing."""
        for name in names:
            for text in self.policies:
                if not policy.may(text, name, key, facts):
                    return e.AccessDenied.text
        # It has a text of its own, so it is for those whom the access key's policy allows all of it.
        if key.policy and self.call.profile != NATIVE:
            who = self.call.principal.id
            if not key_policy.allows(key.policy, who, " ".join(names), facts, key.tags):
                return "The key's policy does not allow this."
        return ""

    def _granted(self, key: Key, asked: str, facts: Facts) -> bool:
        """Whether a grant allows what policies do not: the audit line says which."""
        from tenantkms.access import grants  # few keys have any

        grant = grants.allowing(self.asking, key, asked, facts, self.grant_id)
        if grant is not None and grant.id not in self.note:
            self.note = f"{self.note} grant {grant.id}".lstrip()
        return grant is not None

    def _permissions(self, rule: Rule) -> tuple[str, ...]:
        """An Action that works through others (ReEncrypt: Decrypt and Encrypt) needs its own permission as well."""
        own = self.rule
        return (own.name,) if rule.name == own.name else (rule.name, own.name)

    def use(self, ref: str, rule: Rule | None = None, context: Mapping[str, str] = NO_CONTEXT) -> Key:
        """The key that `ref` names, if this call may do with it what `rule` says, now, with that encryption context.

        Raises `AccessDenied` as well where `ref` names nothing, unless the policy allows it by that very name.
        """
        facts = self._facts(context)
        if self._may_know(ref, rule, facts):
            key: Key | None = self.find(ref)
        else:
            by_alias = ref.startswith(ALIAS_PREFIX)
            name = ref.removeprefix(ALIAS_PREFIX) if by_alias else ref.lower()
            key = self.deps.keyring.remembered(name, alias=by_alias)
        if key is None:
            return self.admit(self._read(ref, rule, facts), rule, facts)
        try:
            return self.admit(key, rule, facts)
        except e.AccessDenied:  # always of what the store has: a grant may be new, and a cache would tell what is there
            return self.admit(self._read(ref, rule, facts), rule, facts)

    def _may_know(self, ref: str, rule: Rule | None, facts: Facts) -> bool:
        """Whether the policy allows this call by the name `ref` as such, so that it may know what has it."""
        if self.policies == _ALLOW_ALL:
            return True
        alias = ref.removeprefix(ALIAS_PREFIX)
        name = KEY_PREFIX + check_key_id(ref) if alias == ref else ALIAS_PREFIX + check_alias(alias)
        actions = self._permissions(rule or self.rule)
        return all(policy.may_name(text, action, name, facts, None) for text in self.policies for action in actions)

    def _read(self, ref: str, rule: Rule | None, facts: Facts) -> Key:
        """`find` from the store; who may not know gets `AccessDenied` for what is not there, after the same reads."""
        try:
            return self.find(ref, fresh=True)
        except (e.AliasNotFound, e.KeyNotFound):
            if self._may_know(ref, rule, facts):
                raise
            if ref.startswith(ALIAS_PREFIX):
                self.deps.keyring.key(_NO_KEY_ID, fresh=True)
            raise e.AccessDenied from None

    def open(self, blob: bytes, context: Mapping[str, str], ref: str = "") -> tuple[Header, bytes]:
        """(header, what the blob holds), if this call may Decrypt with its key. One error for all that is wrong.

        Raises `IncorrectKey` for a blob of another key than the one that `ref` names, if it does.
        """
        header = parse_header(blob)
        keyring = self.deps.keyring
        if ref and self.use(ref, DECRYPT, context).id != header.key_id:
            raise e.IncorrectKey
        key = keyring.key(header.key_id)
        if key is not None and key.spec in SYMMETRIC and not ref:
            facts = self._facts(context)
            try:
                self.admit(key, DECRYPT, facts)
            except e.AccessDenied:  # it may be allowed since, by a new grant
                key = self.admit(self._read(key.id, DECRYPT, facts), DECRYPT, facts)
        return header, keyring.decrypt(key, header, blob, context)

    def seal(self, key: Key, held: bytes, *, content: int, context: Mapping[str, str]) -> tuple[int, bytes]:
        """(number of the primary version, new blob made under it)."""
        salt = self.deps.random(SALT_SIZE)
        return self.deps.keyring.encrypt(key, held, content=content, context=context, salt=salt)

    def issue(self, credential: str, duration: int, text: str) -> Session:
        """A session of an access key, as `Sessions.issue` says."""
        return self.deps.sessions.issue(credential, duration, text, self.now)

    def record(self, outcome: str, *keys: str) -> Record:
        """The audit line of this call; `keys` are touched besides those in `used`."""
        call, deps = self.call, self.deps
        return Record(
            time=deps.clock(),
            request_id=call.request_id,
            tenant=deps.tenant,
            action=self.rule.name,
            profile=call.profile,
            principal=call.principal.id,
            outcome=outcome,
            keys=(*self.used, *keys) if keys else tuple(self.used),
            source_ip=call.source_ip,
            dry_run=call.dry_run,
            session=call.principal.session,
            note=self.note,
            trace=call.trace,
        )

    def _announce(self, writes: Sequence[Write]) -> None:
        """Raises `Unavailable` where the line cannot be written: then nothing is changed."""
        new = (write.key.id for write in writes if isinstance(write, PutKey) and write.key.id not in self.used)
        self.deps.audit.write(self.record(INTENT, *new))

    def revise(self, key: Key, **changes: Any) -> Key:
        """The next revision of `key`, to be committed."""
        return revised(key, self.call.request_id, **changes)

    def switch(self, refs: Sequence[str], state: KeyState) -> None:
        """Move the keys to `state`; those that are in it already are not written."""
        self.update(
            refs,
            lambda keys: [
                PutKey(self.revise(key, state=state)) for key in distinct(keys) if key.state_at(self.now) is not state
            ],
        )

    def update(self, refs: Sequence[str], change: Callable[[Sequence[Key]], Sequence[Write]]) -> list[Key]:
        """Read the keys, let `change` decide, commit all of it or nothing; again if somebody else was faster.

        `change` gets freshly read and admitted keys and returns the writes, none if nothing is to be done; aliases
        among them need permissions of their own.
        Answers the keys as they were read. Raises `Conflict` when others were faster each time.
        """
        facts = self._facts()
        for attempt in range(_ATTEMPTS):
            keys = [self.admit(self._read(ref, None, facts), None, facts) for ref in refs]
            read = {key.id: key for key in keys}
            # A role that makes no material may only write what keeps it.
            writes = [PutKey(w.key, read.get(w.key.id)) if isinstance(w, PutKey) else w for w in change(keys)]
            self._check_names(keys, writes)
            check_limits(self.deps.limits, self.store, self.call.profile, keys, writes)
            if not writes or self.call.dry_run:
                return keys
            if not attempt:
                self._announce(writes)
            try:
                self.deps.keyring.commit(writes)
            except RevisionConflict:
                time.sleep(jitter.uniform(0, 0.005 * 2**attempt))  # noqa: S311 - no secret depends on it
            else:
                return keys
        raise e.Conflict

    def _check_names(self, keys: Sequence[Key], writes: Sequence[Write]) -> None:
        """Every alias that comes or goes is asked for by its own name, whatever Action writes it. Policies know keys
        by their aliases and tags, so none may change them to be allowed more on a key: neither by one that is
        allowed, nor by taking away one that is denied. Raises `AccessDenied`.
        """
        before = {key.id: key for key in keys}
        for write in writes:
            if isinstance(write, PutAlias | DeleteAlias):
                self.alias(write.alias.name)
            elif isinstance(write, PutKey) and write.key.id in before:
                check_gains(self.call, self.policies, before[write.key.id], write.key)

    def check_lockout(self, text: str, tags: Mapping[str, str]) -> None:
        """Raises `InvalidPolicy` for a policy of a key with `tags` under which this caller could not set another one.
        Key policies do not bind those who call natively."""
        if self.call.profile != NATIVE:
            key_policy.check_lockout(text, self.call.principal.id, self._facts(), tags)
