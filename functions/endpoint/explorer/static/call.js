// Call: a form made from the table, signed in this tab and sent to where the page is from.

import { result, send } from "./answer.js";
import { el, fill } from "./dom.js";
import { field } from "./field.js";
import { find } from "./reference.js";
import { format } from "./route.js";
import { Seen } from "./seen.js";
import { SCHEMES, sign } from "./sign.js";
import { valueOf } from "./values.js";

const METHODS = ["POST", "GET"];
const ONLY_POST = new Set(["aws"]);
const MOST = 50;

// What is kept in memory while the tab is open: the access key, what was typed, what was answered.
export const session = () => ({ id: "", secret: "", token: "", region: "", scheme: {}, method: "POST", texts: new Map(), seen: new Seen(), client: {}, history: [], shown: null });

// The operation of a route, or one to begin with.
export const operationOf = (reference, { dialect, operation }) =>
  find(reference, dialect, operation) ?? find(reference, dialect || "alibaba", "Encrypt") ?? reference.operations[0];

// The operation of that name in another dialect, or its first one.
const elsewhere = (reference, dialect, { name }) => (find(reference, dialect, name) ?? reference.dialects.get(dialect).operations[0]).name;

// What was typed into the form of an operation, by parameter.
export function typed(mine, { dialect, name }) {
  const place = `${dialect.name}/${name}`;
  if (!mine.texts.has(place)) mine.texts.set(place, new Map());
  return mine.texts.get(place);
}

// The text of a field: what was typed, or what can be filled in.
export function filled(param, kept, seen) {
  if (kept.has(param.name)) return kept.get(param.name);
  return param.filled ? (seen.for(param) ?? param.example ?? "") : "";
}

// A labelled choice among [value, text].
export const select = (id, label, options, chosen, change) =>
  el("label", { for: id }, el("span", {}, label), el("select", { id, on: { change: (event) => change(event.target.value) } }, options.map(([value, text]) => el("option", { value, selected: value === chosen }, text))));

// What chooses the operation: its dialect, where it has a twin there, and its name. `go(dialect, name)` is told which.
export const chooses = (reference, operation, t, go) => {
  const { dialect, name } = operation;
  const dialects = [...reference.dialects.values()].map((each) => [each.name, each.title]);
  return [
    select("dialect", t("call.dialect"), dialects, dialect.name, (other) => go(other, elsewhere(reference, other, operation))),
    select("operation", t("call.operation"), dialect.operations.map((each) => [each.name, each.name]), name, (other) => go(dialect.name, other)),
  ];
};

