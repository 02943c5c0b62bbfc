#!/usr/bin/env bash
# @aws-sdk/client-kms 3.1164.0 (npm), Node 20; the same in 3.53.0, 3.303.0, 3.600.0 and 3.910.0, which were run, too, with the
# dependencies npm chose today
# Surprise: the Plaintext of GenerateDataKey is a Uint8Array of 32 bytes, but not one of its own: it is a window, at some offset, on the
# 8,192 bytes that Node shares among small Buffers. `plaintext.buffer` is all of those, other secrets included.
# Why it matters: what takes an ArrayBuffer gets the wrong key. WebCrypto's importKey("raw", plaintext.buffer) refuses it, and a hash
# or HKDF over it silently uses 8,192 bytes of which most belong to others. Pass the array itself.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
npm install --silent --no-audit --no-fund --prefix . @aws-sdk/client-kms@3.1164.0 >/dev/null
cat > run.mjs <<'E'
import { createHash, webcrypto } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { GenerateDataKeyCommand, KMSClient } from "@aws-sdk/client-kms";

const key = Buffer.alloc(32, 7);
const server = createServer((request, response) => {
  request.resume().on("end", () => {
    response.setHeader("Content-Type", "application/x-amz-json-1.1");
    response.end(JSON.stringify({ KeyId: "k", CiphertextBlob: "AAAA", Plaintext: key.toString("base64") }));
  });
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const kms = new KMSClient({
  region: "eu-west-1", endpoint: `http://127.0.0.1:${server.address().port}`,
  credentials: { accessKeyId: "FAKE", secretAccessKey: "fake" },
});
const { Plaintext: plaintext } = await kms.send(new GenerateDataKeyCommand({ KeyId: "k", KeySpec: "AES_256" }));
kms.destroy();
server.close();
console.log("@aws-sdk/client-kms", JSON.parse(readFileSync("node_modules/@aws-sdk/client-kms/package.json")).version, process.version);
const owned = plaintext.buffer.byteLength;
console.log(`${plaintext.constructor.name} of ${plaintext.length} bytes at offset ${plaintext.byteOffset} of a buffer of ${owned}`);
const imported = async (bytes) => webcrypto.subtle.importKey("raw", bytes, "AES-GCM", false, ["encrypt"]).then(() => "imported", (e) => e.message);
const array = await imported(plaintext);
const buffer = await imported(plaintext.buffer);
console.log(`importKey(plaintext): ${array}; importKey(plaintext.buffer): ${buffer}`);
const hash = (bytes) => createHash("sha256").update(new Uint8Array(bytes)).digest("hex").slice(0, 12);
console.log(`SHA-256 of the key ${hash(key)}, of plaintext.buffer ${hash(plaintext.buffer)}`);
if (plaintext.length !== 32 || owned === 32 || array !== "imported" || buffer === "imported") { console.error("changed"); process.exit(1); }
console.log("still so");
E
node --no-warnings run.mjs
