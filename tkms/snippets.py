"""Ready programs for each SDK, with an endpoint, a credential and a key filled in.

What a program is called, and what it needs, stands here; the programs themselves in the folder `programs`, with
`@NAME@` where `render` fills something in.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from tenantkms.model.alias import ALIAS_PREFIX
from tenantkms.model.site import Site
from tenantkms.names import ALIBABA, AWS, TENCENT, TENCENT_V2
from tkms.output import UsageError

_FOLDER = Path(__file__).parent / "programs"
_FIELD = re.compile("@([A-Z_]+)@")
_PLAIN = re.compile(r"[A-Za-z0-9_.~:/+=@\[\]-]+")
"""What means itself between the quotes of every language."""


class Snippet(NamedTuple):
    """`install` is what the program needs."""

    title: str
    dialect: str
    language: str
    install: str


HEADS = {
    "python": "# {}",
    "sh": "# {}",
    "js": "// {}",
    "java": "// {}",
    "go": "// {}",
    "csharp": "// {}",
    "php": "<?php\n// {}",
}
"""How a program of a language begins, with what it is."""

_TLS = "https only: tkms serve --tls"

SNIPPETS = {
    "alibaba": Snippet("Alibaba Cloud, Python SDK", ALIBABA, "python", "pip install alibabacloud-kms20160120"),
    "alibaba-classic": Snippet(
        "Alibaba Cloud, classic Python SDK", ALIBABA, "python", "pip install aliyun-python-sdk-kms"
    ),
    "alibaba-node": Snippet("Alibaba Cloud, Node.js SDK", ALIBABA, "js", "npm install @alicloud/kms20160120@1"),
    "alibaba-java": Snippet("Alibaba Cloud, Java SDK", ALIBABA, "java", "Maven: com.aliyun:kms20160120"),
    "alibaba-go": Snippet("Alibaba Cloud, Go SDK", ALIBABA, "go", "go get github.com/alibabacloud-go/kms-20160120/v3"),
    "alibaba-php": Snippet("Alibaba Cloud, PHP SDK", ALIBABA, "php", "composer require alibabacloud/kms-20160120"),
    "alibaba-dotnet": Snippet(
        "Alibaba Cloud, .NET SDK", ALIBABA, "csharp", "dotnet add package AlibabaCloud.SDK.Kms20160120"
    ),
    "tencent": Snippet(
        "Tencent Cloud, Python SDK (API 3.0)", TENCENT, "python", "pip install tencentcloud-sdk-python-kms"
    ),
    "tencent-node": Snippet("Tencent Cloud, Node.js SDK", TENCENT, "js", "npm install tencentcloud-sdk-nodejs"),
    "tencent-java": Snippet(
        "Tencent Cloud, Java SDK", TENCENT, "java", "Maven: com.tencentcloudapi:tencentcloud-sdk-java-kms"
    ),
    "tencent-go": Snippet(
        "Tencent Cloud, Go SDK", TENCENT, "go", "go get github.com/tencentcloud/tencentcloud-sdk-go/tencentcloud/kms"
    ),
    "tencent-php": Snippet("Tencent Cloud, PHP SDK", TENCENT, "php", "composer require tencentcloud/kms"),
    "tencent-dotnet": Snippet("Tencent Cloud, .NET SDK", TENCENT, "csharp", "dotnet add package TencentCloudSDK.Kms"),
    "tccli": Snippet("Tencent Cloud, command line", TENCENT, "sh", "pip install tccli"),
    "curl": Snippet("curl and openssl (Tencent API 3.0, HmacSHA256)", TENCENT, "sh", ""),
    "tencent-v2": Snippet(
        f"Tencent Cloud, legacy Python SDK (API v2, {_TLS})", TENCENT_V2, "python", "pip install qcloudapi-sdk-python"
    ),
    "aws": Snippet("AWS, Python SDK", AWS, "python", "pip install boto3"),
    "aws-cli": Snippet("AWS, command line, version 1 or 2", AWS, "sh", "pip install awscli"),
    "aws-node": Snippet("AWS, SDK for JavaScript", AWS, "js", "npm install @aws-sdk/client-kms"),
    "aws-java": Snippet("AWS, SDK for Java 2", AWS, "java", "Maven: software.amazon.awssdk:kms"),
    "aws-go": Snippet(
        "AWS, SDK for Go 2",
        AWS,
        "go",
        "go get github.com/aws/aws-sdk-go-v2/credentials github.com/aws/aws-sdk-go-v2/service/kms",
    ),
    "aws-php": Snippet("AWS, SDK for PHP", AWS, "php", "composer require aws/aws-sdk-php"),
    "aws-dotnet": Snippet("AWS, SDK for .NET", AWS, "csharp", "dotnet add package AWSSDK.KeyManagementService"),
    "aws-encryption-sdk": Snippet(
        "AWS Encryption SDK, Python: messages name the key's ARN for ever",
        AWS,
        "python",
        "pip install 'aws-encryption-sdk[MPL]'",
    ),
    "tink": Snippet("Tink, Python, with an AWS KMS key", AWS, "python", "pip install 'tink[awskms]'"),
    "mongodb": Snippet(
        f"MongoDB, client-side encryption, with a mongod ({_TLS})", AWS, "python", "pip install 'pymongo[encryption]'"
    ),
}


def names_of(dialects: Collection[str]) -> list[str]:
    """The programs of these dialects."""
    return [name for name, snippet in SNIPPETS.items() if snippet.dialect in dialects]


def listing(names: Iterable[str]) -> str:
    """One line for each program: its name, and what it is."""
    return "".join(f"  {name:<20}{SNIPPETS[name].title}\n" for name in names)


def render(name: str, *, url: str, access_key_id: str, secret: str, key: str, key_id: str, site: Site) -> str:
    """The program `name`, with a first line that says what it is and what it needs.

    `key` is how the key was named: an alias stays one where the client takes aliases. Raises `UsageError` for what no
    program can be given.
    """
    from tenantkms.wire.dialects.aws.names import named_arn  # the dialects are not the other commands' to load

    snippet = SNIPPETS[name]
    scheme, host = _endpoint(url)
    fields = {
        "ID": access_key_id,
        "SECRET": secret,
        "KEY": key if key.startswith(ALIAS_PREFIX) else key_id,
        "KEY_ID": key_id,
        "ARN": named_arn(key_id, site),
        "REGION": site.region,
        "HOST": host,
        "SCHEME": scheme,
        "TCCLI": f"http://{host}" if scheme == "http" else host,
    }
    for field, value in fields.items():
        if not _PLAIN.fullmatch(value):
            raise UsageError(f"No program can be given this {field}: it has more than letters, digits and ._~:/+=@[]-")
    code = _FIELD.sub(lambda found: fields[found[1]], (_FOLDER / f"{name}.txt").read_text("utf-8"))
    needs = f"  ({snippet.install})" if snippet.install else ""
    return f"{HEADS[snippet.language].format(snippet.title + needs)}\n{code}"


def _endpoint(url: str) -> tuple[str, str]:
    """Scheme, and host with port: all that an SDK can be given. Raises `UsageError`."""
    try:
        parts = urlsplit(url)
        port_is_one = parts.port is None or parts.port > 0
    except ValueError:
        port_is_one = False
    if not port_is_one or parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise UsageError(f"--endpoint {url}: it has to be http://HOST:PORT or https://HOST:PORT.")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise UsageError(f"--endpoint {url}: the SDKs take a host and a port, and no path.")
    return parts.scheme, parts.netloc
