"""The clients that there are programs for: `tkms snippet` prints them, and the explorer writes one for any call.

What a client is called, what it needs and lacks stands here; its programs in a file of the folder `programs`. It
begins with what sets the client up; after a line `@@ hello` comes what `tkms snippet` goes on with, after `@@ call` any
operation, as `programs.js` fills it in, and after `@@ bare` one whose method takes no request. `@NAME@` is
filled in.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tenantkms.names import ALIBABA, AWS, TENCENT, TENCENT_V2

_FOLDER = Path(__file__).with_name("programs")
_PART = re.compile(r"^@@ (\w+)\n", re.MULTILINE)
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_NEEDS = re.compile(r"@NEEDS@\n(\n?)")


class Language(NamedTuple):
    """`head` is a program's first line, with what it is. `quote` goes around a text that has nothing to escape.

    `environ` reads the variable `{}` of the environment. `needs`: what imports a program begins with, by a word in it.
    """

    head: str
    quote: str
    environ: str
    needs: Mapping[str, str] = {}


_COLLECTIONS = "using System.Collections.Generic;"
LANGUAGES = {
    "python": Language(
        "# {}",
        '"',
        'os.environ["{}"]',
        {"base64.b64": "import base64", "json.dumps": "import json", "os.environ": "import os"},
    ),
    # A shell's quotes stand in the programs, since what they enclose is more than one value.
    "sh": Language("# {}", "", "${{}:?}"),
    "js": Language("// {}", '"', "process.env.{}"),
    "java": Language(
        "// {}",
        '"',
        'System.getenv("{}")',
        {
            "SdkBytes.": "import software.amazon.awssdk.core.SdkBytes;",
            "GrantConstraints.": "import software.amazon.awssdk.services.kms.model.GrantConstraints;",
            "Tag.builder": "import software.amazon.awssdk.services.kms.model.Tag;",
            "Instant.": "import java.time.Instant;",
            "Base64.": "import java.util.Base64;",
            "List.of": "import java.util.List;",
            "Map.of": "import java.util.Map;",
        },
    ),
    "go": Language(
        "// {}",
        '"',
        'os.Getenv("{}")',
        {
            "base64.": 'import "encoding/base64"',
            "json.": 'import "encoding/json"',
            "os.Getenv": 'import "os"',
            "time.Unix": 'import "time"',
            "tea.": 'import "github.com/alibabacloud-go/tea/tea"',
            "types.": 'import "github.com/aws/aws-sdk-go-v2/service/kms/types"',
        },
    ),
    "csharp": Language(
        "// {}",
        '"',
        'System.Environment.GetEnvironmentVariable("{}")',
        {"new List<": _COLLECTIONS, "new Dictionary<": _COLLECTIONS},
    ),
    "php": Language("<?php\n// {}", "'", "getenv('{}')"),
}

ENVIRONMENT = {
    ALIBABA: ("ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET"),
    TENCENT: ("TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY"),
    TENCENT_V2: ("TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY"),
    AWS: ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"),
}
"""Where the vendors' own tools look for an access key's id and secret."""

REGIONS = {ALIBABA: "cn-hangzhou", TENCENT: "ap-guangzhou", TENCENT_V2: "gz"}
"""What a client is told that wants a region which no request of it is judged by."""


class Client(NamedTuple):
    """`install` is what a program needs.

    `lacks` are operations that it has no method for, and `Operation.Parameter`s that it cannot be given. `bare` are
    operations whose methods take no request.
    """

    title: str
    dialect: str
    language: str
    install: str
    lacks: tuple[str, ...] = ()
    bare: tuple[str, ...] = ()


_TLS = "https only: tkms serve --tls"
_TEA_LACKS = ("CreateKey.ClientToken",)
_TEA_BARE = ("DescribeAccountKmsStatus", "DescribeRegions", "OpenKmsService")
"""Tea's SDKs of all languages are made from one source."""
_CLASSIC_LACKS = ("CreateKey.ClientToken", "GenerateMac", "SetDeletionProtection.KeyId", "VerifyMac")
_NODE_LACKS = (
    *("AsymmetricDecrypt.DryRun", "AsymmetricEncrypt.DryRun", "AsymmetricSign.DryRun", "AsymmetricVerify.DryRun"),
    *("CreateKey.ClientToken", "CreateKey.Policy", "CreateKey.Tags", "Decrypt.DryRun", "DescribeAccountKmsStatus"),
    *("Encrypt.DryRun", "ExportDataKey", "GenerateAndExportDataKey", "GenerateDataKey.DryRun"),
    *("GenerateDataKeyWithoutPlaintext.DryRun", "GenerateMac", "GetKeyPolicy", "GetPublicKey.DryRun"),
    *("ListKeys.Filters", "ListTagResources", "OpenKmsService", "ReEncrypt", "SetDeletionProtection", "SetKeyPolicy"),
    *("TagResources", "UntagResources", "VerifyMac"),
)
_GO_AWS = "go get github.com/aws/aws-sdk-go-v2/credentials github.com/aws/aws-sdk-go-v2/service/kms"
_GO_TENCENT = "go get github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/kms"
_ESDK = "AWS Encryption SDK, Python: messages name the key's ARN for ever"

