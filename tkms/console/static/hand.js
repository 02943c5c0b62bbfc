// What needs a hand: what ends, what waits, and scheduled work that does not run.

import { el, fill } from "./dom.js";
import { name } from "./keys.js";
import { format } from "./route.js";
import { day, days, time } from "./when.js";

const SOON = 30;
const LATE = 3600;

export async function load(app) {
  // Who may not list keys is told the rest.
  const keys = app.ask("keys").catch((error) => {
    if (error.status === 401) throw error;
    return null;
  });
  [app.hand, app.handKeys] = [await app.ask("hand"), await keys];
}

function ofKey(key, now, t) {
  const found = [];
  if (key.state === "PendingDeletion") found.push(["now", t("hand.deletion", time(key.deletion_date), days(key.deletion_date))]);
  if (key.state === "PendingImport") found.push(["soon", t("hand.import")]);
  if (key.material_expires && days(key.material_expires) <= SOON) found.push(["soon", t("hand.material", time(key.material_expires), days(key.material_expires))]);
  if (key.next_rotation && key.next_rotation < now - LATE && key.state === "Enabled") found.push(["now", t("hand.rotation", day(key.next_rotation))]);
  return found;
}

export function show(root, app) {
  const { t, hand, handKeys } = app;
  const now = Date.now() / 1000;
  const item = (kind, what, said) => el("li", { "data-kind": kind }, el("p", {}, what), el("p", {}, said));
  const keys = (handKeys?.keys ?? []).flatMap((key) =>
    ofKey(key, now, t).map(([kind, said]) => item(kind, el("a", { href: format({ ...app.kept(), tab: "keys", key: key.id }), title: key.id }, name(key)), said)),
  );
  const credentials = hand.credentials
    .filter((one) => one.enabled && one.expires && days(one.expires) <= SOON)
    .map((one) => item(one.expires < now ? "now" : "soon", [el("code", {}, one.id), ` ${one.name}`], one.expires < now ? t("hand.expired", time(one.expires)) : t("hand.expires", time(one.expires), days(one.expires))));
  const sweeps = (hand.sweeps ?? []).filter(({ late }) => late).map(({ job, seen }) => item("now", el("code", {}, job), seen ? t("hand.sweep", time(seen)) : t("hand.sweep.never")));
  const log = hand.trouble ? [item("now", t("hand.log"), hand.trouble)] : [];
  const part = (title, items) => [el("h2", {}, t(title)), items.length ? el("ul", { class: "hand" }, items) : el("p", { class: "good" }, t("hand.none"))];
  fill(
    root,
    el("h1", { class: "quiet-heading" }, t("tab.hand")),
    hand.sweeps ? null : el("p", { class: "may" }, t("hand.own")),
    part("hand.keys", keys),
    part("hand.credentials", credentials),
    hand.sweeps ? part("hand.work", [...sweeps, ...log]) : null,
  );
  return null;
}
