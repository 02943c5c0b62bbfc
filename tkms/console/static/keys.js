// Keys: a list of all that this access key may see, and what there is of the one that was chosen.

import { buttons } from "./acts.js";
import { el, fill, table } from "./dom.js";
import { list } from "./list.js";
import { format } from "./route.js";
import { dayOr, time } from "./when.js";

const KINDS = { Enabled: "good", Disabled: "quiet", Archived: "quiet" };
const kept = { query: "", state: "" };

export const state = (name, t) => el("span", { class: "state", "data-kind": KINDS[name] ?? "bad" }, t(`state.${name}`));
export const name = (key) => (key.aliases.length ? `alias/${key.aliases[0]}` : key.id);

export async function load(app, route) {
  await app.ask("keys");
  if (route.key) await app.ask(`key?id=${route.key}`).then((told) => (app.chosen = told), (error) => {
    if (error.status === 401) throw error;
    app.chosen = { error };
  });
  app.listed = await app.ask("keys");
}

const text = (key) => [key.id, key.spec, key.description, ...key.aliases.map((alias) => `alias/${alias}`), ...Object.entries(key.tags).flat()].join("\n").toLowerCase();

export function show(root, app, route) {
  const { t, listed } = app;
  const all = listed.keys;
  const count = el("p", { class: "may", role: "status" });
  const place = (key) => format({ ...app.kept(), tab: "keys", key });
  const rows = list(
    t("keys.list"),
    (key) => [el("a", { href: place(key.id), title: key.id }, name(key)), state(key.state, t), key.spec, key.description || (key.aliases.length ? key.id : "")],
    (key) => key.id === route.key,
  );
  const query = el("input", { id: "query", type: "search", autocomplete: "off", spellcheck: "false", value: kept.query, on: { input: search } });
  const states = [...new Set(all.map((key) => key.state))].sort();
  const chosen = el("select", { id: "state", on: { change: search } }, ["", ...states].map((one) => el("option", { value: one, selected: one === kept.state }, one ? t(`state.${one}`) : t("keys.any"))));
  let found = all;

  function search() {
    Object.assign(kept, { query: query.value, state: chosen.value });
    const words = kept.query.toLowerCase().split(/\s+/).filter(Boolean);
    found = all.filter((key) => (!kept.state || key.state === kept.state) && (!words.length || words.every((word) => text(key).includes(word))));
    count.textContent = t("keys.count", found.length, listed.total);
    rows.show(found);
  }

  const details = el("section", { class: "details", "aria-label": t("keys.details") });
  fill(
    root,
    el("h1", { class: "quiet-heading" }, t("tab.keys")),
    el(
      "div",
      { class: "keys", "data-chosen": Boolean(route.key) },
      el(
        "div",
        { class: "listed" },
        el("div", { class: "bar" }, el("label", { class: "grows", for: "query" }, el("span", {}, t("keys.search")), query), el("label", { for: "state" }, el("span", {}, t("keys.state")), chosen)),
        count,
        rows.element,
      ),
      route.key ? details : null,
    ),
  );
  search();
  if (!route.key) return query;
  rows.reveal(found.findIndex((key) => key.id === route.key));
  const back = el("p", { class: "back" }, el("a", { href: place("") }, t("keys.back")));
  const { error } = app.chosen;
  const heading = el("h2", { tabindex: "-1" }, error ? route.key : name(app.chosen.key));
  fill(details, back, heading, error ? el("p", { class: "wrong" }, t("refused", error.code, error.message)) : told(app, app.chosen));
  return heading;
}

function told(app, { key, versions, uses, since, whole }) {
  const { t } = app;
  const fact = (label, value) => (value ? [el("dt", {}, t(label)), el("dd", {}, value)] : []);
  const never = t("never");
  const tags = Object.entries(key.tags).map(([tag, value]) => el("div", {}, el("code", {}, tag), " = ", el("code", {}, value)));
  return [
    el(
      "dl",
      {},
      fact("key.id", el("code", {}, key.id)),
      fact("key.state", state(key.state, t)),
      fact("key.deletion", key.deletion_date && time(key.deletion_date)),
      fact("key.spec", `${key.spec}, ${key.usage}, ${key.origin}`),
      fact("key.aliases", key.aliases.length && key.aliases.map((alias) => el("div", {}, el("code", {}, `alias/${alias}`)))),
      fact("key.description", key.description),
      fact("key.tags", tags.length && tags),
      fact("key.created", `${time(key.created)} · ${key.creator}`),
      fact("key.rotation", key.rotation_seconds ? t("key.rotation.every", Math.round(key.rotation_seconds / 8640) / 10) : t("key.rotation.off")),
      fact("key.rotates", dayOr(key.next_rotation, never)),
      fact("key.rotated", dayOr(key.last_rotation, never)),
      fact("key.material", key.material_expires && time(key.material_expires)),
      fact("key.protected", key.deletion_protection && t("yes")),
    ),
    el("h3", {}, t("acts")),
    buttons(app, key),
    el("h3", {}, t("uses")),
    el("p", { class: "may" }, since ? t("uses.since", time(since)) : t("uses.all"), whole ? null : ` ${t("uses.own")}`),
    uses.length
      ? table(
          t("uses"),
          ["uses.who", "uses.what", "uses.outcome", "uses.count", "uses.last"].map((head) => t(head)),
          uses.slice(0, 100).map((use) => [el("code", {}, use.principal), use.action, use.outcome, String(use.count), time(use.last)]),
        )
      : el("p", {}, t("uses.none")),
    el("h3", {}, t("versions")),
    versions
      ? [
          el("p", { class: "may" }, t("versions.count", versions.versions.length, versions.total)),
          table(
            t("versions"),
            ["versions.id", "versions.created", "versions.how"].map((head) => t(head)),
            [...versions.versions].reverse().map((one) => [
              el("code", {}, one.key_version_id),
              time(one.created),
              [one.key_version_id === key.primary_version_id && t("versions.primary"), one.scheduled === null ? "" : t(one.scheduled ? "versions.scheduled" : "versions.hand")].filter(Boolean).join(" · "),
            ]),
          ),
        ]
      : el("p", {}, t("versions.denied")),
  ];
}
