// Where a client's own canonical request or string to sign differs from this service's, line by line and why.

import { byCodePoint } from "./signing.js";

const EMPTY = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

const pairLines = (text, map = (x) => x) =>
  text.split("&").map((part) => map(part)).map((part) => ({ name: part.split("=")[0], text: part }));

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function block(text) {
  const lines = text.split("\n");
  const fixed = ["method", "path", "query"].map((name, i) => ({ name: `#${name}`, text: lines[i] }));
  const tail = ["signed-headers", "payload"].map((name, i) => ({ name: `#${name}`, text: lines.length > 4 ? lines.at(i - 2) : undefined }));
  const middle = lines.slice(3, -2).map((line) => (line ? { name: line.split(":")[0], text: line } : { name: "#gap", text: "" }));
  return [...fixed, ...middle, ...tail];
}

const numbered = (...names) => (text) => {
  const lines = text.split("\n");
  const more = lines.slice(names.length).map((line, i) => ({ name: `#more-${i}`, text: line }));
  return [...names.map((name, i) => ({ name: `#${name}`, text: lines[i] })), ...more];
};

function rpcText(text) {
  const [method, path, ...rest] = text.split("&");
  const canonical = decoded(rest.join("&"));
  return [{ name: "#method", text: method }, { name: "#path", text: path }, ...pairLines(canonical)];
}

function v1Text(text) {
  const [, method, host, path, rest] = /^([A-Za-z]*?)((?:[a-z0-9.-]+|\[[0-9a-f:]+\])(?::\d+)?)?(\/[^?]*)?\?([^]*)$/.exec(text) ?? ["", text, "", "", ""];
  const start = { "#method": method, "#host": host, "#path": path };
  return [...Object.entries(start).map(([name, value]) => ({ name, text: value ?? "" })), ...pairLines(rest)];
}

const DATED = numbered("algorithm", "time", "scope", "digest");
const READ = {
  rpc: { canonical: pairLines, text: rpcText },
  v1: { canonical: pairLines, text: v1Text },
  acs: { canonical: block, text: numbered("algorithm", "digest") },
  tc3: { canonical: block, text: DATED },
  aws: { canonical: block, text: DATED },
};

const bare = (text) => text.replace(/:\d+(?=$|\n)/, "");
const upperCodes = (text) => text.replace(/%[0-9a-f]{2}/gi, (code) => code.toUpperCase());
const spaces = (text) => text.replace(/\+/g, "%20");

// The first that holds says why `mine` is not `ours`; ids are words of the check's texts.
const WHY = [
  ["missing", (ours, mine) => mine === undefined],
  ["extra", (ours) => ours === undefined],
  ["carriage-return", (ours, mine) => mine.replace(/\r/g, "") === ours],
  ["spaces", (ours, mine) => mine.replace(/\s/g, "") === ours.replace(/\s/g, "")],
  ["letter-case", (ours, mine) => mine.toLowerCase() === ours.toLowerCase() && upperCodes(mine) !== ours],
  ["code-case", (ours, mine) => upperCodes(mine) === ours],
  ["plus-for-space", (ours, mine) => upperCodes(spaces(mine)) === ours],
  ["not-escaped", (ours, mine) => decoded(ours) === mine],
  ["escaped-twice", (ours, mine) => decoded(mine) === ours],
  ["escaped-otherwise", (ours, mine) => decoded(spaces(mine)) === decoded(ours)],
  ["port", (ours, mine, name) => /host$/.test(name) && bare(mine) === bare(ours)],
  ["empty-body", (ours, mine, name) => name === "#payload" && mine === EMPTY],
  ["body", (ours, mine, name) => name === "#payload"],
  ["follows", (ours, mine, name) => name === "#digest"],
  ["value", () => true],
];

// All answers of `why`, and what is said of the whole.
export const REASONS = [...WHY.map(([id]) => id), "order", "line-at-end"];

const why = (ours, mine, name) => WHY.find(([, holds]) => holds(ours, mine, name))[0];

// [{name, ours, mine, why}] for what is to be compared; `why` is "" where both are the same. Names that begin with #
// are places, the others headers or parameters. `#order` comes last, where only the order differs.
export function compare(way, what, ours, mine) {
  const read = READ[way][what];
  const end = mine.endsWith("\n") && !ours.endsWith("\n");
  const [left, right] = [read(ours), read(end ? mine.replace(/\n+$/, "") : mine)];
  const rest = new Map(right.map((line) => [key(right, line), line]));
  const rows = left.map((line) => {
    const name = key(left, line);
    const found = rest.get(name)?.text;
    rest.delete(name);
    return { name: line.name, ours: line.text, mine: found, why: found === line.text ? "" : why(line.text, found, line.name) };
  });
  for (const { name, text } of rest.values()) rows.push({ name, ours: undefined, mine: text, why: "extra" });
  const names = (lines, other) => lines.map((line) => line.name).filter((name) => other.some((line) => line.name === name));
  const [first, second] = [names(left, right), names(right, left)];
  if (first.join("\n") !== second.join("\n") && [...first].sort(byCodePoint).join() === [...second].sort(byCodePoint).join()) {
    rows.push({ name: "#order", ours: first.join(" "), mine: second.join(" "), why: "order" });
  }
  if (end) rows.push({ name: "#end", ours: "", mine: "\\n", why: "line-at-end" });
  return rows;
}

// A name may stand there twice: the second is another line.
function key(lines, line) {
  const twins = lines.filter((other) => other.name.toLowerCase() === line.name.toLowerCase());
  return `${line.name.toLowerCase()}\n${twins.indexOf(line)}`;
}
