"""Why a message can never be sealed. Whatever else goes wrong is a fault, and the message comes again."""

from __future__ import annotations

from tenantkms.errors import KmsError, Unavailable, kind

INVALID_MESSAGE = "InvalidMessage"
UNKNOWN_FIELD = "UnknownField"
REPEATED_FIELD = "RepeatedField"
UNSUPPORTED_VERSION = "UnsupportedVersion"
MESSAGE_TOO_LARGE = "MessageTooLarge"
TARGET_NOT_ALLOWED = "TargetNotAllowed"
ID_REUSED = "IdReused"
VALUE_TOO_LONG = "ValueTooLong"
TARGET_TAKEN = "TargetTaken"
TARGET_REFUSED = "TargetRefused"
FOREIGN_BUCKET = "ForeignBucket"
OBJECT_UNREADABLE = "ObjectUnreadable"
NAME_TOO_LONG = "NameTooLong"


class Rejected(Exception):
    """`reason` is one of the above, or the name of the domain error of an Action; `field` the part of the message that
    it is about, where it is known. Neither holds anything that was sent.
    """

    def __init__(self, reason: str, field: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.field = field


class GivenBack(Exception):
    """The message comes again. Powertools keeps this exception and may show it, so it holds no value of the record."""

    def __init__(self) -> None:
        super().__init__("a fault, which the operator's log names")


def rejection(error: KmsError, field: str = "") -> Rejected:
    """What an Action's refusal means for the message, if it is not retryable: then the message may come again."""
    return Rejected(kind(error).__name__, field)


def unavailable() -> Unavailable:
    return Unavailable("A service that sealing stands on is not available.")
