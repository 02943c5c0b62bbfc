// What is to be known of one operation: its parameters, errors, permission and twins.

import { el, table } from "./dom.js";
import { advice, twins } from "./reference.js";
import { format } from "./route.js";

const code = (text) => el("code", {}, text);
const commas = (items) => items.flatMap((item, n) => (n ? [", ", item] : [item]));

function kind(param, t) {
  if (param.kind !== "key") return t(`type.${param.kind}`);
  if (param.form) return t("type.key.id");
  return t(param.example ? "type.key.alias" : "type.key");
}

function size(param, t) {
  const { least, most } = param;
  if (param.kind === "integer") return most === undefined ? "" : t("size.range", least ?? 0, most);
  if (most === undefined || param.kind === "key") return "";
  if (param.kind === "base64" || param.bytes) return t("size.bytes", most);
  return t(param.kind === "list" ? "size.items" : "size.characters", most);
}

// "base64, at most 4096 bytes": the type of a parameter and its limits, in words.
export function typeOf(param, t) {
  const names = param.names ?? param.of?.names;
  const said = [kind(param, t), size(param, t), param.json && t("type.astext"), param.default !== undefined && t("default", param.default)];
  return `${said.filter(Boolean).join(t("comma"))}${names ? `${t("colon")}${names.join(", ")}` : ""}`;
}

export const aboutOf = (param, reference, lang) => reference.parameters[param.name.toLowerCase()]?.[lang === "zh" ? 1 : 0] ?? "";

function params(operation, app) {
  const { t, reference, lang } = app;
  if (!operation.params.length) return el("p", {}, t("operation.no.params"));
  const rows = operation.params.map((param) => [
    [code(param.name), " ", el("span", { class: param.required ? "must" : "may" }, t(param.required ? "required" : "optional"))],
    typeOf(param, t),
    aboutOf(param, reference, lang),
  ]);
  return table(t("operation.params"), [t("col.name"), t("col.type"), t("col.about")], rows);
}

function errors(numbers, operation, app) {
  const { t, reference, lang } = app;
  const rows = numbers.map((n) => {
    const [status, name] = operation.dialect.errors[n];
    const [meaning, way] = advice(reference.errors[n])[lang];
    return [[code(name), el("span", { class: "may" }, ` ${status}`)], meaning, way];
  });
  return table(t("operation.errors"), [t("col.code"), t("col.meaning"), t("col.way")], rows);
}

const link = (operation, app) =>
  el("a", { href: format({ ...app.kept(), tab: "search", dialect: operation.dialect.name, operation: operation.name }) }, operation.name);

export function describe(operation, app) {
  const { t, reference, lang } = app;
  const others = twins(reference, operation);
  const call = format({ ...app.kept(), tab: "call", dialect: operation.dialect.name, operation: operation.name });
  const facts = [
    [t("operation.permission"), [...commas(operation.actions.map(code)), " ", el("span", { class: "may" }, t("operation.permission.text"))]],
    [t("operation.rate"), t("operation.rate.text", operation.rate)],
    others.length && [t("operation.twins"), commas(others.map((other) => el("span", {}, link(other, app), ` (${other.dialect.name})`)))],
    operation.answers.length && [t("operation.answers"), commas(operation.answers.map(code))],
  ].filter(Boolean);
  return [
    el("h2", {}, operation.name, " ", el("small", {}, operation.dialect.title)),
    el("p", { class: "lead" }, operation.say[lang === "zh" ? 1 : 0]),
    el("p", {}, el("a", { class: "button", href: call, id: "call-it" }, t("operation.call"))),
    el("dl", {}, facts.map(([term, said]) => [el("dt", {}, term), el("dd", {}, said)])),
    el("h3", {}, t("operation.params")),
    params(operation, app),
    operation.exclusive.map((names) => el("p", {}, t("operation.exclusive", names.join(", ")))),
    operation.refused.length ? el("p", { class: "may" }, t("operation.refused", operation.refused.join(", "))) : null,
    operation.errors.length ? [el("h3", {}, t("operation.errors")), errors(operation.errors, operation, app)] : null,
    el("details", {}, el("summary", {}, t("operation.common")), errors(reference.always, operation, app)),
  ].flat();
}
