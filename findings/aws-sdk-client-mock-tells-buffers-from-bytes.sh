#!/usr/bin/env bash
# aws-sdk-client-mock 4.1.0 (npm, its newest), @aws-sdk/client-kms 3.1164.0, Node 20
# Surprise: `mock.on(DecryptCommand, { CiphertextBlob: new Uint8Array(..) })` does not match the same bytes in a Buffer, nor the reverse, and an
# unmatched call answers undefined (not even a promise). Of an encryption context a part is enough: `{ EncryptionContext: {} }` matches any.
# Why it matters: the SDK answers Uint8Array, and programs send what Buffer.from(.., "base64") made, so the mock misses and the program fails with
# "Cannot read properties of undefined" far from the cause. A test that a context is sent passes if another entry is sent besides.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
npm install --silent --no-audit --no-fund --prefix . aws-sdk-client-mock@4.1.0 @aws-sdk/client-kms@3.1164.0 >/dev/null
cat > run.cjs <<'E'
const { DecryptCommand, KMSClient } = require("@aws-sdk/client-kms");
const { mockClient } = require("aws-sdk-client-mock");

const mock = mockClient(KMSClient);
const buffer = Buffer.from("blob");
const bytes = new Uint8Array(buffer);
const matches = async (expected, sent) => {
  mock.reset();
  mock.on(DecryptCommand, expected).resolves({ KeyId: "key" });
  const answer = new KMSClient({ region: "eu-west-1" }).send(new DecryptCommand(sent));
  return answer === undefined ? "undefined, at once" : (await answer)?.KeyId === "key";
};
const context = { tenant: "a", purpose: "mail" };
(async () => {
  const seen = {
    "a Buffer, and a Buffer is sent": await matches({ CiphertextBlob: buffer }, { CiphertextBlob: Buffer.from("blob") }),
    "a Uint8Array, and a Buffer is sent": await matches({ CiphertextBlob: bytes }, { CiphertextBlob: buffer }),
    "a Buffer, and a Uint8Array is sent": await matches({ CiphertextBlob: buffer }, { CiphertextBlob: bytes }),
    "a context of one entry, and two are sent": await matches({ EncryptionContext: { tenant: "a" } }, { EncryptionContext: context }),
    "an empty context, and two entries are sent": await matches({ EncryptionContext: {} }, { EncryptionContext: context }),
    "a context of two entries, and one is sent": await matches({ EncryptionContext: context }, { EncryptionContext: { tenant: "a" } }),
  };
  console.log("aws-sdk-client-mock", require("aws-sdk-client-mock/package.json").version, process.version);
  for (const [what, matched] of Object.entries(seen)) console.log(`on ${what}: ${matched === true ? "matches" : matched}`);
  const missed = "undefined, at once";
  if (JSON.stringify(Object.values(seen)) !== JSON.stringify([true, missed, missed, true, true, missed])) {
    console.error("changed");
    process.exit(1);
  }
  console.log("still so");
})();
E
node --no-warnings run.cjs
