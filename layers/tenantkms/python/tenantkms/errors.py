"""Domain failures: one class each, no HTTP status, no vendor code.

Every dialect has one table from these classes to its own status, code and text. A failure crosses
from one function to another as data (`to_data`, `from_data`), never as an exception.
"""

from __future__ import annotations

from typing import ClassVar

_LONGEST = 1_000  # characters of a message: what was sent may stand in it, and is not sent back at any length


class KmsError(Exception):
    """A failure that the caller is told about.

    `text` is what a caller reads when the raiser has nothing more exact to say. It never holds a secret, a plaintext or
    a string to sign. `retryable` says whether the same request may succeed later. `field` is the canonical parameter
    that the message goes on from, or several with " or " between them: a dialect puts its own names there. `about` are
    facts that it may tell in its own words: the `key` (id or `alias/..`), its `state`, `usage`, `spec`, a lacking
    `parameter`, or that what a dry run verified is not `valid`.
    """

    text: ClassVar[str] = "The request failed."
    retryable: ClassVar[bool] = False

    def __init__(self, message: str = "", *, field: str = "", **about: str) -> None:
        half = _LONGEST // 2  # what was wrong stands at the beginning or at the end
        long = len(message) > _LONGEST
        super().__init__(f"{message[:half]}...{message[-half:]}" if long else message or self.text)
        self.field, self.about = field, about

    @property
    def message(self) -> str:
        return f"{self.field} {self.args[0]}" if self.field else str(self.args[0])

    def __str__(self) -> str:
        return self.message


# -- what the request says --------------------------------------------------------------------------


class MalformedRequest(KmsError):
    text = "The request could not be parsed."


class RequestTooLarge(KmsError):
    text = "The request is larger than 64 KB."


class UnsupportedMethod(KmsError):
    text = "The HTTP method is not supported: use POST or GET."


class UnknownAction(KmsError):
    text = "The Action does not exist."


class UnsupportedAction(KmsError):
    text = "The Action exists at the provider but is not served here."


class UnknownVersion(KmsError):
    text = "The API Version is not served here."


class MissingParameter(KmsError):
    text = "A required parameter is missing."


class InvalidParameter(KmsError):
    text = "A parameter has an invalid value."


class UnknownParameter(KmsError):
    text = "The Action has no such parameter."


class UnsupportedParameter(KmsError):
    text = "A parameter asks for something that is not supported here."


class InvalidPlaintext(KmsError):
    text = "The Plaintext is not encoded with base64."


class PlaintextTooLong(KmsError):
    text = "The Plaintext is too long."


class InvalidContext(KmsError):
    text = "The EncryptionContext must be a JSON object whose keys and values are strings."


class MalformedCiphertext(KmsError):
    text = "The CiphertextBlob is not encoded with base64."  # told before any key is looked at


class InvalidCiphertext(KmsError):  # whatever the reason is
    text = "The CiphertextBlob is not valid, or the EncryptionContext differs from the one it was made with."


class IncorrectKey(KmsError):
    text = "The CiphertextBlob was not made with the key that is named."


class InvalidAlias(KmsError):
    text = "The alias is not valid."


class ReservedAlias(KmsError):
    text = "The alias is reserved."


class InvalidKeyId(KmsError):
    text = "The KeyId is not valid."


class InvalidPolicy(KmsError):
    text = "The policy document is not valid."


class InvalidPendingWindow(KmsError):
    text = "PendingWindowInDays is out of range."


class InvalidPublicKey(KmsError):
    text = "The public key is not a point on the key's curve, as SubjectPublicKeyInfo in DER."


class InvalidImportToken(KmsError):
    text = "The ImportToken is not valid, or not for this key."


class ExpiredImportToken(KmsError):
    text = "The ImportToken has expired: ask for new import parameters."


class InvalidKeyMaterial(KmsError):
    text = "The key material does not unwrap to a key of the right length."


class MaterialMismatch(KmsError):
    text = "The key material differs from what was imported before: only the same may be imported again."


# -- who is asking ----------------------------------------------------------------------------------


class Unsigned(KmsError):
    text = "The request is not signed, or a part of its authentication is missing."


class UnsupportedSignature(KmsError):
    text = "The signature method is not supported."


