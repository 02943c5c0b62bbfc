"""What pages of ListKeys and ListTagResources take: of one machine's file, and in requests and megabytes of DynamoDB.

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
from tenantkms.model.key import KeyFilter
from tenantkms.model.limits import OFF
from tenantkms.store import dynamodb_segments
from tenantkms.store.dynamodb import DynamoKeyStore
from tenantkms.store.dynamodb_layout import INDEX_SORT_KEY, NAMES, SEGMENTS, item_of, typed
from tenantkms.store.port import KeyStore, PutKey
from tkms.machine.directory import Directory
from tkms.output import Bar, clear

Rows = dict[str, Any]
PAGE = 100
ROUNDS = 101
_SEGMENT_BYTES = 100


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


def dynamodb_rows(keys: int) -> Rows:
    """Of pages of a table with so many keys, counted by segments: requests, and megabytes that they read."""
    tables = Tables.fresh()
    store, bar = DynamoKeyStore(tables.client, tables.keys, ROW_MACS), Bar("rows of DynamoDB", keys)
    rows_left, put = _puts(keys), 0
    while some := [{"PutRequest": {"Item": row}} for row in islice(rows_left, 25)]:
        puts: Any = {tables.keys: some}
        tables.client.batch_write_item(RequestItems=puts)
        put += len(some)
        bar(put)
    clear()
    whole = tables.client.get_item(TableName=tables.keys, Key={"pk": {"S": f"KEY#{key(1).id}"}, "sk": {"S": "META"}})
    size = _bytes(whole["Item"])
    named = {"pk", "sk", "listing", "order", *NAMES}
    name_size = _bytes({name: value for name, value in whole["Item"].items() if name in named})
    # moto ends an answer at a megabyte of whole rows, also where it is of an index that has a part of them.
    table_module.RESULT_SIZE_LIMIT = 1_000_000 * size // name_size
    read = [0, 0, 0, 0]  # requests, rows of the index, of the table, of segments

    def queried(parsed: Any, **_: Any) -> None:
        read[0] += 1
        read[3 if any("rows" in row for row in parsed.get("Items", ())) else 1] += parsed["ScannedCount"]

    def fetched(parsed: Any, **_: Any) -> None:
        read[0] += 1
        read[2] += sum(map(len, parsed["Responses"].values()))

    tables.client.meta.events.register("after-call.dynamodb.Query", queried)
    tables.client.meta.events.register("after-call.dynamodb.BatchGetItem", fetched)
    rows: Rows = {"bytes of a row": size, "bytes of a row of the index": name_size}

    def noted(name: str) -> None:
        kb = (read[1] * name_size + read[2] * size + read[3] * _SEGMENT_BYTES) / 1e3
        rows[name] = {"requests": read[0], "names": read[1], "rows": read[2], "segments": read[3], "kB": round(kb)}
        read[:] = [0] * 4

    for name, offset in _offsets(keys):
        _list(store, offset)
        noted(f"{name} page of {PAGE}")
    for name, offset in _offsets(keys):
        number = max(1, min(offset, keys - KEYS))
        at = key(number)
        assert len(store.keys_after((at.created, at.id), limit=KEYS)) == min(KEYS, keys - number)
        noted(f"{name} page of ListTagResources, {KEYS} keys")
    rows["MB as it was"] = keys * size / 1e6
    return rows


def told(name: str, rows: Rows) -> Rows:
    print(f"  {name}")
    for what, value in rows.items():
        print(f"    {what:<48}{value if isinstance(value, dict) else f'{value:10.3f}'}", flush=True)
    return rows