# fmt: off
CLIENTS = {
    "alibaba": Client("Alibaba Cloud, Python SDK", ALIBABA, "python", "pip install alibabacloud-kms20160120", _TEA_LACKS, _TEA_BARE),
    "alibaba-classic": Client("Alibaba Cloud, classic Python SDK", ALIBABA, "python", "pip install aliyun-python-sdk-kms", _CLASSIC_LACKS),
    "alibaba-node": Client("Alibaba Cloud, Node.js SDK", ALIBABA, "js", "npm install @alicloud/kms20160120@1", _NODE_LACKS),
    "alibaba-java": Client("Alibaba Cloud, Java SDK", ALIBABA, "java", "Maven: com.aliyun:kms20160120", _TEA_LACKS, _TEA_BARE),
    "alibaba-go": Client("Alibaba Cloud, Go SDK", ALIBABA, "go", "go get github.com/alibabacloud-go/kms-20160120/v3", _TEA_LACKS, _TEA_BARE),
    "alibaba-php": Client("Alibaba Cloud, PHP SDK", ALIBABA, "php", "composer require alibabacloud/kms-20160120", _TEA_LACKS, _TEA_BARE),
    "alibaba-dotnet": Client("Alibaba Cloud, .NET SDK", ALIBABA, "csharp", "dotnet add package AlibabaCloud.SDK.Kms20160120", _TEA_LACKS, _TEA_BARE),
    "aliyun": Client("Alibaba Cloud, command line", ALIBABA, "sh", "github.com/aliyun/aliyun-cli"),
    "curl-alibaba": Client("curl and openssl (Alibaba, ACS3-HMAC-SHA256)", ALIBABA, "sh", ""),
    "tencent": Client("Tencent Cloud, Python SDK (API 3.0)", TENCENT, "python", "pip install tencentcloud-sdk-python-kms"),
    "tencent-node": Client("Tencent Cloud, Node.js SDK", TENCENT, "js", "npm install tencentcloud-sdk-nodejs"),
    "tencent-java": Client("Tencent Cloud, Java SDK", TENCENT, "java", "Maven: com.tencentcloudapi:tencentcloud-sdk-java-kms"),
    "tencent-go": Client("Tencent Cloud, Go SDK", TENCENT, "go", _GO_TENCENT),
    "tencent-php": Client("Tencent Cloud, PHP SDK", TENCENT, "php", "composer require tencentcloud/kms"),
    "tencent-dotnet": Client("Tencent Cloud, .NET SDK", TENCENT, "csharp", "dotnet add package TencentCloudSDK.Kms"),
    "tccli": Client("Tencent Cloud, command line", TENCENT, "sh", "pip install tccli"),
    "curl": Client("curl and openssl (Tencent API 3.0, TC3-HMAC-SHA256)", TENCENT, "sh", ""),
    "tencent-v2": Client(f"Tencent Cloud, legacy Python SDK (API v2, {_TLS})", TENCENT_V2, "python", "pip install qcloudapi-sdk-python"),
    "curl-v2": Client("curl and openssl (Tencent API v2, HmacSHA256)", TENCENT_V2, "sh", ""),
    "aws": Client("AWS, Python SDK", AWS, "python", "pip install boto3"),
    "aws-cli": Client("AWS, command line, version 1 or 2", AWS, "sh", "pip install awscli"),
    "aws-node": Client("AWS, SDK for JavaScript", AWS, "js", "npm install @aws-sdk/client-kms", ("ListKeys.ResourceOwners",)),
    "aws-java": Client("AWS, SDK for Java 2", AWS, "java", "Maven: software.amazon.awssdk:kms"),
    "aws-go": Client("AWS, SDK for Go 2", AWS, "go", _GO_AWS),
    "aws-php": Client("AWS, SDK for PHP", AWS, "php", "composer require aws/aws-sdk-php"),
    "aws-dotnet": Client("AWS, SDK for .NET", AWS, "csharp", "dotnet add package AWSSDK.KeyManagementService"),
    "curl-aws": Client("curl 7.75 or newer (AWS, AWS4-HMAC-SHA256)", AWS, "sh", ""),
    "aws-encryption-sdk": Client(_ESDK, AWS, "python", "pip install 'aws-encryption-sdk[MPL]'"),
    "tink": Client("Tink, Python, with an AWS KMS key", AWS, "python", "pip install 'tink[awskms]'"),
    "mongodb": Client(f"MongoDB, client-side encryption, with a mongod ({_TLS})", AWS, "python", "pip install 'pymongo[encryption]'"),
}
# fmt: on


def parts(name: str) -> Mapping[str, str]:
    """The parts of a client's file; "" is what sets it up."""
    setup, *others = _PART.split((_FOLDER / f"{name}.txt").read_text("utf-8"))
    return {"": setup, **dict(zip(others[::2], others[1::2], strict=True))}


def hello(name: str) -> str:
    """The program that `tkms snippet` prints, with a first line of what it is; nothing is filled in."""
    client, found = CLIENTS[name], parts(name)
    language, code = LANGUAGES[client.language], found[""] + found.get("hello", "")
    bare = _STRING.sub('""', code)
    needs = "".join(f"{line}\n" for line in dict.fromkeys(n for word, n in language.needs.items() if word in bare))
    code = _NEEDS.sub(lambda found: f"{needs}{found[1]}" if needs else "", code)
    install = f"  ({client.install})" if client.install else ""
    return f"{language.head.format(client.title + install)}\n{code}"


def build() -> dict[str, Any]:
    """What the explorer writes programs of: the clients by their names, and languages. It knows no tenant."""
    clients = {name: {**client._asdict(), "parts": parts(name)} for name, client in CLIENTS.items()}
    return {
        "clients": {name: client for name, client in clients.items() if "call" in client["parts"]},
        "languages": {name: language._asdict() for name, language in LANGUAGES.items()},
        "environment": ENVIRONMENT,
        "regions": REGIONS,
    }
