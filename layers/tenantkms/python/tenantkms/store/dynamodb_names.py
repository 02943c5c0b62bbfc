"""Access keys by name: their place in the index `listing` of the access table begins with it.

    listing=CREDENTIALS  order=NAME#<32 hex digits>#<created>#<access key id>

The digits are of a hash, since a name may have any length. So those of a name are beside each other, by age.

A release before this one writes order=<created>#<access key id>, also when it changes an access key. Such rows are
found by what their documents have in them. DynamoDB reads all of them for it, a megabyte with each request, and answers
those alone; whatever writes one here gives it its place. To a release before, an order is nothing but an order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256

from tenantkms.model.credential import Credential
from tenantkms.store.dynamodb_layout import DOC, INDEX_SORT_KEY, PARTITION_KEY, Row, by_time, encode

_NAME = "NAME#"


def _place(name: str) -> str:
    return f"{_NAME}{sha256(name.encode()).hexdigest()[:32]}#"


def order_of(credential: Credential) -> str:
    return _place(credential.name) + by_time(credential.created, credential.access_key_id)


def places_of(name: str) -> Iterator[tuple[tuple[str, str, str], tuple[str, str] | None]]:
    """(span, part that their documents have) of the queries that find all of a name.

    Those that a release before wrote come first: who is given its place meanwhile is found twice, not missed.
    """
    yield (INDEX_SORT_KEY, "0", ":"), (DOC, f'"name":{encode(name)}')  # an age begins with a digit
    yield (INDEX_SORT_KEY, _place(name), _place(name) + "~"), None


def each_once(rows: Iterable[Row]) -> Iterator[Row]:
    """Rows of the index in its order, in which one of a release before is found a second time if it is given its place
    meanwhile: such rows alone are remembered."""
    before = set[str]()
    for row in rows:
        pk = row[PARTITION_KEY]["S"]
        if pk not in before:
            yield row
        if not row[INDEX_SORT_KEY]["S"].startswith(_NAME):
            before.add(pk)
