"""What pages of ListKeys, ListTagResources and ListAliases take: of one machine's file, and in requests and megabytes
of DynamoDB.

DynamoDB is moto's, filled below the API; a request is billed by the rows that it reads, so these are counted in each
answer, at the size that DynamoDB gives a row: the bytes of its names and values.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from moto.dynamodb.models import table as table_module

from functions.list_tag_resources.handler import KEYS
from kit.moto_aws import Tables
from kit.samples import ROW_MACS, key
from tenantkms.model.alias import Alias
from tenantkms.model.key import KeyFilter
from tenantkms.model.limits import OFF, Limits
from tenantkms.store import dynamodb_segments
from tenantkms.store.dynamodb import DynamoKeyStore
from tenantkms.store.dynamodb_layout import INDEX_SORT_KEY, NAMES, SEGMENTS, alias_pk, item_of, key_pk, typed
from tenantkms.store.port import KeyStore, PutAlias, PutKey
from tkms.machine.directory import Directory
from tkms.output import Bar, clear

Rows = dict[str, Any]
PAGE = 100
ROUNDS = 101
_SEGMENT_BYTES = 100
ALIASES = Limits().aliases
_ALIAS_LETTERS = (40, 255)
"""Of a name: usual ones, and the longest."""


def _offsets(keys: int) -> Iterator[tuple[str, int]]:
    yield from (("first", 0), ("middle", keys // 2), ("last", max(0, keys - PAGE)))


def _list(store: KeyStore, offset: int, limit: int = PAGE) -> None:
    total, page = store.list_keys(KeyFilter(), now=0, offset=offset, limit=limit)
    assert len(page) == min(limit, total - offset)


def file_rows(data_dir: Path, keys: int) -> Rows:
    """Milliseconds of a page of ten and of a hundred of a full tenant's file, medians."""
    store, rows = Directory(data_dir, OFF).open().deps.keyring.store, Rows()
    for name, offset in _offsets(keys):
        for limit in (10, PAGE):
            times = []
            for _ in range(ROUNDS):
                began = time.perf_counter()
                _list(store, offset, limit)
                times.append((time.perf_counter() - began) * 1e3)
            rows[f"{name} page of {limit}, ms"] = median(times)
    began = time.perf_counter()
    _, aliases = store.list_aliases(offset=0, limit=PAGE)
    rows[f"a page of {len(aliases)} aliases, ms"] = (time.perf_counter() - began) * 1e3
    return rows


def _bytes(row: Rows) -> int:
    """As DynamoDB counts a row, near enough: numbers are some digits less."""
    return sum(len(name) + len(value) for name, typed in row.items() for value in typed.values())


def _puts(keys: int) -> Iterator[Rows]:
    """The rows of so many keys, and those that `settle` counts them by, in time."""
    size = dynamodb_segments.SEGMENT
    for n in range(1, keys + 1):
        row = item_of("", ROW_MACS, PutKey(key(n)))["Put"]["Item"]
        yield row
        if n % size == 0 and keys - n >= size // 2:  # so some are beyond, as the newest are
            yield typed(pk=SEGMENTS, sk=row[INDEX_SORT_KEY]["S"], rows=size)
            upto = row[INDEX_SORT_KEY]["S"]
    if keys >= size + size // 2:
        yield typed(pk=SEGMENTS, sk="~", upto=upto)


def _filled(puts: Iterator[Rows], rows: int) -> Tables:
    """Tables with these rows of keys or aliases."""
    tables, bar, put = Tables.fresh(), Bar("rows of DynamoDB", rows), 0
    while some := [{"PutRequest": {"Item": row}} for row in islice(puts, 25)]:
        request: Any = {tables.keys: some}
        tables.client.batch_write_item(RequestItems=request)
        put += len(some)
        bar(put)
    clear()
    return tables


