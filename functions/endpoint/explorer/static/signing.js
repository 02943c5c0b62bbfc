// The signature schemes: what is signed, from its parts. docs/protocols.md has them in words.
//
// `parts` are what a string to sign is made of: {method, path, host, pairs, query, headers, payload, stamp, scope,
// secret}, and how it is written (`HOW`). `compose` reads nothing else, so that a mistake of a client is a change of
// one part (mistakes.js).

const UTF8 = new TextEncoder();

export class NoWebCrypto extends Error {
  constructor() {
    super("This browser signs only on https:// and on http://localhost or http://127.0.0.1 (a secure context).");
  }
}

function subtle() {
  if (!globalThis.crypto?.subtle) throw new NoWebCrypto();
  return globalThis.crypto.subtle;
}

export const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
export const base64 = (bytes) => btoa(String.fromCharCode(...bytes));
export const bytes = (text) => (typeof text === "string" ? UTF8.encode(text) : text);

export const sha256 = async (text) => hex(new Uint8Array(await subtle().digest("SHA-256", bytes(text))));

function imported(key, hash) {
  // WebCrypto takes no empty key; a zero byte is the same HMAC.
  const raw = key.length ? bytes(key) : new Uint8Array(1);
  return subtle().importKey("raw", raw, { name: "HMAC", hash }, false, ["sign"]);
}

const mac = async (key, text) => new Uint8Array(await subtle().sign("HMAC", key, bytes(text)));

export const hmac = async (key, text, hash = "SHA-256") => mac(await imported(key, hash), text);

// All bytes but letters, digits and -_.~ as %XX, as RFC 3986 has it.
export const escape = (text) =>
  encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);

export function byCodePoint(a, b) {
  const [x, y] = [[...a], [...b]];
  const at = x.findIndex((c, i) => c !== y[i]);
  if (at < 0) return x.length - y.length;
  return y[at] === undefined ? 1 : x[at].codePointAt(0) - y[at].codePointAt(0);
}

export const byName = (pairs) => [...pairs].sort(([a, v], [b, w]) => byCodePoint(a, b) || byCodePoint(v, w));
const byEscaped = (pairs) => [...pairs].sort(([a], [b]) => byCodePoint(escape(a), escape(b)));

const same = (text) => text;

// How the parts are written, where a scheme says nothing else.
const HOW = {
  escape,
  again: escape,
  place: escape,
  sort: byName,
  name: same,
  value: same,
  line: (name, value) => `${name}:${value}\n`,
  gap: "\n",
  canonical: same,
  digest: (text) => sha256(text),
  text: same,
  prefix: "",
  suffix: "",
  step: same,
  hash: "SHA-256",
  write: hex,
};

const query = (parts) =>
  parts.sort(parts.pairs).map(([name, value]) => `${parts.escape(name)}=${parts.escape(value)}`).join("&");

function block(parts, path, search) {
  const lines = parts.headers.map(([name, value]) => parts.line(name, value)).join("");
  const names = parts.headers.map(([name]) => name).join(";");
  return `${parts.method}\n${path}\n${search}\n${lines}${parts.gap}${names}\n${parts.payload}`;
}

async function dated(parts, canonicalRequest) {
  const digest = await parts.digest(parts.canonical(canonicalRequest));
  return [canonicalRequest, [parts.algorithm, parts.stamp, parts.scope.join("/"), digest].join("\n")];
}

const escapedOnceMore = (parts) => parts.path.split("/").map(parts.again).join("/");

// Each answers [canonical request, string to sign], and says what is different in how it is written.
const WAYS = {
  rpc: [
    async (parts) => {
      const canonical = query(parts);
      return [canonical, `${parts.method}&${parts.place(parts.path)}&${parts.again(parts.canonical(canonical))}`];
    },
    { path: "/", suffix: "&", hash: "SHA-1", write: base64 },
  ],
  acs: [
    async (parts) => {
      const canonical = block(parts, parts.path, query(parts));
      return [canonical, `${parts.algorithm}\n${await parts.digest(parts.canonical(canonical))}`];
    },
    { path: "/", sort: byEscaped },
  ],
  tc3: [(parts) => dated(parts, block(parts, parts.path, parts.query)), { prefix: "TC3" }],
  aws: [(parts) => dated(parts, block(parts, escapedOnceMore(parts), parts.query)), { prefix: "AWS4" }],
  v1: [
    async (parts) => {
      const canonical = parts.sort(parts.pairs).map(([n, v]) => `${parts.name(n)}=${parts.value(v)}`).join("&");
      const rest = parts.hashed ? `\n${await parts.digest(parts.canonical(canonical))}` : parts.canonical(canonical);
      return [canonical, `${parts.method}${parts.host}${parts.path}?${rest}`];
    },
    { write: base64 },
  ],
};

