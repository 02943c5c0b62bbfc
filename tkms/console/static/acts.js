// What can be done to a key. Each is confirmed by typing which key it is.

import { Refused, post } from "./api.js";
import { el, fill } from "./dom.js";

const GOING = "PendingDeletion";
const entry = (id, kind = "text", more = {}) => ({ id, kind, ...more });

// act, when it is offered, and what it needs beside the key.
const ACTS = [
  { act: "disable", fits: (key) => key.state === "Enabled" },
  { act: "enable", fits: (key) => key.state === "Disabled" },
  { act: "rotate", fits: (key) => key.state === "Enabled" },
  { act: "alias-add", fits: (key) => key.state !== GOING, fields: [entry("name")] },
  { act: "alias-remove", fits: (key) => key.aliases.length > 0, fields: [entry("name", "choice", { of: (key) => key.aliases })] },
  { act: "tag-add", fits: (key) => key.state !== GOING, fields: [entry("name"), entry("value")] },
  { act: "tag-remove", fits: (key) => Object.keys(key.tags).length > 0, fields: [entry("name", "choice", { of: (key) => Object.keys(key.tags) })] },
  { act: "schedule-deletion", fits: (key) => key.state !== GOING, fields: [entry("days", "number")] },
  { act: "cancel-deletion", fits: (key) => key.state === GOING },
];

export const buttons = (app, key) =>
  el(
    "div",
    { class: "acts" },
    ACTS.filter(({ fits }) => fits(key)).map((row) => el("button", { type: "button", class: "quiet", id: `act-${row.act}`, on: { click: () => ask(app, key, row) } }, app.t(`act.${row.act}`))),
  );

function control({ id, kind, of }, key, label) {
  const field =
    kind === "choice"
      ? el("select", { id: `order-${id}` }, of(key).map((one) => el("option", { value: one }, one)))
      : el("input", { id: `order-${id}`, type: kind, autocomplete: "off", spellcheck: "false", value: kind === "number" ? "30" : "", min: kind === "number" ? "7" : false });
  return { id, field, element: el("div", { class: "field" }, el("label", { for: `order-${id}` }, label), field) };
}

function ask(app, key, { act, fields = [] }) {
  const { t } = app;
  const controls = fields.map((field) => control(field, key, t(`order.${act}.${field.id}`)));
  const confirm = el("input", { id: "confirm", type: "text", autocomplete: "off", spellcheck: "false", "aria-describedby": "confirm-names", on: { input: judge } });
  const go = el("button", { type: "submit", id: "go", disabled: true }, t(`act.${act}`));
  const trouble = el("p", { class: "wrong", role: "alert" });
  const names = [key.id, ...key.aliases.map((alias) => `alias/${alias}`)];
  const named = () => names.includes(confirm.value.trim());

  function judge() {
    go.disabled = !named();
  }

  async function submit(event) {
    event.preventDefault();
    if (!named()) return;
    go.disabled = true;
    const given = Object.fromEntries(controls.map(({ id, field }) => [id, id === "days" ? Number(field.value) : field.value.replace(act === "alias-add" ? /^alias\// : /^$/, "")]));
    try {
      await post("act", { act, key: key.id, confirm: confirm.value.trim(), ...given });
      dialog.close();
      app.forget();
      await app.show();
    } catch (error) {
      judge();
      trouble.textContent = error instanceof Refused ? t("refused", error.code, error.message) : t("failed", error.message);
    }
  }

  const dialog = el("dialog", { "aria-labelledby": "order-title", on: { close: () => dialog.remove() } });
  fill(
    dialog,
    el(
      "form",
      { novalidate: true, autocomplete: "off", on: { submit } },
      el("h2", { id: "order-title" }, t(`act.${act}`)),
      el("p", {}, t(`order.${act}`)),
      controls.map(({ element }) => element),
      el("div", { class: "field" }, el("label", { for: "confirm" }, t("order.confirm")), confirm, el("p", { class: "may", id: "confirm-names" }, names.slice(0, 3).map((one) => el("div", {}, el("code", {}, one))))),
      el("div", { class: "acts" }, go, el("button", { type: "button", class: "quiet", id: "cancel", on: { click: () => dialog.close() } }, t("cancel"))),
      trouble,
    ),
  );
  document.body.append(dialog);
  dialog.showModal();
  (controls[0]?.field ?? confirm).focus();
}
