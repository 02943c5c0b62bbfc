// Search: operations of every dialect by name, parameter, error code and words, while somebody types.

import { el, fill } from "./dom.js";
import { describe } from "./operation.js";
import { find, search, searchErrors } from "./reference.js";

const chosen = new Set();

export function show(root, app, route) {
  const { t, reference } = app;
  let results = [];
  let at = -1;

  const count = el("p", { class: "may", role: "status" });
  const list = el("ul", { id: "results", role: "listbox", "aria-label": t("search.results") });
  const details = el("section", { class: "details", "aria-live": "off" });
  const input = el("input", {
    id: "query",
    type: "search",
    role: "combobox",
    autocomplete: "off",
    spellcheck: "false",
    placeholder: t("search.placeholder"),
    value: route.q,
    "aria-label": t("search.label"),
    "aria-controls": "results",
    "aria-expanded": "true",
    "aria-describedby": "search-hint",
    on: { input: find_, keydown: press },
  });

  function option({ operation, why }, n) {
    const because = why && el("span", { class: "why" }, t(`why.${why.kind}`, why.what));
    return el(
      "li",
      { role: "option", id: `result-${n}`, "aria-selected": "false", on: { click: () => choose(n) } },
      el("b", {}, operation.name),
      el("span", { class: "from" }, operation.dialect.name),
      el("span", { class: "say" }, operation.say[app.lang === "zh" ? 1 : 0]),
      because,
    );
  }

  function errorCards() {
    const rows = searchErrors(reference, input.value, chosen).slice(0, 6);
    if (!rows.length) return null;
    const card = ({ dialect, status, code, errors }) =>
      el(
        "li",
        {},
        el("p", {}, el("code", {}, code), " ", el("span", { class: "may" }, `${dialect.title} · HTTP ${status}`)),
        errors.map((error) => el("p", {}, error[app.lang].join(" "))),
      );
    return el("section", { class: "errors", "aria-label": t("search.errors") }, el("h2", {}, t("search.errors")), el("ul", {}, rows.map(card)));
  }

  function find_() {
    results = search(reference, input.value, chosen);
    fill(list, results.map(option));
    list.hidden = !results.length;
    const cards = errorCards();
    count.textContent = results.length || cards ? t("search.count", results.length) : t("search.none");
    fill(found, cards);
    const now = results.findIndex(({ operation }) => operation.name === route.operation && operation.dialect.name === route.dialect);
    mark(now, false);
    app.note({ ...route, q: input.value });
  }

  function mark(n, scroll = true) {
    list.children[at]?.setAttribute("aria-selected", "false");
    at = n;
    const row = list.children[at];
    if (!row) return input.removeAttribute("aria-activedescendant");
    row.setAttribute("aria-selected", "true");
    input.setAttribute("aria-activedescendant", row.id);
    if (scroll) row.scrollIntoView({ block: "nearest" });
    return undefined;
  }

  function choose(n) {
    const { operation } = results[n];
    route = { ...route, dialect: operation.dialect.name, operation: operation.name, q: input.value };
    mark(n);
    fill(details, describe(operation, app));
    app.note(route);
  }

  function press(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (event.key in steps && results.length) {
      event.preventDefault();
      choose((at + steps[event.key] + results.length) % results.length);
    } else if (event.key === "Enter" && results.length) {
      event.preventDefault();
      const { operation } = results[Math.max(at, 0)];
      app.go({ ...app.kept(), tab: "call", dialect: operation.dialect.name, operation: operation.name });
    } else if (event.key === "Escape" && input.value) {
      event.preventDefault();
      input.value = "";
      find_();
    }
  }

  const chip = (dialect) =>
    el(
      "label",
      { class: "chip" },
      el("input", {
        type: "checkbox",
        checked: chosen.has(dialect.name),
        on: {
          change: (event) => {
            chosen[event.target.checked ? "add" : "delete"](dialect.name);
            find_();
          },
        },
      }),
      el("span", {}, dialect.name),
    );

  const found = el("div");
  fill(
    root,
    el("h1", { class: "quiet-heading" }, t("tab.search")),
    el(
      "div",
      { class: "search" },
      el(
        "div",
        { class: "finder" },
        input,
        el("p", { id: "search-hint", class: "may" }, t("search.hint")),
        el("fieldset", { class: "chips" }, el("legend", {}, t("search.dialects")), [...reference.dialects.values()].map(chip)),
        count,
        list,
        found,
      ),
      details,
    ),
  );
  find_();
  const operation = find(reference, route.dialect, route.operation);
  fill(details, operation ? describe(operation, app) : el("p", { class: "may" }, t("operation.pick")));
  return input;
}