class _Reads:
    """What DynamoDB is asked and reads, of rows as long as the one of the table at `pk`."""

    def __init__(self, tables: Tables, pk: str) -> None:
        row = tables.client.get_item(TableName=tables.keys, Key={"pk": {"S": pk}, "sk": {"S": "META"}})["Item"]
        self.size = _bytes(row)
        named = {"pk", "sk", "listing", "order", *NAMES}
        self.name_size = _bytes({name: value for name, value in row.items() if name in named})
        # moto ends an answer at a megabyte of whole rows, also where it is of an index that has a part of them.
        table_module.RESULT_SIZE_LIMIT = 1_000_000 * self.size // self.name_size
        self._read = [0, 0, 0, 0]  # requests, rows of the index, of the table, of segments
        tables.client.meta.events.register("after-call.dynamodb.Query", self._queried)
        tables.client.meta.events.register("after-call.dynamodb.BatchGetItem", self._fetched)

    def _queried(self, parsed: Any, **_: Any) -> None:
        self._read[0] += 1
        self._read[3 if any("rows" in row for row in parsed.get("Items", ())) else 1] += parsed["ScannedCount"]

    def _fetched(self, parsed: Any, **_: Any) -> None:
        self._read[0] += 1
        self._read[2] += sum(map(len, parsed["Responses"].values()))

    def taken(self) -> Rows:
        """Since it was asked last."""
        requests, names, rows, segments = self._read
        self._read = [0, 0, 0, 0]
        kb = (names * self.name_size + rows * self.size + segments * _SEGMENT_BYTES) / 1e3
        return {"requests": requests, "names": names, "rows": rows, "segments": segments, "kB": round(kb)}


def dynamodb_rows(keys: int) -> Rows:
    """Of pages of a table with so many keys, counted by segments: requests, and megabytes that they read."""
    tables = _filled(_puts(keys), keys)
    store, reads = DynamoKeyStore(tables.client, tables.keys, ROW_MACS), _Reads(tables, key_pk(key(1).id))
    rows: Rows = {"bytes of a row": reads.size, "bytes of a row of the index": reads.name_size}
    for name, offset in _offsets(keys):
        _list(store, offset)
        rows[f"{name} page of {PAGE}"] = reads.taken()
    for name, offset in _offsets(keys):
        number = max(1, min(offset, keys - KEYS))
        at = key(number)
        assert len(store.keys_after((at.created, at.id), limit=KEYS)) == min(KEYS, keys - number)
        rows[f"{name} page of ListTagResources, {KEYS} keys"] = reads.taken()
    rows["MB as it was"] = keys * reads.size / 1e6
    return rows


def alias_rows(aliases: int = ALIASES) -> Rows:
    """Of pages of a table with so many aliases, of names of a usual length and of the longest: as `dynamodb_rows`."""
    rows = Rows()
    for letters in _ALIAS_LETTERS:
        names = [f"{n:0{letters}}" for n in range(aliases)]
        puts = (PutAlias(Alias(name=name, key_id=key(1).id), expect=None) for name in names)
        tables = _filled((item_of("", ROW_MACS, put)["Put"]["Item"] for put in puts), aliases)
        store, reads = DynamoKeyStore(tables.client, tables.keys, ROW_MACS), _Reads(tables, alias_pk(names[0]))
        rows[f"bytes of a row of the index, {letters} letters"] = reads.name_size
        for name, offset in _offsets(aliases):
            total, page = store.list_aliases(offset=offset, limit=PAGE)
            assert (total, [alias.name for alias in page]) == (aliases, names[offset : offset + PAGE])
            rows[f"{name} page of {PAGE}, {letters} letters"] = reads.taken()
    return rows


def dynamodb_told(keys: int) -> Rows:
    """Of aliases and of keys; the fewer first, since each row that moto has makes the next one slower."""
    aliases = told(f"pages of {ALIASES:,} aliases, DynamoDB", alias_rows())
    return {"aliases": aliases, "keys": told("pages of keys, DynamoDB", dynamodb_rows(keys))}


def told(name: str, rows: Rows) -> Rows:
    print(f"  {name}")
    for what, value in rows.items():
        print(f"    {what:<48}{value if isinstance(value, dict) else f'{value:10.3f}'}", flush=True)
    return rows
