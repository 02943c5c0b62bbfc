#!/usr/bin/env bash
# @aws-sdk/client-kms 3.1164.0 (npm), Node 20; since 3.974.0: 3.972.0 and older (3.930.0, 3.855.0, 3.600.0 and 3.303.0 were
# run, too) leave the clock alone at four minutes, though 3.600.0 moves it at ten. Older ones ran with the dependencies npm chose today
# Surprise: the client sets its clock by the Date header of every answer, successful ones too, by whatever difference there is. One
# answer whose Date is four minutes old makes all later requests carry a signing time four minutes in the past.
# Why it matters: clock correction is known as the remedy for a wrong *local* clock after a refusal. Here a cached Date, a proxy's, or a
# test server's frozen clock breaks a client whose own clock was right, and the error (signature expired) comes one request later.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
npm install --silent --no-audit --no-fund --prefix . @aws-sdk/client-kms@3.1164.0 >/dev/null
cat > run.mjs <<'E'
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { GenerateRandomCommand, KMSClient } from "@aws-sdk/client-kms";

const MINUTE = 60_000;
let behind = 0;
const differences = [];
const server = createServer((request, response) => {
  const [, y, mo, d, h, mi, s] = request.headers["x-amz-date"].match(/(....)(..)(..)T(..)(..)(..)Z/).map(Number);
  differences.push(Math.round((Date.UTC(y, mo - 1, d, h, mi, s) - Date.now()) / MINUTE));
  request.resume().on("end", () => {
    response.setHeader("Content-Type", "application/x-amz-json-1.1");
    response.setHeader("Date", new Date(Date.now() - behind).toUTCString());
    response.end('{"Plaintext": "AAAA"}');
  });
});
await new Promise((ready) => server.listen(0, "127.0.0.1", ready));
const kms = new KMSClient({
  region: "eu-west-1", endpoint: `http://127.0.0.1:${server.address().port}`,
  credentials: { accessKeyId: "FAKE", secretAccessKey: "fake" },
});
const call = () => kms.send(new GenerateRandomCommand({ NumberOfBytes: 3 }));
await call();
behind = 4 * MINUTE;
await call();
await call();
kms.destroy();
server.close();
console.log("@aws-sdk/client-kms", JSON.parse(readFileSync("node_modules/@aws-sdk/client-kms/package.json")).version, process.version);
console.log(`minutes between the local clock and X-Amz-Date of three calls, all answered 200: ${differences.map((d) => d || 0).join(", ")}`);
if (Math.abs(differences[0]) + Math.abs(differences[1]) !== 0 || differences[2] !== -4) { console.error("changed"); process.exit(1); }
console.log("still so");
E
node --no-warnings run.mjs
