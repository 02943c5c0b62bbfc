#!/usr/bin/env bash
# aws-sam-translator 1.115.0 (PyPI), what `sam` and CloudFormation translate templates by
# Surprise: the policy templates KMSDecryptPolicy and KMSEncryptPolicy put whatever KeyId is behind `:key/`, so a key's ARN becomes
# `arn:..:key/arn:..` and an alias `arn:..:key/alias/app`. Neither is a key; both are translated and can be deployed. Encrypt allows no data
# keys, which is what encryption libraries ask for. The templates of Secrets Manager beside them want an ARN.
# Why it matters: everywhere else in CloudFormation and in KMS an ARN or an alias is as good as an id. Here the function is deployed with a policy
# that allows nothing, and the first sign is an AccessDeniedException of its own key at run time. `KeyId: !Ref Key` is right.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
python3 -m venv v
v/bin/pip install -q --disable-pip-version-check aws-sam-translator==1.115.0 boto3==1.44.8
AWS_DEFAULT_REGION=eu-west-1 v/bin/python - <<'E' 2>errors || { cat errors; exit 1; }
import sys
from importlib.metadata import version

from samtranslator.translator.transform import transform


class NoManagedPolicies:
    @staticmethod
    def load():
        return {}


def allowed(template, **parameters):
    """The actions and the resource of a function's policy, with a stack's names put in."""
    function = {"Runtime": "python3.13", "Handler": "a.b", "CodeUri": "s3://code/key", "Policies": [{template: parameters}]}
    document = {"Transform": "AWS::Serverless-2016-10-31",
                "Resources": {"Function": {"Type": "AWS::Serverless::Function", "Properties": function}}}
    role = transform(document, {}, NoManagedPolicies)["Resources"]["FunctionRole"]["Properties"]
    (statement,) = role["Policies"][0]["PolicyDocument"]["Statement"]
    pattern, values = statement["Resource"]["Fn::Sub"]
    values = {**values, "AWS::Partition": "aws", "AWS::Region": "eu-west-1", "AWS::AccountId": "111122223333"}
    for name, value in values.items():
        pattern = pattern.replace("${%s}" % name, value)
    return statement["Action"], pattern


print("aws-sam-translator", version("aws-sam-translator"))
ID = "00000000-0000-4000-8000-000000000000"
ARN = f"arn:aws:kms:eu-west-1:111122223333:key/{ID}"
SECRET = "arn:aws:secretsmanager:eu-west-1:111122223333:secret:db"
seen = {name: allowed("KMSDecryptPolicy", KeyId=value)[1] for name, value in (("id", ID), ("ARN", ARN), ("alias", "alias/app"))}
for name, resource in seen.items():
    print(f"KMSDecryptPolicy with a key's {name}: {resource}")
encrypt = allowed("KMSEncryptPolicy", KeyId=ID)[0]
secret = allowed("AWSSecretsManagerGetSecretValuePolicy", SecretArn=SECRET)[1]
print(f"KMSEncryptPolicy allows {encrypt}; the policy of a secret's ARN: {secret}")
key = "arn:aws:kms:eu-west-1:111122223333:key/"
if (seen, encrypt, secret) != ({"id": ARN, "ARN": key + ARN, "alias": key + "alias/app"}, "kms:Encrypt", SECRET):
    sys.exit("changed")
print("still so")
E
