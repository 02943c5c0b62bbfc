"""What an operator is told once a data directory is made: where, who, and programs to try it with."""

from __future__ import annotations

import sys
from typing import Any

from functions.endpoint.clients import CLIENTS
from tenantkms.model.alias import ALIAS_PREFIX
from tenantkms.runtime.assemble import Settings
from tkms.machine.directory import DEFAULT_ALIAS, Directory, call
from tkms.output import UsageError, say
from tkms.snippet_commands import credential_for
from tkms.snippets import listing, names_of, render
from tkms.whole import write_whole

FILE = "welcome.txt"


def welcome(directory: Directory, settings: Settings, url: str) -> str:
    """With the first active credential and its secret. `url` is where it serves. Raises `Failed` without one."""
    credential = credential_for(settings.access)
    secret = settings.access.secret(credential)
    alias = ALIAS_PREFIX + DEFAULT_ALIAS
    key: Any = call(settings, "DescribeKey", {"key_ids": [alias]})
    key_id = key["keys"][0]["id"]
    who = {"access_key_id": credential.access_key_id, "secret": secret}
    names = names_of(credential.dialects)
    shown = {CLIENTS[name].dialect: name for name in reversed(names)}  # the first of each dialect
    try:
        programs = "\n".join(
            render(name, url=url, **who, key=alias, key_id=key_id, site=settings.site)
            for name in reversed(shown.values())
        )
    except UsageError as e:  # a seed may give a secret that ends the string of a program
        programs = f"{e}\n"
    ca = directory.tls / "ca.pem"
    to_trust = url.startswith("https:") and ca.exists()
    authority = f"CA certificate     {ca}  (how clients trust it: tkms tls)\n" if to_trust else ""
    return (
        f"endpoint           {url}\n"
        f"in a browser       {url}/  (explorer, signature check, console)\n"
        f"access key id      {credential.access_key_id}\n"
        f"access key secret  {secret}\n"
        f"key                {key_id}  ({alias})\n{authority}\n"
        f"{programs}\n"
        f"tkms snippet NAME prints these and others:\n{listing(names)}\n"
        "More access keys: tkms credential create.\n"
    )


def greet(directory: Directory, settings: Settings, url: str) -> bool:
    """Tell it, if it was not told yet; answers whether it was told now.

    What has a secret in it goes to a terminal only: other outputs are kept in logs that others read.
    """
    if directory.welcomed:
        return False
    text = welcome(directory, settings, url)
    if sys.stdout.isatty():
        say(text)
    else:
        file = directory.path / FILE
        write_whole(file, text.encode())
        say(f"The first access key, its secret and programs to try them with are in {file}: delete it once read.")
    directory.note_welcomed()
    return True
