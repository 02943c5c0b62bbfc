// What the check has found, as people read it: the verdict first, then what to do, then the lines.

import { copyable, el, table } from "./dom.js";
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

function compared(what, rows, t) {
  const label = t(`check.lines.${what}`);
  const heads = ["col.line", "col.ours", "col.mine", "col.why"].map((key) => t(key));
  const line = ({ name, ours, mine, why }) => [lineName(name, t), value(ours, mine, t), value(mine, ours, t), el("span", { class: why ? "bad" : "may" }, t(`why.${why || "same"}`))];
  const same = rows.filter(({ why }) => !why);
  const others = rows.filter(({ why }) => why);
  const equal = same.length > 0 && el("details", {}, el("summary", {}, `${t("check.equal", same.length)} ${t("check.show")}`), table(label, heads, same.map(line)));
  return el("section", { class: "lines", "data-what": what }, el("h3", {}, label), others.length > 0 && table(label, heads, others.map(line)), equal);
}

// Which lines are shown: those of the string to sign only where it is not the canonical request alone that differs.
function lines({ differences, theirs, mistakes }, mine, t) {
  const told = Object.entries(differences);
  if (!told.length) return [];
  const differs = told.some(([, rows]) => rows.some(({ why }) => why));
  const guessed = theirs && !mine.canonicalRequest && !mine.stringToSign;
  if (!differs) return mistakes.length > 0 && el("p", {}, t("check.same"));
  return [...told.map(([what, rows]) => compared(what, rows, t)), guessed && el("p", { class: "may" }, t("check.guessed"))];
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

// What judge() says, as elements. `heading` takes the focus.
export function finding(said, mine, advice, app, t) {
  const [text, told] = words(said, t);
  const good = GOOD.has(said.verdict);
  const heading = el("h2", { tabindex: "-1", class: good ? "good" : said.verdict === "no-secret" ? "" : "bad", "data-verdict": said.verdict }, text);
  if (said.verdict === "unreadable") return { heading, parts: [told] };
  const { claim } = said;
  const none = t("check.facts.none");
  const title = SCHEMES.find(({ id }) => id === said.scheme).title;
  const parts = [
    cards("mistakes", said.mistakes, advice.mistakes, app, t),
    told,
    said.faults.length > 0 && said.verdict !== "no-secret" && el("h3", {}, t(good ? "check.also.right" : "check.also")),
    cards("faults", said.faults, advice.faults, app, t),
    el("p", { class: "may" }, t("check.facts", title, claim.accessKeyId || none, claim.stamp || none)),
    lines(said, mine, t),
    wholes(said, mine, t),
  ];
  return { heading, parts };
}
