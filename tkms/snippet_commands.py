"""`tkms snippet`: ready programs for the SDKs of a credential's dialects."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterable
from typing import Any

from functions.endpoint.clients import CLIENTS
from tenantkms.access.credentials import Access, called
from tenantkms.model.alias import ALIAS_PREFIX
from tenantkms.model.credential import Credential, by_age
from tkms.commands import only
from tkms.machine.directory import DEFAULT_ALIAS, Directory
from tkms.output import Failed
from tkms.places import find, tell_absence
from tkms.snippets import listing, names_of, render


def credential_for(access: Access, wanted: str | None = None, name: str | None = None) -> Credential:
    """The active credential with the id or name `wanted`, or the first one; one that may run the program `name`.

    Raises `Failed`.
    """
    now = time.time()
    if wanted:
        credentials = [c for c in called(access.store, wanted) if c.active(now)]
    else:
        credentials = _oldest(c for c in access.store.credentials() if c.active(now))
    which = f"active credential {wanted}" if wanted else "active credential"
    if not credentials:
        raise Failed(f"There is no {which}: tkms credential list, or tkms credential create")
    if name:
        dialect = CLIENTS[name].dialect
        others = ", ".join(names_of({d for c in credentials for d in c.dialects}))
        credentials = [c for c in credentials if dialect in c.dialects]
        if not credentials:
            raise Failed(
                f"No {which} is for the dialect {dialect}, which {name} speaks: create one (tkms credential create)"
                f" or print another program ({others})"
            )
    return only(credentials, wanted) if wanted else credentials[0]


def _oldest(credentials: Iterable[Credential]) -> list[Credential]:
    """The oldest for each set of dialects, the oldest first."""
    found = dict[tuple[str, ...], Credential]()
    for one in credentials:
        found[one.dialects] = min(one, found.get(one.dialects, one), key=by_age)
    return sorted(found.values(), key=by_age)


def snippet(args: argparse.Namespace) -> int:
    place = find(args)
    credential = credential_for(place.access, args.credential, args.name)
    key: Any = place.call("DescribeKey", {"key_ids": [args.key]})
    url = args.endpoint or place.url
    filled: dict[str, Any] = {
        "url": url,
        "access_key_id": credential.access_key_id,
        "secret": place.access.secret(credential),
        "key": args.key,
        "key_id": key["keys"][0]["id"],
        "site": place.settings.site,
    }
    names = [args.name] if args.name else names_of(credential.dialects)
    print("\n".join(render(name, **filled) for name in names), end="", flush=True)
    tell_absence(url, None if args.endpoint or args.stack else Directory(args.data_dir))
    return 0


def add(words: Any, command: Any) -> None:
    """`command(words, name, help, run, *parents)` makes it, as `cli` does."""
    parser = command(words, "snippet", "print a ready program for an SDK, or for each", snippet)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = f"programs:\n{listing(CLIENTS)}"
    parser.add_argument(
        "name",
        nargs="?",
        choices=CLIENTS,
        metavar="NAME",
        help="one of the programs below (default: each that the access key may run)",
    )
    parser.add_argument("--credential", metavar="ID", help="access key id or name (default: the first that fits)")
    parser.add_argument("--key", default=ALIAS_PREFIX + DEFAULT_ALIAS, help="key id or alias (default: %(default)s)")
    parser.add_argument("--endpoint", metavar="URL", help="default: where the last server, or the stack, serves")
