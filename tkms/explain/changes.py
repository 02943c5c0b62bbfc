"""The changes of parts that make a mistake: what the table of `mistakes.py` is written with."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from tkms.explain.lines import shown
from tkms.explain.parts import Pair, Pairs, Parts, base64_text, sha256
from tkms.explain.received import Received
from tkms.explain.times import seconds, spelled

Change = Mapping[str, Any]
"""Fields of `Parts`, and `about`: what of several things it is."""
Make = Callable[[Parts, Received], Iterable[Change]]

ACS_REGIONS = ("cn-hangzhou", "cn-beijing", "cn-shanghai", "ap-southeast-1", "eu-central-1", "us-east-1")
AWS_REGIONS = ("us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-1", "cn-north-1")
LOCAL = ("localhost", "127.0.0.1", "0.0.0.0")  # noqa: S104 - what clients sign
SERVICES = ("kms", "Kms", "KMS", "cvm", "sts", "execute-api")
HOURS = (*range(-12, 0), *range(1, 6), 5.5, *range(6, 10), 9.5, *range(10, 14))
_STAMPED = ("x-acs-date", "x-amz-date", "x-tc-timestamp")


def fixed(**change: Any) -> Make:
    return lambda _parts, _received: (change,)


def one(change: Callable[[Parts], Change]) -> Make:
    return lambda parts, _received: (change(parts),)


# -- hosts --


def port(host: str) -> str:
    found = re.search(r":\d+$", host)
    return found[0] if found else ""


def bare(host: str) -> str:
    return host.removesuffix(port(host))


def hosts(make: Callable[[str, Parts, Received], Iterable[str]]) -> Make:
    def change(parts: Parts, received: Received) -> Iterator[Change]:
        for host in make(parts.host, parts, received):
            if host != parts.host:
                headers = tuple((name, host if name.lower() == "host" else text) for name, text in parts.headers)
                yield {"host": host, "headers": headers, "about": host}

    return change


def of_vendor(_host: str, parts: Parts, received: Received) -> Iterable[str]:
    region = parts.scope[1] if len(parts.scope) > 1 else ""
    if parts.way == "acs":
        return (f"kms.{place}.aliyuncs.com" for place in dict.fromkeys((region, *ACS_REGIONS)) if place)
    if parts.way == "aws":
        return (f"kms.{region}.amazonaws.com",)
    named = dict(parts.pairs).get("Region", "") if parts.way == "v1" else received.request.header("x-tc-region")
    places = ("", f"{named}.") if named else ("",)
    return (f"kms.{kind}{place}tencentcloudapi.com" for kind in ("", "intl.", "internal.") for place in places)


# -- parts of a list --


def dropped(field: str) -> Make:
    def change(parts: Parts, _received: Received) -> Iterator[Change]:
        rows: Pairs = getattr(parts, field)
        for i, (name, _) in enumerate(rows):
            yield {field: (*rows[:i], *rows[i + 1 :]), "about": shown(name)}

    return change


def content_type(parts: Parts, _received: Received) -> Iterator[Change]:
    found = dict(parts.headers).get("content-type")
    if found is None:
        return
    media = found.partition(";")[0].strip()
    ends = ("", "; charset=utf-8", ";charset=utf-8", "; charset=UTF-8", ";charset=UTF-8")
    for value in (*(media + end for end in ends), "application/json", "application/json; charset=utf-8", ""):
        headers = tuple((name, value if name == "content-type" else text) for name, text in parts.headers)
        yield {"headers": headers, "about": value}


def each(field: str, change: Callable[[Pair], Pair]) -> Make:
    return lambda parts, _received: ({field: tuple(change(pair) for pair in getattr(parts, field))},)


# -- bodies --


def bodies(make: Callable[[bytes], Iterable[str]]) -> Make:
    def change(_parts: Parts, received: Received) -> Iterator[Change]:
        for body in make(received.request.body):
            yield {"payload": sha256(body)}

    return change


def text_of(body: bytes) -> str:
    return body.decode("utf-8", "surrogateescape")


def payload(body: str) -> str:
    return hashlib.sha256(body.encode("utf-8", "surrogateescape")).hexdigest()


def ends(_parts: Parts, received: Received) -> Iterator[Change]:
    body = text_of(received.request.body)
    for text in (f"{body}\n", f"{body}\r\n", body.strip(), re.sub(r"\r?\n", "\r\n", body)):
        yield {"payload": payload(text)}


def respelled(body: bytes) -> Iterable[str]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return ()
    tight = (",", ":")
    return (
        json.dumps(value, ensure_ascii=False, separators=tight),
        json.dumps(value, ensure_ascii=False),
        json.dumps(value, separators=tight),
        json.dumps(value),
        json.dumps(value, ensure_ascii=False, separators=tight).replace("/", "\\/"),
        json.dumps(value, ensure_ascii=False, separators=tight, sort_keys=True),
        json.dumps(value, ensure_ascii=False, indent=2),
    )


# -- times and scopes --


def stamped(parts: Parts, stamp: str) -> Change:
    """The stamp wherever it is signed."""
    return {
        "stamp": stamp,
        "headers": tuple((name, stamp if name in _STAMPED else text) for name, text in parts.headers),
        "pairs": tuple((name, stamp if name == "Timestamp" else text) for name, text in parts.pairs),
    }


def shifts(steps: Iterable[float]) -> Make:
    def change(parts: Parts, received: Received) -> Iterator[Change]:
        time = seconds(received.stamp)
        for step in steps if time is not None else ():
            stamp = spelled((time or 0) + step, received.stamp)
            if stamp:
                yield {"stamp": stamp, "about": f"{step:g} s"}
                yield {**stamped(parts, stamp), "about": f"{step:g} s"}

    return change


def dates(parts: Parts, _received: Received) -> Iterator[Change]:
    said = parts.scope[0]
    form = "%Y-%m-%d" if "-" in said else "%Y%m%d"
    try:
        day = datetime.strptime(said, form).replace(tzinfo=UTC)
        others = [(day + timedelta(days=step)).strftime(form) for step in (-1, 1)]
    except (ValueError, OverflowError):
        return
    for other in others:
        yield {"scope": (other, *parts.scope[1:]), "about": other}


def date_form(parts: Parts) -> Change:
    said = parts.scope[0]
    other = said.replace("-", "") if "-" in said else re.sub(r"(....)(..)(..)", r"\1-\2-\3", said)
    return {"steps": (other, *parts.scope[1:])}


def scoped(at: int, values: Callable[[Parts], Iterable[str]]) -> Make:
    def change(parts: Parts, _received: Received) -> Iterator[Change]:
        if not -len(parts.scope) <= at < len(parts.scope):
            return
        for value in values(parts):
            if value != parts.scope[at]:
                scope = [*parts.scope]
                scope[at] = value
                yield {"scope": tuple(scope), "about": value}

    return change


def swapped(parts: Parts, _received: Received) -> Iterator[Change]:
    if len(parts.scope) == 4:
        date, region, service, end = parts.scope
        yield {"steps": (date, service, region, end)}


# -- keys, hashes, texts --


def spaced(parts: Parts) -> Iterator[str]:
    secret = parts.secret
    yield from (secret.strip(), f"{secret}\n", f"{secret} ", f" {secret}", f"{secret}\r", f"{secret}\r\n")


def secrets(make: Callable[[Parts], Iterable[str]]) -> Make:
    return lambda parts, _received: ({"secret": text} for text in make(parts) if text != parts.secret)


def underived(parts: Parts, _received: Received) -> Iterable[Change]:
    return ({"steps": ()}, {"steps": (), "prefix": ""}) if parts.scope else ()


def hex_key(parts: Parts, _received: Received) -> Iterable[Change]:
    return ({"between": lambda key: key.hex().encode()},) if parts.scope else ()


def bare_secret(parts: Parts, _received: Received) -> Iterable[Change]:
    return ({"prefix": "", "suffix": ""},) if parts.prefix or parts.suffix else ()


def ended(end: str) -> tuple[Change, Change]:
    def change(text: str) -> str:
        return text.replace("\n", end)

    def last(text: str, _canonical: str) -> str:
        return change(text)

    return {"canonical": change, "text": last}, {"text": last}


def writes(*writes: Callable[[bytes], str]) -> Make:
    return lambda parts, _received: ({"write": write} for write in writes if write != parts.write)


def hex_in_base64(sum_: bytes) -> str:
    return base64_text(sum_.hex().encode())


def spellings(*writes: Callable[[str], str]) -> Make:
    """In the canonical request, and where that is escaped again."""
    changes = tuple(change for write in writes for change in ({"escape": write}, {"escape": write, "again": write}))
    return lambda _parts, _received: changes


def queries(sort: Callable[[Iterable[Pair]], Iterable[Pair]], *writes: Callable[[str], str]) -> Make:
    def change(_parts: Parts, received: Received) -> Iterator[Change]:
        for write in writes:
            yield {"query": "&".join(f"{write(name)}={write(text)}" for name, text in sort(received.every))}

    return change


def by(key: Callable[[Pair], Any], *, reverse: bool = False) -> Callable[[Iterable[Pair]], Pairs]:
    return lambda pairs: tuple(sorted(pairs, key=key, reverse=reverse))


def dotted_late(name: str) -> str:
    return name if name.startswith("_") else name.replace("_", ".")
