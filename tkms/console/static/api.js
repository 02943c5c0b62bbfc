// What is asked of the server. The cookie that tells it who is signed in is not this page's to read.

export class Refused extends Error {
  constructor(status, told) {
    super(told.message ?? `HTTP ${status}`);
    this.status = status;
    this.code = told.error ?? "";
  }
}

async function asked(path, options) {
  const answer = await fetch(`/console/${path}`, { credentials: "same-origin", cache: "no-store", ...options });
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Refused(answer.status, told);
  return told;
}

export const get = (path) => asked(path, {});

export const post = (path, body) => asked(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

// Signs in with an access key: the secret makes a signature here, and is not sent. Throws Refused.
export async function signIn(id, secret) {
  const { now } = await get("session");
  const nonce = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
  const text = ["TKMS-CONSOLE-SIGN-IN", location.origin, id, String(now), nonce].join("\n");
  const bytes = new TextEncoder();
  const key = await crypto.subtle.importKey("raw", bytes.encode(secret), { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const signed = new Uint8Array(await crypto.subtle.sign("HMAC", key, bytes.encode(text)));
  const signature = Array.from(signed, (byte) => byte.toString(16).padStart(2, "0")).join("");
  await post("sign-in", { id, time: now, nonce, signature });
}
