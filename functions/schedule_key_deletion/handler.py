"""ScheduleKeyDeletion: the key stops working now and is destroyed after its window, unless that is cancelled."""

from __future__ import annotations

from collections.abc import Sequence

from tenantkms.action.action import action
from tenantkms.action.call import Params, Result
from tenantkms.action.scope import Scope
from tenantkms.errors import DeletionProtected, InvalidPendingWindow, KeyNotDisabled
from tenantkms.model.key import Key
from tenantkms.model.profiles import DAY
from tenantkms.model.specs import ANY_KEY
from tenantkms.model.states import SCHEDULE, KeyState
from tenantkms.runtime.lambda_entry import entry
from tenantkms.store.port import PutKey, Write


class ScheduleKeyDeletion(Params, frozen=True, kw_only=True):
    key_id: str
    days: int


class Scheduled(Result, frozen=True, kw_only=True):
    """`deletion_date` in Unix seconds; `days` are those that were asked for."""

    key_id: str
    days: int
    deletion_date: int


@action("ScheduleKeyDeletion", refuses=SCHEDULE, needs=ANY_KEY)
def schedule_key_deletion(params: ScheduleKeyDeletion, scope: Scope) -> Scheduled:
    least, most = scope.profile.deletion_window
    if not least <= params.days <= most:
        raise InvalidPendingWindow(f"is from {least} to {most}.", field="days")
    date = scope.now + params.days * DAY

    def change(keys: Sequence[Key]) -> list[Write]:
        (key,) = keys
        if key.deletion_protection:
            raise DeletionProtected
        state = key.state_at(scope.now)
        if scope.profile.schedule_needs_disabled and state not in (KeyState.DISABLED, KeyState.PENDING_IMPORT):
            raise KeyNotDisabled
        return [PutKey(scope.revise(key, state=KeyState.PENDING_DELETION, deletion_date=date))]

    (key,) = scope.update([params.key_id], change)
    return Scheduled(key_id=key.id, days=params.days, deletion_date=date)


handler = entry(schedule_key_deletion)
