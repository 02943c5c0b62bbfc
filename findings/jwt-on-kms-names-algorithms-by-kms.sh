#!/usr/bin/env bash
# jwt-on-kms 2.0.1 (npm, its newest) with @aws-sdk/client-kms 3.1164.0, jose 6.1.3, Node 20
# Surprise: `alg` in the header of its tokens is the name that AWS KMS has for the algorithm, RSASSA_PSS_SHA_256, and not JWT's, PS256
# (RFC 7518). The signature is right; every JOSE library that checks refuses the token by its header, and its own verify, which never
# looks at it, accepts. Each token's header and payload also go to the standard output.
# Why it matters: its purpose is that others verify without the KMS, and none but itself can. The first signs of it are an error
# about an unsupported algorithm at a partner's, and users' data in one's own log.
set -euo pipefail
tmp=$(mktemp -d); trap 'rm -rf "$tmp"' EXIT; cd "$tmp"
npm install --silent --no-audit --no-fund --prefix . jwt-on-kms@2.0.1 @aws-sdk/client-kms@3.1164.0 jose@6.1.3 >/dev/null
cat > run.mjs <<'E'
import { constants, generateKeyPairSync, sign as rsaSign } from "node:crypto";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { compactVerify } from "jose";

const { setClient, sign, verify } = createRequire(import.meta.url)("jwt-on-kms");
const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const pss = { key: privateKey, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 };
// What a KMS does with an RSA key: it signs, and it tells the public key.
setClient({
  send: async ({ constructor, input }) => constructor.name === "SignCommand"
    ? { Signature: rsaSign("sha256", input.Message, pss) }
    : { PublicKey: publicKey.export({ type: "spki", format: "der" }) },
});
const printed = [];
const log = console.log;
console.log = (...line) => printed.push(line.join(" "));
const token = await sign({ sub: "alice" }, "key");
console.log = log;
const own = await verify(token, "key");
const outside = async (text) => compactVerify(text, publicKey).then(() => "accepts", (error) => `refuses: ${error.code}`);
const refused = await outside(token);
// The same signature procedure under JWT's name, to see that jose takes it.
const head = Buffer.from('{"alg":"PS256"}').toString("base64url");
const input = `${head}.${token.split(".")[1]}`;
const renamed = await outside(`${input}.${rsaSign("sha256", Buffer.from(input), pss).toString("base64url")}`);
const { alg } = JSON.parse(Buffer.from(token.split(".")[0], "base64url"));
const version = (name) => JSON.parse(readFileSync(`node_modules/${name}/package.json`)).version;
log("jwt-on-kms", version("jwt-on-kms"), "jose", version("jose"), process.version);
log(`alg: ${alg}; its own verify: ${own.isValid ? "accepts" : own.error}; jose ${refused}; with alg PS256 jose ${renamed}`);
log(`lines that sign wrote to standard output: ${printed.length}, the token's beginning: ${token.startsWith(printed[0])}`);
if (alg !== "RSASSA_PSS_SHA_256" || !own.isValid || refused !== "refuses: ERR_JOSE_NOT_SUPPORTED" || renamed !== "accepts"
    || printed.length !== 1 || !token.startsWith(printed[0])) {
  console.error("changed");
  process.exit(1);
}
log("still so");
E
node --no-warnings run.mjs
