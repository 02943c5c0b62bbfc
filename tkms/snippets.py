"""Ready programs for each SDK, with an endpoint, a credential and a key filled in."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from urllib.parse import urlsplit

from functions.endpoint.clients import CLIENTS, LANGUAGES, REGIONS, hello
from tenantkms.model.alias import ALIAS_PREFIX
from tenantkms.model.site import Site
from tkms.output import UsageError

_FIELD = re.compile("@([A-Z_]+)@")
_PLAIN = re.compile(r"[A-Za-z0-9_.~:/+=@\[\]-]+")
"""What means itself between the quotes of every language."""


def names_of(dialects: Collection[str]) -> list[str]:
    """The programs of these dialects."""
    return [name for name, client in CLIENTS.items() if client.dialect in dialects]


def listing(names: Iterable[str]) -> str:
    """One line for each program: its name, and what it is."""
    return "".join(f"  {name:<20}{CLIENTS[name].title}\n" for name in names)


def render(name: str, *, url: str, access_key_id: str, secret: str, key: str, key_id: str, site: Site) -> str:
    """The program `name`, with a first line that says what it is and what it needs.

    `key` is how the key was named: an alias stays one where the client takes aliases. Raises `UsageError` for what no
    program can be given.
    """
    from tenantkms.wire.dialects.aws.names import named_arn  # the dialects are not the other commands' to load

    client = CLIENTS[name]
    scheme, host = _endpoint(url)
    fields = {
        "ID": access_key_id,
        "SECRET": secret,
        "KEY": key if key.startswith(ALIAS_PREFIX) else key_id,
        "KEY_ID": key_id,
        "ARN": named_arn(key_id, site),
        "REGION": REGIONS.get(client.dialect, site.region),
        "HOST": host,
        "SCHEME": scheme,
        "TCCLI": f"http://{host}" if scheme == "http" else host,
        "ALIYUN": "--insecure" if scheme == "http" else "--secure",
    }
    for field, value in fields.items():
        if not _PLAIN.fullmatch(value):
            raise UsageError(f"No program can be given this {field}: it has more than letters, digits and ._~:/+=@[]-")
    quote = LANGUAGES[client.language].quote
    fields |= {name: f"{quote}{fields[name]}{quote}" for name in ("ID", "SECRET")}
    return _FIELD.sub(lambda found: fields[found[1]], hello(name))


def _endpoint(url: str) -> tuple[str, str]:
    """Scheme, and host with port: all that an SDK can be given. Raises `UsageError`."""
    try:
        parts = urlsplit(url)
        port_is_one = parts.port is None or parts.port > 0
    except ValueError:
        port_is_one = False
    if not port_is_one or parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise UsageError(f"--endpoint {url}: it has to be http://HOST:PORT or https://HOST:PORT.")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise UsageError(f"--endpoint {url}: the SDKs take a host and a port, and no path.")
    return parts.scheme, parts.netloc
