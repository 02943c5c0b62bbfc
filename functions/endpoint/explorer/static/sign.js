// Signs a request in this tab: the secret goes into WebCrypto and nowhere else.

import { SCHEMES, base64, compose, escape, find, partsOf, sha256 } from "./signing.js";

export { NoWebCrypto, SCHEMES } from "./signing.js";

const FORM = "application/x-www-form-urlencoded";
const ALIBABA = "2016-01-20";
const TENCENT = "2019-01-18";
const second = (now) => new Date(now).toISOString().replace(/\.\d+Z$/, "Z");
const compact = (now) => second(now).replace(/[-:]/g, "");
const unix = (now) => String(Math.floor(new Date(now).getTime() / 1000));
const encode = (pairs) => pairs.map(([name, value]) => `${escape(name)}=${escape(value)}`).join("&");

// Parameters as single texts: items of a list numbered from `first`; a map at the top, a context, is JSON text.
export function flatten(params, first, start = "") {
  return Object.entries(params).flatMap(([name, value]) => {
    const full = `${start}${name}`;
    if (Array.isArray(value)) {
      return flatten(Object.fromEntries(value.map((item, i) => [i + first, item])), first, `${full}.`);
    }
    if (value !== null && typeof value === "object") {
      return start ? flatten(value, first, `${full}.`) : [[full, JSON.stringify(value)]];
    }
    return value === null || value === undefined ? [] : [[full, String(value)]];
  });
}

const given = (pairs) => pairs.filter(([, value]) => value);

// Where the parameters of a signature that is itself one travel: the query of a GET, the form of a POST.
function carried(method, path, pairs, signed, signature) {
  const all = encode([...pairs, ["Signature", signature]]);
  const post = method === "POST";
  return {
    method,
    url: post ? path : `${path}?${all}`,
    headers: post ? [["Content-Type", FORM]] : [],
    body: post ? all : "",
    ...signed,
  };
}

async function rpc(row, c) {
  const pairs = [
    ...given([
      ["Action", c.operation],
      ["Version", ALIBABA],
      ["Format", "JSON"],
      ["AccessKeyId", c.accessKeyId],
      ["SignatureMethod", row.algorithm],
      ["SignatureVersion", "1.0"],
      ["SignatureNonce", c.nonce],
      ["Timestamp", second(c.now)],
      ["SecurityToken", c.token],
      ["RegionId", c.region],
    ]),
    ...flatten(c.params, 1),
  ];
  const signed = await compose(partsOf(row, { method: c.method, pairs, secret: c.secret }));
  return carried(c.method, c.path, pairs, signed, signed.signature);
}

async function v1(row, c) {
  const version = row.dialect === "tencent" ? TENCENT : "";
  const pairs = [
    ...given([
      ["Action", c.operation],
      ["Version", version],
      ["Region", c.region],
      ["SecretId", c.accessKeyId],
      ["Timestamp", unix(c.now)],
      ["Nonce", c.nonce],
      ["SignatureMethod", row.algorithm],
      ["Token", c.token],
    ]),
    ...flatten(c.params, 0),
  ];
  const signed = await compose(partsOf(row, { method: c.method, host: c.host, path: c.path, pairs, secret: c.secret }));
  return carried(c.method, c.path, pairs, signed, signed.signature);
}

// A header block: signs `headers` (lower-case names), and writes Authorization with `credential`.
async function block(row, c, headers, scope, credential, { query = "", pairs = [], body = "", comma = ", ", payload } = {}) {
  const signing = [["host", c.host], ...given(headers)].sort(([a], [b]) => (a < b ? -1 : 1));
  const stamp = c.stamp;
  const known = { method: c.method, path: c.path, query, pairs, headers: signing, payload, stamp, scope, secret: c.secret };
  const signed = await compose(partsOf(row, known));
  const names = signing.map(([name]) => name).join(";");
  const authorization = [`Credential=${credential}`, `SignedHeaders=${names}`, `Signature=${signed.signature}`];
  const search = pairs.length ? encode(pairs) : query;
  return {
    method: c.method,
    url: search ? `${c.path}?${search}` : c.path,
    headers: [...given(headers), ...(c.unsigned ?? []), ["Authorization", `${row.algorithm} ${authorization.join(comma)}`]],
    body,
    ...signed,
  };
}

