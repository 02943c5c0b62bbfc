// What the check has found, as people read it: the verdict first, then what to do, then the lines.

import { copyable, el } from "./dom.js";
import { milliseconds } from "./mistakes.js";
import { SCHEMES } from "./signing.js";

const GOOD = new Set(["right", "right-as-served"]);
const FIXED = { "#host": "line.host", "#order": "line.order", "#end": "line.end" };

// Of a mistake or a fault: what it is, where, and the way out.
function card({ id, about }, texts, app, t) {
  const [what, way] = texts[id].slice(app.lang === "zh" ? 2 : 0);
  const where = about && about !== "-" && el("p", {}, `${t("check.value")}${t("colon")}`, el("code", {}, about));
  return el("li", { "data-id": id }, el("p", { class: "lead" }, what), where, el("p", {}, el("b", {}, `${t("check.do")}${t("colon")}`), way));
}

const cards = (kind, rows, texts, app, t) => rows.length > 0 && el("ul", { class: `cards ${kind}` }, rows.map((row) => card(row, texts, app, t)));

// The verdict's words: [heading, paragraphs].
function words({ verdict, mistakes, claim, key, differences, inconsistent, unreadable, about }, t) {
  const id = claim?.accessKeyId || t("check.facts.none");
  const differs = Object.values(differences).flat().some(({ why }) => why);
  const told = [];
  if (verdict === "unreadable") told.push(t(`unreadable.${unreadable}`));
  if (verdict === "right") told.push(t("verdict.right.do"), t("verdict.right.key", id));
  if (verdict === "right-as-served") told.push(t("verdict.right-as-served.do"));
  if (verdict === "unknown" && key) told.push(t(key.right ? "verdict.key.right" : "verdict.key.wrong"));
  if (verdict === "unknown" && differs) told.push(t("verdict.unknown.differs"));
  if (verdict === "unknown" && !key?.right) told.push(t("verdict.unknown.secret", id), t("verdict.unknown.changed"));
  if (verdict === "unknown" && !differs && !key) told.push(t("verdict.unknown.mine"));
  if (inconsistent) told.push(t("verdict.inconsistent"));
  const heading = t(verdict === "found" && mistakes.length > 1 ? "verdict.found.two" : `verdict.${verdict}`);
  return [heading, [...told.map((text) => el("p", {}, text)), about && el("p", {}, el("code", {}, about))]];
}

function lineName(name, t) {
  if (!name.startsWith("#")) return el("code", {}, name);
  return t(name.startsWith("#more") ? "line.more" : (FIXED[name] ?? `line.${name.slice(1)}`));
}

// A value, in which what stands out from `other` is marked: all between the equal beginning and the equal end.
export function marked(text, other) {
  if (other === undefined || text === other) return [text];
  const [mine, its] = [[...text], [...other]];
  let start = 0;
  while (start < Math.min(mine.length, its.length) && mine[start] === its[start]) start += 1;
  let end = 0;
  while (end < Math.min(mine.length, its.length) - start && mine.at(-1 - end) === its.at(-1 - end)) end += 1;
  const middle = mine.slice(start, mine.length - end).join("");
  const rest = end ? mine.slice(-end).join("") : "";
  return [mine.slice(0, start).join(""), middle && el("mark", {}, middle), rest];
}

function value(text, other, t) {
  if (text === undefined) return el("span", { class: "may" }, t("check.absent"));
  return text === "" ? el("span", { class: "may" }, t("check.blank")) : el("code", {}, marked(text.replaceAll("\r", "␍"), other?.replaceAll("\r", "␍")));
}

function line({ name, ours, mine, why }, t) {
  const side = (label, text, other) => [el("dt", {}, t(label)), el("dd", {}, value(text, other, t))];
  return el("li", { "data-why": why }, el("p", {}, el("b", {}, lineName(name, t)), t("colon"), el("span", { class: "bad" }, t(`why.${why}`))), el("dl", {}, side("check.should", ours, mine), side("check.client", mine, ours)));
}

function compared(what, rows, t) {
  const same = rows.filter(({ why }) => !why);
  const equal = same.length > 0 && el("details", {}, el("summary", {}, t("check.equal", same.length)), el("ul", {}, same.map(({ name, ours }) => el("li", {}, lineName(name, t), t("colon"), value(ours, ours, t)))));
  return el("section", { class: "lines", "data-what": what }, el("h3", {}, t(`check.lines.${what}`)), el("ul", { class: "differ" }, rows.filter(({ why }) => why).map((row) => line(row, t))), equal);
}

const differing = (rows = []) => rows.filter(({ why }) => why);

// Line by line, where lines differ. The string to sign is left out where it says no more than the canonical request.
function lines({ differences, theirs, mistakes }, mine, t) {
  const canonical = new Set(differing(differences.canonical).map(({ name }) => name));
  const more = differing(differences.text).some(({ name, why }) => why !== "follows" && !canonical.has(name));
  const shown = [canonical.size && "canonical", (more || (!canonical.size && differing(differences.text).length)) && "text"].filter(Boolean);
  if (!shown.length) return Object.keys(differences).length > 0 && mistakes.length > 0 && el("p", { class: "same" }, t("check.same"));
  const guessed = theirs && !mine.canonicalRequest && !mine.stringToSign;
  return [shown.map((what) => compared(what, differences[what], t)), guessed && el("p", { class: "may" }, t("check.guessed"))];
}

function wholes({ ours, theirs }, mine, t) {
  const one = (key, text) => text && [el("h3", {}, t(key)), copyable(t(key), text, t("copy"), t("copied"))];
  return el(
    "details",
    { class: "wholes" },
    el("summary", {}, t("check.wholes")),
    one("check.ours.canonical", ours.canonicalRequest),
    one("check.ours.text", ours.stringToSign),
    one("check.theirs.canonical", mine.canonicalRequest || theirs?.canonicalRequest),
    one("check.theirs.text", mine.stringToSign || theirs?.stringToSign),
  );
}

function facts({ scheme, claim }, { reference }, t) {
  const none = t("check.facts.none");
  const { title, dialect } = SCHEMES.find(({ id }) => id === scheme);
  const time = milliseconds(claim.stamp);
  const utc = /^\d+$/.test(claim.stamp) && !Number.isNaN(time) ? ` (${new Date(time).toISOString().replace(/\.000Z$/, "Z")})` : "";
  return t("check.facts", `${title} (${reference.dialects.get(dialect).title})`, claim.accessKeyId || none, (claim.stamp || none) + utc);
}

// What judge() says, as elements. `heading` takes the focus.
export function finding(said, mine, advice, app, t) {
  const [text, told] = words(said, t);
  const good = GOOD.has(said.verdict);
  const heading = el("h2", { tabindex: "-1", class: good ? "good" : said.verdict === "no-secret" ? "" : "bad", "data-verdict": said.verdict }, text);
  if (said.verdict === "unreadable") return { heading, parts: [told] };
  const parts = [
    cards("mistakes", said.mistakes, advice.mistakes, app, t),
    told,
    said.faults.length > 0 && said.verdict !== "no-secret" && el("h3", {}, t(good ? "check.also.right" : "check.also")),
    cards("faults", said.faults, advice.faults, app, t),
    el("p", { class: "may facts" }, facts(said, app, t)),
    lines(said, mine, t),
    wholes(said, mine, t),
  ];
  return { heading, parts };
}
