"""Ready programs for each SDK, with this machine's endpoint, credential and key filled in."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from tenantkms.model.alias import ALIAS_PREFIX
from tenantkms.names import ALIBABA, AWS, TENCENT, TENCENT_V2


class Snippet(NamedTuple):
    """`install` is what the program needs; `template` is filled in by `render`."""

    title: str
    dialect: str
    install: str
    template: str


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
        """\
import boto3
login = dict(aws_access_key_id="{id}", aws_secret_access_key="{secret}", region_name="cn-hangzhou")
kms = boto3.client("kms", endpoint_url="{scheme}://{host}", **login)
made = kms.encrypt(KeyId="{key}", Plaintext=b"hello")
print("the key's ARN, for AWS's Encryption SDK:", made["KeyId"])
print(kms.decrypt(CiphertextBlob=made["CiphertextBlob"])["Plaintext"].decode())
""",
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
    ),
}


def render(name: str, *, url: str, access_key_id: str, secret: str, key: str, key_id: str) -> str:
    """The program `name`, with a first line that says what it is and what it needs.

    `key` is how the key was named: an alias stays one where the dialect takes aliases.
    """
    snippet = SNIPPETS[name]
    parts = urlsplit(url)
    code = snippet.template.format(
        id=access_key_id,
        secret=secret,
        key=key if key.startswith(ALIAS_PREFIX) else key_id,
        key_id=key_id,
        host=parts.netloc,
        scheme=parts.scheme,
    )
    needs = f"  ({snippet.install})" if snippet.install else ""
    return f"# {snippet.title}{needs}\n{code}"
