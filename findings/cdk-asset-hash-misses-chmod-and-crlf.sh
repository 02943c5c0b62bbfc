#!/usr/bin/env bash
# aws-cdk-lib 2.276.0 (npm); the same in 2.150.0 and 2.200.0, which were run, too
# Surprise: the hash that names a Lambda function's code covers neither the executable bit nor the difference between CR LF and LF.
# The two usual repairs of a custom runtime's `bootstrap` (chmod +x, and line endings) therefore leave the template as it was: a
# deployment has nothing to do, and the broken zip of the first attempt stays in use.
# Why it matters: a function or layer that carries a script beside its code, as deployments of a KMS on Lambda do, fails the same way
# after the fix until some other byte of the asset changes.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
npm install --silent --no-audit --no-fund --prefix . aws-cdk-lib@2.276.0 constructs@10.8.1 >/dev/null
cat > run.js <<'E'
const { App, Stack, aws_lambda: lambda } = require("aws-cdk-lib");
const fs = require("fs");
console.log("aws-cdk-lib", require("aws-cdk-lib/package.json").version);
fs.mkdirSync("code");
const key = () => {
  const app = new App({ outdir: fs.mkdtempSync("out-") });
  const stack = new Stack(app, "S");
  new lambda.Function(stack, "F", {
    code: lambda.Code.fromAsset("code"), handler: "x", runtime: lambda.Runtime.PROVIDED_AL2023,
  });
  const resources = app.synth().getStackByName("S").template.Resources;
  return Object.values(resources).find((r) => r.Type === "AWS::Lambda::Function").Properties.Code.S3Key;
};
const seen = {};
const write = (name, text, mode) => {
  fs.writeFileSync("code/bootstrap", text);
  fs.chmodSync("code/bootstrap", mode);
  seen[name] = key();
  console.log(name.padEnd(24), seen[name].slice(0, 16));
};
write("CR LF, not executable", "#!/bin/sh\r\nexec true\r\n", 0o644);
write("LF, not executable", "#!/bin/sh\nexec true\n", 0o644);
write("LF, executable", "#!/bin/sh\nexec true\n", 0o755);
write("one byte more", "#!/bin/sh\nexec true\n\n", 0o755);
const [crlf, lf, run, more] = Object.values(seen);
if (crlf !== lf || lf !== run || run === more) { console.error("changed"); process.exit(1); }
console.log("still so");
E
node run.js
