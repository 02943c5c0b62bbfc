"""What `tkms doctor` finds, and what it finds in the rows of any place."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from tenantkms.keys.walk import PAGE
from tenantkms.model.credential import Credential
from tenantkms.runtime.assemble import Settings
from tenantkms.store.integrity import IntegrityFault
from tenantkms.store.port import AccessStore, KeyStore
from tkms.anchor import check_rows, has_rows
from tkms.output import Tell, seen, time_text

if TYPE_CHECKING:
    from urllib.request import Request

_STATUSES = OK, WARNING, PROBLEM = "ok", "warning", "problem"


class Finding(Struct, frozen=True):
    """What one look found. `advice` is what to do, where something is to be done."""

    check: str
    status: str
    found: str
    advice: str = ""


Found = Iterator[tuple[str, str, str]]
"""(status, what was found, advice)"""

ARNS, ENDPOINT, ROWS, CREDENTIALS, IMPORTED = "arns", "endpoint", "rows", "credentials", "imported"
SOON = 14 * 86_400
"""Seconds before something expires, in which it is told."""
_SHOWN = 20
_IN_FRONT = "What stands in front is to pass everything on: AWS's SDKs take any page with status 200 for a success."
_NO_ANSWER = (
    "Look at DNS, TLS, and what stands in front of it. SSL_CERT_FILE names a private authority, such as tkms tls makes."
)
_REPAIR = 'Somebody wrote to the store. docs/operations.md, "Rows that are not believed", says how to repair it.'
_NO_ROOT = "After an upgrade: tkms take-over. Else somebody took the root secret away: restore it from a backup."


def shortened(found: Found) -> Found:
    """The first of them, and how many more there are, as what is worst among these."""
    rest, count = iter(found), 0
    yield from islice(rest, _SHOWN)
    worst = OK, "", ""
    for one in rest:
        count, worst = count + 1, max(worst, one, key=lambda each: _STATUSES.index(each[0]))
    if count:
        yield worst[0], f"and {count} more", worst[2]


def either(holds: object, good: str, status: str, bad: str, advice: str) -> tuple[str, str, str]:
    """What is found of one thing that is in order or not."""
    return (OK, good, "") if holds else (status, bad, advice)


def examine_credentials(settings: Settings, status: str, place: str, tell: Tell | None = None) -> Found:
    """Whether anybody can call, and who soon cannot. `status` of a place where nobody can; `place` ends a command."""
    now, active = time.time(), 0

    def expiring() -> Found:
        nonlocal active
        for credential in seen(settings.access.store.credentials(), tell):
            if credential.active(now):
                active += 1
                if _soon(credential, now):
                    yield _expires(settings.access.store, credential, now, place)

    told = [*shortened(expiring())]
    yield either(active, f"{active} active", status, "there is no active access key", f"tkms credential create{place}")
    yield from told


def _soon(credential: Credential, now: float) -> bool:
    return 0 < credential.expires < now + SOON


def _expires(store: AccessStore, credential: Credential, now: float, place: str) -> tuple[str, str, str]:
    what = f"{credential.access_key_id} ({credential.name}) expires on {time_text(credential.expires)}"
    named = store.credentials_named(credential.name) if credential.name else []
    if any(other.active(now) and not _soon(other, now) for other in named):
        return OK, f"{what}, and another access key of that name goes on", ""  # it was rotated, with an overlap
    return WARNING, what, f"tkms credential rotate {credential.access_key_id}{place}"


def examine_imported(settings: Settings, tell: Tell | None = None) -> Found:
    """Imported material that soon expires."""
    store, end = settings.deps.keyring.store, int(time.time()) + SOON
    yield from shortened(_expiring(store, seen(_due(store, end), tell), end))


def _due(store: KeyStore, end: int) -> Iterator[str]:
    after = (0, "")
    while page := store.list_due(end, limit=PAGE, after=after):
        yield from (key_id for _, key_id in page)
        after = page[-1]


def _expiring(store: KeyStore, ids: Iterable[str], end: int) -> Found:
    for key_id in ids:
        try:
            key = store.get(key_id)
        except IntegrityFault:  # it is told among the rows
            continue
        if key and key.primary and 0 < key.material_expires <= end:
            what = f"the material of key {key.id} expires on {time_text(key.material_expires)}"
            yield WARNING, what, "Import it again, with a later date or none, before or after that."


def examine_arns(settings: Settings) -> Found:
    """How the ARNs of the place begin."""
    from tenantkms.wire.dialects.aws.names import ARNS as AWS_ARNS  # the dialects are not the other commands' to load

    yield OK, f"{AWS_ARNS.home(settings.site)} stands in messages of encryption SDKs, for ever", ""


def examine_endpoint(url: str) -> Found:
    """Whether it is the API that answers there: an unsigned call gets the API's own refusal."""
    from urllib.request import Request  # HTTP is not the other commands' to load

    if not url.lower().startswith(("http://", "https://")):
        yield PROBLEM, f"{url} is no address: it has to begin with http:// or https://", ""
        return
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "TrentService.ListKeys"}
    try:
        with _opened(Request(url, b"{}", headers)) as answer:  # noqa: S310 - the operator's own
            own = answer.status == 400 and b"MissingAuthenticationTokenException" in answer.read(65_536)
            said = f"{answer.status} {answer.headers.get_content_type()}"
    except (OSError, ValueError) as e:
        yield PROBLEM, f"{url} does not answer: {e}", _NO_ANSWER
        return
    if own:
        yield OK, f"at {url} it is the API that answers", ""
    else:
        yield PROBLEM, f"at {url} an unsigned call is answered {said}, not as the API does", _IN_FRONT


def _opened(request: Request) -> Any:
    from urllib.error import HTTPError
    from urllib.request import urlopen

    try:
        return urlopen(request, timeout=30)  # noqa: S310 - the operator's own
    except HTTPError as e:
        return e


def examine_rows(settings: Settings, tell: Tell | None = None) -> Found:
    """Every row of the place, and each that is not believed by its name."""
    if not settings.root.exists():
        if has_rows(settings):
            yield PROBLEM, "there is no root secret, so no row is believed", _NO_ROOT
        else:
            yield OK, "there is none yet", ""
        return
    count = 0

    def faults() -> Found:
        nonlocal count
        for fault in seen(check_rows(settings), tell):
            count += 1
            if fault:
                yield PROBLEM, fault.details, _REPAIR

    bad = False
    for found in shortened(faults()):
        bad = True
        yield found
    if not bad:
        yield OK, f"{count} are authentic", ""
