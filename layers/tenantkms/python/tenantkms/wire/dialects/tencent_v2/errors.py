"""The errors of Tencent Cloud KMS, legacy API v2."""

from __future__ import annotations

from typing import NamedTuple

from tenantkms import errors as e


class Row(NamedTuple):
    """`module` is the KMS module's own code, in front of the message; 0: the same as `code`. Text None: the error's."""

    code: int
    desc: str
    module: int = 0
    text: str | None = None


_ENCRYPTION_FAILED = Row(4560, "EncryptionFailed", 10660, "encryption failed, please check input parameters")

ERRORS: dict[type[e.KmsError], Row] = {
    e.MalformedRequest: Row(4000, "InvalidParameter"),
    e.RequestTooLarge: Row(4000, "InvalidParameter"),
    e.UnsupportedMethod: Row(4600, "UnsupportedProtocol"),
    e.UnknownAction: Row(4000, "InvalidParameter"),
    e.UnsupportedAction: Row(4000, "InvalidParameter"),
    e.UnknownVersion: Row(4000, "InvalidParameter"),
    e.MissingParameter: Row(4000, "InvalidParameter"),
    e.InvalidParameter: Row(4000, "InvalidParameter"),
    e.UnknownParameter: Row(4000, "InvalidParameter"),
    e.UnsupportedParameter: Row(4000, "InvalidParameter"),
    e.InvalidPlaintext: Row(4590, "InvalidPlaintext", 10690, "plaintext is not encoded with base64"),
    e.PlaintextTooLong: _ENCRYPTION_FAILED,
    e.InvalidContext: Row(4540, "IllegalEncryptionContext", 10640, "illegal encryptionContext"),
    e.MalformedCiphertext: Row(4000, "InvalidParameter"),
    e.InvalidCiphertext: Row(4000, "InvalidParameter"),
    e.IncorrectKey: Row(4000, "InvalidParameter"),
    e.InvalidAlias: Row(4000, "InvalidParameter"),
    e.ReservedAlias: Row(4000, "InvalidParameter"),
    e.InvalidKeyId: Row(4000, "InvalidParameter"),
    e.InvalidPolicy: Row(4000, "InvalidParameter"),
    e.InvalidPendingWindow: Row(4000, "InvalidParameter"),
    e.InvalidPublicKey: Row(4000, "InvalidParameter"),
    e.InvalidImportToken: Row(4000, "InvalidParameter"),
    e.ExpiredImportToken: Row(4000, "InvalidParameter"),
    e.InvalidKeyMaterial: Row(4000, "InvalidParameter"),
    e.MaterialMismatch: Row(4000, "InvalidParameter"),
    e.Unsigned: Row(4100, "AuthFailure"),
    e.UnsupportedSignature: Row(4100, "AuthFailure"),
    e.UnknownAccessKey: Row(4104, "SecretIdNotFound"),
    e.CredentialDisabled: Row(4100, "AuthFailure"),
    e.SignatureMismatch: Row(4100, "AuthFailure"),
    e.RequestExpired: Row(4500, "ReplayAttack"),
    e.NonceReused: Row(4500, "ReplayAttack"),
    e.InvalidSecurityToken: Row(4105, "TokenFailure"),
    e.MismatchedSecurityToken: Row(4105, "TokenFailure"),
    e.ExpiredSecurityToken: Row(4105, "TokenFailure"),
    e.AccessDenied: Row(4103, "UnauthorizedOperation"),
    e.KeyNotFound: Row(5000, "ResourceNotFound"),
    e.AliasNotFound: Row(5000, "ResourceNotFound"),
    e.AliasExists: Row(4000, "InvalidParameter"),
    e.KeyVersionNotFound: Row(5000, "ResourceNotFound"),
    e.ResourceNotFound: Row(5000, "ResourceNotFound"),
    e.LimitExceeded: Row(4400, "LimitExceeded"),
    e.KeyDisabled: Row(5100, "ResourceOpFailed"),
    e.KeyPendingDeletion: Row(5100, "ResourceOpFailed"),
    e.KeyPendingImport: Row(5100, "ResourceOpFailed"),
    e.KeyArchived: Row(5100, "ResourceOpFailed"),
    e.StateConflict: Row(5100, "ResourceOpFailed"),
    e.KeyNotDisabled: Row(5100, "ResourceOpFailed"),
    e.KeyNotPendingDeletion: Row(5100, "ResourceOpFailed"),
    e.DeletionProtected: Row(5100, "ResourceOpFailed"),
    e.ExternalOrigin: Row(5100, "ResourceOpFailed"),
    e.NotExternal: Row(5100, "ResourceOpFailed"),
    e.RotationUnsupported: Row(5100, "ResourceOpFailed"),
    e.RotationTooSoon: Row(4400, "LimitExceeded"),
    e.InvalidKeyUsage: Row(4000, "InvalidParameter"),
    e.InvalidAlgorithm: Row(4000, "InvalidParameter"),
    e.UnsupportedKeySpec: Row(4000, "InvalidParameter"),
    e.DryRunSucceeded: Row(4000, "InvalidParameter"),
    e.Conflict: Row(6000, "InternalError"),
    e.Throttled: Row(4400, "LimitExceeded"),
    e.Unavailable: Row(6000, "InternalError"),
    e.Internal: Row(6000, "InternalError"),
}
