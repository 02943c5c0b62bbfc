"""Listings of the keys table: names and what a filter asks for, from an index; then the rows that are shown, whole.

What the index has, and how a page is found at a position, says `dynamodb_segments`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from tenantkms.model.key import Key, KeyFilter
from tenantkms.model.states import KeyState
from tenantkms.store.dynamodb_layout import (
    ALIASES,
    DUE_SORT_KEY,
    INDEX_PARTITION_KEY,
    INDEX_SORT_KEY,
    KEY_ID,
    KEYS,
    NAMES_INDEX,
    PARTITION_KEY,
    STATE,
    Row,
    alias_pk,
    by_time,
    checked,
    due_of,
    key_of,
    key_pk,
)
from tenantkms.store.dynamodb_segments import BATCH, FIRST, Segments
from tenantkms.store.dynamodb_table import count_of
from tenantkms.store.segments import ascending, place_of

_STATES = {state.value: state for state in KeyState}


def _state(row: Row, now: int) -> KeyState | None:
    """What `Key.state_at` says of the key of a row of the index; None: the key itself must be looked at."""
    if STATE not in row or (DUE_SORT_KEY in row and due_of(row)[0] <= now):  # its material may have expired
        return None
    # A state that there is not was written by somebody else: the key's own row is not believed then.
    return _STATES.get(row[STATE]["S"])


class Listings(Segments):
    """The part of the key store that lists."""

    def _keys(self, rows: Iterable[Row]) -> list[Key]:
        """The keys of rows of the index, as they are now."""
        return [key_of(checked(self._macs, row)) for row in self._rows([row[PARTITION_KEY]["S"] for row in rows])]

    # -- the port --------------------------------------------------------------------------------------------

    def keys_after(self, after: tuple[int, str], *, limit: int) -> list[Key]:
        # The one that is named is among the rows, if it is still there.
        rows = islice(self._names(KEYS, by_time(*after), Limit=limit + 1), limit + 1)
        beyond = [row for row in rows if row[INDEX_SORT_KEY]["S"] > by_time(*after)]
        return self._keys(beyond[:limit])

    def list_keys(
        self, where: KeyFilter, *, now: int, offset: int, limit: int, descending: bool = False
    ) -> tuple[int, list[Key]]:
        if where == KeyFilter():
            return self._page(offset, limit, descending=descending)
        if where.ids is not None or where.aliases is not None:
            keys = [key for key in self._few(where) if where.matches(key, now)]
            keys.sort(key=lambda key: (key.created, key.id), reverse=descending)
            return len(keys), keys[offset : offset + limit]
        total = 0
        page: list[Row] = []
        for row in self._matching(where, now, descending=descending):
            if offset <= total < offset + limit:
                page.append(row)
            total += 1
        return total, [key for key in self._keys(page) if where.matches(key, now)]

    def _few(self, where: KeyFilter) -> list[Key]:
        """All keys that have one of the ids, or one of the aliases, that are asked for."""
        if where.ids is not None:
            pks = [key_pk(id_) for id_ in sorted(where.ids)]
        else:
            names = [alias_pk(name) for name in sorted(where.aliases or ())]
            pks = [key_pk(checked(self._macs, row)[KEY_ID]["S"]) for row in self._rows(names)]
        return [key_of(checked(self._macs, row)) for row in self._rows(list(dict.fromkeys(pks)))]

    def _matching(self, where: KeyFilter, now: int, *, descending: bool) -> Iterator[Row]:
        """Rows of the index whose keys match. All are read, and the keys themselves where the index says too little."""
        rows = self._names(KEYS, FIRST, ScanIndexForward=not descending)
        of_states = where == KeyFilter(states=where.states)
        while part := list(islice(rows, BATCH)):
            said = [(row, _state(row, now)) for row in part]
            maybe = [
                (row, state) for row, state in said if state is None or where.states is None or state in where.states
            ]
            asked = [row[PARTITION_KEY]["S"] for row, state in maybe if not of_states or state is None]
            keys = {row[PARTITION_KEY]["S"]: key_of(checked(self._macs, row)) for row in self._rows(asked)}
            for row, _ in maybe:
                if (pk := row[PARTITION_KEY]["S"]) not in asked or (pk in keys and where.matches(keys[pk], now)):
                    yield row

    def _aliases(self, offset: int, limit: int) -> tuple[int, list[tuple[str, str]]]:
        """(how many there are, (name, key id) of the page), ordered by name.

        All are counted, a megabyte of them at a time; the page is looked for in its own megabyte.
        """
        query = count_of(NAMES_INDEX, INDEX_PARTITION_KEY, ALIASES)
        total, passed, start = 0, 0, dict[str, Any]()
        for answer in self._pages(self._client.query, query):
            if total <= offset:
                passed, start = total, {n: query[n] for n in ("ExclusiveStartKey",) if n in query}
            total += answer["Count"]
        skip, size = offset - passed, max(0, min(limit, total - offset))
        if not size:
            return total, []
        rows = self._query(INDEX_PARTITION_KEY, ALIASES, IndexName=NAMES_INDEX, Limit=skip + size, **start)
        names = [row[PARTITION_KEY]["S"] for row in islice(rows, skip, skip + size)]
        page = [checked(self._macs, row) for row in self._rows(names)]
        return total, [(row[INDEX_SORT_KEY]["S"], row[KEY_ID]["S"]) for row in page]

    def _page(self, offset: int, limit: int, *, descending: bool) -> tuple[int, list[Key]]:
        starts, counts = self._counted()
        total = sum(counts)
        position, size = ascending(total, offset, limit, descending=descending)
        if not size:
            return total, []
        segment, skip = place_of(counts, position)
        rows = islice(self._names(KEYS, starts[segment], Limit=skip + size), skip, skip + size)
        keys = self._keys(rows)
        return total, keys[::-1] if descending else keys
