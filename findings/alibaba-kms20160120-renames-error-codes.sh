#!/usr/bin/env bash
# @alicloud/kms20160120 1.2.0 with @alicloud/rpc-client 1.3.2 and @alicloud/pop-core 1.8.0 (npm), Node 20
# Surprise: error.code of kms20160120 is not the code that the service sent and documents: `Error` is appended, and
# Forbidden.KeyNotFound is read as `Forbidden.KeyNotFoundError`. The service's own is in error.data.Code. pop-core leaves error.code as it came
# and appends to error.name.
# Why it matters: `error.code === "Throttling"` is never true, so the branch that waits and repeats is dead, and a test that makes the
# error by hand passes. Code that moves here from pop-core, the vendor's older SDK, meets that without a word.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
npm install --silent --no-audit --no-fund --prefix . @alicloud/kms20160120@1.2.0 @alicloud/rpc-client@1.3.2 @alicloud/pop-core@1.8.0 >/dev/null
cat > run.js <<'E'
const { createServer } = require("http");
const { default: Client, ListKeysRequest } = require("@alicloud/kms20160120");
const { Config } = require("@alicloud/rpc-client");
const { RPCClient } = require("@alicloud/pop-core");
for (const name of ["kms20160120", "rpc-client", "pop-core"])
  console.log(`@alicloud/${name}`, require(`./node_modules/@alicloud/${name}/package.json`).version);
let answer;
const server = createServer((request, response) => {
  response.writeHead(403, { "Content-Type": "application/json" });
  response.end(JSON.stringify({ RequestId: "r", HostId: "h", Message: "no", ...answer }));
});
server.listen(0, "127.0.0.1", async () => {
  const endpoint = `127.0.0.1:${server.address().port}`;
  const keys = { accessKeyId: "FAKE", accessKeySecret: "fake" };
  const kms = new Client(new Config({ ...keys, endpoint, protocol: "http", regionId: "cn-hangzhou" }));
  const pop = new RPCClient({ ...keys, endpoint: `http://${endpoint}`, apiVersion: "2016-01-20" });
  const told = (call) => call.then(() => "success", (error) => `code ${error.code}, name ${error.name}, data.Code ${error.data.Code}`);
  const seen = [];
  for (answer of [{ Code: "Forbidden.KeyNotFound" }, { Code: "Throttling" }, {}]) {
    const both = [await told(kms.listKeys(new ListKeysRequest({}))), await told(pop.request("ListKeys"))];
    console.log(`the service sent ${answer.Code}: kms20160120 ${both[0]}; pop-core ${both[1]}`);
    seen.push(both);
  }
  if (JSON.stringify(seen.slice(0, 2).flat()) !== JSON.stringify([
    "code Forbidden.KeyNotFoundError, name Error, data.Code Forbidden.KeyNotFound",
    "code Forbidden.KeyNotFound, name Forbidden.KeyNotFoundError, data.Code Forbidden.KeyNotFound",
    "code ThrottlingError, name Error, data.Code Throttling",
    "code Throttling, name ThrottlingError, data.Code Throttling",
  ])) { console.error("changed"); process.exit(1); }
  console.log("still so");
  process.exit(0);
});
E
node --no-warnings run.js
