"""How each client is told to trust a certificate authority of one's own.

Go, .NET and PHP by their documentation; the others were seen, with the versions in docs/clients.md.
"""

from __future__ import annotations

import shlex
from typing import NamedTuple


class Trust(NamedTuple):
    """`how` is told with the path of the authority's certificate: `{ca}` in a shell, `{text}` in a program."""

    client: str
    how: str


TRUST = (
    Trust("Alibaba Cloud, Python", "SSL_CERT_FILE={ca}, or Config(ca={text})"),
    Trust("Alibaba Cloud, classic Python, oss2", "ALIBABA_CLOUD_CA_BUNDLE={ca}, or AcsClient(.., verify={text})"),
    Trust("Tencent Cloud, Python", "HttpProfile(certification={text}), and no variable"),
    Trust("Tencent Cloud, legacy Python", "SSL_CERT_FILE={ca}"),
    Trust("tccli", 'cat {ca} >> "$(python -m certifi)", with the Python that it is installed for'),
    Trust("AWS CLI, boto3 and what stands on it", "AWS_CA_BUNDLE={ca}"),
    Trust("Node, whichever SDK", "NODE_EXTRA_CA_CERTS={ca}"),
    Trust(
        "Java, whichever SDK",
        "keytool -importcert -noprompt -alias tkms -file {ca} -keystore tkms.p12 -storepass changeit, then"
        " java -Djavax.net.ssl.trustStore=tkms.p12 -Djavax.net.ssl.trustStorePassword=changeit",
    ),
    Trust("Go, .NET on Linux, MongoDB, openssl", "SSL_CERT_FILE={ca}"),
    Trust("PHP", "php -d curl.cainfo={ca} -d openssl.cafile={ca}"),
    Trust("requests", "REQUESTS_CA_BUNDLE={ca}"),
    Trust("curl", "CURL_CA_BUNDLE={ca}, or --cacert {ca}"),
)


def told(ca: str) -> list[tuple[str, str]]:
    """(client, what to do) to trust the certificate in the file `ca`."""
    return [(trust.client, trust.how.format(ca=shlex.quote(ca), text=repr(ca))) for trust in TRUST]
