#!/usr/bin/env bash
# tencentcloud-sdk-nodejs 4.1.313 (npm), Node 20
# Surprise: with signMethod HmacSHA256 or HmacSHA1 the Nonce is one of 65,536 numbers, and Timestamp has whole seconds. Among a thousand equal
# calls of one second about seven are byte for byte an earlier one, signature and all. The Python SDK of the vendor draws from 2**63.
# Why it matters: a server that lets each signed request pass once refuses some of a busy caller's honest calls, more than twice as many
# with twice the calls, and no test with a few calls shows it. Use the default, TC3-HMAC-SHA256, where no nonce is promised.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
npm install --silent --no-audit --no-fund --prefix . tencentcloud-sdk-nodejs@4.1.313 >/dev/null
cat > run.js <<'E'
const { Agent, createServer } = require("http");
const { Client } = require("tencentcloud-sdk-nodejs").kms.v20190118;
const CALLS = 3000;
const bodies = [];
const server = createServer((request, response) => {
  let body = "";
  request.on("data", (part) => (body += part)).on("end", () => {
    bodies.push(body);
    response.setHeader("Content-Type", "application/json");
    response.end('{"Response": {"RequestId": "r"}}');
  });
});
server.listen(0, "127.0.0.1", async () => {
  console.log("tencentcloud-sdk-nodejs", require("tencentcloud-sdk-nodejs/package.json").version, process.version);
  const client = new Client({
    credential: { secretId: "FAKE", secretKey: "fake" }, region: "ap-guangzhou",
    profile: { signMethod: "HmacSHA256", httpProfile: {
      endpoint: `127.0.0.1:${server.address().port}`, protocol: "http://", agent: new Agent({ keepAlive: true, maxSockets: 50 }) } },
  });
  await Promise.all(Array.from({ length: CALLS }, () => client.GenerateRandom({ NumberOfBytes: 16 })));
  const parameters = bodies.map((body) => new URLSearchParams(body));
  const seconds = new Set(parameters.map((each) => each.get("Timestamp"))).size;
  const largest = Math.max(...parameters.map((each) => Number(each.get("Nonce"))));
  const again = bodies.length - new Set(bodies).size;
  console.log(`${bodies.length} equal calls in ${seconds} different Timestamps: largest Nonce ${largest}, ${again} requests were seen before`);
  if (bodies.length !== CALLS || largest > 65535 || again === 0) { console.error("changed"); process.exit(1); }
  console.log("still so");
  process.exit(0);
});
E
node --no-warnings run.js
