"""Where a log ends, as whichever process wrote last has left it: who has written none of it need not read it again."""

from __future__ import annotations

import struct

from tenantkms.audit.chain import SHOWN, Chain
from tenantkms.store.shared import Memory

_UNKNOWN = 2**64 - 1
_END = struct.Struct(f"<QQ{SHOWN}s{SHOWN}sQ")
"""Turn, number of the next line, both halves of the last one's HMAC, size of the file. The size is written last: of a
process that is killed in between the size is not that of the file, so that nobody believes the rest."""


class SharedEnd:
    """The end of a log in the memory of several processes. Only who holds the lock of the log may use it.

    Its *turn* is another one whenever a process had to look for the end in the files: then all look, once.
    """

    def __init__(self, memory: Memory) -> None:
        self._bytes = memory.part(_END.size)
        self._turn = -1

    def recall(self, chain: Chain | None) -> int:
        """Put `chain` at the end; the size of the file there, or -1 if both are to be looked for in the files."""
        turn, *place, size = _END.unpack(self._bytes)
        if chain is None or turn != self._turn or size == _UNKNOWN:
            self._turn = turn
            return -1
        chain.goto(*place)
        return int(size)

    def note(self, chain: Chain, size: int) -> None:
        """`chain` is at the end, and the file has `size` bytes."""
        _END.pack_into(self._bytes, 0, self._turn, *chain.place, size)

    def turned(self) -> None:
        """The end is not where it was noted, or in another file now."""
        self._turn = _END.unpack(self._bytes)[0] + 1
        _END.pack_into(self._bytes, 0, self._turn, 0, b"", b"", _UNKNOWN)
