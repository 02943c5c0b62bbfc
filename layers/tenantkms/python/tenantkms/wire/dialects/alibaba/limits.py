"""How often an access key may call Alibaba Cloud KMS.

From "Performance data for KMS" (Alibaba Cloud, March 2026), the shared gateway: requests per second of one account in a
region, which the operations of a row share.
"""

from __future__ import annotations

from tenantkms.model.limits import Rate

_SHARED = {
    ("service activation", 1): "OpenKmsService DescribeAccountKmsStatus",
    ("key queries", 50): (
        "DescribeKey DescribeKeyVersion DescribeRegions GetParametersForImport GetPublicKey ListAliases"
        " ListAliasesByKeyId ListKeys ListKeyVersions ListTagResources"
        " GetKeyPolicy"  # not on that page
    ),
    ("ListResourceTags", 300): "ListResourceTags",
    ("CreateKey", 10): "CreateKey",
    ("symmetric cryptography", 1000): (
        "Encrypt Decrypt ReEncrypt GenerateDataKey GenerateDataKeyWithoutPlaintext ExportDataKey"
        " GenerateAndExportDataKey"
        " GenerateMac VerifyMac"  # not on that page
    ),
    ("asymmetric cryptography", 200): "AsymmetricDecrypt AsymmetricEncrypt AsymmetricSign AsymmetricVerify",
}
OTHERS = Rate("key changes", 30)
"""Everything else changes keys, aliases or tags."""
RATES = {name: Rate(*shared) for shared, names in _SHARED.items() for name in names.split()}
