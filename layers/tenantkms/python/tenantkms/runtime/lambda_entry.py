"""What a Lambda function is made of: settings from its environment, once per process, and its handler."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from tenantkms.action.vouch import CALLS, is_vouched, vouched
from tenantkms.audit.metrics import COLD_START
from tenantkms.errors import KmsError
from tenantkms.runtime.assemble import Settings, invoke_config, on_aws

if TYPE_CHECKING:
    from tenantkms.action.action import Action


@lru_cache(maxsize=1)
def _session() -> Any:
    """One per process: what it has read of botocore's data serves all its clients.

    botocore logs the bodies of requests and answers, plaintexts and unsealed keys among them, at the level DEBUG, which
    whoever sets a function's log level gives to all libraries: it gets a level of its own.
    """
    import logging

    import botocore.session

    logging.getLogger("botocore").setLevel(logging.WARNING)
    return botocore.session.get_session()


@lru_cache(maxsize=1)
def from_environment() -> Settings:
    """The settings of this Lambda function, made once per process."""
    if os.environ.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start":
        from snapshot_restore_py import register_after_restore  # of AWS's runtime, where there are snapshots

        register_after_restore(part_ways)
    settings = on_aws(os.environ, _session(), metered=True)
    settings.metrics.put(**{COLD_START: 1})
    return settings


def part_ways() -> None:
    """For a process that was started from a snapshot, as others were: makes the random numbers of Python's own OpenSSL,
    which are TLS's, its own. The one of `cryptography` has no such call: docs/decisions/0041-starts.md.
    """
    import ssl

    ssl.RAND_add(os.urandom(48), 0)


def invoke_client() -> Any:
    """A client of AWS Lambda for the endpoint."""
    return _session().create_client("lambda", config=invoke_config())


_LAST_MS = 60_000
"""Of a scheduled function's time, milliseconds that are left for the last key, and for counting."""


def in_time(context: Any) -> Callable[[], bool]:
    """Whether a scheduled function has the time to begin with another key."""
    return lambda: context.get_remaining_time_in_millis() > _LAST_MS


def entry(action: Action[Any]) -> Callable[[Mapping[str, Any], object], dict[str, Any]]:
    """The Lambda handler of an Action."""
    if "AWS_LAMBDA_FUNCTION_NAME" in os.environ:
        from_environment()  # until its first event a function has a whole core; nothing is unsealed
    known = (action.name,)

    def handler(event: Mapping[str, Any], _context: object) -> dict[str, Any]:
        settings = from_environment()
        settings.metrics.begin(known)
        if not is_vouched(event):
            return action.run(event, settings.deps, native=True)
        try:
            call = vouched(event, partial(settings.root.valid, CALLS), int(settings.deps.clock()))
        except KmsError as error:
            return action.refuse(error, settings.deps)
        return action.run(call, settings.deps)

    return handler
