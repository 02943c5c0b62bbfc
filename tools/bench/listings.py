"""What pages of ListKeys take: of one machine's file, and in requests and megabytes of DynamoDB.

DynamoDB is moto's, filled below the API; a request is billed by the rows that it reads, so these are counted in each
answer, at the size that DynamoDB gives a row: the bytes of its names and values.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from kit.moto_aws import Tables
from kit.samples import ROW_MACS, key
from tenantkms.model.key import KeyFilter
from tenantkms.model.limits import OFF
from tenantkms.store.dynamodb import DynamoKeyStore
from tenantkms.store.dynamodb_layout import NAMES, item_of
from tenantkms.store.port import KeyStore, PutKey
from tkms.machine.directory import Directory
from tkms.output import Bar, clear

Rows = dict[str, Any]
PAGE = 100
ROUNDS = 101


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


def dynamodb_rows(keys: int) -> Rows:
    """Of pages of a table with so many keys: requests, and megabytes that they read; before they were counted, too."""
    tables = Tables.fresh()
    store, bar = DynamoKeyStore(tables.client, tables.keys, ROW_MACS), Bar("rows of DynamoDB", keys)
    for start in range(0, keys, 25):
        puts: list[Any] = [
            {"PutRequest": {"Item": item_of(tables.keys, ROW_MACS, PutKey(key(n)))["Put"]["Item"]}}
            for n in range(start + 1, min(start + 25, keys) + 1)
        ]
        tables.client.batch_write_item(RequestItems={tables.keys: puts})
        bar(start + len(puts))
    clear()
    read = [0, 0, 0]  # requests, rows of the index, rows of the table
    whole = tables.client.get_item(TableName=tables.keys, Key={"pk": {"S": f"KEY#{key(1).id}"}, "sk": {"S": "META"}})
    size = _bytes(whole["Item"])
    named = {"pk", "sk", "listing", "order", *NAMES}
    name_size = _bytes({name: value for name, value in whole["Item"].items() if name in named})

    def queried(parsed: Any, **_: Any) -> None:
        read[0] += 1
        read[1] += parsed["ScannedCount"]

    def fetched(parsed: Any, **_: Any) -> None:
        read[0] += 1
        read[2] += sum(map(len, parsed["Responses"].values()))

    tables.client.meta.events.register("after-call.dynamodb.Query", queried)
    tables.client.meta.events.register("after-call.dynamodb.BatchGetItem", fetched)
    rows: Rows = {"bytes of a row": size, "bytes of a row of the index": name_size}
    for when in ("before they are counted", "counted"):
        for name, offset in _offsets(keys):
            read[:] = [0, 0, 0]
            _list(store, offset)
            megabytes = (read[1] * name_size + read[2] * size) / 1e6
            rows[f"{name} page of {PAGE}, {when}"] = {"requests": read[0], "MB": round(megabytes, 3)}
        if when != "counted":
            began = time.perf_counter()
            store.settle(int(time.time()), lambda: True)
            rows["counting them, s of moto"] = time.perf_counter() - began
    rows["MB as it was"] = keys * size / 1e6
    return rows


def told(name: str, rows: Rows) -> Rows:
    print(f"  {name}")
    for what, value in rows.items():
        print(f"    {what:<48}{value if isinstance(value, dict) else f'{value:10.3f}'}", flush=True)
    return rows