// id: of sign(); dialect: of reference.json; way: how it is composed; algorithm: as it stands on the wire.
const scheme = (id, dialect, way, algorithm, title, more = {}) => ({ id, dialect, way, algorithm, title, ...more });
const V2 = "/v2/index.php";
const SHA1 = { hash: "SHA-1" };
const TC2 = { hashed: true };

export const SCHEMES = [
  scheme("alibaba-acs3", "alibaba", "acs", "ACS3-HMAC-SHA256", "ACS3-HMAC-SHA256"),
  scheme("alibaba-acs4", "alibaba", "acs", "ACS4-HMAC-SHA256", "ACS4-HMAC-SHA256", { how: { prefix: "aliyun_v4" } }),
  scheme("alibaba-rpc", "alibaba", "rpc", "HMAC-SHA1", "RPC v1, HMAC-SHA1"),
  scheme("tencent-tc3", "tencent", "tc3", "TC3-HMAC-SHA256", "TC3-HMAC-SHA256"),
  scheme("tencent-v1-sha1", "tencent", "v1", "HmacSHA1", "v1, HmacSHA1", { how: SHA1 }),
  scheme("tencent-v1-sha256", "tencent", "v1", "HmacSHA256", "v1, HmacSHA256"),
  scheme("tencent-v1-tc2", "tencent", "v1", "TC2-HmacSHA256", "v1, TC2-HmacSHA256", { how: TC2 }),
  scheme("tencent-v2-sha1", "tencent-v2", "v1", "HmacSHA1", "HmacSHA1", { path: V2, how: SHA1 }),
  scheme("tencent-v2-sha256", "tencent-v2", "v1", "HmacSHA256", "HmacSHA256", { path: V2 }),
  scheme("tencent-v2-tc2", "tencent-v2", "v1", "TC2-HmacSHA256", "TC2-HmacSHA256", { path: V2, how: TC2 }),
  scheme("aws-sigv4", "aws", "aws", "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256"),
];

export function find(id) {
  const found = SCHEMES.find((row) => row.id === id);
  if (!found) throw new Error(`There is no scheme ${id}.`);
  return found;
}

// The parts that a scheme signs, from what is known of a request: `known` may lack what the scheme does not look at.
export function partsOf(row, known) {
  const none = { path: "/", query: "", pairs: [], headers: [], scope: [], algorithm: row.algorithm, way: row.way };
  return { ...HOW, ...none, ...known, ...WAYS[row.way][1], ...row.how };
}

async function derived(start, steps, { between = same, hash }) {
  let key = bytes(start);
  for (const step of steps) key = between(await hmac(key, step));
  return imported(key, hash);
}

function keyOf(parts, keys) {
  const steps = (parts.steps ?? parts.scope).map(parts.step);
  const start = `${parts.prefix}${parts.secret}${parts.suffix}`;
  const name = JSON.stringify([start, steps, Boolean(parts.between), parts.hash]);
  if (!keys.has(name)) keys.set(name, derived(start, steps, parts));
  return keys.get(name);
}

export const signText = async (parts, text, keys = new Map()) => parts.write(await mac(await keyOf(parts, keys), text));

// {canonicalRequest, stringToSign, signature}. `keys` keeps what is derived from a secret, for who composes often.
// Throws NoWebCrypto where the browser has none.
export async function compose(parts, keys) {
  const [canonicalRequest, text] = await WAYS[parts.way][0](parts);
  const stringToSign = parts.text(text, canonicalRequest);
  const signature = await signText(parts, stringToSign, keys);
  return { canonicalRequest: parts.canonical(canonicalRequest), stringToSign, signature };
}
