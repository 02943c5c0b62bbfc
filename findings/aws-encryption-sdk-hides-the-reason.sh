#!/usr/bin/env bash
# aws-encryption-sdk 4.0.7 with aws-cryptographic-material-providers (MPL) 1.11.3, boto3 1.44.8 (PyPI)
# Surprise: a key is disabled, and the SDK is asked to encrypt and to decrypt with a KMS keyring. Encrypting raises MPL's ComAmazonawsKms,
# which `except AWSEncryptionSDKClientError`, or any class of the SDK, does not catch. Decrypting raises AWSEncryptionSDKClientError with
# the text "No Configured KMS Key was able to decrypt the Data Key. The list of encountered Exceptions is available via `list`", and
# has no attribute `list`: it is on `error.args[0]`. Of each KMS error that AWS's model has, the name is dropped (DisabledException,
# NotFoundException ..); a wrong context or a damaged data key, for which AWS sends no message, is ComAmazonawsKms(''). Names that the
# model lacks, as ThrottlingException, are in the text.
# Why it matters: an application cannot tell a damaged message from a disabled key, nor log why, by class or text; one that catches the
# SDK's errors is ended by a KMS that refuses to encrypt.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check 'aws-encryption-sdk[mpl]==4.0.7' aws-cryptographic-material-providers==1.11.3 \
    boto3==1.44.8 botocore==1.44.8
export AWS_ACCESS_KEY_ID=FAKE AWS_SECRET_ACCESS_KEY=fake AWS_DEFAULT_REGION=eu-west-1 AWS_MAX_ATTEMPTS=1
v/bin/python - <<'E'
import base64
import http.server
import json
import logging
import sys
import threading

import aws_encryption_sdk
import boto3
from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig
from aws_cryptographic_material_providers.mpl.errors import ComAmazonawsKms
from aws_cryptographic_material_providers.mpl.models import CreateAwsKmsKeyringInput
from aws_encryption_sdk.exceptions import AWSEncryptionSDKClientError

logging.disable()  # each failed decryption logs a traceback "Error on closing" besides
ARN = "arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-3333-4444-555555555555"
DATA_KEY = base64.b64encode(bytes(32)).decode()
GOOD = {"KeyId": ARN, "Plaintext": DATA_KEY, "CiphertextBlob": base64.b64encode(b"wrapped").decode()}


class Kms(http.server.BaseHTTPRequestHandler):
    """It answers `refusal`, if there is one."""

    refusal = None

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(Kms.refusal or GOOD).encode()
        self.send_response(400 if Kms.refusal else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_): ...


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Kms)
threading.Thread(target=server.serve_forever, daemon=True).start()
kms = boto3.client("kms", endpoint_url=f"http://127.0.0.1:{server.server_port}")
mpl = AwsCryptographicMaterialProviders(config=MaterialProvidersConfig())
keyring = mpl.create_aws_kms_keyring(CreateAwsKmsKeyringInput(kms_key_id=ARN, kms_client=kms))
sdk = aws_encryption_sdk.EncryptionSDKClient()
message, _ = sdk.encrypt(source=b"text", keyring=keyring)


def raised(call):
    try:
        call(keyring=keyring)
    except Exception as error:
        return error


seen = {}
for code, text in (
    ("DisabledException", f"{ARN} is disabled."), ("InvalidCiphertextException", None), ("ThrottlingException", "Rate exceeded"),
):
    Kms.refusal = {"__type": code, **({"message": text} if text else {})}
    encrypting = raised(lambda **how: sdk.encrypt(source=b"text", **how)) if text else None
    decrypting = raised(lambda **how: sdk.decrypt(source=message, **how))
    reasons = decrypting.args[0].list
    print(code)
    print("  encrypt:", repr(encrypting))
    print("  decrypt:", type(decrypting).__name__, str(decrypting)[:62], "..")
    print("  has it `list`:", hasattr(decrypting, "list"), "- the reasons:", reasons)
    seen[code] = type(encrypting), type(decrypting), code in f"{decrypting} {decrypting!r}", [str(reason) for reason in reasons]
server.shutdown()
print("is one the other's class:", issubclass(ComAmazonawsKms, AWSEncryptionSDKClientError))
throttled = seen.pop("ThrottlingException")
if seen != {
    "DisabledException": (ComAmazonawsKms, AWSEncryptionSDKClientError, False, [f"{ARN} is disabled."]),
    "InvalidCiphertextException": (type(None), AWSEncryptionSDKClientError, False, [""]),
} or not throttled[2] or issubclass(ComAmazonawsKms, AWSEncryptionSDKClientError):
    sys.exit("changed")
print("still so")
E
