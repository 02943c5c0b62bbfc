"""What the processes of one server tell each other while they serve, in memory that they share."""

from __future__ import annotations

from tenantkms.store.shared import Memory

_PLACES = 4096
"""Addresses are counted by so many hashes of them: two that meet are counted as one."""


class Crew:
    """Worker `number` of `size`, and how many connections each has, altogether and of each address.

    Each writes its own figures only, so nothing is locked. It is made before the fork; then each sets its `number`.
    """

    def __init__(self, size: int = 1, memory: Memory | None = None) -> None:
        self.size, self.number = size, 0
        self.memory = memory or Memory()
        self._all = self.memory.numbers(size)
        self._of = [self.memory.part(2 * _PLACES).cast("H") for _ in range(size)]

    def join(self, number: int) -> None:
        """This process is that worker from now on; whoever was it before has left its connections."""
        self.number = number
        self._all[number] = 0
        self._of[number][:] = memoryview(bytes(2 * _PLACES)).cast("H")

    @property
    def alone(self) -> bool:
        """No other worker has a connection."""
        return self.size == 1 or sum(self._all) == self._all[self.number]

    @property
    def connections(self) -> int:
        return sum(self._all)

    @property
    def crowded(self) -> bool:
        """Another worker has fewer connections, and is to take the next."""
        if self.size == 1:
            return False
        least = min(self._all)
        return bool(self._all[self.number] > least + least // 8)

    def _place(self, address: str) -> int:
        return int.from_bytes(self.memory.name(address)[:2]) % _PLACES

    def of(self, address: str) -> int:
        """Connections of an address."""
        place = self._place(address)
        return sum(row[place] for row in self._of)

    def count(self, address: str, change: int) -> None:
        """One connection more, or less."""
        self._all[self.number] += change
        self._of[self.number][self._place(address)] += change
