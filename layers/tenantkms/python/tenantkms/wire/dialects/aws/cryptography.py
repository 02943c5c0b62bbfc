"""The operations of AWS KMS that use keys: parameters and answers by table."""

from __future__ import annotations

from collections.abc import Mapping

from tenantkms.model.profiles import PROFILES
from tenantkms.names import AWS
from tenantkms.wire.dialects.aws import fields, leaves, names
from tenantkms.wire.dialects.aws.rows import BLOB, GRANTS, KEY, given
from tenantkms.wire.translate import SPREAD, In, Operation, Out, Rule, call, const, get, listed, refused

_USE = (GRANTS, given("DryRun", call("dry_run"), fields.boolean))
_CONTEXT_CODEC = fields.context(PROFILES[AWS].context_limit)
_CONTEXT = given("EncryptionContext", "context", _CONTEXT_CODEC)
_NO_CONTEXT = given("EncryptionContext", SPREAD, fields.no_context)
_RECIPIENT = refused("Recipient")
# What another dialect encrypts may be longer than here, and opens here.
_CIPHERTEXT = given("CiphertextBlob", "ciphertext", fields.blob(1, 8192), required=True)
_PLAINTEXT = given("Plaintext", "plaintext", fields.blob(1, 4096), required=True)
_MESSAGE = given("Message", "message", fields.blob(1, 4096), required=True)
_DRY_MODIFIERS = refused("DryRunModifiers")
_SYMMETRIC = "SYMMETRIC_DEFAULT"


def _algorithm(wire: str) -> In:
    """The algorithm of symmetric keys, by name; what names another is a variant."""
    return given(wire, SPREAD, fields.only(_SYMMETRIC, *names.ENCRYPTIONS, unserved=frozenset({"SM2PKE"})))


def _side(wire: str, to: str) -> In:
    """The algorithm of one side of ReEncrypt."""
    served = {_SYMMETRIC: {}, **{name: {to: name} for name in names.ENCRYPTIONS}}
    return given(wire, SPREAD, fields.enum(served, frozenset({"SM2PKE"})))


def _for_rsa(action: str, params: tuple[In, ...], out: Mapping[str, Out]) -> dict[str, Operation]:
    """The variants of an operation for RSA keys."""
    taken = (*params, _NO_CONTEXT, given("EncryptionAlgorithm", "algorithm", fields.enum(names.ENCRYPTIONS)), *_USE)
    return {
        name: Operation(action, taken, {**out, "KeyId": leaves.key_arn(), "EncryptionAlgorithm": const(name)})
        for name in names.ENCRYPTIONS
    }


_DATA_KEY = (
    KEY,
    _CONTEXT,
    given("NumberOfBytes", "number_of_bytes", fields.integer(1, 1024)),
    given("KeySpec", "key_spec", fields.enum({"AES_256": "AES_256", "AES_128": "AES_128"})),
    *_USE,
)
_SIZE = (Rule(("NumberOfBytes", "KeySpec"), fields.check_size),)
_BLOB_OUT: Mapping[str, Out] = {
    "CiphertextBlob": leaves.always("ciphertext"),
    "KeyId": leaves.key_arn(),
    "KeyMaterialId": leaves.material(),
}
_PAIR = (
    KEY,
    _CONTEXT,
    given("KeyPairSpec", "pair_spec", fields.enum(names.PAIRS, names.UNSERVED_PAIRS), required=True),
    *_USE,
)
_PAIR_OUT: Mapping[str, Out] = {
    "PrivateKeyCiphertextBlob": leaves.always("ciphertext"),
    "PublicKey": leaves.always("public"),
    "KeyId": leaves.key_arn(),
    "KeyPairSpec": listed("pair_spec", names.SPEC_NAMES),
    "KeyMaterialId": leaves.material(),
}
_SIGNING = (
    KEY,
    _MESSAGE,
    given("MessageType", SPREAD, fields.enum(names.MESSAGES)),
    given("SigningAlgorithm", "algorithm", fields.enum(names.SIGNINGS, names.UNSERVED_SIGNINGS), required=True),
    *_USE,
)


def _each_signing(action: str, more: tuple[In, ...], out: Mapping[str, Out]) -> Operation:
    """Answers name the algorithm that was asked for."""

    def of(name: str) -> Operation:
        told = {"KeyId": leaves.key_arn(), **out, "SigningAlgorithm": const(name)}
        return Operation(action, (*_SIGNING, *more), told, {"raw": True})

    served = {name: of(name) for name in names.SIGNINGS}
    return Operation(action, (*_SIGNING, *more), {}, {"raw": True}, by="SigningAlgorithm", variants=served)


_MAC = (_MESSAGE, KEY, given("MacAlgorithm", "algorithm", fields.enum(names.MACS), required=True), *_USE)

