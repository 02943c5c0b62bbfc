#!/usr/bin/env bash
# moto 5.2.5 (PyPI)
# Surprise: CompleteMultipartUpload keeps `If-None-Match: *` and ignores `If-Match`: a wrong ETag replaces the object. And
# ListMultipartUploads says of each upload that it was begun in November 2010.
# Why it matters: a test of "replace only what I have seen" passes whatever the code sends, and who ends uploads that are older than a
# day ends all of them.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check 'moto[s3]==5.2.5' boto3
AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test v/bin/python - <<'E'
import sys
from importlib.metadata import version

import boto3
from botocore.exceptions import ClientError
from moto import mock_aws

print("moto", version("moto"))


def complete(client, **condition):
    upload = {"Bucket": "bucket", "Key": "a"}
    upload["UploadId"] = client.create_multipart_upload(**upload)["UploadId"]
    begun = client.list_multipart_uploads(Bucket="bucket")["Uploads"][0]["Initiated"].year
    tag = client.upload_part(**upload, PartNumber=1, Body=b"new")["ETag"]
    try:
        client.complete_multipart_upload(**upload, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": tag}]}, **condition)
    except ClientError as e:
        client.abort_multipart_upload(**upload)
        return e.response["Error"]["Code"], begun
    return "done", begun


with mock_aws():
    client = boto3.client("s3", region_name="us-east-1")
    client.create_bucket(Bucket="bucket")
    client.put_object(Bucket="bucket", Key="a", Body=b"old")
    none_match, year = complete(client, IfNoneMatch="*")
    match, _ = complete(client, IfMatch='"00000000000000000000000000000000"')
print("If-None-Match: * on what is there:", none_match)
print("If-Match of another ETag:         ", match)
print("an upload of now was begun in:    ", year)
if (none_match, match, year) != ("PreconditionFailed", "done", 2010):
    sys.exit("changed")
print("still so")
E