async function acs(row, c) {
  const all = flatten(c.params, 1);
  const post = c.method === "POST";
  const body = post ? encode(all) : "";
  const payload = await sha256(body);
  const headers = [
    ["content-type", body ? FORM : ""],
    ["x-acs-action", c.operation],
    ["x-acs-version", ALIBABA],
    ["x-acs-date", second(c.now)],
    ["x-acs-signature-nonce", c.nonce],
    ["x-acs-content-sha256", payload],
    ["x-acs-security-token", c.token],
  ];
  const four = row.id === "alibaba-acs4";
  const scope = four ? [compact(c.now).slice(0, 8), c.region || "cn-hangzhou", "Kms", "aliyun_v4_request"] : [];
  const credential = [c.accessKeyId, ...scope].join("/");
  return block(row, c, headers, scope, credential, { pairs: post ? [] : all, body, comma: ",", payload });
}

async function tc3(row, c) {
  const post = c.method === "POST";
  const body = post ? JSON.stringify(c.params) : "";
  const query = post ? "" : encode(flatten(c.params, 0));
  const unsigned = given([
    ["X-TC-Action", c.operation],
    ["X-TC-Version", TENCENT],
    ["X-TC-Timestamp", unix(c.now)],
    ["X-TC-Region", c.region],
    ["X-TC-Token", c.token],
  ]);
  const scope = [second(c.now).slice(0, 10), "kms", "tc3_request"];
  const headers = [["content-type", post ? "application/json" : FORM]];
  const more = { query, body, payload: await sha256(body) };
  return block(row, { ...c, stamp: unix(c.now), unsigned }, headers, scope, [c.accessKeyId, ...scope].join("/"), more);
}

async function aws(row, c) {
  const body = JSON.stringify(c.params);
  const stamp = compact(c.now);
  const scope = [stamp.slice(0, 8), c.region || "us-east-1", "kms", "aws4_request"];
  const headers = [
    ["content-type", "application/x-amz-json-1.1"],
    ["x-amz-date", stamp],
    ["x-amz-target", `TrentService.${c.operation}`],
    ["x-amz-security-token", c.token],
  ];
  const credential = [c.accessKeyId, ...scope].join("/");
  return block(row, { ...c, method: "POST", stamp }, headers, scope, credential, { body, payload: await sha256(body) });
}

const MAKE = { rpc, acs, tc3, v1, aws };

function random(row) {
  const drawn = crypto.getRandomValues(new Uint8Array(16));
  // Tencent's nonce is a number.
  return row.way === "v1" ? String(new DataView(drawn.buffer).getUint32(0)) : base64(drawn).replace(/[^A-Za-z0-9]/g, "");
}

// A signed request: {method, url, headers: [[name, value]], body, canonicalRequest, stringToSign, signature}.
//
// `params` are the operation's, as in JSON; `host` is what the Host header will be, with its port; `now` a Date or
// milliseconds. `url` is the path with its query; Host is not among `headers`, since the browser writes it. AWS's
// requests are always a POST. Throws NoWebCrypto where crypto.subtle is missing, Error for an unknown scheme.
export async function sign(schemeId, call) {
  const row = find(schemeId);
  const said = Object.fromEntries(Object.entries(call).filter(([, value]) => value !== undefined));
  const c = { method: "POST", params: {}, token: "", region: "", now: Date.now(), ...said };
  return MAKE[row.way](row, { ...c, path: row.path ?? c.path ?? "/", nonce: c.nonce || random(row) });
}
