"""What `tkms doctor` finds, and what it finds in the rows of any place."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from tenantkms.runtime.assemble import Settings
from tkms.anchor import check_rows, has_rows

OK, WARNING, PROBLEM = "ok", "warning", "problem"


class Finding(Struct, frozen=True):
    """What one look found. `advice` is what to do, where something is to be done."""

    check: str
    status: str
    found: str
    advice: str = ""


Found = Iterator[tuple[str, str, str]]
"""(status, what was found, advice)"""

ARNS, ENDPOINT, ROWS = "arns", "endpoint", "rows"
_SHOWN = 20
_IN_FRONT = "What stands in front is to pass everything on: AWS's SDKs take any page with status 200 for a success."
_NO_ANSWER = (
    "Look at DNS, TLS, and what stands in front of it. SSL_CERT_FILE names a private authority, such as tkms tls makes."
)
_REPAIR = 'Somebody wrote to the store. docs/operations.md, "Rows that are not believed", says how to repair it.'
_NO_ROOT = "After an upgrade: tkms take-over. Else somebody took the root secret away: restore it from a backup."


def examine_arns(settings: Settings) -> Found:
    """How the ARNs of the place begin."""
    from tenantkms.wire.dialects.aws.names import ARNS as AWS_ARNS  # the dialects are not the other commands' to load

    yield OK, f"{AWS_ARNS.home(settings.site)} stands in messages of encryption SDKs, for ever", ""


def examine_endpoint(url: str) -> Found:
    """Whether it is the API that answers there: an unsigned call gets the API's own refusal."""
    if not url.lower().startswith(("http://", "https://")):
        yield PROBLEM, f"{url} is no address: it has to begin with http:// or https://", ""
        return
    headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "TrentService.ListKeys"}
    try:
        with _opened(urllib.request.Request(url, b"{}", headers)) as answer:  # noqa: S310 - the operator's own
            own = answer.status == 400 and b"MissingAuthenticationTokenException" in answer.read(65_536)
            said = f"{answer.status} {answer.headers.get_content_type()}"
    except (OSError, ValueError) as e:
        yield PROBLEM, f"{url} does not answer: {e}", _NO_ANSWER
        return
    if own:
        yield OK, f"at {url} it is the API that answers", ""
    else:
        yield PROBLEM, f"at {url} an unsigned call is answered {said}, not as the API does", _IN_FRONT


def _opened(request: urllib.request.Request) -> Any:
    try:
        return urllib.request.urlopen(request, timeout=30)  # noqa: S310 - the operator's own
    except urllib.error.HTTPError as e:
        return e


def examine_rows(settings: Settings) -> Found:
    """Every row of the place, and each that is not believed by its name."""
    if not settings.root.exists():
        if has_rows(settings):
            yield PROBLEM, "there is no root secret, so no row is believed", _NO_ROOT
        else:
            yield OK, "there is none yet", ""
        return
    count = bad = 0
    for fault in check_rows(settings):
        count += 1
        if fault:
            bad += 1
            if bad <= _SHOWN:
                yield PROBLEM, fault.details, _REPAIR
    if bad > _SHOWN:
        yield PROBLEM, f"and {bad - _SHOWN} more", _REPAIR
    if not bad:
        yield OK, f"{count} are authentic", ""
