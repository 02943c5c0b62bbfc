// What clients do wrong when they sign. A row changes the parts of what is signed as such a client would: the row
// whose signature is the client's has found it. `served` are the ways in which this service takes that form as well.
//
// Of two rows that stand at different places both may be made at once. texts.js of the check says them in words.

import { base64, bytes, byCodePoint, byName, escape, hex, sha256 } from "./signing.js";

const REGIONS = { acs: ["cn-hangzhou", "cn-beijing", "cn-shanghai", "ap-southeast-1", "eu-central-1", "us-east-1"] };
const EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const DAY = 86_400_000;
const FAR = 8e15; // a Date ends at 8.64e15

function hosted(parts, host) {
  const headers = parts.headers.map(([name, value]) => [name, name.toLowerCase() === "host" ? host : value]);
  return { host, headers };
}
const bare = (host) => host.replace(/:\d+$/, "");
const port = (host) => /:\d+$/.exec(host)?.[0] ?? "";
const hosts = (make) => (parts, request) => make(parts, request).filter((host) => host !== parts.host).map((host) => ({ ...hosted(parts, host), about: host }));

function tencentNames(region) {
  const places = region ? ["", `${region}.`] : [""];
  return ["", "intl.", "internal."].flatMap((kind) => places.map((place) => `kms.${kind}${place}tencentcloudapi.com`));
}

const VENDORS = {
  acs: (parts) => [...new Set([parts.scope[1], ...REGIONS.acs])].filter(Boolean).map((region) => `kms.${region}.aliyuncs.com`),
  aws: (parts) => [`kms.${parts.scope[1]}.amazonaws.com`],
  tc3: (_, request) => tencentNames(request.headers["x-tc-region"]),
  v1: (parts) => tencentNames(parts.pairs.find(([name]) => name === "Region")?.[1]),
};

const header = (wanted, change) => (parts) => {
  const found = parts.headers.find(([name]) => name === wanted);
  if (!found) return [];
  return change(found[1]).map((value) => ({ headers: parts.headers.map((row) => (row === found ? [wanted, value] : row)), about: value }));
};

const without = (list, i) => list.filter((_, at) => at !== i);
const dropped = (key) => (parts) => parts[key].map(([name], i) => ({ [key]: without(parts[key], i), about: name }));