export function show(root, app, route) {
  const { t, reference, session: mine } = app;
  const operation = operationOf(reference, route);
  const { dialect } = operation;
  const schemes = SCHEMES.filter((scheme) => scheme.dialect === dialect.name);
  const texts = typed(mine, operation);
  const fields = operation.params.map((param) => {
    const text = filled(param, texts, mine.seen);
    return { param, ...field(param, text, app, (changed) => texts.set(param.name, changed)) };
  });

  const go = (name, other) => app.go({ ...app.kept(), tab: "call", dialect: name, operation: other });
  const entry = (id, label, name, more = {}) =>
    el("label", { for: id }, el("span", {}, t(label)), el("input", { id, type: "text", autocomplete: "off", spellcheck: "false", value: mine[name], on: { input: (event) => (mine[name] = event.target.value.trim()) }, ...more }));

  const scheme = () => schemes.find(({ id }) => id === mine.scheme[dialect.name]) ?? schemes[0];
  const method = () => (ONLY_POST.has(dialect.name) ? "POST" : mine.method);

  const out = el("section", { class: "result", "aria-live": "polite", "aria-label": t("answer") });
  const past = el("section", { class: "history" });
  const trouble = el("p", { class: "wrong", role: "alert" });
  const busy = el("span", { role: "status" });

  function params() {
    const wrongs = fields.filter(({ check }) => check());
    const values = fields.map(({ param, input }) => [param.name, valueOf(param, input.value)]);
    trouble.textContent = wrongs.length ? t("call.wrong", wrongs.length) : excluded(values);
    if (wrongs.length) wrongs[0].input.focus();
    return trouble.textContent ? null : Object.fromEntries(values.filter(([, value]) => value !== undefined));
  }

  function excluded(values) {
    const given = new Set(values.filter(([, value]) => value !== undefined).map(([name]) => name));
    const both = operation.exclusive.map((names) => names.filter((name) => given.has(name))).find((names) => names.length > 1);
    return both ? t("wrong.exclusive", both.join(", ")) : "";
  }

  async function run(sending) {
    const given = params();
    if (!given) return;
    if (!globalThis.isSecureContext) {
      trouble.textContent = t("call.insecure");
      return;
    }
    busy.textContent = t("call.busy");
    const made = { operation, at: new Date(), request: await signed(given) };
    if (sending) {
      try {
        made.answer = await send(made.request);
        mine.seen.learn(made.answer.body);
      } catch (error) {
        made.trouble = error.message;
      }
    }
    busy.textContent = "";
    mine.history = [made, ...mine.history].slice(0, MOST);
    reveal(made);
  }

  const signed = (given) =>
    sign(scheme().id, { method: method(), host: location.host, operation: operation.name, params: given, accessKeyId: mine.id, secret: mine.secret, token: mine.token, region: mine.region });

  function reveal(made) {
    mine.shown = made;
    fill(out, el("h2", {}, `${t("answer")}${t("colon")}${made.operation.name}`), result(made, app));
    fill(past, el("h2", {}, t("history")), mine.history.length ? el("ol", {}, mine.history.map(row)) : el("p", { class: "may" }, t("history.none")));
  }

  function row(made) {
    const said = made.answer ? `${made.answer.status}, ${made.answer.ms} ms` : t("history.signed");
    const text = `${made.at.toTimeString().slice(0, 8)} ${made.operation.dialect.name} ${made.operation.name}: ${said}`;
    return el("li", {}, el("button", { type: "button", class: "quiet", "aria-current": made === mine.shown && "true", on: { click: () => reveal(made) } }, text));
  }

  const optional = fields.filter(({ param }) => !param.filled);
  const about = format({ ...app.kept(), tab: "search", dialect: dialect.name, operation: operation.name });
  const submit = (event) => {
    event.preventDefault();
    run(true);
  };
  fill(
    root,
    el("h1", { class: "quiet-heading" }, `${t("tab.call")}${t("colon")}${operation.name}`),
    el(
      "div",
      { class: "call" },
      el(
        "form",
        { autocomplete: "off", novalidate: true, on: { submit } },
        el(
          "fieldset",
          { class: "grid" },
          el("legend", {}, t("call.what")),
          ...chooses(reference, operation, t, go),
          select("scheme", t("call.scheme"), schemes.map(({ id, title }) => [id, title]), scheme().id, (id) => (mine.scheme[dialect.name] = id)),
          ONLY_POST.has(dialect.name) ? null : select("method", t("call.method"), METHODS.map((name) => [name, name]), mine.method, (name) => (mine.method = name)),
          entry("region", "call.region", "region"),
        ),
        el(
          "fieldset",
          { class: "grid" },
          el("legend", {}, t("call.key")),
          entry("access-key-id", "call.id", "id"),
          entry("secret", "call.secret", "secret", { type: "password" }),
          entry("token", "call.token", "token"),
          el("p", { class: "may wide" }, t("call.key.note")),
        ),
        el(
          "fieldset",
          {},
          el("legend", {}, t("call.params")),
          el("p", {}, operation.say[app.lang === "zh" ? 1 : 0], " ", el("a", { href: about }, t("call.about", operation.name))),
          fields.filter(({ param }) => param.filled).map(({ element }) => element),
          optional.length ? el("details", { open: optional.some(({ input }) => input.value) }, el("summary", {}, t("call.optional", optional.length)), optional.map(({ element }) => element)) : null,
        ),
        el("p", { class: "actions" }, el("button", { type: "submit", id: "send" }, t("call.send")), " ", el("button", { type: "button", class: "quiet", id: "sign-only", on: { click: () => run(false) } }, t("call.sign")), " ", busy),
        trouble,
      ),
      el("div", { class: "came" }, out, past),
    ),
  );
  if (mine.shown) reveal(mine.shown);
  else fill(past, el("h2", {}, t("history")), el("p", { class: "may" }, t("history.none")));
  return document.getElementById(mine.id ? "operation" : "access-key-id");
}
