"""The operations of AWS KMS, those that manage keys among them: parameters and answers by table."""

from __future__ import annotations

from collections.abc import Mapping

from tenantkms.model.profiles import DAY
from tenantkms.model.states import KeyState
from tenantkms.wire.dialects.aws import cryptography, fields, grants, leaves, names, pages, policies
from tenantkms.wire.dialects.aws.rows import BLOB, GRANTS, KEY, MANAGED, ONE_KEY, ONE_MANAGED, given
from tenantkms.wire.shapes import like
from tenantkms.wire.signing.aws_sigv4 import INVOCATION
from tenantkms.wire.translate import SPREAD, Operation, Out, Rule, Target, const, each, first, get, listed, one, refused

_METADATA: Mapping[str, Out] = {
    "AWSAccountId": lambda _result, view: view.site.account,
    "KeyId": get("id"),
    "Arn": leaves.key_arn("id"),
    "CreationDate": get("created"),
    "Enabled": lambda result, _view: result["state"] == KeyState.ENABLED,
    "Description": get("description"),
    "KeyUsage": get("usage"),
    "KeyState": listed("state", names.STATE_NAMES),
    "DeletionDate": leaves.positive("deletion_date"),
    "ValidTo": leaves.positive("material_expires"),
    "Origin": listed("origin", names.ORIGIN_NAMES),
    "ExpirationModel": leaves.expiration,
    "KeyManager": const("CUSTOMER"),
    "CustomerMasterKeySpec": listed("spec", names.SPEC_NAMES),
    "KeySpec": listed("spec", names.SPEC_NAMES),
    **leaves.ALGORITHMS,
    "MacAlgorithms": leaves.algorithms(names.macs),
    "MultiRegion": const(value=False),
    "CurrentKeyMaterialId": leaves.own_material("newest_version_id"),
}
_IMPORT = (
    MANAGED,
    given("ImportToken", "token", BLOB, required=True),
    given("EncryptedKeyMaterial", "wrapped", BLOB, required=True),
    given("ValidTo", "expires", fields.valid_to),
    given("ExpirationModel", SPREAD, fields.only("KEY_MATERIAL_EXPIRES", "KEY_MATERIAL_DOES_NOT_EXPIRE")),
    given("ImportType", SPREAD, fields.only("EXISTING_KEY_MATERIAL", unserved=frozenset({"NEW_KEY_MATERIAL"}))),
    *refused("KeyMaterialDescription", "KeyMaterialId"),
)
_IMPORTED: Mapping[str, Out] = {"KeyId": leaves.key_arn(), "KeyMaterialId": leaves.own_material("key_version_id")}
_ALIAS = given("AliasName", "alias", fields.alias, required=True)
_TARGET = given("TargetKeyId", "key_id", fields.managed_key, required=True)
_OWNER = fields.only("SELF", unserved=frozenset({"OTHER_ACCOUNTS_VIA_RAM"}))
_BYPASS = given("BypassPolicyLockoutSafetyCheck", "bypass_policy_lockout_safety_check", fields.boolean)
_POLICY_NAME = given("PolicyName", SPREAD, policies.policy_name)
_DAYS = fields.integer(90, 2560)

