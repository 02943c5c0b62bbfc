// What is wrong with a signed request whoever signed it: these need no secret, and the service refuses each.

import { mediaType } from "./received.js";
import { milliseconds } from "./mistakes.js";

const WINDOW = { rpc: 900, acs: 900, tc3: 300, v1: 300, aws: 300 };
const MUST = {
  acs: ["host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"],
  tc3: ["content-type", "host"],
  aws: ["host", "x-amz-date", "x-amz-target"],
};
const OWN = { acs: [], tc3: [], aws: ["x-amz-"] };
const FORM = "application/x-www-form-urlencoded";
const JSON_TYPES = ["application/json", "application/octet-stream"];
const HEADED = "acs tc3 aws";
const STAMP = {
  rpc: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/,
  acs: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3})?Z$/,
  tc3: /^\d{1,11}$/,
  v1: /^\d{1,11}$/,
  aws: /^\d{8}T\d{6}Z$/,
};
const SCOPE = {
  acs: /^\d{8}\/[^/]+\/kms\/aliyun_v4_request$/i,
  tc3: /^\d{4}-\d\d-\d\d\/[^/]+\/tc3_request$/,
  aws: /^\d{8}\/[^/]+\/[^/]+\/aws4_request$/,
};

const isSorted = (names) => names.every((name, i) => i === 0 || names[i - 1] < name);
const repeated = (names) => names.find((name, i) => names.indexOf(name) !== i);
const four = (parts) => parts.way !== "acs" || parts.algorithm.startsWith("ACS4");
const day = (stamp) => {
  const time = milliseconds(stamp);
  return Number.isNaN(time) ? "" : new Date(time).toISOString().slice(0, 10);
};

function late({ claim, parts, now }) {
  const seconds = (now - milliseconds(claim.stamp)) / 1000;
  return Math.abs(seconds) > WINDOW[parts.way] ? seconds : 0;
}

// Whole quarters of an hour, as far as the clock of a machine may be off besides.
const zone = (seconds) => seconds && Math.abs(seconds) > 1700 && Math.abs(seconds) < 14.2 * 3600 && Math.abs(Math.abs(seconds) % 1800 - 900) > 840;

function span(seconds) {
  const whole = Math.round(Math.abs(seconds));
  const parts = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]].reduce(([left, out], [size, unit]) => {
    const count = Math.floor(left / size);
    return [left - count * size, count ? [...out, `${count} ${unit}`] : out];
  }, [whole, []])[1];
  return `${seconds < 0 ? "+" : "-"}${parts.slice(0, 2).join(" ")}`;
}

const fault = (id, ways, finds) => ({ id, ways: ways.split(" "), finds });
const ALL = "rpc acs tc3 v1 aws";

