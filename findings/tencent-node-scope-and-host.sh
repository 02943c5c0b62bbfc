#!/usr/bin/env bash
# tencentcloud-sdk-nodejs 4.1.313 (npm), Node 20; the same in 4.0.300 and 4.1.0, which were run, too; 3.0.25 has no KMS client
# Surprise: the service in the TC3 credential scope, which the signing key is derived from, is the first label of whatever host is called:
# "kms" for kms.tencentcloudapi.com, but "127" for 127.0.0.1, or the first word of one's own domain. And the Host header carries the port
# while the signature is over the host without it.
# Why it matters: a verifier written from the documentation (service "kms", Host as received) refuses every request of this SDK, though
# the Python SDK of the same vendor passes. The scope must be taken from the request, and the host tried without its port.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
npm install --silent --no-audit --no-fund --prefix . tencentcloud-sdk-nodejs@4.1.313 >/dev/null
cat > run.js <<'E'
const { createHash, createHmac } = require("crypto");
const { createServer } = require("http");
const { Client } = require("tencentcloud-sdk-nodejs").kms.v20190118;
const SECRET = "fake";
const sha256 = (text) => createHash("sha256").update(text).digest("hex");
const mac = (key, text) => createHmac("sha256", key).update(text).digest();

function signature(headers, body, date, service, host) {
  const head = `content-type:${headers["content-type"]}\nhost:${host}\n`;
  const canonical = ["POST", "/", "", head, "content-type;host", sha256(body)].join("\n");
  const text = ["TC3-HMAC-SHA256", headers["x-tc-timestamp"], `${date}/${service}/tc3_request`, sha256(canonical)].join("\n");
  const key = mac(mac(mac("TC3" + SECRET, date), service), "tc3_request");
  return mac(key, text).toString("hex");
}

const server = createServer((request, response) => {
  let body = "";
  request.on("data", (part) => (body += part)).on("end", () => {
    const [, date, service, sent] = request.headers.authorization.match(/Credential=FAKE\/(.*?)\/(.*?)\/.*Signature=(.*)/);
    const host = request.headers.host;
    const bare = host.split(":")[0];
    const fits = (name, over) => signature(request.headers, body, date, name, over) === sent;
    seen = { service, documented: fits("kms", host), port: fits(service, host), bare: fits(service, bare) };
    console.log(`Host: ${host.replace(/\d+$/, "PORT")}, service in the scope: ${service}`);
    console.log(`service kms, Host as received: ${seen.documented}; service ${service}, Host as received: ${seen.port}; ` +
      `service ${service}, host without port: ${seen.bare}`);
    response.setHeader("Content-Type", "application/json");
    response.end('{"Response": {"RequestId": "r"}}');
  });
});
let seen;
server.listen(0, "127.0.0.1", async () => {
  console.log("tencentcloud-sdk-nodejs", require("tencentcloud-sdk-nodejs/package.json").version, process.version);
  const endpoint = `127.0.0.1:${server.address().port}`;
  const client = new Client({
    credential: { secretId: "FAKE", secretKey: SECRET }, region: "ap-guangzhou",
    profile: { httpProfile: { endpoint, protocol: "http://" } },
  });
  await client.ListKeys({});
  if (seen.service !== "127" || seen.documented || seen.port || !seen.bare) { console.error("changed"); process.exit(1); }
  console.log("still so");
  process.exit(0);
});
E
node --no-warnings run.js
