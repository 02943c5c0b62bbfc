"""Ready programs for each SDK, with this machine's endpoint, credential and key filled in."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from tenantkms.model.alias import ALIAS_PREFIX
from tenantkms.model.site import Site
from tenantkms.names import ALIBABA, AWS, TENCENT, TENCENT_V2


class Snippet(NamedTuple):
    """`install` is what the program needs; `template` is filled in by `render`."""

    title: str
    dialect: str
    install: str
    template: str
    language: str = "python"


_COMMENTS = {"python": "#", "sh": "#", "js": "//"}


_BOTO3 = """\
login = dict(aws_access_key_id="{id}", aws_secret_access_key="{secret}", region_name="{region}")
kms = boto3.client("kms", endpoint_url="{scheme}://{host}", **login)"""

SNIPPETS = {
    "alibaba": Snippet(
        "Alibaba Cloud, Python SDK",
        ALIBABA,
        "pip install alibabacloud-kms20160120",
        """\
from alibabacloud_kms20160120 import client, models
from alibabacloud_tea_openapi.models import Config
kms = client.Client(Config("{id}", "{secret}", endpoint="{host}", protocol="{scheme}", region_id="cn-hangzhou"))
blob = kms.encrypt(models.EncryptRequest(key_id="{key}", plaintext="hello")).body.ciphertext_blob
print(kms.decrypt(models.DecryptRequest(ciphertext_blob=blob)).body.plaintext)
""",
    ),
    "alibaba-classic": Snippet(
        "Alibaba Cloud, classic Python SDK",
        ALIBABA,
        "pip install aliyun-python-sdk-kms",
        """\
from aliyunsdkcore.client import AcsClient
from aliyunsdkkms.request.v20160120.EncryptRequest import EncryptRequest
r = EncryptRequest(); r.set_endpoint("{host}"); r.set_protocol_type("{scheme}")
r.set_KeyId("{key}"); r.set_Plaintext("hello")
print(AcsClient("{id}", "{secret}", "cn-hangzhou").do_action_with_exception(r))
""",
    ),
    "tencent": Snippet(
        "Tencent Cloud, Python SDK (API 3.0)",
        TENCENT,
        "pip install tencentcloud-sdk-python-kms",
        """\
from tencentcloud.common import credential; from tencentcloud.kms.v20190118 import kms_client, models
from tencentcloud.common.profile import client_profile as c, http_profile as h
p = c.ClientProfile(httpProfile=h.HttpProfile(protocol="{scheme}", endpoint="{host}"))
kms, r = kms_client.KmsClient(credential.Credential("{id}", "{secret}"), "ap-guangzhou", p), models.EncryptRequest()
r.KeyId, r.Plaintext = "{key_id}", "aGVsbG8="; print(kms.Encrypt(r))
""",
    ),
    "tencent-v2": Snippet(
        "Tencent Cloud, legacy Python SDK (API v2, https only: tkms serve --tls-cert FILE --tls-key FILE)",
        TENCENT_V2,
        "pip install qcloudapi-sdk-python",
        """\
from QcloudApi.qcloudapi import QcloudApi
kms = QcloudApi("kms-meta", dict(Region="gz", secretId="{id}", secretKey="{secret}", endpoint="{host}", method="post"))
print(kms.call("Encrypt", dict(keyId="{key_id}", plaintext="aGVsbG8=")))
""",
    ),
    "aws": Snippet(
        "AWS, Python SDK",
        AWS,
        "pip install boto3",
        f"""\
import boto3
{_BOTO3}
made = kms.encrypt(KeyId="{{key}}", Plaintext=b"hello")
print("the key's ARN, for AWS's Encryption SDK:", made["KeyId"])
print(kms.decrypt(CiphertextBlob=made["CiphertextBlob"])["Plaintext"].decode())
""",
    ),
    "aws-cli": Snippet(
        "AWS, command line, version 1 or 2",
        AWS,
        "pip install awscli",
        """\
export AWS_ENDPOINT_URL_KMS='{scheme}://{host}' AWS_DEFAULT_REGION='{region}'
export AWS_ACCESS_KEY_ID='{id}' AWS_SECRET_ACCESS_KEY='{secret}'
aws kms describe-key --key-id '{key}' --query KeyMetadata.Arn --output text
printf hello | aws kms encrypt --key-id '{key}' --plaintext fileb:///dev/stdin --query CiphertextBlob --output text |
  base64 -d | aws kms decrypt --ciphertext-blob fileb:///dev/stdin --query Plaintext --output text | base64 -d
""",
        "sh",
    ),
    "aws-encryption-sdk": Snippet(
        "AWS Encryption SDK, Python: messages name the key's ARN for ever",
        AWS,
        "pip install 'aws-encryption-sdk[MPL]'",
        f"""\