// `finds` answers what the fault is about, or "" where there is none; it gets {request, row, claim, parts, every, now}.
export const FAULTS = [
  fault("two-carriers", ALL, ({ request, every }) => {
    const has = (name) => every.some(([given]) => given === name);
    const carriers = ["AccessKeyId", "SecretId", "X-Amz-Signature"].filter(has);
    return [...carriers, ...(request.headers.authorization ? ["Authorization"] : [])].slice(0, carriers.length + 1).join(", ").replace(/^[^,]*$/, "");
  }),
  fault("authorization-incomplete", HEADED, ({ claim }) =>
    [["Credential", claim.accessKeyId], ["SignedHeaders", claim.signed[0]], ["Signature", claim.signature]].filter(([, value]) => !value).map(([name]) => name).join(", ")),
  fault("signature-missing", "rpc v1", ({ claim }) => (claim.signature ? "" : "Signature")),
  fault("signature-form", HEADED, ({ claim }) => (!claim.signature || /^[0-9a-f]{64}$/.test(claim.signature) ? "" : claim.signature)),
  fault("signature-form-base64", "rpc v1", ({ claim, parts }) => {
    const length = parts.hash === "SHA-1" ? 28 : 44;
    return !claim.signature || (claim.signature.length === length && /^[A-Za-z0-9+/]+=$/.test(claim.signature)) ? "" : claim.signature;
  }),
  fault("key-space", ALL, ({ claim }) => (claim.accessKeyId !== claim.accessKeyId.trim() ? JSON.stringify(claim.accessKeyId) : "")),
  fault("signed-headers-order", HEADED, ({ claim }) => (isSorted(claim.signed) ? "" : claim.signed.join(";"))),
  fault("signed-headers-case", HEADED, ({ claim }) => claim.signed.filter((name) => name !== name.toLowerCase()).join(", ")),
  fault("header-not-sent", HEADED, ({ claim, request }) => claim.signed.filter((name) => name && !(name.toLowerCase() in request.headers)).join(", ")),
  fault("header-must-be-signed", HEADED, ({ claim, request, parts }) => {
    const own = Object.keys(request.headers).filter((name) => OWN[parts.way].some((start) => name.startsWith(start)));
    const token = parts.way === "acs" && claim.token ? ["x-acs-security-token"] : [];
    return [...new Set([...MUST[parts.way], ...own, ...token])].filter((name) => !claim.signed.includes(name)).join(", ");
  }),
  fault("body-hash-differs", HEADED, ({ request, parts }) => {
    const said = request.headers[parts.way === "acs" ? "x-acs-content-sha256" : parts.way === "aws" ? "x-amz-content-sha256" : ""];
    return said === undefined || said === parts.payload || /^(UNSIGNED|STREAMING)-/.test(said) ? "" : said;
  }),
  fault("body-not-signed", HEADED, ({ request }) =>
    ["x-tc-content-sha256", "x-amz-content-sha256"].map((name) => request.headers[name] ?? "").filter((value) => /^(UNSIGNED-PAYLOAD|STREAMING-)/i.test(value)).join("")),
  fault("time-missing", ALL, ({ claim }) => (claim.stamp ? "" : "-")),
  fault("time-form", ALL, ({ claim, parts }) => (!claim.stamp || STAMP[parts.way].test(claim.stamp) ? "" : claim.stamp)),
  fault("clock-zone", ALL, (seen) => (zone(late(seen)) ? span(late(seen)) : "")),
  fault("clock", ALL, (seen) => (late(seen) && !zone(late(seen)) ? span(late(seen)) : "")),
  fault("scope-form", HEADED, ({ parts }) => (!four(parts) || SCOPE[parts.way].test(parts.scope.join("/")) ? "" : parts.scope.join("/") || "-")),
  fault("scope-other-day", HEADED, ({ claim, parts }) => {
    const stamped = day(claim.stamp);
    const said = (parts.scope[0] ?? "").replace(/^(\d{4})(\d\d)(\d\d)$/, "$1-$2-$3");
    return four(parts) && stamped && said && said !== stamped ? `${said} ≠ ${stamped}` : "";
  }),
  fault("scope-other-service", "aws", ({ parts }) => (parts.scope[2] && parts.scope[2] !== "kms" ? parts.scope[2] : "")),
  fault("nonce-missing", "acs v1", ({ request, every, parts }) => {
    const nonce = parts.way === "acs" ? request.headers["x-acs-signature-nonce"] : every.find(([name]) => name === "Nonce")?.[1];
    return nonce ? "" : "-";
  }),
  fault("parameter-twice", ALL, ({ every }) => repeated(every.map(([name]) => name)) ?? ""),
  fault("hidden-parameter", "v1", ({ every }) => (every.find(([, value]) => /&(?:[A-Za-z0-9._-]+|[A-Za-z]+\.[^&=]*)=/.test(value)) ?? [""])[0]),
  fault("file-mark", "v1", ({ every, request }) => (request.method === "POST" && every.find(([, value]) => value.startsWith("@")) || [""])[0]),
  fault("signature-version", "rpc", ({ every }) =>
    every.filter(([name, value]) => (name === "SignatureMethod" && value !== "HMAC-SHA1") || (name === "SignatureVersion" && value !== "1.0")).map((pair) => pair.join("=")).join(", ")),
  fault("query-not-empty", "aws", ({ request }) => request.query),
  fault("media-type", ALL, ({ request, parts }) => {
    const type = mediaType(request);
    const fits = {
      aws: () => type === "application/x-amz-json-1.1",
      tc3: () => request.method === "GET" || type === FORM || JSON_TYPES.includes(type),
      acs: () => !request.body || type === FORM,
      rpc: () => !request.body || type === FORM,
      v1: () => true,
    };
    return fits[parts.way]() ? "" : type || "-";
  }),
];

export const faults = (seen) =>
  FAULTS.filter((row) => row.ways.includes(seen.parts.way)).map((row) => ({ id: row.id, about: row.finds(seen) })).filter(({ about }) => about);
