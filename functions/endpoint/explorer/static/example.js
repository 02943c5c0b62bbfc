// Requests with a mistake, for who wants to see what the check says: signed rightly, then as a client with the mistake.

import { asHttp } from "./answer.js";
import { MISTAKES, made } from "./mistakes.js";
import { parse, read } from "./received.js";
import { sign } from "./sign.js";
import { compose, escape } from "./signing.js";

const ID = "EXAMPLEKEYID0000";
const SECRET = "example-secret-of-nobody";
const KEY = "1234abcd-12ab-34cd-56ef-1234567890ab";
const CONTEXT = { purpose: "orders of 2027" };

// [scheme, what the call has, the mistake]. They hold whatever host the page is from.
export const EXAMPLES = [
  ["aws-sigv4", { operation: "Encrypt", region: "us-east-1", params: { KeyId: "alias/default", Plaintext: "aGVsbG8=" } }, "host-of-vendor"],
  ["alibaba-rpc", { operation: "Encrypt", method: "GET", params: { KeyId: KEY, Plaintext: "hello", EncryptionContext: CONTEXT } }, "escape-plus"],
  ["tencent-tc3", { operation: "Encrypt", region: "ap-guangzhou", params: { KeyId: KEY, Plaintext: "aGVsbG8=" } }, "body-respelled"],
  ["alibaba-acs3", { operation: "ListKeys", params: { PageSize: 10 } }, "header-gap"],
  ["tencent-v2-sha256", { operation: "ListKey", region: "gz", params: { limit: 10 } }, "order-as-sent"],
];

// The same request with another signature: the one that the mistake yields.
async function spoilt(text, id) {
  const request = parse(text);
  const { parts, claim, every } = await read(request);
  const mistake = MISTAKES.find((row) => row.id === id);
  for (const wrong of await made(mistake, { ...parts, secret: SECRET }, request, claim, every)) {
    const { signature } = await compose(wrong);
    if (signature === claim.signature) continue;
    return text.replace(claim.signature, signature).replace(escape(claim.signature), escape(signature));
  }
  throw new Error(`No example of ${id}.`);
}

// {text, secret, scheme} of the example number `n`, which was sent just now to `host`. Throws NoWebCrypto.
export async function example(n, host, now = Date.now()) {
  const [scheme, call, mistake] = EXAMPLES[n % EXAMPLES.length];
  const request = await sign(scheme, { host, accessKeyId: ID, secret: SECRET, now, ...call });
  return { scheme, mistake, secret: SECRET, text: await spoilt(asHttp(request, host), mistake) };
}