class UnknownAccessKey(KmsError):
    text = "The access key does not exist."


class CredentialDisabled(KmsError):
    text = "The access key is disabled."


class SignatureMismatch(KmsError):
    text = (
        "The signature does not match the request: check the secret, the host name and any proxy that rewrites headers."
    )


class RequestExpired(KmsError):
    text = "The request's time differs too much from the server's: check the clock."


class NonceReused(KmsError):
    text = "The request was sent before: it is to be signed anew, with another nonce or time."


class InvalidSecurityToken(KmsError):
    text = "The security token is not valid."


class MismatchedSecurityToken(KmsError):
    text = "The security token does not belong to the access key."


class ExpiredSecurityToken(KmsError):
    text = "The security token has expired."


class AccessDenied(KmsError):
    text = "The access key's policy does not allow this."


# -- what is there, and in what state ---------------------------------------------------------------


class KeyNotFound(KmsError):
    text = "The key does not exist."


class AliasNotFound(KmsError):
    text = "The alias does not exist."


class AliasExists(KmsError):
    text = "The alias already exists."


class KeyVersionNotFound(KmsError):
    text = "The key version does not exist."


class ResourceNotFound(KmsError):
    text = "A resource that is named does not exist."


class LimitExceeded(KmsError):
    text = "A limit is reached."


class KeyDisabled(KmsError):
    text = "The key is disabled."


class KeyPendingDeletion(KmsError):
    text = "The key is pending deletion."


class KeyPendingImport(KmsError):
    text = "The key waits for its material to be imported."


class KeyArchived(KmsError):
    text = "The key is archived: it decrypts only."


class StateConflict(KmsError):
    text = "The key's state does not allow this change."


class KeyNotDisabled(KmsError):
    text = "The key must be disabled first."


class KeyNotPendingDeletion(KmsError):
    text = "The key is not pending deletion."


class DeletionProtected(KmsError):
    text = "The key is protected from deletion: end the protection first."


class ExternalOrigin(KmsError):
    text = "The key's material is imported, which does not allow this operation."


class NotExternal(KmsError):
    text = "The key's material is not imported: create a key of origin EXTERNAL."


class RotationUnsupported(KmsError):
    text = "Keys of this spec are not rotated."


class RotationTooSoon(KmsError):
    text = "The key was rotated less than 24 hours ago."


class InvalidKeyUsage(KmsError):
    text = "The key's usage does not allow this operation."


class InvalidAlgorithm(KmsError):
    text = "The algorithm does not fit the key."


class UnsupportedKeySpec(KmsError):
    text = "The key spec is not supported."


# -- how it went ------------------------------------------------------------------------------------


class DryRunSucceeded(KmsError):
    text = "The request would have succeeded, but DryRun is set."


class Conflict(KmsError):
    text = "The key was changed by somebody else at the same time: try again."
    retryable = True


class Throttled(KmsError):
    text = "Too many requests: try again later."
    retryable = True


class Unavailable(KmsError):  # a dependency did not do its part; nothing of its error leaves
    text = "The service is temporarily unavailable: try again later."
    retryable = True


class Internal(KmsError):
    text = "An internal error occurred."  # details are in the log under the request id, never in the answer
    retryable = True


ERRORS: dict[str, type[KmsError]] = {cls.__name__: cls for cls in KmsError.__subclasses__()}


def kind(error: KmsError) -> type[KmsError]:
    """The class that dialects and other functions know an error by: its own, or the one it refines."""
    return next(cls for cls in type(error).__mro__ if ERRORS.get(cls.__name__) is cls)


def to_data(error: KmsError) -> dict[str, str]:
    field = {"field": error.field} if error.field else {}
    return error.about | {"type": kind(error).__name__, "message": error.message} | field


def from_data(data: dict[str, str]) -> KmsError:
    """The failure that `to_data` wrote. An unknown type (a newer function answered) becomes `Internal`."""
    cls, field = ERRORS.get(data.get("type", "")), data.get("field", "")
    rest = {name: value for name, value in data.items() if name not in ("type", "message")}
    return cls(data.get("message", "").removeprefix(f"{field} "), **rest) if cls else Internal()
