"""Names that several rooms know: of the dialects, of the Actions, and of the folder of one under `functions/`."""

from __future__ import annotations

import re

ALIBABA, TENCENT, TENCENT_V2, AWS = "alibaba", "tencent", "tencent-v2", "aws"
DIALECTS = (ALIBABA, TENCENT, TENCENT_V2, AWS)
"""The dialects that a credential can be allowed in."""
NATIVE = "native"
"""Who calls without a dialect: the `tkms` command, and AWS principals that invoke an Action's function."""
RAM, IAM = "ram", "iam"
"""The forms of key policies: of Alibaba Cloud, and of AWS."""

ACTIONS = tuple(
    """
    ArchiveKey AsymmetricDecrypt AsymmetricEncrypt AsymmetricSign AsymmetricVerify CancelKeyArchive
    CancelKeyDeletion CreateAlias CreateGrant CreateKey CreateKeyVersion Decrypt DeleteAlias DeleteKeyMaterial
    DeriveSharedSecret DescribeKey DescribeKeyVersion DescribeService DisableKey EnableKey Encrypt ExportDataKey
    GenerateAndExportDataKey GenerateDataKey GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext
    GenerateDataKeyWithoutPlaintext GenerateMac GenerateRandom GetKeyPolicy GetParametersForImport GetPublicKey
    ImportKeyMaterial IssueSession ListAliases ListGrants ListKeyVersions ListKeys ListRetirableGrants
    ListTagResources ReEncrypt RetireGrant RevokeGrant ScheduleKeyDeletion SetDeletionProtection SetKeyAlias
    SetKeyPolicy TagResources UntagResources UpdateAlias UpdateKeyDescription UpdateRotationPolicy VerifyMac
    """.split()
)
"""All there are, sorted; each has its `@action` line in a handler under `functions/`."""

CHANGING = frozenset(
    """
    ArchiveKey CancelKeyArchive CancelKeyDeletion CreateAlias CreateGrant CreateKey CreateKeyVersion DeleteAlias
    DeleteKeyMaterial DisableKey EnableKey ImportKeyMaterial RetireGrant RevokeGrant ScheduleKeyDeletion
    SetDeletionProtection SetKeyAlias SetKeyPolicy TagResources UntagResources UpdateAlias UpdateKeyDescription
    UpdateRotationPolicy
    """.split()
)
"""Those that commit something. `tests/lifecycle/test_crash.py` compares."""

SAFE_AGAIN = frozenset({"AsymmetricEncrypt", "AsymmetricVerify", "Encrypt", "VerifyMac"})
"""Those that change nothing and answer whoever has the request nothing new, but whether a signature is right."""

OTHER_NAMES = {
    "AsymmetricRsaDecrypt": "AsymmetricDecrypt",
    "DeleteImportedKeyMaterial": "DeleteKeyMaterial",
    "DescribeAccountKmsStatus": "DescribeService",
    "DescribeKeys": "DescribeKey",
    "DescribeRegions": "DescribeService",
    "DisableKeyRotation": "UpdateRotationPolicy",
    "DisableKeys": "DisableKey",
    "EnableKeyRotation": "UpdateRotationPolicy",
    "EnableKeys": "EnableKey",
    "GetKeyAttributes": "DescribeKey",
    "GetKeyRotationStatus": "DescribeKey",
    "GetRegions": "DescribeService",
    "GetServiceStatus": "DescribeService",
    "ListAlgorithms": "DescribeService",
    "ListAliasesByKeyId": "ListAliases",
    "ListKey": "ListKeys",
    "ListKeyDetail": "ListKeys",
    "ListKeyPolicies": "DescribeKey",
    "ListKeyRotations": "ListKeyVersions",
    "ListResourceTags": "ListTagResources",
    "OpenKmsService": "DescribeService",
    "PutKeyPolicy": "SetKeyPolicy",
    "RotateKey": "CreateKeyVersion",
    "RotateKeyOnDemand": "CreateKeyVersion",
    "SetKeyAttributes": "SetKeyAlias",
    "Sign": "AsymmetricSign",
    "SignByAsymmetricKey": "AsymmetricSign",
    "TagResource": "TagResources",
    "UntagResource": "UntagResources",
    "Verify": "AsymmetricVerify",
    "VerifyByAsymmetricKey": "AsymmetricVerify",
}
"""What clients call Actions, where that is no name of another one: policies have only one name for each."""

_WORD = re.compile(r"(?<!^)(?=[A-Z])")


def folder(action: str) -> str:
    """The folder of an Action under `functions/`: `GenerateDataKey` lives in `generate_data_key`."""
    return _WORD.sub("_", action).lower()


def module(action: str) -> str:
    """The module of an Action, which holds it under the name of its folder."""
    return f"functions.{folder(action)}.handler"
