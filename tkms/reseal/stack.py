"""A stack whose parent key becomes another one: of two that its functions may use, `other_parent_key_arn` is one."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from functools import cached_property

from tenantkms.audit.line import INTENT
from tenantkms.errors import Unavailable
from tenantkms.parent.port import ParentKey, SealBroken
from tenantkms.runtime.assemble import SettingsError
from tkms.note import Log
from tkms.output import Failed
from tkms.reseal.work import ACTION, start
from tkms.stack.stack import Stack
from tkms.transfer.cloud import audit_of

SETTLE = 75.0
"""Seconds: a state is remembered for 60 at most, and a function's call has ended by then."""


class OnStack:
    """`Target`."""

    def __init__(self, name: str, settle: float = SETTLE) -> None:
        self._stack = Stack(name)
        self.settings, self.settle = self._stack.settings, settle
        self.arns = [arn for arn in map(self._stack.outputs.get, ("ParentKeyArn", "OtherParentKeyArn")) if arn]
        self.new = ""

    def prepare(self, to: str, *, end_sessions: bool) -> None:
        """Begin with it, unless it has begun. Raises `Failed`, and `Unavailable` before anything is changed."""
        root = self.settings.root
        root.opened()
        root.renew(strict=True)
        opened = root.opened()
        now = self.arns[opened.parents.index(opened.by)]
        self.new = to or now
        if self.new not in self.arns:
            raise SettingsError(
                f"The functions of {self._stack.name} may not use {self.new}: name it as other_parent_key_arn in the"
                f" tenant's entry, deploy, then run it again. They may use {' and '.join(self.arns)}."
            )
        if self.new == now:
            if opened.before:
                self.note(INTENT)
            return
        if opened.before:
            raise Failed(f"An earlier reseal, to {now}, has not come to its end: tkms reseal, without --to, ends it.")
        new = opened.parents[self.arns.index(self.new)]
        try:
            new.unseal(new.seal(b"a probe", root.binding), root.binding)
        except SealBroken as e:
            raise Unavailable("The new parent key does not open what it has sealed.") from e
        self.note(INTENT)
        write = self.settings.deps.keyring.store.replace_root
        start(root, new, now.encode(), write, end_sessions=end_sessions)

    def older(self) -> Sequence[ParentKey]:
        return self.settings.root.opened().parents

    def named(self) -> None:
        """Processes find it in the root's row."""

    def end(self) -> None:
        """Each process has a chain of its own, which ends when the process hears of it."""

    def note(self, outcome: str) -> None:
        self._log.write([], outcome)

    @cached_property
    def _log(self) -> Log:
        request_id = secrets.token_hex(16)
        audit = audit_of(self._stack, request_id)
        self.settings.root.when_changed(audit.forget)
        return Log(self.settings.site.tenant, audit.write, ACTION, request_id)
