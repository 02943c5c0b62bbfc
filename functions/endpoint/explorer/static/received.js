// A request as somebody pastes it, raw HTTP, a command of curl or a trace of Python, and what it says of its signature.

import { SCHEMES, bytes, partsOf, sha256 } from "./signing.js";

export class Unreadable extends Error {
  constructor(id, about = "") {
    super(about || id);
    this.id = id;
    this.about = about;
  }
}

const FORM = "application/x-www-form-urlencoded";
const V2 = "/v2/index.php";

const ESCAPES = { n: "\n", r: "\r", t: "\t", a: "\x07", b: "\b", e: "\x1b", f: "\f", v: "\v" };

function dollar(text) {
  const one = (_, hexed, wide, octal, c) => {
    if (hexed || wide) return String.fromCodePoint(parseInt(hexed ?? wide, 16));
    return octal ? String.fromCharCode(parseInt(octal, 8)) : (ESCAPES[c] ?? c);
  };
  return text.replace(/\\(?:x([0-9a-f]{1,2})|u([0-9a-f]{1,4})|([0-7]{1,3})|([^]))/gi, one);
}

// The words of a shell command; quotes as bash has them, a caret or a backslash at the end of a line continues it.
export function words(text) {
  const found = [];
  const token = /\\\r?\n|\^\r?\n|(\s+)|\$'((?:\\[^]|[^'\\])*)'|'([^']*)'|"((?:\\[^]|[^"\\])*)"|\\([^])|([^\s'"\\$]+|\$)/gy;
  let word = null;
  let at = 0;
  for (let match; (match = token.exec(text)); at = token.lastIndex) {
    const [all, space, ansi, single, double, escaped, plain] = match;
    if (space !== undefined) {
      if (word !== null) found.push(word);
      word = null;
    } else if (/^[\\^]\r?\n$/.test(all)) {
      continue;
    } else {
      const piece = ansi !== undefined ? dollar(ansi) : (single ?? double?.replace(/\\(["\\$`]|\r?\n)/g, (_, c) => (c.length === 1 && c !== "\n" ? c : "")) ?? escaped ?? plain);
      word = (word ?? "") + piece;
    }
  }
  if (at < text.length) throw new Unreadable("quotes", text.slice(at, at + 40));
  return word === null ? found : [...found, word];
}

// curl's options that have a value of their own and say nothing of the request.
const VALUED = new Set(
  "-o --output -u --user -A --user-agent -e --referer -m --max-time --connect-timeout --cacert --cert --key -w --write-out -x --proxy --resolve --connect-to --retry -b --cookie -c --cookie-jar --interface".split(" "),
);
const LONG = { "--request": "-X", "--header": "-H", "--get": "-G", "--head": "-I", "--data": "-d", "--data-ascii": "-d" };

function fromCurl(text) {
  const [, ...args] = words(text);
  const sent = { method: "", headers: [], data: [], url: "", get: false };
  const take = {
    "-X": (value) => (sent.method = value),
    "-H": (value) => sent.headers.push(value),
    "-A": (value) => sent.headers.push(`User-Agent: ${value}`),
    "--user-agent": (value) => sent.headers.push(`User-Agent: ${value}`),
    "--url": (value) => (sent.url = value),
    "-d": (value) => sent.data.push(file(value).replace(/[\r\n]/g, "")),
    "--data-raw": (value) => sent.data.push(value),
    "--data-binary": (value) => sent.data.push(file(value)),
    "--json": (value) => {
      sent.data.push(file(value));
      sent.headers.push("Content-Type: application/json", "Accept: application/json");
    },
    "--data-urlencode": (value) => sent.data.push(encoded(value)),
  };
  for (let i = 0; i < args.length; i += 1) {
    let [arg, value] = args[i].startsWith("--") && args[i].includes("=") ? cut(args[i], "=") : [args[i], undefined];
    if (/^-[XHdA]./.test(arg)) [arg, value] = [arg.slice(0, 2), arg.slice(2)];
    arg = LONG[arg] ?? arg;
    if (take[arg]) take[arg](value ?? args[(i += 1)] ?? "");
    else if (arg === "-G") sent.get = true;
    else if (arg === "-I") sent.method ||= "HEAD";
    else if (VALUED.has(arg)) i += value === undefined ? 1 : 0;
    else if (!arg.startsWith("-")) sent.url ||= arg;
  }
  const url = /^(?:(https?):\/\/)?([^/?#]*)([^?#]*)(?:\?([^#]*))?/i.exec(sent.url);
  if (!sent.url || !url[2]) throw new Unreadable("no-url");
  const data = sent.data.join("&");
  const query = [url[4], sent.get ? data : ""].filter(Boolean).join("&");
  const body = sent.get ? "" : data;
  const headers = sent.headers.map((line) => cut(line.replace(/;$/, ":"), ":"));
  const has = (name) => headers.some(([given]) => given.toLowerCase() === name);
  const standard = { http: ":80", https: ":443" }[(url[1] ?? "http").toLowerCase()];
  const host = url[2].replace(/^.*@/, "");
  if (!has("host")) headers.push(["Host", host.endsWith(standard) ? host.slice(0, -standard.length) : host]);
  if (sent.data.length && !sent.get && !has("content-type")) headers.push(["Content-Type", FORM]);
  const method = sent.method || (body || (sent.data.length && !sent.get) ? "POST" : "GET");
  return { method, path: url[3] || "/", query, headers, body, url: host, exact: true };
}

function file(value) {
  if (value.startsWith("@")) throw new Unreadable("body-of-file", value.slice(1));
  return value;
}

function encoded(value) {
  const [name, text] = value.includes("=") ? cut(value, "=") : ["", value];
  const written = encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  return name ? `${name}=${written}` : written;
}

function cut(text, mark) {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + mark.length)];
}

function fromHttp(text) {
  const [, head, body = ""] = /^([^]*?)(?:\r?\n\r?\n([^]*))?$/.exec(text);
  const [first, ...rest] = head.split(/\r?\n/);
  const match = /^([A-Za-z]+)\s+(\S+)(?:\s+HTTP\/[\d.]+)?\s*$/.exec(first);
  if (!match) throw new Unreadable("no-request", first.slice(0, 60));
  const absolute = /^https?:\/\/([^/?#]*)(.*)$/i.exec(match[2]);
  const [path, query] = cut((absolute ? absolute[2] : match[2]) || "/", "?");
  const headers = [];
  for (const line of rest) {
    if (/^[ \t]/.test(line) && headers.length) headers.at(-1)[1] += ` ${line.trim()}`;
    else if (line.includes(":")) headers.push(cut(line, ":"));
    else throw new Unreadable("no-header", line.slice(0, 60));
  }
  if (absolute && !headers.some(([name]) => name.toLowerCase() === "host")) headers.push(["Host", absolute[1]]);
  return { method: match[1], path: path || "/", query, headers, body, url: "", exact: false };
}

const SENT = /^(?:send: )?b'((?:\\[^]|[^'\\])*)'|^(?:send: )?b"((?:\\[^]|[^"\\])*)"/gm;

// What Python's http.client prints of the bytes that it sends: `send: b'POST / HTTP/1.1\r\n..'`, the body apart.
function fromPython(text) {
  const pieces = [...text.matchAll(SENT)].map(([, single, double]) => dollar(single ?? double));
  const second = pieces.findIndex((piece, i) => i > 0 && /^[A-Z]+ \S+ HTTP\/1\.1\r\n/.test(piece));
  const first = pieces.slice(0, second < 0 ? undefined : second).join("");
  return { ...fromHttp(new TextDecoder().decode(Uint8Array.from(first, (c) => c.charCodeAt(0)))), exact: true };
}

const FORMS = [
  [/^(\$ )?curl(\.exe)?\s/, (text) => fromCurl(text.replace(/^\$ /, ""))],
  [/^(send: )?b['"]/, fromPython],
  [/^/, fromHttp],
];

// {method, path, query, headers: {lower-case name: value}, body, names: [as sent]}. Throws Unreadable.
export function parse(text) {
  const trimmed = text.replace(/^\s+/, "");
  if (!trimmed) throw new Unreadable("nothing");
  const read = FORMS.find(([form]) => form.test(trimmed))[1](trimmed);
  const headers = {};
  for (const [name, value] of read.headers) {
    const lower = name.trim().toLowerCase();
    const text = value.replace(/^[ \t]+|[ \t\r]+$/g, "");
    headers[lower] = lower in headers ? `${headers[lower]},${text}` : text;
  }
  return { ...read, headers, names: read.headers.map(([name]) => name.trim()), body: whole(read, headers) };
}

// Who pastes leaves a line's end behind the body, or loses one: its Content-Length decides, where it is there.
function whole({ body, exact }, headers) {
  if (exact) return body;
  const length = Number(headers["content-length"] ?? NaN);
  const raw = bytes(body);
  if (raw.length > length && !body.slice(new TextDecoder().decode(raw.slice(0, length)).length).trim()) {
    return new TextDecoder().decode(raw.slice(0, length));
  }
  return Number.isNaN(length) ? body.replace(/[\r\n]+$/, "") : body;
}

// [[name, value]] of a query or form, decoded, as the server reads it: `+` is a space.
export function pairs(text) {
  if (!text) return [];
  return text.split("&").map((part) => cut(part, "=").map((side) => unescape(side.replace(/\+/g, " "))));
}

function unescape(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const BEGINNINGS = { "ACS3-": "acs", "ACS4-": "acs", "TC3-": "tc3", AWS4: "aws" };

// What carries the signature and in which scheme. Throws Unreadable for what is not signed, or not in a way served.
export function recognise(request) {
  const authorization = request.headers.authorization ?? "";
  const isForm = mediaType(request) === FORM || request.path === V2;
  const every = [...pairs(request.query), ...(isForm ? pairs(request.body) : [])];
  const value = (name) => every.find(([given]) => given === name)?.[1];
  if (authorization) {
    const algorithm = authorization.split(" ")[0];
    const row = SCHEMES.find((scheme) => scheme.algorithm === algorithm);
    if (row && BEGINNINGS[Object.keys(BEGINNINGS).find((start) => algorithm.startsWith(start))]) return [row, every];
    throw new Unreadable("algorithm", algorithm);
  }
  if (value("X-Amz-Signature") !== undefined) throw new Unreadable("presigned");
  if (value("AccessKeyId") !== undefined) return [SCHEMES.find((row) => row.way === "rpc"), every];
  const dialect = request.path === V2 && value("Version") !== "2019-01-18" ? "tencent-v2" : "tencent";
  if (value("SecretId") !== undefined || dialect === "tencent-v2") {
    const method = value("SignatureMethod") || "HmacSHA1";
    const row = SCHEMES.find((scheme) => scheme.dialect === dialect && scheme.algorithm === method);
    if (row) return [row, every];
    throw new Unreadable("algorithm", method);
  }
  throw new Unreadable("not-signed");
}

export const mediaType = (request) => (request.headers["content-type"] ?? "").split(";")[0].trim().toLowerCase();

const field = (authorization, name) => new RegExp(`${name}\\s*=\\s*([^,\\s]+)`).exec(authorization)?.[1] ?? "";

// {row, parts, claim}: `parts` for compose(), without a secret; `claim` is {accessKeyId, signature, token, stamp, signed}.
export async function read(request) {
  const [row, every] = recognise(request);
  const value = (name) => every.find(([given]) => given === name)?.[1] ?? "";
  const { headers, method, path, query } = request;
  const host = headers.host ?? "";
  if (row.way === "rpc" || row.way === "v1") {
    const [id, token] = row.way === "rpc" ? ["AccessKeyId", "SecurityToken"] : ["SecretId", "Token"];
    const signed = every.filter(([name]) => name !== "Signature");
    const claim = { accessKeyId: value(id), signature: value("Signature"), token: value(token), stamp: value("Timestamp") };
    return { row, every, claim: { ...claim, signed: [] }, parts: partsOf(row, { method, path, host, pairs: signed }) };
  }
  const authorization = headers.authorization;
  const [accessKeyId, ...scope] = field(authorization, "Credential").split("/");
  const signed = field(authorization, "SignedHeaders").split(";");
  const prefix = { acs: "x-acs-", tc3: "x-tc-", aws: "x-amz-" }[row.way];
  const stamp = headers[{ acs: "x-acs-date", tc3: "x-tc-timestamp", aws: "x-amz-date" }[row.way]] ?? "";
  const token = headers[row.way === "tc3" ? "x-tc-token" : `${prefix}security-token`] ?? "";
  const lines = signed.map((name) => [name, text(row, name, headers)]);
  const known = { method, path, query, host, headers: lines, stamp, scope, payload: await sha256(request.body) };
  const claim = { accessKeyId, signature: field(authorization, "Signature"), token, stamp, signed };
  return { row, every, claim, parts: partsOf(row, { ...known, pairs: row.way === "acs" ? pairs(query) : [] }) };
}

function text(row, name, headers) {
  const value = headers[name.toLowerCase()] ?? "";
  if (row.way === "aws") return value.replace(/ {2,}/g, " ");
  return row.way === "tc3" && name === "x-tc-action" ? value.toLowerCase() : value;
}
