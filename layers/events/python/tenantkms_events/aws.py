"""What AWS's services say when they do not do their part."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from tenantkms_events.errors import TARGET_REFUSED, Rejected, unavailable


def code_of(fault: ClientError) -> str:
    """What the service calls its error."""
    return str(fault.response["Error"]["Code"])


@contextmanager
def aws_faults(*permanent: str) -> Iterator[None]:
    """Whatever a service or the way to it refuses as `Unavailable`; errors of these codes as `Rejected`, since they
    would come again and again.
    """
    try:
        yield
    except (BotoCoreError, ClientError) as e:
        if isinstance(e, ClientError) and code_of(e) in permanent:
            raise Rejected(TARGET_REFUSED, "target") from None
        raise unavailable() from e
