#!/usr/bin/env bash
# @alicloud/pop-core 1.8.0 (npm), Node 20; the same in 1.6.0, 1.7.0 and 1.7.13, which were run, too
# Surprise: the client decides between success and failure by one thing, a field `Code` in the JSON body; the HTTP status is not looked
# at. A 403 or 502 of a gateway, {"message": "Forbidden"}, resolves the promise with that object as the result.
# Why it matters: with an API gateway, a load balancer or a proxy in front of a KMS, a refused Encrypt resolves, and CiphertextBlob is
# undefined. A server for this client must put `Code` into every error body, also into those that it does not write itself.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
npm install --silent --no-audit --no-fund --prefix . @alicloud/pop-core@1.8.0 >/dev/null
cat > run.js <<'E'
const { createServer } = require("http");
const { RPCClient } = require("@alicloud/pop-core");
const cases = [
  [403, { message: "Forbidden" }, "resolves"],
  [500, { message: "Internal Server Error" }, "resolves"],
  [502, { Message: "Bad Gateway" }, "resolves"],
  [403, { Code: "Forbidden.NoPermission", Message: "no", RequestId: "r" }, "rejects"],
];
let index = 0;
const server = createServer((request, response) => {
  request.resume().on("end", () => {
    response.writeHead(cases[index][0], { "Content-Type": "application/json" });
    response.end(JSON.stringify(cases[index][1]));
  });
});
server.listen(0, "127.0.0.1", async () => {
  console.log("@alicloud/pop-core", require("@alicloud/pop-core/package.json").version, process.version);
  const client = new RPCClient({
    accessKeyId: "FAKE", accessKeySecret: "fake", apiVersion: "2016-01-20", endpoint: `http://127.0.0.1:${server.address().port}`,
  });
  let same = true;
  for (; index < cases.length; index++) {
    const [status, body, expected] = cases[index];
    const [how, what] = await client.request("Encrypt", { KeyId: "k", Plaintext: "text" }, { method: "POST" })
      .then((result) => ["resolves", JSON.stringify(result)], (error) => ["rejects", error.code]);
    console.log(`${status} ${JSON.stringify(body)}: ${how} (${what})`);
    same = same && how === expected;
  }
  if (!same) { console.error("changed"); process.exit(1); }
  console.log("still so");
  process.exit(0);
});
E
node --no-warnings run.js
