#!/usr/bin/env bash
# aws-cdk-lib 2.276.0 (npm); 2.100.0, 2.150.0 and 2.200.0 drop it as well and do not know the flag
# Surprise: kms.Alias.fromAliasName(..).grantDecrypt(role) grants nothing. No error, no warning, no annotation: the template has no
# policy, and only the returned Grant's `success` says false. The same call on Key.fromKeyArn(..) writes the statement. The feature flag
# that mends it, applyImportedAliasPermissionsToPrincipal, is off in every app without it in its cdk.json.
# Why it matters: an alias is how one names a KMS key of another stack; the stack deploys, and the first Decrypt is denied.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
npm install --silent --no-audit --no-fund --prefix . aws-cdk-lib@2.276.0 constructs@10.8.1 >/dev/null
cat > run.js <<'E'
const { App, Stack, aws_iam: iam, aws_kms: kms } = require("aws-cdk-lib");
console.log("aws-cdk-lib", require("aws-cdk-lib/package.json").version);
const FLAG = "@aws-cdk/aws-kms:applyImportedAliasPermissionsToPrincipal";
const ARN = "arn:aws:kms:eu-west-1:111122223333:key/11111111-2222-3333-4444-555555555555";
const policies = (name, find, context = {}) => {
  const app = new App({ context });
  const stack = new Stack(app, "S");
  const role = new iam.Role(stack, "R", { assumedBy: new iam.ServicePrincipal("lambda.amazonaws.com") });
  const grant = find(stack).grantDecrypt(role);
  const artifact = app.synth().getStackByName("S");
  const count = Object.values(artifact.template.Resources).filter((r) => r.Type === "AWS::IAM::Policy").length;
  const said = artifact.messages.filter((m) => m.level !== "info").length;
  console.log(`${name}: policies ${count}, warnings ${said}, grant.success ${grant.success}`);
  return [count, said];
};
const alias = (stack) => kms.Alias.fromAliasName(stack, "K", "alias/app");
const byArn = policies("key by ARN", (stack) => kms.Key.fromKeyArn(stack, "K", ARN));
const dropped = policies("alias by name", alias);
const flagged = policies("alias by name, with the flag", alias, { [FLAG]: true });
if (byArn[0] !== 1 || dropped.join() !== "0,0" || flagged[0] !== 1) { console.error("changed"); process.exit(1); }
console.log("still so");
E
node run.js