// The other spellings of a JSON body that mean the same.
function respelled(request) {
  let value;
  try {
    value = JSON.parse(request.body);
  } catch {
    return [];
  }
  const compact = JSON.stringify(value);
  const spaced = JSON.stringify(value, null, 1).replace(/\n */g, " ").replace(/([[{]) /g, "$1").replace(/ ([\]}])/g, "$1");
  const ascii = (text) => text.replace(/[\u0080-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`);
  const slashes = (text) => text.replace(/\//g, "\\/");
  const sorted = JSON.stringify(value, value && typeof value === "object" ? Object.keys(value).sort() : null);
  return [compact, spaced, ascii(compact), ascii(spaced), slashes(compact), sorted, JSON.stringify(value, null, 2)];
}

const payloads = (make) => async (parts, request) => Promise.all(make(request).map(async (body) => ({ payload: await sha256(body) })));

// The stamp wherever it is signed.
function stamped(parts, stamp) {
  const at = (rows, names) => rows.map(([name, value]) => [name, names.includes(name) ? stamp : value]);
  return { stamp, headers: at(parts.headers, ["x-acs-date", "x-amz-date", "x-tc-timestamp"]), pairs: at(parts.pairs, ["Timestamp"]) };
}

// NaN for what is no time, or one that no clock has.
export function milliseconds(stamp) {
  const iso = stamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z");
  const time = /^\d+$/.test(stamp) ? Number(stamp) * (stamp.length > 11 ? 1 : 1000) : Date.parse(iso);
  return Math.abs(time) < FAR ? time : NaN;
}

function spell(time, like) {
  const iso = new Date(time).toISOString();
  if (/^\d+$/.test(like)) return String(Math.floor(time / 1000));
  return like.includes("-") ? (like.includes(".") ? iso : iso.replace(/\.\d+/, "")) : iso.replace(/[-:]|\.\d+/g, "");
}

const shifts = (steps) => (parts, request, claim) => {
  const time = milliseconds(claim.stamp);
  if (Number.isNaN(time)) return [];
  return steps.flatMap((step) => {
    const stamp = spell(time + step, claim.stamp);
    return [{ stamp }, stamped(parts, stamp)].map((change) => ({ ...change, about: `${step / 1000} s` }));
  });
};

const otherDates = (parts) => {
  const day = parts.scope[0]?.replace(/^(\d{4})(\d\d)(\d\d)$/, "$1-$2-$3");
  const time = Date.parse(day);
  if (Number.isNaN(time)) return [];
  const dates = [time - DAY, time + DAY].map((at) => new Date(at).toISOString().slice(0, 10));
  return dates.map((date) => (parts.scope[0].includes("-") ? date : date.replace(/-/g, ""))).map((date) => ({ scope: [date, ...parts.scope.slice(1)], about: date }));
};

const scoped = (i, values) => (parts, request) =>
  values(parts, request).filter((value) => value !== parts.scope.at(i)).map((value) => ({ scope: parts.scope.with(i, value), about: value }));

const plus = (text) => escape(text).replace(/%20/g, "+");
const java = (text) => plus(text).replace(/%2A/g, "*").replace(/~/g, "%7E");
const lower = (text) => escape(text).replace(/%../g, (code) => code.toLowerCase());
const loose = encodeURIComponent;
const slash = (text) => escape(text).replace(/%2F/g, "/");
const twice = (text) => escape(escape(text));
const raw = (text) => text;
const joined = (pairs) => pairs.map(([name, value]) => `${name}=${value}`);
const dotted = (pairs) => pairs.map(([name, value]) => [name.replace(/_/g, "."), value]);
const form = (pairs, write) => joined(pairs.map((pair) => pair.map(write))).join("&");

const titled = (parts, request) => {
  const sent = Object.fromEntries(request.names.map((name) => [name.toLowerCase(), name]));
  return { headers: parts.headers.map(([name, value]) => [sent[name] ?? name, value]) };
};

const row = (id, place, ways, make, served = "") => ({ id, place, ways: ways.split(" "), served: served.split(" "), make });
const set = (change) => () => change;
const spelled = (write) => () => [{ escape: write }, { escape: write, again: write }];
const HEADED = "acs tc3 aws";
const DERIVED = "acs tc3 aws";
const ALL = "rpc acs tc3 aws v1";

export const MISTAKES = [
  row("host-without-port", "host", "acs aws tc3 v1", hosts(({ host }) => [bare(host)]), "tc3 v1"),
  row("host-default-port", "host", "acs aws tc3 v1", hosts(({ host }) => (port(host) ? [] : [`${host}:80`, `${host}:443`])), "tc3 v1"),
  row("host-of-vendor", "host", "acs aws tc3 v1", hosts((parts, request) => VENDORS[parts.way](parts, request)), "tc3 v1"),
  row("host-of-url", "host", "acs aws tc3 v1", hosts((_, request) => (request.url ? [request.url, bare(request.url)] : []))),
  row("host-local", "host", "acs aws tc3 v1", hosts(({ host }) => ["localhost", "127.0.0.1", "0.0.0.0"].flatMap((name) => [name, name + port(host)]))),
  row("host-case", "host", "acs aws tc3 v1", hosts(({ host }) => [host.toLowerCase(), host.toUpperCase()])),

  row("path-root", "path", "tc3 v1 aws", set({ path: "/" }), "tc3 v1"),
  row("path-as-sent", "path", "acs rpc", (_, { path }) => ({ path })),
  row("path-empty", "path", "acs tc3 aws v1", set({ path: "" })),
  row("path-end", "path", "acs tc3 aws v1", ({ path }) => ({ path: path.endsWith("/") ? path.slice(0, -1) : `${path}/` })),
  row("path-escaped-once", "path", "aws", set({ again: raw })),
  row("path-slash-raw", "path", "rpc", set({ place: raw })),

  row("method-other", "method", ALL, ({ method }) => ({ method: method === "GET" ? "POST" : "GET" })),
  row("method-lower", "method", ALL, ({ method }) => ({ method: method.toLowerCase() })),

  row("order-utf16", "order", "rpc", set({ sort: (pairs) => [...pairs].sort(([a], [b]) => (a < b ? -1 : 1)) }), "rpc"),
  row("order-as-sent", "order", "rpc acs v1", set({ sort: raw })),
  row("order-without-case", "order", "rpc acs v1", set({ sort: (pairs) => byName(pairs).sort(([a], [b]) => byCodePoint(a.toLowerCase(), b.toLowerCase())) })),
  row("order-by-pair", "order", "rpc acs v1", set({ sort: (pairs) => [...pairs].sort((a, b) => byCodePoint(a.join("="), b.join("="))) })),
  row("order-reversed", "order", "rpc acs v1", set({ sort: (pairs) => byName(pairs).reverse() })),

  row("escape-loose", "escape", "rpc acs", set({ escape: loose, again: loose }), "rpc"),
  row("escape-plus", "escape", "rpc acs", spelled(plus)),
  row("escape-java", "escape", "rpc acs", spelled(java)),
  row("escape-lower", "escape", "rpc acs", spelled(lower)),
  row("escape-slash", "escape", "rpc acs", spelled(slash)),
  row("escape-none", "escape", "rpc acs", spelled(raw)),
  row("escape-twice", "escape", "rpc acs", spelled(twice)),
  row("escape-again-missing", "again", "rpc", set({ again: raw })),
  row("names-dotted", "escape", "v1", ({ pairs }) => ({ pairs: dotted(pairs) }), "v1"),
  row("names-dotted-late", "escape", "v1", set({ name: (name) => (name.startsWith("_") ? name : name.replace(/_/g, ".")) }), "v1"),
  row("values-escaped", "escape", "v1", () => [escape, plus, java, loose].map((write) => ({ name: write, value: write }))),
  row("blank-unsigned", "pairs", "rpc acs v1", ({ pairs }) => ({ pairs: pairs.filter(([, value]) => value) })),
  row("file-unsigned", "pairs", "v1", ({ pairs }) => ({ pairs: pairs.filter(([, value]) => !value.startsWith("@")) })),
  row("parameter-unsigned", "pairs", "rpc acs v1", dropped("pairs")),
  row("form-in-query", "pairs", "acs", (_, request, claim, every) => ({ pairs: every })),
  row("query-unsigned", "pairs", "acs", set({ pairs: [] })),

  row("query-decoded", "query", "tc3", (_, request, claim, every) => ({ query: joined(every).join("&") })),
  row("query-respelled", "query", "tc3", (_, request, claim, every) => [escape, plus, java, loose].map((write) => ({ query: form(every, write) }))),
  row("query-sorted", "query", "tc3", (_, request, claim, every) => [escape, plus, java].map((write) => ({ query: form(byName(every), write) }))),
  row("query-unsigned", "query", "tc3", set({ query: "" })),
  row("query-mark", "query", "tc3", ({ query }) => ({ query: `?${query}` })),

  row("header-values-lower", "headers", HEADED, ({ headers }) => ({ headers: headers.map(([name, value]) => [name, value.toLowerCase()]) }), "tc3"),
  row("header-names-as-sent", "headers", HEADED, titled),
  row("header-space", "headers", HEADED, set({ line: (name, value) => `${name}: ${value}\n` })),
  row("header-gap", "headers", HEADED, set({ gap: "" })),
  row("header-unsigned", "headers", HEADED, dropped("headers")),
  row("content-type", "headers", HEADED, header("content-type", (value) => {
    const media = value.split(";")[0].trim();
    return [media, `${media}; charset=utf-8`, `${media};charset=utf-8`, `${media}; charset=UTF-8`, `${media};charset=UTF-8`, "application/json", "application/json; charset=utf-8", ""];
  })),

  row("body-empty", "body", HEADED, set({ payload: EMPTY })),
  row("body-newline", "body", HEADED, payloads(({ body }) => [`${body}\n`, `${body}\r\n`, body.trim(), body.replace(/\r?\n/g, "\r\n")])),
  row("body-respelled", "body", HEADED, payloads(respelled)),
  row("body-decoded", "body", HEADED, payloads(({ body }) => [decoded(body)])),
  row("body-unsigned", "body", HEADED, async () => ["UNSIGNED-PAYLOAD", await sha256("UNSIGNED-PAYLOAD")].map((payload) => ({ payload }))),
  row("body-hash-missing", "body", HEADED, set({ payload: "" })),
  row("body-unhashed", "body", HEADED, (_, { body }) => ({ payload: body })),
  row("body-hash-upper", "body", HEADED, ({ payload }) => ({ payload: payload.toUpperCase() })),

  row("time-taken-twice", "time", ALL, shifts([-1, 1, -2, 2, -3, 3].map((s) => s * 1000))),
  row("time-local", "time", ALL, shifts([-12, -11, -10, -9, -8, -7, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 5.5, 6, 7, 8, 9, 9.5, 10, 11, 12, 13].map((h) => h * 3_600_000))),
  row("time-milliseconds", "time", "tc3 v1", (parts, request, claim) => stamped(parts, `${claim.stamp}000`)),
  row("scope-date", "scope", DERIVED, otherDates),
  row("scope-date-form", "scope", DERIVED, ({ scope }) => ({ steps: [scope[0]?.includes("-") ? scope[0].replace(/-/g, "") : scope[0]?.replace(/(....)(..)(..)/, "$1-$2-$3"), ...scope.slice(1)] })),
  row("scope-region", "scope", "acs aws", scoped(1, () => ["us-east-1", "us-west-2", "eu-west-1", "eu-central-1", "ap-southeast-1", "cn-north-1", ...REGIONS.acs])),
  row("scope-service", "scope", DERIVED, scoped(-2, ({ host }) => ["kms", "Kms", "KMS", host.split(".")[0], "cvm", "sts", "execute-api"])),
  row("scope-end", "scope", DERIVED, ({ scope }) => ({ steps: scope.slice(0, -1) })),
  row("scope-swapped", "scope", "acs aws", ({ scope: [date, region, service, end] }) => (end ? { steps: [date, service, region, end] } : [])),

  row("secret-space", "key", ALL, ({ secret }) => [secret.trim(), `${secret}\n`, `${secret} `, ` ${secret}`, `${secret}\r`, `${secret}\r\n`].filter((text) => text !== secret).map((text) => ({ secret: text }))),
  row("secret-bare", "key", "rpc tc3 aws acs", ({ prefix, suffix }) => (prefix || suffix ? { prefix: "", suffix: "" } : [])),
  row("secret-ampersand", "key", "acs tc3 aws v1", set({ suffix: "&" })),
  row("secret-is-id", "key", ALL, (_, request, { accessKeyId }) => ({ secret: accessKeyId })),
  row("secret-quoted", "key", ALL, ({ secret }) => [`"${secret}"`, `'${secret}'`].map((text) => ({ secret: text }))),
  row("key-underived", "key", DERIVED, ({ scope }) => (scope.length ? [{ steps: [] }, { steps: [], prefix: "" }] : [])),
  row("key-hex", "key", DERIVED, ({ scope }) => (scope.length ? { between: (key) => bytes(hex(key)) } : [])),

  row("hash-other", "hash", ALL, ({ hash }) => ({ hash: hash === "SHA-1" ? "SHA-256" : "SHA-1" })),
  row("hash-label", "hash", "v1", ({ hashed }) => ({ hashed: !hashed, hash: "SHA-256" })),
  row("text-unhashed", "text", HEADED, set({ digest: async (text) => text })),
  row("digest-upper", "text", HEADED, ({ digest }) => ({ digest: async (text) => (await digest(text)).toUpperCase() })),
  row("text-newline", "text", ALL, set({ text: (text) => `${text}\n` })),
  row("canonical-newline", "text", HEADED, set({ canonical: (text) => `${text}\n` })),
  row("text-crlf", "text", HEADED, () => [lines("\r\n"), { ...lines("\r\n"), canonical: raw }]),
  row("text-literal", "text", HEADED, () => [lines("\\n"), { ...lines("\\n"), canonical: raw }, { ...lines("\\n"), text: raw }]),
  row("text-canonical", "text", HEADED, set({ text: (text, canonical) => canonical })),

  row("signature-encoding", "write", ALL, ({ write }) => [write === hex ? base64 : hex, (sum) => base64(bytes(hex(sum)))].map((other) => ({ write: other }))),
  row("signature-upper", "write", HEADED, set({ write: (sum) => hex(sum).toUpperCase() })),
  row("signature-plus", "write", "rpc v1", set({ write: (sum) => base64(sum).replace(/\+/g, " ") })),
  row("signature-escaped-twice", "write", "rpc v1", set({ write: (sum) => escape(base64(sum)) })),
  row("signature-unpadded", "write", "rpc v1", set({ write: (sum) => base64(sum).replace(/=+$/, "") })),
];

function lines(end) {
  const change = (text) => text.replaceAll("\n", end);
  return { canonical: change, text: change };
}

function decoded(text) {
  try {
    return decodeURIComponent(text.replace(/\+/g, " "));
  } catch {
    return text;
  }
}

// What a row makes of `parts`: a list, of which each may say what it is `about`.
export async function made(mistake, parts, request, claim, every) {
  const underived = mistake.place === "scope" && !parts.scope.length; // ACS3 signs with the secret itself
  if (underived || !mistake.ways.includes(parts.way)) return [];
  const changes = await mistake.make(parts, request, claim, every);
  return [changes].flat().map((change) => ({ ...parts, ...change }));
}