OPERATIONS: dict[str, Operation] = {
    "Encrypt": Operation(
        "Encrypt",
        (KEY, _PLAINTEXT, _CONTEXT, _algorithm("EncryptionAlgorithm"), *_USE),
        {
            "CiphertextBlob": leaves.always("ciphertext"),
            "KeyId": leaves.key_arn(),
            "EncryptionAlgorithm": const(_SYMMETRIC),
        },
        by="EncryptionAlgorithm",
        variants=_for_rsa("AsymmetricEncrypt", (KEY, _PLAINTEXT), {"CiphertextBlob": leaves.always("ciphertext")}),
    ),
    "Decrypt": Operation(
        "Decrypt",
        (
            _CIPHERTEXT,
            given("KeyId", "key_id", fields.key),
            _CONTEXT,
            _algorithm("EncryptionAlgorithm"),
            *_USE,
            *_RECIPIENT,
            *_DRY_MODIFIERS,
        ),
        {
            "KeyId": leaves.key_arn(),
            "Plaintext": leaves.always("plaintext"),
            "EncryptionAlgorithm": const(_SYMMETRIC),
            "KeyMaterialId": leaves.material(),
        },
        by="EncryptionAlgorithm",
        variants=_for_rsa(
            "AsymmetricDecrypt",
            (_CIPHERTEXT, KEY, *_RECIPIENT, *_DRY_MODIFIERS),
            {"Plaintext": leaves.always("plaintext")},
        ),
    ),
    "ReEncrypt": Operation(
        "ReEncrypt",
        (
            _CIPHERTEXT,
            given("SourceKeyId", "source_key_id", fields.key),
            given("DestinationKeyId", "destination_key_id", fields.key, required=True),
            given("SourceEncryptionContext", "source_context", _CONTEXT_CODEC),
            given("DestinationEncryptionContext", "destination_context", _CONTEXT_CODEC),
            _side("SourceEncryptionAlgorithm", "source_algorithm"),
            _side("DestinationEncryptionAlgorithm", "destination_algorithm"),
            *_USE,
            *_DRY_MODIFIERS,
        ),
        {
            "CiphertextBlob": leaves.always("ciphertext"),
            "SourceKeyId": leaves.key_arn("source_key_id"),
            "KeyId": leaves.key_arn(),
            "SourceEncryptionAlgorithm": lambda result, _view: result["source_algorithm"] or _SYMMETRIC,
            "DestinationEncryptionAlgorithm": lambda result, _view: result["destination_algorithm"] or _SYMMETRIC,
            "SourceKeyMaterialId": leaves.material_unless("source_algorithm", "source_key_version_id"),
            "DestinationKeyMaterialId": leaves.material_unless("destination_algorithm", "key_version_id"),
        },
    ),
    "GenerateDataKey": Operation(
        "GenerateDataKey",
        (*_DATA_KEY, *_RECIPIENT),
        {"Plaintext": leaves.always("plaintext"), **_BLOB_OUT},
        rules=_SIZE,
    ),
    "GenerateDataKeyWithoutPlaintext": Operation("GenerateDataKeyWithoutPlaintext", _DATA_KEY, _BLOB_OUT, rules=_SIZE),
    "GenerateDataKeyPair": Operation(
        "GenerateDataKeyPair", (*_PAIR, *_RECIPIENT), {"PrivateKeyPlaintext": leaves.always("private"), **_PAIR_OUT}
    ),
    "GenerateDataKeyPairWithoutPlaintext": Operation("GenerateDataKeyPairWithoutPlaintext", _PAIR, _PAIR_OUT),
    "GenerateRandom": Operation(
        "GenerateRandom",
        (
            given("NumberOfBytes", "number_of_bytes", fields.integer(1, 1024), required=True),
            *refused("CustomKeyStoreId"),
            *_RECIPIENT,
        ),
        {"Plaintext": leaves.always("plaintext")},
    ),
    "GenerateMac": Operation(
        "GenerateMac", _MAC, {"Mac": leaves.always("mac"), "MacAlgorithm": get("algorithm"), "KeyId": leaves.key_arn()}
    ),
    "VerifyMac": Operation(
        "VerifyMac",
        (*_MAC, given("Mac", "mac", BLOB, required=True)),
        {"KeyId": leaves.key_arn(), "MacValid": leaves.valid_mac, "MacAlgorithm": get("algorithm")},
    ),
    "DeriveSharedSecret": Operation(
        "DeriveSharedSecret",
        (
            KEY,
            given("KeyAgreementAlgorithm", SPREAD, fields.only("ECDH"), required=True),
            given("PublicKey", "public_key", fields.blob(1, 8192), required=True),
            *_USE,
            *_RECIPIENT,
        ),
        {
            "KeyId": leaves.key_arn(),
            "SharedSecret": leaves.always("shared"),
            "KeyAgreementAlgorithm": const("ECDH"),
            "KeyOrigin": listed("origin", names.ORIGIN_NAMES),
        },
    ),
    "Sign": _each_signing("AsymmetricSign", (), {"Signature": leaves.always("signature")}),
    "Verify": _each_signing(
        "AsymmetricVerify",
        (given("Signature", "signature", BLOB, required=True),),
        {"SignatureValid": leaves.valid_signature},
    ),
}
