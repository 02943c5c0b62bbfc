#!/usr/bin/env bash
# smart-open 9.0.2 (PyPI), boto3 1.44.8, moto 5.2.5 as S3 and KMS
# Surprise: an S3 object that is written with `client_kwargs={"S3.Client.create_multipart_upload": {"SSEKMSKeyId": ..}}`, the documented way, is
# encrypted by that key, unless nothing was written: then the upload is given up and an object is put with none of these arguments.
# Why it matters: a bucket policy that demands the key refuses exactly the empty results, in the night when there is nothing to write; where it
# does not, type, metadata, tags and lock of the object are missing as well. The same arguments under "S3.Client.put_object" mend it.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check smart-open==9.0.2 boto3==1.44.8 'moto[kms,s3]==5.2.5'
unset AWS_PROFILE AWS_REGION AWS_ENDPOINT_URL AWS_ENDPOINT_URL_KMS AWS_ENDPOINT_URL_S3
AWS_ACCESS_KEY_ID=FAKE AWS_SECRET_ACCESS_KEY=fake AWS_DEFAULT_REGION=us-east-1 v/bin/python - <<'E'
import sys
from importlib.metadata import version

import boto3
import smart_open
from moto import mock_aws

print("smart-open", version("smart-open"))
with mock_aws():
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="results")
    key = boto3.client("kms").create_key()["KeyMetadata"]["Arn"]
    how = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key, "Metadata": {"tenant": "a"}}

    def written(data, *operations):
        arguments = {f"S3.Client.{operation}": how for operation in operations}
        with smart_open.open("s3://results/file", "wb", transport_params={"client": s3, "client_kwargs": arguments}) as file:
            file.write(data)
        head = s3.head_object(Bucket="results", Key="file")
        return head.get("SSEKMSKeyId") == key, head["Metadata"]

    upload = "create_multipart_upload"
    seen = {"a file": written(b"x", upload), "an empty file": written(b"", upload), "an empty file, both set": written(b"", upload, "put_object")}
for name, (by_key, metadata) in seen.items():
    print(f"{name}: encrypted by the key: {by_key}; metadata: {metadata}")
right, wrong = (True, {"tenant": "a"}), (False, {})
if list(seen.values()) != [right, wrong, right]:
    sys.exit("changed")
print("still so")
E