OPERATIONS: dict[str, Operation] = {
    **cryptography.OPERATIONS,
    **grants.OPERATIONS,
    "GetPublicKey": Operation(
        "GetPublicKey",
        (KEY, GRANTS),
        {
            "KeyId": leaves.key_arn(),
            "PublicKey": get("der"),
            "CustomerMasterKeySpec": listed("spec", names.SPEC_NAMES),
            "KeySpec": listed("spec", names.SPEC_NAMES),
            "KeyUsage": get("usage"),
            **leaves.ALGORITHMS,
        },
    ),
    "CreateKey": Operation(
        "CreateKey",
        (
            given("Description", "description", fields.text(0, 8192)),
            given("KeySpec", "spec", fields.spec),
            given("CustomerMasterKeySpec", "spec", fields.spec),
            given("KeyUsage", Target("usage", fields.put_usage), fields.usage_name),
            given("Origin", "origin", fields.origin),
            given("Tags", "tags", fields.tags),
            given("MultiRegion", SPREAD, fields.off),
            given("Policy", "policy", policies.policy),
            _BYPASS,
            given(INVOCATION, "client_token", fields.invocation),
            *refused("CustomKeyStoreId", "XksKeyId"),
        ),
        {"KeyMetadata": one("key", _METADATA)},
        rules=(Rule(("KeySpec", "CustomerMasterKeySpec"), fields.check_one_spec, exclusive=True),),
    ),
    "DescribeKey": Operation("DescribeKey", (ONE_KEY, GRANTS), {"KeyMetadata": first("keys", _METADATA)}),
    "ListKeys": Operation(
        "ListKeys",
        (
            *pages.page("ListKeys"),
            given("ResourceOwners", SPREAD, fields.accepted(fields.texts(_OWNER))),
        ),
        {
            "Keys": each("keys", {"KeyId": get("id"), "KeyArn": leaves.key_arn("id")}),
            **pages.more("ListKeys", pages.rest_of("keys"), lambda _result: ""),
        },
        constant={"limit": 100},
    ),
    "EnableKey": Operation("EnableKey", (ONE_MANAGED,)),
    "DisableKey": Operation("DisableKey", (ONE_MANAGED,)),
    "UpdateKeyDescription": Operation(
        "UpdateKeyDescription",
        (MANAGED, given("Description", "description", fields.text(0, 8192), required=True)),
    ),
    "CreateAlias": Operation("CreateAlias", (_ALIAS, _TARGET)),
    "UpdateAlias": Operation("UpdateAlias", (_ALIAS, _TARGET)),
    "DeleteAlias": Operation("DeleteAlias", (_ALIAS,)),
    "ListAliases": Operation(
        "ListAliases",
        (given("KeyId", "key_id", fields.managed_key), *pages.page("ListAliases")),
        {
            "Aliases": each(
                "aliases",
                {
                    "AliasName": lambda result, _view: f"alias/{result['name']}",
                    "AliasArn": lambda result, view: names.named_arn(f"alias/{result['name']}", view.site),
                    "TargetKeyId": get("key_id"),
                },
            ),
            **pages.more("ListAliases", pages.rest_of("aliases"), lambda result: str(result["key_id"])),
        },
        constant={"limit": 50},
    ),
    "ScheduleKeyDeletion": Operation(
        "ScheduleKeyDeletion",
        (MANAGED, given("PendingWindowInDays", "days", fields.integer(1, 365))),
        {
            "KeyId": leaves.key_arn(),
            "DeletionDate": get("deletion_date"),
            "KeyState": const("PendingDeletion"),
            "PendingWindowInDays": get("days"),
        },
        constant={"days": 30},
    ),
    "CancelKeyDeletion": Operation("CancelKeyDeletion", (MANAGED,), {"KeyId": leaves.key_arn()}),
    "EnableKeyRotation": Operation(
        "UpdateRotationPolicy",
        (
            MANAGED,
            given(
                "RotationPeriodInDays", "seconds", like(_DAYS, per=DAY)(lambda wire, value: _DAYS(wire, value) * DAY)
            ),
        ),
        constant={"enabled": True, "seconds": 365 * DAY},
    ),
    "DisableKeyRotation": Operation("UpdateRotationPolicy", (MANAGED,), constant={"enabled": False}),
    "GetKeyRotationStatus": Operation(
        "DescribeKey",
        (ONE_MANAGED,),
        {
            "KeyId": lambda result, view: names.named_arn(result["keys"][0]["id"], view.site),
            "KeyRotationEnabled": lambda result, _view: leaves.rotation(result) > 0,
            "NextRotationDate": lambda result, _view: result["keys"][0]["next_rotation"] or None,
            "RotationPeriodInDays": lambda result, _view: leaves.rotation(result) // DAY or None,
        },
    ),
    "RotateKeyOnDemand": Operation("CreateKeyVersion", (MANAGED,), {"KeyId": leaves.key_arn()}),
    "ListKeyRotations": Operation(
        "ListKeyVersions",
        (
            MANAGED,
            *pages.page("ListKeyRotations"),
            given(
                "IncludeKeyMaterial",
                SPREAD,
                fields.only("ROTATIONS_ONLY", unserved=frozenset({"ALL_KEY_MATERIAL"})),
            ),
        ),
        {
            "Rotations": each(
                "versions",
                {
                    "KeyId": leaves.key_arn(),
                    "KeyMaterialId": leaves.material(),
                    "RotationDate": get("created"),
                    "RotationType": leaves.rotation_type,
                },
            ),
            **pages.more("ListKeyRotations", pages.rest_of("versions"), pages.row_key("versions")),
        },
        constant={"limit": 100, "offset": 1},
    ),
    "GetParametersForImport": Operation(
        "GetParametersForImport",
        (
            MANAGED,
            given(
                "WrappingAlgorithm",
                "wrapping_algorithm",
                fields.enum(names.WRAPPINGS, frozenset({"RSAES_PKCS1_V1_5", "SM2PKE"})),
                required=True,
            ),
            given(
                "WrappingKeySpec",
                "wrapping_key_spec",
                fields.enum({name: name for name in ("RSA_2048", "RSA_3072", "RSA_4096")}, frozenset({"SM2"})),
                required=True,
            ),
        ),
        {
            "KeyId": leaves.key_arn(),
            "ImportToken": get("token"),
            "PublicKey": get("public_key"),
            "ParametersValidTo": get("expires"),
        },
    ),
    "ImportKeyMaterial": Operation(
        "ImportKeyMaterial",
        _IMPORT,
        _IMPORTED,
        rules=(Rule(("ValidTo",), fields.check_valid_to),),
        by="ExpirationModel",
        variants={
            "KEY_MATERIAL_DOES_NOT_EXPIRE": Operation(
                "ImportKeyMaterial", _IMPORT, _IMPORTED, rules=(Rule(("ValidTo",), fields.check_no_valid_to),)
            )
        },
    ),
    "DeleteImportedKeyMaterial": Operation("DeleteKeyMaterial", (MANAGED, *refused("KeyMaterialId")), _IMPORTED),
    "GetKeyPolicy": Operation(
        "GetKeyPolicy", (MANAGED, _POLICY_NAME), {"Policy": get("policy"), "PolicyName": const("default")}
    ),
    "PutKeyPolicy": Operation(
        "SetKeyPolicy",
        (MANAGED, _POLICY_NAME, given("Policy", "policy", policies.policy, required=True), _BYPASS),
    ),
    "ListKeyPolicies": Operation(
        "DescribeKey",
        (
            ONE_MANAGED,
            given("Limit", SPREAD, fields.accepted(fields.integer(1, 1000))),
            given("Marker", SPREAD, pages.no_marker),
        ),
        {"PolicyNames": const(["default"]), "Truncated": const(value=False)},
    ),
    "TagResource": Operation("TagResources", (ONE_MANAGED, given("Tags", "tags", fields.tags, required=True))),
    "UntagResource": Operation(
        "UntagResources", (ONE_MANAGED, given("TagKeys", "names", fields.tag_keys, required=True))
    ),
    "ListResourceTags": Operation(
        "ListTagResources",
        (
            ONE_MANAGED,
            *pages.page("ListResourceTags", "start"),
        ),
        {
            "Tags": each("rows", {"TagKey": get("name"), "TagValue": get("value")}),
            **pages.more("ListResourceTags", pages.rows_of_one_key, pages.row_key("rows")),
        },
        constant={"limit": 50},
    ),
}

_LEFT_OUT = {
    "there is no hardware behind this: no custom key stores": (
        "ConnectCustomKeyStore CreateCustomKeyStore DeleteCustomKeyStore DescribeCustomKeyStores"
        " DisconnectCustomKeyStore UpdateCustomKeyStore"
    ),
    "one deployment is of one region: no multi-Region keys": "ReplicateKey UpdatePrimaryRegion",
    "ML-KEM keys cannot be tested with a client yet": "Decapsulate Encapsulate",
    "uses of keys stand in the audit log, not on the key": "GetKeyLastUsage",
}
UNSUPPORTED = {name: reason for reason, names in _LEFT_OUT.items() for name in names.split()}
