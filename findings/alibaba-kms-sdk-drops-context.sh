#!/usr/bin/env bash
# @alicloud/kms-sdk 1.1.0 (npm), Node 20; the only version on npm, and so is its @alicloud/http-core-sdk 1.0.0
# Surprise: encrypt(keyId, plaintext, {tenant: "7"}) sends `EncryptionContext=` without a value. The call succeeds; the ciphertext is bound
# to nothing, and decrypts with any other object as its context just as well. Only a text made with JSON.stringify is sent.
# Why it matters: other SDKs of the vendor take a map there. Nobody notices, since both directions drop it alike, until another
# client passes the real context and is refused.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
npm install --silent --no-audit --no-fund --prefix . @alicloud/kms-sdk@1.1.0 >/dev/null
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 1 -subj /CN=127.0.0.1 \
  -addext subjectAltName=IP:127.0.0.1 2>openssl.log
cat > run.js <<'E'
const { readFileSync } = require("fs");
const { createServer } = require("https");
const Kms = require("@alicloud/kms-sdk");
const seen = [];
const server = createServer({ key: readFileSync("key.pem"), cert: readFileSync("cert.pem") }, (request, response) => {
  const query = new URL(request.url, "https://x").searchParams;
  seen.push(query.get("EncryptionContext"));
  response.setHeader("Content-Type", "application/json");
  response.end('{"RequestId": "r", "CiphertextBlob": "blob", "Plaintext": "text"}');
});
server.listen(0, "127.0.0.1", async () => {
  console.log("@alicloud/kms-sdk", require("@alicloud/kms-sdk/package.json").version, process.version);
  const client = new Kms({ endpoint: `127.0.0.1:${server.address().port}`, accessKeyId: "FAKE", accessKeySecret: "fake" });
  await client.encrypt("k", "text", { tenant: "7" });
  await client.decrypt("blob", { tenant: "8" });
  await client.encrypt("k", "text", JSON.stringify({ tenant: "7" }));
  console.log("encrypt with an object: EncryptionContext =", JSON.stringify(seen[0]));
  console.log("decrypt with another object: EncryptionContext =", JSON.stringify(seen[1]));
  console.log("encrypt with JSON text: EncryptionContext =", JSON.stringify(seen[2]));
  if (seen[0] !== "" || seen[1] !== "" || seen[2] !== '{"tenant":"7"}') { console.error("changed"); process.exit(1); }
  console.log("still so");
  process.exit(0);
});
E
NODE_EXTRA_CA_CERTS=cert.pem node --no-warnings run.js
