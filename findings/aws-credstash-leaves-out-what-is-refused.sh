#!/usr/bin/env bash
# aws-credstash 3.0.1 (npm, its newest), aws-sdk 2.1693.0, Node 20; nodecredstash 2.0.2, of which it is a fork, was run, too: the same
# Surprise: getAllSecrets() resolves without the secrets that the KMS has refused to open, and says nothing: a key that is disabled,
# a policy or a limit takes entries out of the answer, and if all are refused it is {}. getSecret() of each raises. And the `limit` of
# getAllVersions({name, limit}), documented as "the last N versions", is a size of pages: all versions are fetched, and each costs a Decrypt.
# Why it matters: an application that reads its configuration so starts with a part of it, and with defaults for the rest.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
npm install --silent --no-audit --no-fund --prefix . aws-credstash@3.0.1 aws-sdk@2.1693.0 >/dev/null
cat > run.js <<'E'
const { readFileSync } = require("fs");
const { createServer } = require("http");

const TABLE = [];
const asked = { Decrypt: 0 };
let refused = () => false;
const text = (buffer) => buffer.toString("base64");
// A DynamoDB of one table that keeps to the Limit of a page, and a KMS whose ciphertext is the key itself.
const operations = {
  PutItem: ({ Item }) => { TABLE.push(Item); return {}; },
  GetItem: ({ Key }) => ({ Item: TABLE.find((row) => row.name.S === Key.name.S && row.version.S === Key.version.S) }),
  Scan: () => ({ Items: TABLE, Count: TABLE.length }),
  Query: ({ Limit = 1e6, ExclusiveStartKey, ExpressionAttributeValues }) => {
    const rows = TABLE.filter((row) => row.name.S === ExpressionAttributeValues[":name"].S).reverse();
    const from = ExclusiveStartKey ? rows.findIndex((row) => row.version.S === ExclusiveStartKey.version.S) + 1 : 0;
    const Items = rows.slice(from, from + Limit);
    const more = from + Limit < rows.length;
    return { Items, Count: Items.length, ...(more && { LastEvaluatedKey: { name: Items.at(-1).name, version: Items.at(-1).version } }) };
  },
  GenerateDataKey: ({ KeyId }) => { const key = text(Buffer.alloc(64, TABLE.length + 1)); return { KeyId, Plaintext: key, CiphertextBlob: key }; },
  Decrypt: ({ CiphertextBlob }) => { asked.Decrypt += 1; return { KeyId: "k", Plaintext: CiphertextBlob }; },
};
const server = createServer((request, response) => {
  let body = "";
  request.on("data", (part) => { body += part; }).on("end", () => {
    const operation = request.headers["x-amz-target"].split(".")[1];
    const parameters = JSON.parse(body);
    if (refused(operation, parameters)) {
      response.statusCode = 400;
      return response.end('{"__type": "DisabledException", "message": "the key is disabled"}');
    }
    return response.end(JSON.stringify(operations[operation](parameters)));
  });
});
const run = async () => {
  const endpoint = `http://127.0.0.1:${server.address().port}`;
  const credstash = require("aws-credstash")({
    awsOpts: { region: "eu-west-1", endpoint, accessKeyId: "FAKE", secretAccessKey: "fake", dynamoDbCrc32: false },
  });
  for (const name of ["db", "mail"]) await credstash.putSecret({ name, secret: `the secret of ${name}` });
  for (const version of [2, 3, 4, 5]) await credstash.putSecret({ name: "db", version, secret: `the secret of db, ${version}` });
  const all = Object.keys(await credstash.getAllSecrets());
  asked.Decrypt = 0;
  const versions = (await credstash.getAllVersions({ name: "db", limit: 2 })).length;
  const opened = asked.Decrypt;
  const mail = TABLE.find((row) => row.name.S === "mail").key.S;
  refused = (operation, { CiphertextBlob }) => operation === "Decrypt" && CiphertextBlob === mail;
  const some = Object.keys(await credstash.getAllSecrets());
  const one = await credstash.getSecret({ name: "mail" }).then(() => "succeeds", () => "raises");
  refused = (operation) => operation === "Decrypt";
  const none = Object.keys(await credstash.getAllSecrets());
  console.log("aws-credstash", JSON.parse(readFileSync("node_modules/aws-credstash/package.json")).version, process.version);
  console.log(`getAllSecrets: ${all}; where the key of mail is refused: ${some}, and getSecret of mail ${one}; where all are: [${none}]`);
  console.log(`getAllVersions with limit 2 of 5: ${versions} versions, ${opened} calls of Decrypt`);
  if (`${all}|${some}|${one}|${none}` !== "db,mail|db|raises|" || versions !== 5 || opened !== 5) throw new Error("changed");
  console.log("still so");
};
server.listen(0, "127.0.0.1", () => run().then(() => process.exit(0), (error) => { console.error(error.message); process.exit(1); }));
E
AWS_SDK_JS_SUPPRESS_MAINTENANCE_MODE_MESSAGE=1 node --no-warnings run.js
