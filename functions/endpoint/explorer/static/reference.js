// The reference of the server (reference.py), and what is found in it.

// {version, dialects, operations, errors, parameters, always}: each operation knows its `dialect`, and its `words`,
// which are what is searched, lower-cased.
export async function load(url) {
  const raw = await (await fetch(url)).json();
  const dialects = new Map(raw.dialects.map((dialect) => [dialect.name, dialect]));
  const operations = raw.dialects.flatMap((dialect) => dialect.operations.map((operation) => of(operation, dialect, raw)));
  return { ...raw, dialects, operations };
}

function of(operation, dialect, raw) {
  const codes = operation.errors.map((n) => dialect.errors[n][1]);
  return {
    ...operation,
    dialect,
    words: {
      name: operation.name.toLowerCase(),
      actions: operation.actions.map((action) => action.toLowerCase()),
      params: operation.params.map((param) => param.name),
      codes: [...new Set(codes)],
      say: operation.say.join(" ").toLowerCase(),
    },
  };
}

export const find = (reference, dialect, name) =>
  reference.operations.find((operation) => operation.dialect.name === dialect && operation.name === name);

// Those of other dialects that the same Action serves.
export const twins = (reference, operation) =>
  reference.operations.filter(
    (other) => other.dialect !== operation.dialect && other.actions.some((action) => operation.actions.includes(action)),
  );

// The code of an answer, or "" for a success. `body` is the parsed answer.
export function codeOf(dialect, body) {
  const parts = dialect.codes.map((path) => path.reduce((at, name) => at?.[name], body));
  return parts[0] ? parts.join(" ") : "";
}

// What the errors of that code mean: [{name, text, en, zh, ...}], most codes stand for one.
export function meanings(reference, dialect, code) {
  return reference.errors.filter((_, n) => dialect.errors[n][1] === code).map(advice);
}

// [meaning, way out] of an error in both languages.
export const advice = ([name, text, zh, way, wayZh]) => ({ name, en: [text, way], zh: [zh, wayZh] });

const KINDS = [
  ["name", 100, (words, q) => (words.name === q ? 4 : words.name.startsWith(q) ? 3 : words.name.includes(q) ? 2 : 0)],
  ["action", 60, (words, q) => Number(words.actions.some((action) => action.includes(q)))],
  ["param", 30, (words, q) => words.params.find((param) => param.toLowerCase().includes(q))],
  ["code", 20, (words, q) => words.codes.find((code) => code.toLowerCase().includes(q))],
  ["say", 10, (words, q) => Number(words.say.includes(q))],
];

// [{operation, score, why: [kind, what]}], best first: every word of the query is somewhere in each.
export function search(reference, query, dialects) {
  const asked = query.toLowerCase().split(/\s+/).filter(Boolean);
  const found = [];
  for (const operation of reference.operations) {
    if (dialects.size && !dialects.has(operation.dialect.name)) continue;
    const hits = asked.map((q) => hit(operation.words, q));
    if (hits.every(Boolean)) found.push({ operation, score: hits.reduce((sum, { score }) => sum + score, 0), why: hits.find(({ what }) => what) });
  }
  return found.sort((a, b) => b.score - a.score || a.operation.name.localeCompare(b.operation.name, "en"));
}

function hit(words, q) {
  for (const [kind, worth, test] of KINDS) {
    const got = test(words, q);
    if (got) return { kind, score: worth * (typeof got === "number" ? got : 1), what: typeof got === "string" ? got : "" };
  }
  return null;
}

// Errors whose code has the query in it: [{dialect, status, code, error}].
export function searchErrors(reference, query, dialects) {
  const q = query.trim().toLowerCase();
  if (q.length < 3) return [];
  const rows = new Map();
  for (const dialect of reference.dialects.values()) {
    if (dialects.size && !dialects.has(dialect.name)) continue;
    dialect.errors.forEach(([status, code], n) => {
      if (!code.toLowerCase().includes(q)) return;
      const key = `${dialect.name} ${code}`;
      if (!rows.has(key)) rows.set(key, { dialect, status, code, errors: [] });
      rows.get(key).errors.push(advice(reference.errors[n]));
    });
  }
  return [...rows.values()];
}
