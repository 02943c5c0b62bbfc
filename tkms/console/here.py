"""The console of one machine: who signs in has an access key, and what it may see and do is what its policy allows."""

from __future__ import annotations

import hmac
import time
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

from functions.endpoint.answer import new_request_id
from tenantkms import errors as e
from tenantkms.access import policy
from tenantkms.access.conditions import Facts, apply
from tenantkms.audit.faults import log_fault
from tenantkms.audit.line import Record
from tenantkms.keys.maintenance import JOBS
from tenantkms.model.limits import Rate
from tenantkms.runtime.assemble import AUDIT_FILE, REFUSED_FILE, Settings
from tenantkms.runtime.invoke import Dispatcher
from tenantkms.store.port import AccessStore
from tkms.audit.tail import Tail, tail_of
from tkms.console.caller import Caller, Latency, SignIn, Sweep
from tkms.machine.timings import Timings

SCHEME = "console"
"""What the nonces of signing in are of."""
WINDOW = 300
"""Seconds that the browser's clock may differ; it begins with the server's, which the page has told it."""
SIGN_IN = "SignIn"
"""What it is called in the audit log: no Action has that name."""
_RATE = Rate(SCHEME, 100)
_LATE_SECONDS = 600
"""Scheduled work runs each minute, and goes on with what was left at once."""
_SHARE = 20
"""What is shown of the audit log is so many times as old as reading it took, at most: that is a good part of a second
when it is long, and takes a twentieth of one processor, whoever asks how often. A short one is read each time.
"""
_WHOLE = ("ListKeys", "DescribeKey")


def whole(text: str, facts: Facts) -> bool:
    """Whether a policy lets its caller list the keys and describe every one: a statement that denies it for some keys,
    of whatever name or tags, says that there are others.
    """
    if text == policy.ALLOW_ALL:
        return True
    denied = any(
        not rule.allow and any(map(rule.actions.match, _WHOLE)) and apply(rule.conditions, facts, None, allow=False)
        for rule in policy.parse(text)
    )
    return not denied and all(policy.may(text, action, None, facts) for action in _WHOLE)


def sweeps(settings: Settings, late_seconds: int) -> list[Sweep]:
    """Scheduled work, which is late after so long. Raises `Unavailable`."""
    found, now = [], settings.deps.clock()
    for job in JOBS.values():
        watch = settings.deps.keyring.store.get_watch(job.name)
        seen = watch.seen if watch else 0
        found.append(Sweep(job.name, seen, abs(now - seen) > late_seconds))
    return found


def credentials(store: AccessStore, only: str) -> list[dict[str, object]]:
    """Access keys, or `only` one, without what is sealed. Raises `Unavailable`."""
    found = [store.get_credential(only)] if only else store.list_credentials()
    return [{"id": c.access_key_id, "name": c.name, "enabled": c.enabled, "expires": c.expires} for c in found if c]


class Here:
    """A data directory, as one process serves it."""

    ticket = False

    def __init__(self, settings: Settings, data_dir: Path, dispatch: Dispatcher, timings: Timings) -> None:
        self.tenant = settings.site.tenant
        self._settings, self._data_dir, self._dispatch, self._timings = settings, data_dir, dispatch, timings
        self._clock = settings.deps.clock
        self._reading, self._kept, self._kept_until = Lock(), Tail([], 0), 0.0

    # -- who it is --

    def sign_in(self, given: SignIn, origin: str, source_ip: str) -> str:
        """As the endpoint does with a signed request: the same limits, the same work for an unknown access key, a nonce
        that counts once, and a line in the audit log.
        """
        signed = False
        try:
            signed = self._signed(given, given.text(origin), source_ip)
            self._settings.access.use_nonce(SCHEME, given.id, given.nonce, now=int(self._clock()), window=WINDOW)
            self.caller(given.id, source_ip)
        except e.KmsError as error:
            if not (signed or error.retryable):
                self._settings.limiter.failed(source_ip, self._clock())
            self._tell(given, source_ip, type(error).__name__, signed=signed)
            raise
        self._tell(given, source_ip, "ok", signed=True)
        return given.id

    def _signed(self, given: SignIn, text: str, source_ip: str) -> bool:
        """True. Raises a domain error for what is not signed by an access key of now."""
        settings, now = self._settings, self._clock()
        known = settings.limiter.knows(source_ip, given.id, now)
        credential, secret = settings.access.find(given.id)
        right = hmac.digest(secret.encode(), text.encode("utf-8", "replace"), "sha256").hex()
        if not hmac.compare_digest(right.encode(), given.signature.encode("utf-8", "replace")):
            raise e.SignatureMismatch("The access key id or its secret is not right.")
        if credential is None:
            raise e.SignatureMismatch("The access key id or its secret is not right.")
        if not known:
            settings.limiter.passed(source_ip, given.id)
        if abs(now - given.time) > WINDOW:
            raise e.RequestExpired
        return True

    def _tell(self, given: SignIn, source_ip: str, outcome: str, *, signed: bool) -> None:
        """The audit line of signing in. Raises `Unavailable` where nobody would know of a session."""
        audit = self._settings.deps.audit
        line = Record(
            time=self._clock(),
            request_id=new_request_id(),
            tenant=self.tenant,
            action=SIGN_IN,
            profile=SCHEME,
            principal="".join(c if " " <= c <= "~" else "?" for c in given.id[:64]),
            outcome=outcome,
            source_ip=source_ip,
        )
        try:
            (audit.write if signed else audit.refuse)(line)
        except e.Unavailable as fault:
            log_fault(line.request_id, fault)
            if outcome == "ok":
                raise

    def caller(self, id_: str, source_ip: str) -> Caller:
        now = self._clock()
        credential = self._settings.access.known(id_)
        dialect = credential.dialects[0] if credential else ""
        credential = self._settings.access.admit(credential, dialect, now)
        facts = Facts(dialect, source_ip, int(now))
        return Caller(id=id_, dialect=dialect, policy=credential.policy, whole=whole(credential.policy, facts))

    # -- what it does --

    def call(self, caller: Caller, action: str, params: Mapping[str, object], source_ip: str) -> dict[str, Any]:
        credential = self._settings.access.known(caller.id)
        if credential is None:
            raise e.UnknownAccessKey
        self._settings.limiter.take(credential, action, _RATE, self._clock())
        answer = self._dispatch(
            {
                "v": 1,
                "request_id": new_request_id(),
                "action": action,
                "principal": {"id": caller.id, "policy": credential.policy},
                "profile": caller.dialect,
                "params": params,
                "source_ip": source_ip,
            }
        )
        if "error" in answer:
            raise e.from_data(answer["error"])
        result: dict[str, Any] = answer["result"]
        return result

    # -- what there is --

    def audit(self, since: float) -> Tail:  # noqa: ARG002 - the bound is one of bytes
        """By one at a time, and seldom enough (`_SHARE`)."""
        with self._reading:
            began = time.monotonic()
            if began >= self._kept_until:
                self._kept = tail_of(self._data_dir / name for name in (AUDIT_FILE, REFUSED_FILE))
                took = time.monotonic() - began
                self._kept_until = began + (_SHARE + 1) * took
            return self._kept

    def latencies(self) -> list[Latency]:
        return [Latency(action, counts) for action, counts, _ in self._timings.all()]

    def credentials(self, only: str = "") -> list[dict[str, object]]:
        return credentials(self._settings.access.store, only)

    def sweeps(self) -> list[Sweep]:
        return sweeps(self._settings, _LATE_SECONDS)

    def trouble(self) -> str:
        return self._settings.log.trouble() if self._settings.log else ""
