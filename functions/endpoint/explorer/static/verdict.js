// Why a signature is refused: what is certain from the request, and which mistake yields what the client signed.

import { compare } from "./differences.js";
import { faults } from "./faults.js";
import { MISTAKES, made } from "./mistakes.js";
import { Unreadable, parse, read } from "./received.js";
import { compose, sha256, signText } from "./signing.js";

export const VERDICTS = ["unreadable", "no-secret", "right", "right-as-served", "found", "key", "unknown"];

const row = ({ id, place }, about = "", served = false) => ({ id, place, about, served });

// A single mistake first, then two at different places: {rows: [{id, place, about, served}], parts}, or undefined.
// `parts` are what the client signed.
async function search(seen, matches) {
  const once = [];
  for (const mistake of MISTAKES) {
    for (const parts of await made(mistake, seen.parts, seen.request, seen.claim, seen.every)) once.push([mistake, parts]);
  }
  const told = ([mistake, { about = "" }]) => row(mistake, about, mistake.served.includes(seen.parts.way));
  const served = once.filter(([mistake]) => mistake.served.includes(seen.parts.way));
  for (const found of [...served, ...once]) if (await matches(found[1])) return { rows: [told(found)], parts: found[1] };
  for (const [first, parts] of once) {
    const pairs = [];
    for (const second of MISTAKES.slice(MISTAKES.indexOf(first) + 1)) {
      if (second.place === first.place) continue;
      for (const both of await made(second, { ...parts, about: "" }, seen.request, seen.claim, seen.every)) pairs.push([second, both]);
    }
    const matched = await Promise.all(pairs.map(([, both]) => matches(both))); // WebCrypto has threads of its own
    const found = pairs[matched.indexOf(true)];
    if (found) return { rows: [told([first, parts]), told(found)], parts: found[1] };
  }
  return undefined;
}

// Whether the client's own string to sign, with this secret, gives its signature; if not, which mistake with the key does.
async function keyOf(seen, text) {
  const { parts, claim } = seen;
  if ((await signText(parts, text)) === claim.signature) return { right: true, rows: [] };
  for (const mistake of MISTAKES.filter((row) => ["key", "scope", "write", "hash"].includes(row.place))) {
    for (const changed of await made(mistake, parts, seen.request, claim, seen.every)) {
      if ((await signText(changed, text)) === claim.signature) {
        return { right: false, rows: [row(mistake, changed.about)] };
      }
    }
  }
  return { right: false, rows: [] };
}

const given = (texts) => Object.fromEntries(Object.entries(texts).filter(([, text]) => text));

async function compared(way, ours, mine) {
  const rows = [];
  if (mine.canonicalRequest) rows.push(["canonical", compare(way, "canonical", ours.canonicalRequest, mine.canonicalRequest)]);
  if (mine.stringToSign) rows.push(["text", compare(way, "text", ours.stringToSign, mine.stringToSign)]);
  const hashes = /[0-9a-f]{64}$/i.exec(mine.stringToSign ?? "")?.[0];
  const digest = mine.canonicalRequest ? await sha256(mine.canonicalRequest) : hashes;
  return { differences: Object.fromEntries(rows), inconsistent: Boolean(hashes && way !== "v1" && digest !== hashes) };
}

// What is to be said of `text`, a request that a client sent: {verdict, faults, mistakes, ours, theirs, claim, scheme,
// differences, key, inconsistent}. `mine` are the client's own {canonicalRequest, stringToSign}, if it tells them;
// `theirs` is what it signed, if a mistake was found that tells. Throws NoWebCrypto.
export async function judge(text, { secret = "", mine = {}, now = Date.now() } = {}) {
  let seen;
  try {
    const request = parse(text);
    seen = { request, now, ...(await read(request)) };
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    return { verdict: "unreadable", unreadable: error.id, about: error.about, faults: [], mistakes: [], differences: {} };
  }
  seen.parts.secret = secret;
  const { canonicalRequest, stringToSign, signature } = await compose(seen.parts);
  const ours = { canonicalRequest, stringToSign };
  const said = {
    ours,
    claim: seen.claim,
    scheme: seen.row.id,
    faults: faults(seen),
    mistakes: [],
    ...(await compared(seen.parts.way, ours, mine)),
  };
  if (!secret) return { ...said, verdict: "no-secret" };
  if (signature === seen.claim.signature) return { ...said, verdict: "right" };
  const key = mine.stringToSign ? await keyOf(seen, mine.stringToSign) : undefined;
  if (key && !key.right && key.rows.length) return { ...said, key, verdict: "key", mistakes: key.rows };
  const keys = new Map();
  const found = await search(seen, async (parts) => (await compose(parts, keys)).signature === seen.claim.signature);
  if (!found) return { ...said, key, verdict: "unknown" };
  const { signature: _, ...theirs } = await compose(found.parts, keys);
  const verdict = found.rows.every(({ served }) => served) ? "right-as-served" : "found";
  const told = await compared(seen.parts.way, ours, { ...theirs, ...given(mine) });
  return { ...said, key, theirs, mistakes: found.rows, verdict, differences: told.differences };
}