import aws_encryption_sdk, boto3
from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig
from aws_cryptographic_material_providers.mpl.models import CreateAwsKmsKeyringInput
{_BOTO3}
made = CreateAwsKmsKeyringInput(kms_key_id="{{arn}}", kms_client=kms)
keyring = AwsCryptographicMaterialProviders(config=MaterialProvidersConfig()).create_aws_kms_keyring(input=made)
client = aws_encryption_sdk.EncryptionSDKClient()
message, _ = client.encrypt(source=b"hello", keyring=keyring, encryption_context={{{{"app": "try"}}}})
print(client.decrypt(source=message, keyring=keyring)[0].decode())
""",
    ),
    "tink": Snippet(
        "Tink, Python, with an AWS KMS key",
        AWS,
        "pip install 'tink[awskms]'",
        f"""\
import boto3
from tink import aead
from tink.integration import awskms
{_BOTO3}
aead.register()
uri = "aws-kms://{{arn}}"
remote = awskms.new_client(boto3_client=kms, key_uri=uri).get_aead(uri)
primitive = aead.KmsEnvelopeAead(aead.aead_key_templates.AES256_GCM, remote)
print(primitive.decrypt(primitive.encrypt(b"hello", b"app"), b"app").decode())
""",
    ),
    "mongodb": Snippet(
        "MongoDB, client-side encryption, with a mongod (https only: tkms serve --tls-cert FILE --tls-key FILE)",
        AWS,
        "pip install 'pymongo[encryption]'",
        """\
import os
from pymongo import MongoClient
from pymongo.encryption import Algorithm, ClientEncryption
vault = MongoClient(os.environ.get("MONGODB_URI"))  # not set: on this machine
login = dict(accessKeyId="{id}", secretAccessKey="{secret}")
client = ClientEncryption(dict(aws=login), "encryption.__keyVault", vault, vault.codec_options)
master_key = dict(region="{region}", key="{arn}", endpoint="{host}")
key = client.create_data_key("aws", master_key)
sealed = client.encrypt("hello", Algorithm.AEAD_AES_256_CBC_HMAC_SHA_512_Random, key_id=key)
print(client.decrypt(sealed))
""",
    ),
    "node-aws": Snippet(
        "AWS, SDK for JavaScript",
        AWS,
        "npm install @aws-sdk/client-kms",
        """\
const {{ KMS }} = require("@aws-sdk/client-kms");
const credentials = {{ accessKeyId: "{id}", secretAccessKey: "{secret}" }};
const kms = new KMS({{ endpoint: "{scheme}://{host}", region: "{region}", credentials }});
(async () => {{
  const made = await kms.encrypt({{ KeyId: "{key}", Plaintext: Buffer.from("hello") }});
  console.log("the key's ARN, for AWS's Encryption SDK:", made.KeyId);
  console.log(Buffer.from((await kms.decrypt({{ CiphertextBlob: made.CiphertextBlob }})).Plaintext).toString());
}})();
""",
        "js",
    ),
    "curl": Snippet(
        "curl and openssl (Tencent API 3.0, HmacSHA256)",
        TENCENT,
        "",
        """\
q="Action=Encrypt&KeyId={key_id}&Nonce=$(($(od -An -N2 -tu2 /dev/urandom)))&Plaintext=aGVsbG8=&SecretId={id}"
q="$q&SignatureMethod=HmacSHA256&Timestamp=$(date +%s)&Version=2019-01-18"
s=$(printf 'GET{host}/?%s' "$q" | openssl dgst -sha256 -hmac '{secret}' -binary | base64)
curl -sG "{scheme}://{host}/?$q" --data-urlencode "Signature=$s"
""",
        "sh",
    ),
}


def render(name: str, *, url: str, access_key_id: str, secret: str, key: str, key_id: str, site: Site) -> str:
    """The program `name`, with a first line that says what it is and what it needs.

    `key` is how the key was named: an alias stays one where the client takes aliases.
    """
    from tenantkms.wire.dialects.aws.names import named_arn  # the dialects are not the other commands' to load

    snippet = SNIPPETS[name]
    parts = urlsplit(url)
    code = snippet.template.format(
        id=access_key_id,
        secret=secret,
        key=key if key.startswith(ALIAS_PREFIX) else key_id,
        key_id=key_id,
        arn=named_arn(key_id, site),
        region=site.region,
        host=parts.netloc,
        scheme=parts.scheme,
    )
    needs = f"  ({snippet.install})" if snippet.install else ""
    return f"{_COMMENTS[snippet.language]} {snippet.title}{needs}\n{code}"
