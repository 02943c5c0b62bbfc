// A field of a form for one parameter.

import { el } from "./dom.js";
import { aboutOf, typeOf } from "./operation.js";
import { encode, wrong } from "./values.js";

const CHOICES = { boolean: () => ["true", "false"], choice: (param) => param.names };
const LONG = new Set(["map", "json", "list"]);

function control(param, text, attributes, heard) {
  const common = { ...attributes, on: heard };
  const names = CHOICES[param.kind]?.(param);
  if (names) {
    const options = param.required ? names : ["", ...names];
    return el("select", common, options.map((name) => el("option", { value: name, selected: name === text }, name || "–")));
  }
  const plain = { ...common, spellcheck: "false", autocomplete: "off", placeholder: param.example, value: text };
  if (LONG.has(param.kind) || param.name === "Policy") return el("textarea", { ...plain, rows: 2 });
  return el("input", { type: "text", inputmode: param.kind === "integer" ? "numeric" : false, ...plain });
}

// {element, check}: `check()` shows what is wrong with the field, and tells whether something is. `changed(text)` is
// called with each new text.
export function field(param, text, app, changed) {
  const { t, reference, lang } = app;
  const id = `param-${param.name}`;
  const trouble = el("p", { class: "wrong", id: `${id}-wrong`, hidden: true });
  const about = el("p", { class: "may", id: `${id}-about` }, [typeOf(param, t), aboutOf(param, reference, lang)].filter(Boolean).join(t("stop")), param.kind === "list" && ` (${t("call.lines")})`);
  const input = control(param, text, { id, "aria-describedby": `${id}-about ${id}-wrong`, "aria-required": param.required ? "true" : false }, { input: typed, change: typed });

  function check() {
    const message = wrong(param, input.value, t);
    const told = message && !input.value && param.kind === "key" ? `${message} ${t("call.fill.key")}` : message;
    trouble.textContent = told;
    trouble.hidden = !told;
    input.setAttribute("aria-invalid", told ? "true" : "false");
    return Boolean(told);
  }

  function typed() {
    changed(input.value);
    check();
  }

  function encoded() {
    input.value = encode(input.value);
    typed();
    input.focus();
  }

  const encoder = param.kind === "base64" && el("button", { type: "button", class: "quiet", "aria-label": `${t("call.encode")}: ${param.name}`, on: { click: encoded } }, t("call.encode"));
  const label = el("label", { for: id }, el("code", {}, param.name), param.required && el("span", { class: "must" }, ` ${t("required")}`));
  return { element: el("div", { class: "field" }, label, input, encoder, about, trouble), check, input };
}
