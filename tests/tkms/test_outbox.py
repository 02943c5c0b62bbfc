"""When responses leave that wait for each other."""

from __future__ import annotations

import asyncio

import pytest

from tenantkms.wire.http import Response
from tkms.machine.outbox import ENOUGH, LONGEST_SECONDS, Outbox
from tkms.machine.written import plain


class _Sender:
    """A connection that notes what happens to it."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def settle(self) -> None:
        self.seen.append("settled")

    def deliver(self, method: str, response: Response, *, last: bool) -> None:
        self.seen.append(f"{method} {response.body!r} {last}")


class _Work:
    def __init__(self, text: str) -> None:
        self.response: Response | None = plain(200, text)


def _turns(*found: int, others: int = 3, seconds: float = 0) -> list[int]:
    """After each turn of an event loop, which takes so many seconds, how many responses have left, of which so many
    were added in each."""

    async def run() -> list[int]:
        now = 1.0
        outbox, sender, left = Outbox(lambda: now), _Sender(), []
        for count in (*found, *[0] * others):
            for _ in range(count):
                outbox.add(sender, "POST", _Work("x"), last=False)
            now += seconds
            await asyncio.sleep(0)
            assert sender.seen.count("settled") <= 1
            left.append(len(sender.seen) - sender.seen.count("settled"))
        return left

    return asyncio.run(run())


def test_what_came_while_the_first_was_served_leaves_with_it_once_there_is_nothing_more() -> None:
    assert _turns(1) == [0, 1, 1, 1]
    assert _turns(1, 2) == [0, 0, 3, 3, 3]
    assert _turns(2, 1, 3) == [0, 0, 0, 6, 6, 6]


@pytest.mark.parametrize("found", [(ENOUGH,), (ENOUGH + 1,)])
def test_enough_waits_for_nobody(found: tuple[int, ...]) -> None:
    assert _turns(*found)[0] == sum(found)


def test_who_sends_without_end_keeps_nobody_waiting() -> None:
    """However many turns of the loop bring another one: the first has left when it is enough."""
    left = _turns(*[1] * (ENOUGH - 1), others=0)
    assert left == [0] * (ENOUGH - 1)
    assert _turns(*[1] * ENOUGH, others=0)[-1] == ENOUGH


def test_others_whose_requests_take_the_loop_long_keep_nobody_waiting() -> None:
    """What is refused is in no outbox, and a turn of the loop with a thousand of that takes long."""
    assert _turns(1, seconds=LONGEST_SECONDS) == [1, 1, 1, 1]
    assert _turns(1, 1, seconds=LONGEST_SECONDS * 0.6) == [0, 2, 2, 2, 2]


def test_all_leave_in_their_order_behind_what_is_done_for_all_of_them() -> None:
    async def run() -> list[str]:
        outbox, sender = Outbox(), _Sender()
        for text in "abc":
            outbox.add(sender, "POST", _Work(text), last=text == "c")
        outbox.flush()
        outbox.flush()
        return sender.seen

    assert asyncio.run(run()) == ["settled", "POST 'a' False", "POST 'b' False", "POST 'c' True"]
