"""How often an access key may call AWS KMS.

From "Request quotas" in the AWS KMS Developer Guide: requests per second of one account in a region, of which the
cryptographic operations of one kind of key share theirs. What is below one a second there is one here.
"""

from __future__ import annotations

from tenantkms.model.limits import Rate

_SHARED = {
    ("symmetric cryptography", 20_000): (
        "Encrypt Decrypt ReEncrypt GenerateDataKey GenerateDataKeyWithoutPlaintext GenerateMac VerifyMac GenerateRandom"
    ),
    ("asymmetric cryptography", 1_000): "Sign Verify DeriveSharedSecret",
}
_OWN = {
    2_000: "DescribeKey GetPublicKey ListResourceTags",
    1_000: "GetKeyPolicy GetKeyRotationStatus",
    500: "ListKeys ListAliases",
    100: "ListGrants ListKeyPolicies ListKeyRotations ListRetirableGrants",
    50: "CreateGrant",
    30: "RetireGrant RevokeGrant",
    15: ("DeleteAlias DeleteImportedKeyMaterial EnableKeyRotation ImportKeyMaterial PutKeyPolicy ScheduleKeyDeletion"),
    10: "TagResource",
    # Of RSA_4096, the least that the page has; of elliptic curves it has a hundred times as many.
    1: "GenerateDataKeyPair GenerateDataKeyPairWithoutPlaintext GetParametersForImport",
}
OTHERS = Rate("others", 5)
"""Each of the others has as many for itself; they share them here."""
RATES = {
    **{name: Rate(*shared) for shared, names in _SHARED.items() for name in names.split()},
    **{name: Rate(name, per_second) for per_second, names in _OWN.items() for name in names.split()},
}
