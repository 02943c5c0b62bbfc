#!/usr/bin/env bash
# @alicloud/kms-sdk 1.1.0 (npm), Node 20; the only version on npm, and so is its @alicloud/http-core-sdk 1.0.0
# Surprise: after a 5xx the call is repeated, but the repeat signs the old Signature as one more parameter and then overwrites it: the
# string that was signed cannot be rebuilt from the request. The first attempt verifies, no repeat ever does.
# Why it matters: one 503 of a KMS turns into "signature does not match", and the real cause is gone: the caller sees the answer to
# the last attempt, and the server's log shows a client with a wrong secret.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
npm install --silent --no-audit --no-fund --prefix . @alicloud/kms-sdk@1.1.0 >/dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 1 -subj /CN=127.0.0.1 \
  -addext subjectAltName=IP:127.0.0.1 2>openssl.log
cat > run.js <<'E'
const { createHmac } = require("crypto");
const { readFileSync } = require("fs");
const { createServer } = require("https");
const Kms = require("@alicloud/kms-sdk");
const encode = encodeURIComponent;

// the vendor's signature, version 1, over all parameters but Signature itself; `old` puts the last attempt's back in
function fits(method, query, old) {
  const parameters = Object.fromEntries([...query].filter(([name]) => name !== "Signature"));
  if (old) parameters.Signature = old;
  const text = Object.keys(parameters).sort().map((name) => `${encode(name)}=${encode(parameters[name])}`).join("&");
  const mac = createHmac("sha1", "fake&").update(`${method}&${encode("/")}&${encode(text)}`).digest("base64");
  return mac === query.get("Signature");
}

const attempts = [];
let last;
const server = createServer({ key: readFileSync("key.pem"), cert: readFileSync("cert.pem") }, (request, response) => {
  const query = new URL(request.url, "https://x").searchParams;
  const good = fits(request.method, query);
  attempts.push({ good, withOld: Boolean(last) && fits(request.method, query, last) });
  last = query.get("Signature");
  const error = good ? [503, "ServiceUnavailableTemporary"] : [400, "SignatureDoesNotMatch"];
  response.writeHead(error[0], { "Content-Type": "application/json" });
  response.end(JSON.stringify({ RequestId: "r", Code: error[1], Message: "no" }));
});
server.listen(0, "127.0.0.1", async () => {
  console.log("@alicloud/kms-sdk", require("@alicloud/kms-sdk/package.json").version, process.version);
  const client = new Kms({ endpoint: `127.0.0.1:${server.address().port}`, accessKeyId: "FAKE", accessKeySecret: "fake" });
  const answer = await client.describeKey("k").catch((error) => ({ Code: error.message }));
  attempts.forEach(({ good, withOld }, i) => console.log(`attempt ${i + 1}: signature verifies ${good}, with the last one as a parameter ${withOld}`));
  console.log("what the caller gets:", answer.Code);
  const [first, second] = attempts;
  if (attempts.length !== 2 || !first.good || second.good || !second.withOld || answer.Code !== "SignatureDoesNotMatch") {
    console.error("changed");
    process.exit(1);
  }
  console.log("still so");
  process.exit(0);
});
E
NODE_EXTRA_CA_CERTS=cert.pem node --no-warnings run.js
